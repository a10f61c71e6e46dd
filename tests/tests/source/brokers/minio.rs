//! MinIO as an upstream: a bucket, which tells whoever listens, and can be listed afterwards.

mod server;

use std::collections::BTreeSet;
use std::ops::Range;

use async_trait::async_trait;
use serde_json::{Value, json};
use tiphys_testbed::Certificates;
use tiphys_tests::eventually;

use self::server::{BUCKET, Flaw, Server};
use super::stage::{Stage, dead_letters, listening};
use super::{Kind, Wanted};
use crate::stored::stored;

/// A bucket.
pub(super) struct Bucket(Server);

#[async_trait]
impl Kind for Bucket {
    const KEEPS: bool = false;
    const HAS_BODY: bool = false;
    const PASSWORD: &'static str = "spec.minio.ev.secretKey";

    async fn start(wanted: Wanted) -> Self {
        Self(Server::start(wanted.tls))
    }

    fn spec(&self) -> (&'static str, Value) {
        let event = json!({
            "endpoint": self.0.endpoint(), "insecure": true, "bucket": {"name": BUCKET},
            "events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"],
            "filter": {"prefix": "in/", "suffix": ".yaml"},
            "accessKey": {"name": "login", "key": "user"},
            "secretKey": {"name": "login", "key": "password"},
            "metadata": {"team": "harbour"},
        });
        ("minio", event)
    }

    fn certificates(&self) -> Option<&Certificates> {
        None
    }

    async fn send(&mut self, numbers: Range<u64>) {
        for number in numbers {
            self.0.put(&key(number));
        }
    }

    async fn send_body(&mut self, body: &[u8]) {
        let metadata = json!({"x": String::from_utf8_lossy(body)});
        self.0
            .tell("s3:ObjectCreated:Put", "in/large.yaml", &metadata);
    }

    fn number(payload: &Value) -> Option<u64> {
        let key = payload["notification"][0]["s3"]["object"]["key"].as_str()?;
        let number = key.strip_prefix("in%2F")?.strip_suffix(".yaml")?;
        number.parse().ok()
    }

    fn kill(&mut self) {
        self.0.kill();
    }

    fn restart(&mut self) {
        self.0.restart();
    }
}

fn key(number: u64) -> String {
    format!("in/{number}.yaml")
}

/// Event name and key of all that is stored, and whether it was found by a list.
async fn told(stage: &Stage<Bucket>) -> Vec<(String, String, bool)> {
    let stored = stored(&stage.bus.url()).await;
    let payloads = stored.iter().map(|stored| {
        let payload: Value = serde_json::from_str(&stored.payload).unwrap();
        let record = &payload["notification"][0];
        assert_eq!(payload["metadata"]["team"], "harbour");
        (
            record["eventName"].as_str().unwrap().to_owned(),
            record["s3"]["object"]["key"].as_str().unwrap().to_owned(),
            payload["metadata"]["reconciled"] == "true",
        )
    });
    payloads.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_to_objects_is_told_as_the_spec_filters_it() {
    let mut stage = Stage::<Bucket>::usual().await;
    let _tiphys = stage.start("pod-0").await;
    let server = &mut stage.broker.0;
    server.put("in/a b.yaml");
    server.put("in/a.txt");
    server.put("out/a.yaml");
    server.remove("in/a b.yaml");
    server.tell("s3:ObjectAccessed:Get", "in/a b.yaml", &json!({}));
    server.put("in/c.yaml");
    stage.stored(3).await;
    let one = |event: &str, key: &str| (event.to_owned(), key.to_owned(), false);
    let expected = [
        one("s3:ObjectCreated:Put", "in%2Fa+b.yaml"),
        one("s3:ObjectRemoved:Delete", "in%2Fa+b.yaml"),
        one("s3:ObjectCreated:Put", "in%2Fc.yaml"),
    ];
    assert_eq!(told(&stage).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_created_while_nobody_listened_is_told_once() {
    let mut stage = Stage::<Bucket>::usual().await;
    stage.broker.0.put_untold("in/from before.yaml");
    let mut tiphys = stage.start("pod-0").await;
    stage.broker.send(0..3).await;
    stage.stored(3).await;
    assert!(tiphys.stop().await.success());
    // More than a part of a list has.
    for number in 3..1_103 {
        stage.broker.0.put_untold(&key(number));
    }
    stage.broker.0.put_untold("in/no.txt");
    stage.broker.0.put_untold("out/no.yaml");
    let mut tiphys = stage.start("pod-1").await;
    stage.stored(1_103).await;
    stage.broker.send(1_103..1_104).await;
    stage.stored(1_104).await;
    assert!(tiphys.stop().await.success());
    let tiphys = stage.start("pod-0").await;
    stage.broker.send(1_104..1_105).await;
    stage.stored(1_105).await;
    stage.check_all_once(1_105).await;
    let found = told(&stage)
        .await
        .into_iter()
        .filter(|(_, _, is_found)| *is_found);
    assert_eq!(found.count(), 1_100);
    drop(tiphys);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_ends_is_asked_for_again() {
    let mut stage = Stage::<Bucket>::usual().await;
    let tiphys = stage.start("pod-0").await;
    for round in 0..3 {
        stage.broker.0.put(&key(2 * round));
        stage.broker.0.hang_up();
        stage.broker.0.put_untold(&key(2 * round + 1));
        let server = &stage.broker.0;
        let is_back = || async { (server.listeners() == 1).then_some(()) };
        eventually("somebody who listens", is_back).await;
        stage.stored(2 * round + 2).await;
    }
    listening(&tiphys).await;
    stage.check_all_once(6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_nothing_any_more_is_asked_again() {
    let mut stage = Stage::<Bucket>::usual().await;
    stage.broker.0.set_flaw(Flaw::Silent);
    let tiphys = stage.pods.start("pod-0");
    let server = &stage.broker.0;
    eventually("somebody who listens", || async {
        (server.listeners() == 1).then_some(())
    })
    .await;
    let is_lost = |report: &Value| report["parts"][0]["health"]["ok"] == false;
    tiphys.reported("that nothing comes", is_lost).await;
    stage.broker.0.set_flaw(Flaw::None);
    listening(&tiphys).await;
    stage.broker.send(0..1).await;
    stage.stored(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_none_of_minios_and_a_wrong_bucket_are_named() {
    for (flaw, bucket, reason, hint) in [
        (Flaw::Plain, BUCKET, "Refused", "AWS S3 notifies SQS or SNS"),
        (Flaw::Lists, BUCKET, "Refused", "AWS S3 notifies SQS or SNS"),
        (Flaw::None, "other", "NotFound", "spec.minio.ev.bucket.name"),
    ] {
        let edit = |event: &mut Value| event["bucket"]["name"] = bucket.into();
        let stage = Stage::<Bucket>::new(Wanted::default(), "", edit).await;
        stage.broker.0.set_flaw(flaw);
        let tiphys = stage.pods.start("pod-0");
        let is_refused = |report: &Value| report["parts"][0]["health"]["reason"] == reason;
        let report = tiphys.reported("a refusal", is_refused).await;
        let message = report["parts"][0]["health"]["message"].as_str().unwrap();
        assert!(message.contains(hint), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_of_the_spec_is_trusted_and_no_other() {
    let wanted = Wanted {
        tls: true,
        ..Wanted::default()
    };
    let trusting = |event: &mut Value| {
        event["insecure"] = false.into();
        event["caCertificate"] = json!({"name": "tls", "key": "ca.crt"});
    };
    let mut stage = Stage::<Bucket>::new(wanted, "", trusting).await;
    stage.set_certificates(&Certificates::generate().unwrap());
    let tiphys = stage.pods.start("pod-0");
    let is_refused = |report: &Value| report["parts"][0]["health"]["ok"] == false;
    let report = tiphys.reported("a refusal", is_refused).await;
    let message = report["parts"][0]["health"]["message"].as_str().unwrap();
    assert!(message.contains("spec.minio.ev.caCertificate"), "{message}");

    // Somebody writes the right one.
    let certificates = stage.broker.0.certificates().unwrap();
    stage.set_certificates(certificates);
    listening(&tiphys).await;
    stage.broker.send(0..10).await;
    stage.stored(10).await;
    stage.check_all_once(10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_list_the_bucket_hears_of_it_and_listens() {
    let mut stage = Stage::<Bucket>::usual().await;
    let mut tiphys = stage.start("pod-0").await;
    stage.broker.send(0..1).await;
    stage.stored(1).await;
    assert!(tiphys.stop().await.success());
    stage.broker.0.set_flaw(Flaw::Forbids);
    let tiphys = stage.pods.start("pod-0");
    let is_forbidden = |report: &Value| report["parts"][0]["health"]["reason"] == "Forbidden";
    let report = tiphys
        .reported("a right that is missing", is_forbidden)
        .await;
    let message = report["parts"][0]["health"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("list bucket harbour: 403 Forbidden: AccessDenied"),
        "{message}"
    );
    let hint = "check spec.minio.ev.accessKey: its user needs s3:ListenBucketNotification and s3:ListBucket";
    assert!(message.contains(hint), "{message}");
    stage.broker.send(1..10).await;
    stage.stored(10).await;
    stage.check_all_once(10).await;
}

/// How many events have more than 16 MiB together, half of which may be on its way, and how long each is.
const MANY: u64 = 80;
const LONG: usize = 300_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_to_wait_for_the_bus_is_found_by_a_list() {
    let mut stage = Stage::<Bucket>::usual().await;
    let tiphys = stage.start("pod-0").await;
    tokio::task::block_in_place(|| stage.bus.kill(0)).unwrap();
    let metadata = json!({"x": "y".repeat(LONG)});
    for number in 0..MANY {
        let server = &mut stage.broker.0;
        server.put_untold(&key(number));
        server.tell("s3:ObjectCreated:Put", &key(number), &metadata);
    }
    let is_too_much = |report: &Value| {
        let message = report["parts"][0]["health"]["message"].as_str();
        message.is_some_and(|message| message.contains("more than 8 MiB wait for it"))
    };
    tiphys.reported("that too much waits", is_too_much).await;
    tokio::task::block_in_place(|| stage.bus.restart(0)).unwrap();
    stage.stored(MANY).await;
    // What was on its way when it was given up may be there twice: as it was told, and as it was found.
    eventually("all of them on the bus", || async {
        let numbers: BTreeSet<u64> = Box::pin(stage.numbers()).await.into_iter().collect();
        numbers.into_iter().eq(0..MANY).then_some(())
    })
    .await;
    let found = told(&stage).await.into_iter();
    assert!(found.filter(|(_, _, is_found)| *is_found).count() > 0);
    listening(&tiphys).await;
}

/// How much one notification has: more than the bus takes, and more than is read of a line.
const LARGE: usize = 2 << 20;
const HUGE: usize = 9 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_that_is_too_large_is_a_dead_letter_and_its_object_is_found() {
    let mut stage = Stage::<Bucket>::usual().await;
    let tiphys = stage.start("pod-0").await;
    let metadata = |length| json!({"x": "y".repeat(length)});
    stage.broker.send(0..1).await;
    stage.stored(1).await;
    let server = &mut stage.broker.0;
    server.tell("s3:ObjectRemoved:Delete", "in/a.yaml", &metadata(LARGE));
    dead_letters(&tiphys, 1).await;

    let server = &mut stage.broker.0;
    server.put_untold(&key(1));
    server.tell("s3:ObjectCreated:Put", &key(1), &metadata(HUGE));
    dead_letters(&tiphys, 2).await;
    stage.stored(2).await;
    listening(&tiphys).await;
    let server = &mut stage.broker.0;
    server.tell("s3:ObjectRemoved:Delete", &key(1), &metadata(HUGE));
    dead_letters(&tiphys, 3).await;
    listening(&tiphys).await;
    stage.broker.send(2..3).await;
    stage.stored(3).await;
    stage.check_all_once(3).await;
    let found = told(&stage).await;
    assert_eq!(
        found[1],
        (
            "s3:ObjectCreated:Put".to_owned(),
            "in%2F1.yaml".to_owned(),
            true
        )
    );

    // received = published + dead-lettered + given back
    let mut counts = Vec::new();
    for outcome in ["received", "published", "dead-lettered", "given-back"] {
        let label = format!("outcome=\"{outcome}\"");
        counts.push(tiphys.count("tiphys_eventsource_events", &[&label]).await);
    }
    assert_eq!(counts, [6, 3, 3, 0]);
}
