//! Pulsar on a broker of literals. What a real one does with it is in `tests/heavy`.

use std::path::Path;

use serde_json::{Value, json};
use tiphys_testbed::{Nats, NatsOptions};
use tiphys_tests::pulsar::{Pulsar, frame};
use tiphys_tests::{Pod, eventually, programs, stored_object};

use crate::stored::{stored, until_stored};

/// An acknowledgement: the kind of the command.
const ACK: u8 = 10;

/// The entry 9 of the ledger 7, `{"n":1}` with the key `k`, sent at 2026-01-02 15:04:05.12.
fn first() -> Vec<u8> {
    frame(
        b"\x08\x09\x4a\x08\x08\x00\x12\x04\x08\x07\x10\x09",
        b"\x00\x00\x00\x0f\x0a\x01p\x10\x00\x18\x80\xf6\xf2\xf9\xb7\x33\x32\x01k{\"n\":1}",
    )
}

/// The entry 10: a batch of `{"n":2}` and `oh`.
fn second() -> Vec<u8> {
    frame(
        b"\x08\x09\x4a\x08\x08\x00\x12\x04\x08\x07\x10\x0a",
        b"\x00\x00\x00\x0e\x0a\x01p\x10\x01\x18\x80\xf6\xf2\xf9\xb7\x33\x58\x02\
          \x00\x00\x00\x02\x18\x07{\"n\":2}\x00\x00\x00\x02\x18\x02oh",
    )
}

/// The broker ends the subscription: the topic goes to another one.
const CLOSE: &[u8] = b"\x08\x10\x82\x01\x04\x08\x00\x10\x00";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_acknowledged_and_a_topic_that_moves_is_read_on() {
    let begin = [first(), frame(CLOSE, b"")].concat();
    let broker = Pulsar::start(&[&begin, &[first(), second()].concat()], &[]).await;
    let options = NatsOptions::default();
    let starting = tokio::task::spawn_blocking(move || Nats::start(programs(), &options));
    let bus = starting.await.unwrap().unwrap();
    let object = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "EventSource",
        "metadata": {"name": "es"},
        "spec": {"pulsar": {"ev": {
            "url": broker.url(), "topics": ["a/b/c"], "type": "shared", "jsonBody": true,
        }}},
    });
    let object = stored_object("ns", &object.to_string());
    let pods = Pod::at(Path::new("/nowhere"), "ns", &bus.url(), &object);
    let mut tiphys = pods.start("pod-0");
    until_stored(&bus.url(), 2).await;
    let dead = ["outcome=\"dead-lettered\""];
    eventually("a dead letter", || async {
        let found = tiphys.count("tiphys_eventsource_events", &dead).await;
        (found == 1).then_some(())
    })
    .await;
    let payloads: Vec<Value> = stored(&bus.url())
        .await
        .iter()
        .map(|stored| serde_json::from_str(&stored.payload).unwrap())
        .collect();
    let time = "2026-01-02 15:04:05.12 +0000 UTC";
    assert_eq!(
        payloads,
        [
            json!({"key": "k", "publishTime": time, "body": {"n": 1}}),
            json!({"key": "", "publishTime": time, "body": {"n": 2}}),
        ]
    );
    // The second is done when the last of its messages is.
    let second = b"\x1a\x04\x08\x07\x10\x0a";
    eventually("both are acknowledged", || async {
        let acknowledged = broker.told(ACK);
        let is_done = |frame: &Vec<u8>| frame.windows(second.len()).any(|part| part == second);
        acknowledged.iter().any(is_done).then_some(())
    })
    .await;
    let subscribed = &broker.told(4)[0][4..];
    assert_eq!(
        subscribed,
        b"\x08\x04\x22\x25\x0a\x12persistent://a/b/c\x12\x02ev\x18\x01\x20\x00\x28\x02\x32\x05pod-0"
    );
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}
