//! Kafka as an upstream: a group that shares the partitions of a topic out, and a single partition.

mod avro;
mod tokens;

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use krafka::admin::{CreateTopicsOptions, NewTopic};
use krafka::auth::AuthConfig;
use krafka::{Kafka, Record};
use serde_json::{Value, json};
use tiphys_testbed::{Broker, BrokerOptions, BrokerServer, Certificates};
use tiphys_tests::eventually;

use super::stage::{PASSWORD, Stage, listening, nameless, refused, silent};
use super::{Kind, Wanted, body, tls};
use crate::stored::stored;

/// The topic of the messages, and the group that reads them.
const TOPIC: &str = "orders";
const NAME: &str = "tiphys";

/// How many partitions a topic has that is shared.
const PARTITIONS: u64 = 4;

/// A server with a topic: one that a group reads, or one partition of it.
pub(super) struct Topic<const GROUP: bool> {
    server: BrokerServer,
    wanted: Wanted,
}

impl<const GROUP: bool> Topic<GROUP> {
    /// How many there are.
    fn partitions() -> i32 {
        i32::try_from(Self::LANES.unwrap_or(1)).unwrap()
    }

    async fn connect(&self) -> Kafka {
        eventually("a connection", || async {
            let builder = Kafka::builder(self.server.address());
            let builder = match self.wanted.password {
                Some(password) => builder.security(AuthConfig::sasl_plain("tiphys", password)),
                None => builder,
            };
            builder.connect().await.ok()
        })
        .await
    }

    async fn create(&self) {
        let partitions = Self::partitions();
        let topic = NewTopic::new(TOPIC, partitions, 1).unwrap();
        let admin = self.connect().await.admin();
        let created = admin.create_topics([topic], CreateTopicsOptions::default());
        created.await.unwrap().remove(TOPIC).unwrap().unwrap();
        admin.close().await.unwrap();
    }

    /// Sends records, and waits until the broker has them.
    async fn publish(&self, records: Vec<Record>) {
        let producer = self.connect().await.producer().build().await.unwrap();
        let mut sent = Vec::new();
        for record in records {
            sent.push(producer.enqueue(record).await.unwrap());
        }
        for acknowledged in sent {
            drop(acknowledged.await.unwrap());
        }
        producer.close().await.unwrap();
    }
}

#[async_trait]
impl<const GROUP: bool> Kind for Topic<GROUP> {
    const KEEPS: bool = true;
    const LANES: Option<u64> = Some(if GROUP { PARTITIONS } else { 1 });
    const PASSWORD: &'static str = "spec.kafka.ev.sasl";

    async fn start(wanted: Wanted) -> Self {
        let options = BrokerOptions {
            password: wanted.password.map(str::to_owned),
            tls: wanted.tls,
        };
        let starting = move || BrokerServer::start(Broker::Kafka, &options);
        let server = tokio::task::spawn_blocking(starting).await.unwrap();
        let server = server.unwrap();
        let topic = Self { server, wanted };
        topic.create().await;
        topic
    }

    fn spec(&self) -> (&'static str, Value) {
        let mut event = json!({
            "url": self.server.address(), "topic": TOPIC, "jsonBody": true,
        });
        if GROUP {
            event["consumerGroup"] = json!({"groupName": NAME});
        } else {
            event["partition"] = "0".into();
        }
        if self.wanted.tls {
            event["url"] = self.server.tls_address().into();
            event["tls"] = tls();
        }
        if self.wanted.password.is_some() {
            event["sasl"] = sasl("PLAIN");
        }
        ("kafka", event)
    }

    fn certificates(&self) -> Option<&Certificates> {
        self.server.certificates()
    }

    async fn send(&mut self, numbers: Range<u64>) {
        let records = numbers.map(|number| {
            let partition = i32::try_from(number).unwrap() % Self::partitions();
            Record::new(TOPIC, body(number)).partition(partition)
        });
        self.publish(records.collect()).await;
    }

    async fn send_body(&mut self, body: &[u8]) {
        let record = Record::new(TOPIC, body.to_vec()).partition(0);
        self.publish(vec![record]).await;
    }

    /// What the group has not committed.
    async fn left(&mut self) -> u64 {
        if !GROUP {
            return 0;
        }
        let kafka = self.connect().await;
        let consumer = kafka.consumer(NAME).build().await.unwrap();
        let partitions = 0..Self::partitions();
        let all: Vec<(&str, i32)> = partitions.map(|partition| (TOPIC, partition)).collect();
        let committed = consumer.committed(&all).await.unwrap();
        let mut left = 0;
        for (topic, partition) in all {
            let (_, end) = consumer.fetch_watermarks(topic, partition).await.unwrap();
            let done = committed.get(&(topic.to_owned(), partition));
            left += end - done.map_or(0, |done| done.offset);
        }
        consumer.close().await.unwrap();
        u64::try_from(left).unwrap()
    }

    fn kill(&mut self) {
        self.server.kill().unwrap();
    }

    fn restart(&mut self) {
        self.server.restart().unwrap();
    }
}

fn sasl(mechanism: &str) -> Value {
    let key = |key: &str| json!({"name": "login", "key": key});
    json!({"mechanism": mechanism, "userSecret": key("user"), "passwordSecret": key("password")})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_is_killed_under_load_loses_nothing_of_the_group() {
    let mut stage = Stage::<Topic<true>>::usual().await;
    let (mut one, other) = (stage.start("pod-0").await, stage.start("pod-1").await);
    for round in 0..20 {
        let sent = round * 100;
        stage.broker.send(sent..sent + 100).await;
        if round == 10 {
            one.kill();
            one.ended().await;
        }
    }
    stage.check_nothing_left().await;
    stage.check_all(2000).await;
    drop(other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_says_nothing_is_noticed() {
    silent::<Topic<true>>(
        |broker| broker.server.freeze().unwrap(),
        |broker| broker.server.thaw().unwrap(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_wanted_and_not_shown_is_named() {
    nameless::<Topic<true>>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_logs_in_by_scram_over_tls() {
    let wanted = Wanted {
        password: Some(PASSWORD),
        tls: true,
    };
    // Versions before 3.5 cannot be given such users.
    let is_old = std::env::var("TIPHYS_KAFKA_VERSION").is_ok_and(|old| old.starts_with("3.3"));
    let mechanisms = if is_old {
        &["PLAIN"][..]
    } else {
        &["SCRAM-SHA-256", "SCRAM-SHA-512"]
    };
    for mechanism in mechanisms {
        let with_mechanism = |event: &mut Value| event["sasl"] = sasl(mechanism);
        let mut stage = Stage::<Topic<true>>::new(wanted, "", with_mechanism).await;
        stage.set_certificates(stage.broker.certificates().unwrap());
        stage.set_password("mistaken");
        let tiphys = stage.pods.start("pod-0");
        refused(&tiphys, "Unauthorized").await;
        stage.set_password(PASSWORD);
        listening(&tiphys).await;
        stage.broker.send(0..1).await;
        stage.stored(1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_an_event_with_its_key_and_headers() {
    let stage = Stage::<Topic<true>>::usual().await;
    let tiphys = stage.start("pod-0").await;
    let record = Record::new(TOPIC, body(7))
        .partition(2)
        .key("k")
        .timestamp(1_767_366_245_120)
        .header("trace", "a")
        .null_header("flag");
    stage.broker.publish(vec![record]).await;
    stage.stored(1).await;
    let events = stored(&stage.bus.url()).await;
    assert_eq!(
        events[0].payload,
        concat!(
            r#"{"topic":"orders","key":"k","partition":2,"body":{"n":7},"#,
            r#""timestamp":"2026-01-02 15:04:05.12 +0000 UTC","headers":{"flag":"","trace":"a"}}"#
        )
    );
    let id = format!("es:ev:{}:orders:2:0", stage.broker.server.address());
    assert_eq!(events[0].event["id"], id);
    drop(tiphys);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_group_begins_with_the_oldest_record_if_that_is_wanted() {
    let oldest = |event: &mut Value| event["consumerGroup"]["oldest"] = true.into();
    let mut stage = Stage::<Topic<true>>::new(Wanted::default(), "", oldest).await;
    stage.broker.send(0..100).await;
    let tiphys = stage.start("pod-0").await;
    stage.stored(100).await;
    stage.check_all_once(100).await;
    stage.check_nothing_left().await;
    drop(tiphys);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_is_not_there_is_named() {
    let seventh = |event: &mut Value| event["partition"] = "7".into();
    let stage = Stage::<Topic<false>>::new(Wanted::default(), "", seventh).await;
    let tiphys = stage.pods.start("pod-0");
    let health = refused(&tiphys, "NotFound").await;
    let message = health["message"].as_str().unwrap();
    assert!(
        message.contains("topic orders has no partition 7"),
        "{message}"
    );
}

/// While the bus takes nothing, a group still shares its partitions out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_goes_on_while_the_bus_is_away() {
    let mut stage = Stage::<Topic<true>>::usual().await;
    let one = stage.start("pod-0").await;
    stage.bus.kill(0).unwrap();
    stage.broker.send(0..2000).await;
    tiphys_tests::pause(Duration::from_secs(3)).await;
    let other = stage.pods.start("pod-1");
    tokio::task::block_in_place(|| stage.bus.restart(0)).unwrap();
    listening(&other).await;
    stage.stored(2000).await;
    stage.check_all_once(2000).await;
    stage.check_nothing_left().await;
    drop((one, other));
}
