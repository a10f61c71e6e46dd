//! SQS as an upstream: a queue, and one whose messages have an order. ElasticMQ keeps messages over a crash;
//! Moto knows who asks.

use std::ops::Range;

use async_trait::async_trait;
use serde_json::{Value, json};
use tiphys_testbed::{Broker, BrokerOptions, BrokerServer, Certificates};
use tiphys_tests::aws::{Aws, Moto, REGION};
use tiphys_tests::eventually;

use super::stage::{PASSWORD, Stage, dead_letters, listening};
use super::{Kind, Wanted, body};

/// A queue.
pub(super) struct Queue<const FIFO: bool> {
    server: BrokerServer,
    aws: Aws,
    url: String,
    /// Keys of somebody who may receive and not delete, where it matters who asks.
    weak: Option<Aws>,
}

impl<const FIFO: bool> Queue<FIFO> {
    const NAME: &str = if FIFO { "orders.fifo" } else { "orders" };

    async fn make(server: BrokerServer, aws: Aws, weak: Option<Aws>) -> Self {
        let attributes = if FIFO {
            json!({"FifoQueue": "true"})
        } else {
            json!({})
        };
        let wanted = json!({"QueueName": Self::NAME, "Attributes": attributes});
        let made = aws.sqs("CreateQueue", &wanted).await;
        Self {
            server,
            aws,
            url: made["QueueUrl"].as_str().unwrap().to_owned(),
            weak,
        }
    }

    fn entry(id: &str, group: &str, body: &str) -> Value {
        let mut entry = json!({"Id": id, "MessageBody": body});
        if FIFO {
            entry["MessageGroupId"] = group.into();
            entry["MessageDeduplicationId"] = format!("{group}-{id}").into();
        }
        entry
    }

    async fn send_all(&self, entries: Vec<Value>) {
        for entries in entries.chunks(10) {
            let batch = json!({"QueueUrl": self.url, "Entries": entries});
            let sent = self.aws.sqs("SendMessageBatch", &batch).await;
            assert!(
                sent["Failed"].as_array().is_none_or(Vec::is_empty),
                "{sent}"
            );
        }
    }
}

#[async_trait]
impl<const FIFO: bool> Kind for Queue<FIFO> {
    const KEEPS: bool = true;
    const LANES: Option<u64> = if FIFO { Some(1) } else { None };
    const PASSWORD: &'static str = "spec.sqs.ev.accessKey";

    async fn start(wanted: Wanted) -> Self {
        if wanted.password.is_some() {
            let moto = Moto::start().await;
            let aws = moto.user("tiphys", &["sqs:*"]).await;
            let rights = ["sqs:GetQueueUrl", "sqs:ReceiveMessage"];
            let weak = moto.user("weak", &rights).await;
            moto.be_strict().await;
            return Self::make(moto.server, aws, Some(weak)).await;
        }
        let starting = || BrokerServer::start(Broker::Elasticmq, &BrokerOptions::default());
        let server = tokio::task::spawn_blocking(starting)
            .await
            .unwrap()
            .unwrap();
        let aws = Aws::new(
            format!("http://{}", server.address()),
            "anybody",
            "anything",
        );
        Self::make(server, aws, None).await
    }

    fn spec(&self) -> (&'static str, Value) {
        let event = json!({
            "region": REGION, "queue": Self::NAME, "jsonBody": true, "waitTimeSeconds": 1,
            "endpoint": format!("http://{}", self.server.address()),
            "accessKey": {"name": "login", "key": "user"},
            "secretKey": {"name": "login", "key": "password"},
        });
        ("sqs", event)
    }

    fn login(&self) -> (String, String) {
        if self.weak.is_none() {
            return ("anybody".to_owned(), "anything".to_owned());
        }
        let (user, password) = self.aws.keys();
        (user.to_owned(), password.to_owned())
    }

    fn certificates(&self) -> Option<&Certificates> {
        None
    }

    async fn send(&mut self, numbers: Range<u64>) {
        let entries = numbers.map(|number| Self::entry(&number.to_string(), "all", &body(number)));
        self.send_all(entries.collect()).await;
    }

    async fn send_body(&mut self, body: &[u8]) {
        let body = String::from_utf8_lossy(body);
        let id = format!("body-{}", body.len());
        self.send_all(vec![Self::entry(&id, "all", &body)]).await;
    }

    async fn left(&mut self) -> u64 {
        let names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
        ];
        let wanted = json!({"QueueUrl": self.url, "AttributeNames": names});
        let found = self.aws.sqs("GetQueueAttributes", &wanted).await;
        let count = |name: &str| -> u64 {
            let count = found["Attributes"][name].as_str();
            count.unwrap().parse().unwrap()
        };
        names.into_iter().map(count).sum()
    }

    fn kill(&mut self) {
        self.server.kill().unwrap();
    }

    fn restart(&mut self) {
        self.server.restart().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_a_group_are_in_order_whatever_fails() {
    let mut stage = Stage::<Queue<true>>::usual().await;
    let (one, _other) = (stage.start("pod-0").await, stage.start("pod-1").await);
    let send = async |stage: &Stage<Queue<true>>, numbers: Range<u64>| {
        let entries = numbers.map(|number| {
            let group = format!("g{}", number % 7);
            Queue::<true>::entry(&number.to_string(), &group, &body(number))
        });
        stage.broker.send_all(entries.collect()).await;
    };
    send(&stage, 0..200).await;
    stage.bus.kill(0).unwrap();
    send(&stage, 200..300).await;
    tokio::task::block_in_place(|| stage.bus.restart(0)).unwrap();
    drop(one);
    let _next = stage.start("pod-2").await;
    send(&stage, 300..400).await;
    stage.stored(400).await;
    stage.check_nothing_left().await;
    let numbers = stage.numbers().await;
    for group in 0..7 {
        let found = numbers.iter().copied().filter(|number| number % 7 == group);
        let expected = (0..400).filter(|number| number % 7 == group);
        assert!(found.eq(expected), "group {group}: {numbers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_json_is_left_to_a_dead_letter_queue() {
    let mut stage = Stage::<Queue<false>>::new(Wanted::default(), "", |event| {
        event["dlq"] = true.into();
    })
    .await;
    let tiphys = stage.start("pod-0").await;
    stage.broker.send_body(b"{oh").await;
    stage.broker.send(0..5).await;
    stage.stored(5).await;
    let is_said = |report: &Value| {
        let error = report["parts"][0]["lastError"].to_string();
        error.contains("left to the dead-letter queue: the body is not JSON")
    };
    tiphys.reported("what is left", is_said).await;
    dead_letters(&tiphys, 0).await;
    eventually("one message that is left", || async {
        let names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
        ];
        let wanted = json!({"QueueUrl": stage.broker.url, "AttributeNames": names});
        let found = stage.broker.aws.sqs("GetQueueAttributes", &wanted).await;
        let counts = names.map(|name| found["Attributes"][name].as_str().unwrap().to_owned());
        (counts == ["0", "1"]).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_the_bus_stays_hidden_and_goes_back_at_the_end() {
    let mut stage = Stage::<Queue<false>>::usual().await;
    let mut tiphys = stage.start("pod-0").await;
    stage.broker.send(0..1).await;
    stage.stored(1).await;
    stage.bus.kill(0).unwrap();
    stage.broker.send(1..50).await;
    let visible = async |stage: &Stage<Queue<false>>| {
        let names = ["ApproximateNumberOfMessages"];
        let wanted = json!({"QueueUrl": stage.broker.url, "AttributeNames": names});
        let found = stage.broker.aws.sqs("GetQueueAttributes", &wanted).await;
        found["Attributes"][names[0]].as_str().unwrap().to_owned()
    };
    eventually("messages in hand", || async {
        (visible(&stage).await != "49").then_some(())
    })
    .await;
    let before = visible(&stage).await;
    // Longer than a message is hidden at a time.
    tiphys_tests::pause(std::time::Duration::from_secs(35)).await;
    assert!(visible(&stage).await <= before, "{before}");
    tiphys.stop().await;
    assert_eq!(visible(&stage).await, "49");
    tokio::task::block_in_place(|| stage.bus.restart(0)).unwrap();
    let _next = stage.start("pod-1").await;
    stage.stored(50).await;
    stage.check_all_once(50).await;
    stage.check_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_not_there_yet_is_said_and_listened_to_when_it_is() {
    let edit = |event: &mut Value| event["queue"] = "returns".into();
    let mut stage = Stage::<Queue<false>>::new(Wanted::default(), "", edit).await;
    let tiphys = stage.pods.start("pod-0");
    let is_missing = |report: &Value| report["parts"][0]["health"]["reason"] == "NotFound";
    let report = tiphys.reported("that there is no queue", is_missing).await;
    let hint = report["parts"][0]["health"].to_string();
    assert!(hint.contains("check spec.sqs.ev.queue"), "{hint}");
    let wanted = json!({"QueueName": "returns"});
    let made = stage.broker.aws.sqs("CreateQueue", &wanted).await;
    made["QueueUrl"]
        .as_str()
        .unwrap()
        .clone_into(&mut stage.broker.url);
    listening(&tiphys).await;
    stage.broker.send(0..3).await;
    stage.stored(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_deleted_is_published_once_and_deleted_when_it_may() {
    let wanted = Wanted {
        password: Some(PASSWORD),
        ..Wanted::default()
    };
    let mut stage = Stage::<Queue<false>>::new(wanted, "", |_| {}).await;
    let set_keys = |stage: &Stage<Queue<false>>, (user, password): (&str, &str)| {
        let files = [("user", user.as_bytes()), ("password", password.as_bytes())];
        stage.pods.volume("values/secrets/login", &files);
    };
    set_keys(&stage, stage.broker.weak.as_ref().unwrap().keys());
    let tiphys = stage.start("pod-0").await;
    stage.broker.send(0..50).await;
    let is_said = |report: &Value| {
        let health = &report["parts"][0]["health"];
        let text = health.to_string();
        health["reason"] == "Forbidden"
            && text.contains("delete messages of queue orders in eu-west-1: AccessDenied")
            && text.contains("it needs sqs:GetQueueUrl, sqs:ReceiveMessage, sqs:DeleteMessage")
    };
    tiphys.reported("a right that is missing", is_said).await;
    stage.stored(1).await;
    set_keys(&stage, stage.broker.aws.keys());
    listening(&tiphys).await;
    stage.stored(50).await;
    stage.check_all_once(50).await;
    stage.check_nothing_left().await;
}
