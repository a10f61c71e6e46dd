//! Stories of the `kafka` trigger.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use krafka::admin::{CreateTopicsOptions, NewTopic};
use krafka::consumer::AutoOffsetReset;
use krafka::{ConsumerRecord, Kafka};
use tiphys_testbed::{Broker, BrokerOptions, BrokerServer};
use tiphys_tests::eventually;
use tiphys_tests::web::{Web, answer};

use crate::running::{KnownValues, Running, Setting};

/// How many partitions a topic has.
const PARTITIONS: i32 = 3;

fn spec(kafka: &str) -> String {
    format!(
        "dependencies: [{{name: dep, eventSourceName: source, eventName: order}}]
triggers:
- template:
    name: tell
    kafka:
      payload: [{{src: {{dependencyName: dep, dataKey: id}}, dest: order}}]
      {}
",
        kafka.trim().replace('\n', "\n      ")
    )
}

async fn server(options: BrokerOptions) -> BrokerServer {
    tokio::task::spawn_blocking(move || BrokerServer::start(Broker::Kafka, &options))
        .await
        .unwrap()
        .unwrap()
}

async fn connect(server: &BrokerServer) -> Kafka {
    eventually("a connection", || async {
        Kafka::builder(server.address()).connect().await.ok()
    })
    .await
}

/// A topic that takes messages of so many bytes.
async fn create(server: &BrokerServer, topic: &str, bytes: usize) {
    let new = NewTopic::new(topic, PARTITIONS, 1).unwrap();
    let new = new.with_config("max.message.bytes", bytes.to_string());
    let admin = connect(server).await.admin();
    let created = admin.create_topics([new], CreateTopicsOptions::default());
    created.await.unwrap().remove(topic).unwrap().unwrap();
    admin.close().await.unwrap();
}

/// Waits for the first messages of a topic.
async fn received(server: &BrokerServer, topic: &str, count: usize) -> Vec<ConsumerRecord> {
    let kafka = connect(server).await;
    let consumer = kafka
        .consumer_without_group()
        .auto_offset_reset(AutoOffsetReset::Earliest)
        .build()
        .await
        .unwrap();
    let partitions = (0..PARTITIONS).collect();
    consumer.assign(topic, partitions).await.unwrap();
    let mut received = Vec::new();
    while received.len() < count {
        received.extend(consumer.poll(Duration::from_secs(1)).await.unwrap());
    }
    consumer.close().await.unwrap();
    received
}

#[tokio::test]
async fn a_message_arrives_with_its_key_and_headers() {
    let server = server(BrokerOptions::default()).await;
    create(&server, "orders.paris", 1_000_000).await;
    let spec = spec(&format!(
        "url: {}
topic: orders
compress: true
requiredAcks: 1
flushFrequency: 20
partitioningKey: none
headers: {{team: harbour}}
secureHeaders: [{{name: Token, valueFrom: {{secretKeyRef: {{name: kafka, key: token}}}}}}]
parameters:
- {{src: {{dependencyName: dep, dataKey: shop}}, dest: topic, operation: append}}
- {{src: {{dependencyName: dep, dataKey: customer}}, dest: partitioningKey}}",
        server.address()
    ));
    let values = KnownValues::of(&[("kafka", "token", "t0ken")]);
    let setting = Setting {
        values,
        ..Setting::default()
    };
    let sensor = Running::start(&spec, setting).await;
    for id in [7, 8] {
        let event = format!(r#"{{"id":{id},"shop":".paris","customer":"foobar"}}"#);
        sensor.publish("order", &event).await;
    }

    let mut received = received(&server, "orders.paris", 2).await;
    received.sort_by_key(|record| record.value.clone());
    let mut ids = Vec::new();
    for (record, payload) in received
        .iter()
        .zip([r#"{"order":"7"}"#, r#"{"order":"8"}"#])
    {
        assert_eq!(record.value_str(), Some(payload));
        assert_eq!(record.key_str(), Some("foobar"));
        // The hash of the key is -1080231576: where Argo Events' client sends it, too.
        assert_eq!(record.partition, 0);
        assert_eq!(record.header_str("team"), Some("harbour"));
        assert_eq!(record.header_str("Token"), Some("t0ken"));
        ids.push(record.header_str("tiphys-event-id").unwrap());
    }
    assert_eq!(ids[0].len(), 32);
    assert_ne!(ids[0], ids[1]);
    sensor.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_are_away_are_waited_for() {
    let mut server = server(BrokerOptions::default()).await;
    create(&server, "orders", 1_000_000).await;
    let spec = spec(&format!("url: {}\ntopic: orders", server.address()));
    let sensor = Running::start(&spec, Setting::default()).await;
    sensor.publish("order", r#"{"id":7}"#).await;
    received(&server, "orders", 1).await;
    server.kill().unwrap();
    sensor.publish("order", r#"{"id":8}"#).await;
    let unavailable = sensor.unavailable().await;
    assert!(
        unavailable.contains("send to the topic orders of"),
        "{unavailable}"
    );
    tokio::task::block_in_place(|| server.restart()).unwrap();
    let received = received(&server, "orders", 2).await;
    let mut payloads: Vec<_> = received
        .iter()
        .filter_map(|record| record.value_str())
        .collect();
    payloads.sort_unstable();
    assert_eq!(payloads, [r#"{"order":"7"}"#, r#"{"order":"8"}"#]);
    assert!(sensor.dead_letters().await.is_empty());
    sensor.stop().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused() {
    let server = server(BrokerOptions::default()).await;
    create(&server, "orders", 1_000).await;
    let spec = spec(&format!("url: {}\ntopic: orders", server.address()));
    let sensor = Running::start(&spec, Setting::default()).await;
    let event = format!(r#"{{"id":"{}"}}"#, "x".repeat(2_000));
    sensor.publish("order", &event).await;
    let letter = sensor.dead_letter().await;
    assert!(
        letter.error.contains("send to the topic orders of"),
        "{}",
        letter.error
    );
    sensor.stop().await;
}

#[tokio::test]
async fn a_login_that_is_refused_is_waited_for() {
    let server = server(BrokerOptions {
        password: Some("right".to_owned()),
        tls: false,
    })
    .await;
    let spec = spec(&format!(
        "url: {}
topic: orders
sasl:
  userSecret: {{name: kafka, key: user}}
  passwordSecret: {{name: kafka, key: word}}",
        server.address()
    ));
    let values = KnownValues::of(&[("kafka", "user", "tiphys"), ("kafka", "word", "mistaken")]);
    let setting = Setting {
        values,
        ..Setting::default()
    };
    let sensor = Running::start(&spec, setting).await;
    sensor.publish("order", r#"{"id":7}"#).await;
    let unavailable = sensor.unavailable().await;
    assert!(unavailable.contains("authentication"), "{unavailable}");
    assert!(!unavailable.contains("mistaken"), "{unavailable}");
    assert!(sensor.dead_letters().await.is_empty());
    sensor.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_written_by_its_schema() {
    let schema = r#"{"type":"record","name":"Order","fields":[
        {"name":"order","type":{"type":"enum","name":"Id","symbols":["S7","S9"]}},
        {"name":"note","type":["null","string"],"default":null}]}"#;
    let is_registered = Arc::new(AtomicBool::new(false));
    let registered = is_registered.clone();
    let registry = Web::start(move |asked| {
        let is_it = asked.path == "/schemas/ids/258" && registered.load(Ordering::Relaxed);
        if is_it {
            return answer(200).body(serde_json::json!({"schema": schema}).to_string());
        }
        answer(404).body(r#"{"error_code":40403,"message":"Schema 258 not found"}"#)
    })
    .await;
    let server = server(BrokerOptions::default()).await;
    create(&server, "orders", 1_000_000).await;
    let spec = spec(&format!(
        "url: {}\ntopic: orders\nschemaRegistry: {{url: {}, schemaId: 258}}",
        server.address(),
        registry.url("")
    ));
    let sensor = Running::start(&spec, Setting::default()).await;
    sensor.publish("order", r#"{"id":"S9"}"#).await;
    let unavailable = sensor.unavailable().await;
    assert!(
        unavailable.contains("Schema 258 not found"),
        "{unavailable}"
    );

    is_registered.store(true, Ordering::Relaxed);
    let received = received(&server, "orders", 1).await;
    assert_eq!(
        received[0].value.as_deref(),
        Some(&b"\0\0\0\x01\x02\x02\0"[..])
    );
    sensor.publish("order", r#"{"id":"S8"}"#).await;
    let letter = sensor.dead_letter().await;
    assert_eq!(
        letter.error,
        "write the message with schema 258: order: \"S8\" is no symbol of S7, S9"
    );
    sensor.stop().await;
}
