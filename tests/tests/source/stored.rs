//! What is on the stream of a bus.

use async_nats::jetstream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tiphys_tests::eventually;

/// An event as it was stored.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) subject: String,
    /// Its envelope.
    pub(crate) event: Value,
    /// Its payload, as it was written.
    pub(crate) payload: String,
}

/// Everything that is stored on the server at `url`, as soon as it answers.
pub(crate) async fn stored(url: &str) -> Vec<Stored> {
    let stream = eventually("the stream", || async {
        let client = async_nats::connect(url).await.ok()?;
        jetstream::new(client).get_stream("default").await.ok()
    });
    let mut stream = stream.await;
    let state = stream.info().await.unwrap().state.clone();
    let mut found = Vec::new();
    for sequence in state.first_sequence..=state.last_sequence {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let event: Value = serde_json::from_slice(&message.payload).unwrap();
        let payload = STANDARD.decode(event["data_base64"].as_str().unwrap());
        found.push(Stored {
            subject: message.subject.to_string(),
            payload: String::from_utf8(payload.unwrap()).unwrap(),
            event,
        });
    }
    found
}

/// Waits until so many events are stored on the server at `url`.
pub(crate) async fn until_stored(url: &str, count: u64) {
    eventually(&format!("{count} events on the bus"), || async {
        let client = async_nats::connect(url).await.ok()?;
        let stream = jetstream::new(client).get_stream("default").await.ok()?;
        (stream.cached_info().state.messages >= count).then_some(())
    })
    .await;
}
