//! Events that nobody should have published: dead-lettered with a reason, counted, and in nobody's way.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;
use tiphys_eventbus::DeadLetterReason;
use tiphys_tests::{World, eventually};

use crate::wire::{self, Wire, cloud_event, outcome};

/// Writes a value of the event, and prints the events.
const TRIGGERS: &str = "
  - template:
      name: keep
      conditions: a
      k8s:
        operation: create
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {name: kept-}}
        parameters:
        - {src: {dependencyName: a, dataKey: name}, dest: metadata.name, operation: append}
  - template: {name: print, conditions: a, log: {}}
";

/// The largest message that a NATS server takes unless it is told otherwise, without its headers.
const HUGE: usize = 1024 * 1024 - 512;

/// Messages that are no events.
fn no_events() -> [(&'static str, Vec<u8>); 9] {
    let nested = nested();
    let envelope = |rest: &str| {
        let start =
            r#"{"specversion":"1.0","id":"e","source":"input","type":"webhook","subject":"a""#;
        format!("{start},{rest}}}").into_bytes()
    };
    [
        ("empty", Vec::new()),
        ("no-json", b"all hands on deck".to_vec()),
        ("no-utf8", vec![0xff, 0xfe, 0x00]),
        ("no-event", b"{}".to_vec()),
        ("bad-base64", envelope(r#""data_base64":"%%%""#)),
        ("nested-data", envelope(&format!(r#""data":{nested}"#))),
        ("half", envelope(r#""data":{"#)),
        ("brackets", nested.into_bytes()),
        ("huge", vec![b'x'; HUGE]),
    ]
}

/// Events whose data is not what the trigger needs.
fn useless_data() -> [(&'static str, Vec<u8>); 5] {
    [
        ("text", b"not JSON".to_vec()),
        ("huge-text", vec![b'"'; 700_000]),
        ("deep", format!(r#"{{"name":{}}}"#, nested()).into_bytes()),
        ("nameless", br#"{"title":"mate"}"#.to_vec()),
        ("refused", br#"{"name":"Not A Name!"}"#.to_vec()),
    ]
}

fn nested() -> String {
    format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))
}

#[tokio::test]
async fn poison_is_put_aside_with_its_reason_and_the_next_event_fires() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    let mut tiphys = wire::desk(&world, TRIGGERS).start();
    wire::listening(&tiphys).await;

    for (id, payload) in no_events() {
        wire.send("default.input.a", id, payload).await;
    }
    let letters = wire.dead_letters(18).await;
    for letter in &letters {
        assert_eq!(letter.reason, DeadLetterReason::Malformed, "{letter:?}");
        assert!(!letter.error.is_empty());
        let (sensor, subject) = (letter.sensor.as_str(), letter.subject.to_string());
        assert_eq!((sensor, subject.as_str()), ("workbench", "default.input.a"));
    }
    let cut = letters
        .iter()
        .filter(|letter| letter.cut_from == Some(HUGE));
    assert_eq!(cut.count(), 2, "what does not fit is cut, not dropped");

    for (id, data) in useless_data() {
        let event = cloud_event("input", "a", id, &data);
        wire.send("default.input.a", id, event).await;
    }
    wire.event("input", "a", "good", &json!({"name": "treasure"}))
        .await;
    let maps = world.api::<ConfigMap>().await;
    eventually("the next good event", || async {
        maps.get("kept-treasure").await.ok()
    })
    .await;
    for letter in &wire.dead_letters(23).await[18..] {
        assert_eq!(letter.trigger, "keep");
        let expected = if letter.error.contains("Not A Name!") {
            DeadLetterReason::RetriesExhausted
        } else {
            DeadLetterReason::RenderFailed
        };
        assert_eq!(letter.reason, expected, "{}", letter.error);
    }
    outcome(&tiphys, "keep", "dead_lettered", 14).await;
    outcome(&tiphys, "keep", "fired", 1).await;
    outcome(&tiphys, "print", "dead_lettered", 9).await;
    outcome(&tiphys, "print", "fired", 6).await;
    // Nothing got lost in between: what was received is the sum of the outcomes.
    for trigger in ["trigger_name=\"keep\"", "trigger_name=\"print\""] {
        let sum = tiphys.count("tiphys_sensor_events", &[trigger]).await;
        assert_eq!(sum, 15);
    }
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}
