//! NSQ as an upstream: a channel of a topic. nsqd is a fake of its protocol.

use std::ops::Range;

use async_trait::async_trait;
use serde_json::{Value, json};
use tiphys_testbed::Certificates;
use tiphys_tests::eventually;
use tiphys_tests::nsq::{NsqOptions, Nsqd};

use super::stage::{Stage, listening};
use super::{Kind, Wanted, body, tls};

const TOPIC: &str = "orders";
const CHANNEL: &str = "tiphys";

/// A topic with one nsqd.
pub(super) struct Topic {
    nsqd: Nsqd,
    wanted: Wanted,
}

#[async_trait]
impl Kind for Topic {
    const KEEPS: bool = true;
    const PASSWORD: &'static str = "spec.nsq.ev.authSecret";

    async fn start(wanted: Wanted) -> Self {
        let options = NsqOptions {
            secret: wanted.password,
            tls: wanted.tls,
        };
        let nsqd = Nsqd::start(options, &[TOPIC]).await;
        Self { nsqd, wanted }
    }

    fn spec(&self) -> (&'static str, Value) {
        let mut event = json!({
            "hostAddress": self.nsqd.lookupd(), "topic": TOPIC, "channel": CHANNEL, "jsonBody": true,
        });
        if self.wanted.tls {
            event["tls"] = tls();
        }
        if self.wanted.password.is_some() {
            event["authSecret"] = json!({"name": "login", "key": "password"});
        }
        ("nsq", event)
    }

    fn certificates(&self) -> Option<&Certificates> {
        self.nsqd.certificates()
    }

    async fn send(&mut self, numbers: Range<u64>) {
        self.nsqd
            .publish(TOPIC, numbers.map(|number| body(number).into_bytes()));
    }

    async fn send_body(&mut self, body: &[u8]) {
        self.nsqd.publish(TOPIC, [body.to_vec()]);
    }

    async fn left(&mut self) -> u64 {
        self.nsqd.depth(TOPIC, CHANNEL).try_into().unwrap()
    }

    fn kill(&mut self) {
        self.nsqd.kill();
    }

    fn restart(&mut self) {
        self.nsqd.restart();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nsqds_of_a_topic_are_listened_to_and_one_that_is_gone_is_said() {
    let mut other = Nsqd::start(NsqOptions::default(), &[TOPIC]).await;
    let mut nsqd = Nsqd::start(NsqOptions::default(), &[TOPIC]).await;
    let lookupd = Nsqd::lookupd_of(&[&nsqd, &other]).await;
    let address = lookupd.address().to_string();
    let edit = |event: &mut Value| event["hostAddress"] = address.into();
    let mut stage = Stage::<Topic>::new(Wanted::default(), "", edit).await;
    let tiphys = stage.start("pod-0").await;
    nsqd.publish(TOPIC, (0..100).map(|number| body(number).into_bytes()));
    other.publish(TOPIC, (100..200).map(|number| body(number).into_bytes()));
    stage.stored(200).await;
    stage.check_all_once(200).await;

    other.kill();
    let is_impaired = |report: &Value| {
        let health = &report["parts"][0]["health"];
        health.to_string().contains(&other.address())
    };
    tiphys.reported("that one is gone", is_impaired).await;
    nsqd.publish(TOPIC, (200..300).map(|number| body(number).into_bytes()));
    stage.stored(300).await;
    tokio::task::block_in_place(|| other.restart());
    other.publish(TOPIC, (300..400).map(|number| body(number).into_bytes()));
    stage.stored(400).await;
    stage.check_all_once(400).await;
    nsqd.kill();
    stage.broker.nsqd.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_not_there_yet_is_said_and_listened_to_when_it_is() {
    let edit = |event: &mut Value| event["topic"] = "returns".into();
    let stage = Stage::<Topic>::new(Wanted::default(), "", edit).await;
    let tiphys = stage.pods.start("pod-0");
    let is_missing = |report: &Value| report["parts"][0]["health"]["reason"] == "NotFound";
    let report = tiphys.reported("that there is no topic", is_missing).await;
    let message = report["parts"][0]["health"]["message"].as_str().unwrap();
    assert!(message.contains("spec.nsq.ev.topic"), "{message}");
    stage.broker.nsqd.publish("returns", [body(7).into_bytes()]);
    listening(&tiphys).await;
    stage.stored(1).await;
    assert_eq!(stage.numbers().await, [7]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_the_bus_is_kept_and_what_is_stopped_goes_back_at_once() {
    let mut stage = Stage::<Topic>::usual().await;
    let mut tiphys = stage.start("pod-0").await;
    stage.broker.send(0..1).await;
    stage.stored(1).await;
    stage.bus.kill(0).unwrap();
    stage.broker.send(1..50).await;
    let nsqd = &stage.broker.nsqd;
    let in_flight = || nsqd.in_flight(TOPIC, CHANNEL);
    eventually("messages in flight", || async {
        (in_flight() > 0).then_some(())
    })
    .await;
    // Longer than nsqd leaves a message with a client that says nothing.
    tiphys_tests::pause(std::time::Duration::from_secs(5)).await;
    assert!(in_flight() > 0);
    tiphys.stop().await;
    assert_eq!(nsqd.in_flight(TOPIC, CHANNEL), 0);
    assert_eq!(nsqd.depth(TOPIC, CHANNEL), 49);
    tokio::task::block_in_place(|| stage.bus.restart(0)).unwrap();
    let _next = stage.start("pod-1").await;
    stage.stored(50).await;
    stage.check_all_once(50).await;
    stage.check_nothing_left().await;
}
