//! A sensor that runs in the test, on the embedded bus.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tiphys_clients::KeyOf;
use tiphys_clients::values::{Value, Values};
use tiphys_eventbus::embedded::Embedded;
use tiphys_eventbus::{
    Bucket, Context, DeadLetter, DeadLetterFilter, Event, EventBus, Outgoing, Subject,
};
use tiphys_sensor::run::{Budget, Handover, Runner, Status};
use tiphys_sensor::trigger::log::{Line as LogLine, Sink};
use tiphys_sensor::trigger::{Caller, Executors};
use tiphys_sensor::{Compiled, Metrics};
use tiphys_tests::eventually;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The event source of all events.
pub(crate) const SOURCE: &str = "source";

/// An event with this JSON.
pub(crate) fn event(name: &str, data: &str) -> Outgoing {
    let context = Context {
        id: Event::new_id(),
        source: SOURCE.to_owned(),
        specversion: "1.0".to_owned(),
        r#type: "webhook".to_owned(),
        datacontenttype: "application/json".to_owned(),
        subject: name.to_owned(),
        time: None,
    };
    let id = context.id.clone();
    let event = Event {
        context: context.into(),
        data: Some(Bytes::copy_from_slice(data.as_bytes())),
    };
    Outgoing {
        subject: Subject::event(SOURCE, name),
        id,
        payload: event.encode(),
    }
}

/// What a sensor runs with.
pub(crate) struct Setting {
    pub(crate) namespace: String,
    pub(crate) client: Option<kube::Client>,
    pub(crate) values: Arc<dyn Values>,
    pub(crate) now: fn() -> Timestamp,
    pub(crate) bus: EventBus,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            namespace: "default".to_owned(),
            client: None,
            values: Arc::new(KnownValues::default()),
            now: Timestamp::now,
            bus: Embedded::new().into(),
        }
    }
}

/// A sensor that runs.
pub(crate) struct Running {
    bus: EventBus,
    name: String,
    status: Arc<Status>,
    printed: Arc<Printed>,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), tiphys_sensor::Error>>,
}

impl Running {
    /// Starts a sensor whose spec is this YAML.
    pub(crate) async fn start(spec: &str, setting: Setting) -> Self {
        let Setting {
            namespace,
            client,
            values,
            now,
            bus,
        } = setting;
        let json = tiphys_lang::yaml::to_json(spec.as_bytes()).unwrap();
        let mut sensor = tiphys_api::Sensor::new("orders", serde_json::from_slice(&json).unwrap());
        sensor.metadata.namespace = Some(namespace);
        let compiled = Compiled::compile(&sensor).unwrap();
        let printed = Arc::new(Printed::default());
        let sink: Arc<dyn Sink> = printed.clone();
        let status = Arc::new(Status::default());
        bus.events.ensure_stream(None).await.unwrap();
        let runner = Runner {
            sensor: Arc::new(compiled),
            bus: bus.clone(),
            executors: Arc::new(Executors::new(client, values, sink, now)),
            metrics: Metrics::register(&mut Registry::default()),
            now,
            since: Timestamp::UNIX_EPOCH,
            added: HashMap::new(),
            removed: Vec::new(),
            budget: Budget::of_a_process(),
            handover: Handover::default(),
            status: status.clone(),
        };
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(runner.run(stop.clone()));
        Self {
            bus,
            name: "orders".to_owned(),
            status,
            printed,
            stop,
            tasks,
        }
    }

    /// Publishes an event with this JSON.
    pub(crate) async fn publish(&self, name: &str, data: &str) {
        let message = event(name, data);
        self.bus
            .events
            .publish(message)
            .await
            .unwrap()
            .await
            .unwrap();
    }

    /// The first dead letter, as soon as there is one.
    pub(crate) async fn dead_letter(&self) -> DeadLetter {
        eventually("a dead letter", || async {
            self.dead_letters().await.into_iter().next()
        })
        .await
    }

    pub(crate) async fn dead_letters(&self) -> Vec<DeadLetter> {
        let letters = self
            .bus
            .dead_letters
            .list(&DeadLetterFilter::default())
            .await
            .unwrap();
        letters.into_iter().map(|(_, letter)| letter).collect()
    }

    /// What the status says of the last failure.
    pub(crate) fn last_error(&self) -> String {
        let triggers = self.status.triggers();
        let last = triggers
            .into_values()
            .find_map(|trigger| trigger.last_error);
        last.unwrap_or_default()
    }

    /// What the sensor waits for, as soon as it waits.
    pub(crate) async fn unavailable(&self) -> String {
        let unavailable = || async {
            self.status
                .unavailable()
                .into_iter()
                .next()
                .map(|(_, message)| message)
        };
        eventually("the sensor waits", unavailable).await
    }

    /// The lines of the log triggers, as soon as there are so many.
    pub(crate) async fn lines(&self, count: usize) -> Vec<String> {
        let lines = || async { self.printed.lines.lock().unwrap().clone() };
        eventually("lines are printed", || async {
            Some(lines().await).filter(|lines| lines.len() >= count)
        })
        .await
    }

    /// Waits until an event is kept, or is not any more.
    pub(crate) async fn kept(&self, key: &str, is_kept: bool) {
        let state = self
            .bus
            .state
            .open(&Bucket::sensor(&self.name))
            .await
            .unwrap();
        eventually("the kept events change", || async {
            (state.get(key).await.unwrap().is_some() == is_kept).then_some(())
        })
        .await;
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap().unwrap();
        }
    }
}

/// Values of Secrets, by name and key.
#[derive(Debug, Default)]
pub(crate) struct KnownValues(pub(crate) HashMap<(String, String), String>);

impl KnownValues {
    pub(crate) fn of(values: &[(&str, &str, &str)]) -> Arc<dyn Values> {
        let entries = values.iter();
        let entries = entries.map(|(name, key, value)| {
            (((*name).to_owned(), (*key).to_owned()), (*value).to_owned())
        });
        Arc::new(Self(entries.collect()))
    }
}

#[async_trait]
impl Values for KnownValues {
    async fn secret(&self, key: &KeyOf) -> Result<Value, tiphys_clients::Error> {
        let value = self.0.get(&(key.name.clone(), key.key.clone()));
        value
            .map(|value| Value::new(value.as_bytes()))
            .ok_or_else(|| tiphys_clients::Error::unavailable(format!("no Secret {}", key.name)))
    }

    async fn config_map(&self, key: &KeyOf) -> Result<Value, tiphys_clients::Error> {
        self.secret(key).await
    }
}

#[derive(Default)]
struct Printed {
    lines: Mutex<Vec<String>>,
}

impl Sink for Printed {
    fn print(&self, line: &LogLine, _: Caller<'_>) {
        self.lines.lock().unwrap().push(line.message().into_owned());
    }
}
