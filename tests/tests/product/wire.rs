//! A plain NATS client beside the product: it publishes what another program might publish.

use async_nats::HeaderMap;
use async_nats::jetstream::{self, Context};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tiphys_eventbus::jetstream::{Config, JetStream};
use tiphys_eventbus::{DeadLetter, DeadLetterFilter, EventBus};
use tiphys_tests::{Desk, Tiphys, World, eventually};

/// A client of the story's NATS server.
pub(crate) struct Wire {
    context: Context,
    url: String,
}

impl Wire {
    pub(crate) async fn to(world: &World) -> Self {
        let url = world.nats().url();
        let client = async_nats::connect(&url)
            .await
            .expect("NATS can be reached");
        Self {
            context: jetstream::new(client),
            url,
        }
    }

    /// Publishes bytes, and waits until they are stored.
    pub(crate) async fn send(&self, subject: &str, id: &str, payload: impl Into<Vec<u8>>) {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id);
        let subject = subject.to_owned();
        let sent = self
            .context
            .publish_with_headers(subject, headers, payload.into().into());
        sent.await
            .expect("it can be sent")
            .await
            .expect("it is stored");
    }

    /// Publishes an event as an event source of Argo Events does.
    pub(crate) async fn event(&self, source: &str, name: &str, id: &str, data: &Value) {
        let event = cloud_event(source, name, id, data.to_string().as_bytes());
        self.send(&format!("default.{source}.{name}"), id, event)
            .await;
    }

    /// Publishes an event again, past the server's own deduplication.
    pub(crate) async fn repeat(&self, source: &str, name: &str, id: &str, data: &Value) {
        let event = cloud_event(source, name, id, data.to_string().as_bytes());
        self.send(
            &format!("default.{source}.{name}"),
            &format!("{id}-again"),
            event,
        )
        .await;
    }

    /// The dead letters, as soon as there are so many.
    pub(crate) async fn dead_letters(&self, count: usize) -> Vec<DeadLetter> {
        let config = Config::new(&self.url);
        let bus = JetStream::connect(&config).await;
        let bus = EventBus::from(bus.expect("NATS can be reached"));
        let letters = eventually("the dead letters", || async {
            let letters = bus
                .dead_letters
                .list(&DeadLetterFilter::default())
                .await
                .ok()?;
            (letters.len() >= count).then_some(letters)
        });
        let letters: Vec<_> = letters
            .await
            .into_iter()
            .map(|(_, letter)| letter)
            .collect();
        assert_eq!(letters.len(), count, "{letters:#?}");
        letters
    }
}

/// An event on the wire, in the form of Argo Events.
pub(crate) fn cloud_event(source: &str, name: &str, id: &str, data: &[u8]) -> String {
    let event = json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": "webhook",
        "subject": name,
        "datacontenttype": "application/json",
        "time": "2026-01-02T03:04:05Z",
        "data_base64": STANDARD.encode(data),
    });
    event.to_string()
}

/// A Sensor named `workbench` with the dependencies `a` and `b` on the events of the same names of
/// the event source `input`; `triggers` is YAML, indented as in a Sensor.
pub(crate) fn sensor(world: &World, triggers: &str) -> String {
    let namespace = world.namespace();
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {{name: workbench, namespace: {namespace}}}
spec:
  dependencies:
  - {{name: a, eventSourceName: input, eventName: a}}
  - {{name: b, eventSourceName: input, eventName: b}}
  triggers:
{triggers}"
    )
}

/// A desk with such a Sensor alone.
pub(crate) fn desk(world: &World, triggers: &str) -> Desk {
    world.desk().file("sensor.yaml", &sensor(world, triggers))
}

/// Waits until this many events of a trigger have this outcome.
pub(crate) async fn outcome(tiphys: &Tiphys, trigger: &str, outcome: &str, count: u64) {
    let labels = [
        format!("trigger_name=\"{trigger}\""),
        format!("outcome=\"{outcome}\""),
    ];
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    eventually(
        &format!("{count} {outcome} events of {trigger}"),
        || async {
            let found = tiphys.count("tiphys_sensor_events", &labels).await;
            (found == count).then_some(())
        },
    )
    .await;
}

/// Waits until the triggers listen: a consumer begins with what is published after it was made.
pub(crate) async fn listening(tiphys: &Tiphys) {
    tiphys.logged("Running").await;
}
