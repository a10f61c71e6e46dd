//! Records in Avro, whose schemas are in a registry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use krafka::Record;
use serde_json::{Value, json};
use tiphys_tests::web::{Answer, Asked, Web, answer};

use super::super::Wanted;
use super::super::stage::{Stage, dead_letters, refused};
use super::{TOPIC, Topic};
use crate::stored::stored;

const ORDER: &str = r#"{"type":"record","name":"shop.Order","fields":[
    {"name":"n","type":"int"},{"name":"color","type":["null","shop.Color"]}]}"#;
const COLOR: &str = r#"{"type":"enum","name":"shop.Color","symbols":["RED","BLUE"]}"#;

/// What a registry answers to somebody with a login.
fn registered(asked: &Asked) -> Answer {
    // tiphys:right
    let is_known = asked.headers.get("authorization") == Some(&"Basic dGlwaHlzOnJpZ2h0".to_owned());
    if !is_known {
        return answer(401);
    }
    let (status, said) = match asked.path.as_str() {
        "/apis/schemas/ids/7" => (
            200,
            json!({
                "schema": ORDER,
                "references": [{"name": "shop.Color", "subject": "shop color", "version": 3}],
            }),
        ),
        "/apis/subjects/shop%20color/versions/3" => (200, json!({"id": 6, "schema": COLOR})),
        "/apis/schemas/ids/8" => (200, json!({"schema": "syntax", "schemaType": "PROTOBUF"})),
        _ => (
            404,
            json!({"error_code": 40403, "message": "Schema not found"}),
        ),
    };
    answer(status).body(said.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_in_avro_is_json_by_its_schema() {
    let is_up = Arc::new(AtomicBool::new(false));
    let up = is_up.clone();
    let registry = Web::start(move |asked| {
        if up.load(Ordering::Relaxed) {
            registered(asked)
        } else {
            answer(503)
        }
    })
    .await;
    let key = |key: &str| json!({"name": "login", "key": key});
    let with_registry = |event: &mut Value| {
        event["schemaRegistry"] = json!({
            "url": registry.url("/apis/"),
            "auth": {"username": key("user"), "password": key("password")},
        });
    };
    let stage = Stage::<Topic<true>>::new(Wanted::default(), "", with_registry).await;
    stage.set_password("right");
    let tiphys = stage.start("pod-0").await;
    let record = |value: &'static [u8]| Record::new(TOPIC, value).partition(0);
    let records = vec![
        record(b"\0\0\0\0\x07\x0e\x02\x02"),
        record(b"\0\0\0\0\x09\x0e\x02\x02"),
        record(b"\0\0\0\0\x08\x0e\x02\x02"),
        record(b"\0\0\0\0\x07\x0e\x02"),
        record(br#"{"n":7}"#),
        record(b"\0\0\0\0\x07\x0f\0"),
    ];
    stage.broker.publish(records).await;

    // A registry that is away keeps records where they are.
    let health = refused(&tiphys, "Unreachable").await;
    let message = health["message"].as_str().unwrap();
    assert!(message.contains("/apis/schemas/ids/7: 503"), "{message}");
    assert!(
        message.contains("spec.kafka.ev.schemaRegistry"),
        "{message}"
    );

    is_up.store(true, Ordering::Relaxed);
    stage.stored(2).await;
    dead_letters(&tiphys, 4).await;
    let bodies: Vec<Value> = stored(&stage.bus.url())
        .await
        .iter()
        .map(|stored| serde_json::from_str::<Value>(&stored.payload).unwrap()["body"].clone())
        .collect();
    assert_eq!(
        bodies,
        [
            json!({"n": 7, "color": {"shop.Color": "BLUE"}}),
            json!({"n": -8, "color": null}),
        ]
    );
    let schemas = registry.asked();
    let sevenths = schemas.iter().filter(|asked| asked.path.ends_with("ids/7"));
    let answered = sevenths.count();
    stage
        .broker
        .publish(vec![record(b"\0\0\0\0\x07\x0e\0")])
        .await;
    stage.stored(3).await;
    let schemas = registry.asked();
    let sevenths = schemas.iter().filter(|asked| asked.path.ends_with("ids/7"));
    assert_eq!(sevenths.count(), answered, "a schema is asked for once");
}
