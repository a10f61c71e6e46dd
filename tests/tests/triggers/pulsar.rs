//! Stories of the `pulsar` trigger on a broker of literals. What a real one does with it is in `tests/heavy`.

use tiphys_tests::pulsar::{Pulsar, Receipt};

use crate::running::{Running, Setting};

/// A message: the kind of the command.
const SEND: u8 = 6;

async fn sensor(broker: &Pulsar) -> Running {
    let spec = format!(
        "dependencies: [{{name: dep, eventSourceName: source, eventName: order}}]
triggers:
- template:
    name: tell
    pulsar:
      url: {}
      topic: a/b/c
      payload: [{{src: {{dependencyName: dep, dataKey: id}}, dest: order}}]
",
        broker.url()
    );
    Running::start(&spec, Setting::default()).await
}

#[tokio::test]
async fn a_message_has_a_checksum_and_says_what_it_is_known_by() {
    let broker = Pulsar::start(&[], &[Receipt::Stored]).await;
    let sensor = sensor(&broker).await;
    sensor.publish("order", r#"{"id":7}"#).await;
    let sent = tiphys_tests::eventually("a message", || async {
        broker.told(SEND).into_iter().next()
    })
    .await;
    // The first of the producer, and what follows has a checksum.
    assert_eq!(
        sent[4..16],
        *b"\x08\x06\x32\x06\x08\x00\x10\x00\x18\x01\x0e\x01"
    );
    let text = String::from_utf8_lossy(&sent);
    assert!(text.contains("\u{4}name"), "{text}");
    assert!(text.contains("tiphys-event-id"), "{text}");
    assert!(text.ends_with(r#"{"order":"7"}"#), "{text}");
    assert!(sensor.dead_letters().await.is_empty());
    sensor.stop().await;
}

#[tokio::test]
async fn a_message_that_is_refused_or_not_confirmed_is_a_failed_attempt() {
    for (receipt, expected) in [
        (Receipt::Refused, ": no"),
        (Receipt::Lost, ": the connection was closed"),
    ] {
        let broker = Pulsar::start(&[], &[receipt]).await;
        let sensor = sensor(&broker).await;
        sensor.publish("order", r#"{"id":7}"#).await;
        let letter = sensor.dead_letter().await;
        assert!(
            letter.error.contains("send to the topic a/b/c of") && letter.error.contains(expected),
            "{}",
            letter.error
        );
        sensor.stop().await;
    }
}
