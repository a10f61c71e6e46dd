//! A stage for tests: an event source on the embedded bus, in virtual time, with a bus that can be
//! taken away.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tiphys_clients::Clients;
use tiphys_clients::values::NoValues;
use tiphys_eventbus::embedded::Embedded;
use tiphys_eventbus::{
    Bus, ConsumerReport, DeadLetterFilter, DeadLetters as _, Durable, Error as BusError, Event,
    EventBus, Outgoing, PublishAck, StartAt, StoredMessage, StreamReport, Subject, Subscription,
    SubscriptionConfig,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::compile::{Compiled, compile};
use crate::metrics::{EventLabels, Metrics, Outcome};
use crate::outlet::Outlet;
use crate::status::{Reporter, Status};
use crate::supervisor::Runner;

/// An event source on a bus of its own.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) source: Arc<Compiled>,
    pub(crate) bus: FlakyBus,
    pub(crate) clock: Clock,
    pub(crate) status: Arc<Status>,
    registry: Registry,
    metrics: Metrics,
}

impl Stage {
    /// The event source with `spec`, named `es` in namespace `ns`, at `now`.
    pub(crate) fn new(spec: &str, now: &str) -> Self {
        Self::on(FlakyBus::new(now), spec, now)
    }

    /// The same on a bus that is already there.
    pub(crate) fn on(bus: FlakyBus, spec: &str, now: &str) -> Self {
        let object =
            format!(r#"{{"metadata":{{"name":"es","namespace":"ns","uid":"u"}},"spec":{spec}}}"#);
        let mut registry = Registry::default();
        Self {
            source: Arc::new(compile(&serde_json::from_str(&object).unwrap()).unwrap()),
            bus,
            clock: virtual_clock(now),
            status: Arc::default(),
            metrics: Metrics::register(&mut registry),
            registry,
        }
    }

    /// Where the first event's events go.
    pub(crate) fn outlet(&self) -> Outlet {
        let event = self.source.events[0].clone();
        Outlet {
            metrics: self.metrics.event(EventLabels {
                namespace: "ns".to_owned(),
                eventsource_name: "es".to_owned(),
                event_name: event.name.to_string(),
            }),
            reporter: Reporter::new(self.status.clone(), event.name.clone()),
            event,
            bus: self.bus.handle(),
            clock: self.clock.clone(),
        }
    }

    /// Starts it, as the holder of the lease or not.
    pub(crate) fn start(&self, leads: bool) -> Running {
        let leads = watch::Sender::new(leads);
        let runner = Runner {
            source: self.source.clone(),
            bus: self.bus.handle(),
            cluster: None,
            clients: Arc::new(Clients::new(None, Arc::new(NoValues))),
            server: None,
            pod: "pod-0".into(),
            leads: leads.subscribe(),
            time_to_stop: Duration::from_secs(4),
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
            status: self.status.clone(),
        };
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let running = runner.run(shutdown.clone());
        tasks.spawn(async move { running.await.unwrap() });
        Running {
            leads,
            shutdown,
            tasks,
        }
    }

    /// Received, published, filtered, dead-lettered, given back, in hand, of all events together.
    pub(crate) fn books(&self) -> [i64; 6] {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        Outcome::ALL.map(|outcome| {
            let label = format!("outcome=\"{}\"", outcome.name());
            text.lines()
                .filter(|line| line.starts_with("tiphys_eventsource_events{"))
                .filter(|line| line.contains(&label))
                .map(|line| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap())
                .sum()
        })
    }

    /// What is on the bus, in the order in which it was stored.
    pub(crate) async fn published(&self) -> Vec<Event> {
        self.bus.published(&self.source).await
    }

    /// The payloads of what is on the bus.
    pub(crate) async fn payloads(&self) -> Vec<String> {
        let events = self.published().await.into_iter();
        events
            .map(|event| String::from_utf8(event.data.unwrap().to_vec()).unwrap())
            .collect()
    }

    /// The reasons and errors of the dead letters.
    pub(crate) async fn dead_letters(&self) -> Vec<(String, String)> {
        let all = DeadLetterFilter::default();
        let letters = self.bus.inner.list(&all).await.unwrap();
        letters
            .into_iter()
            .map(|(_, letter)| (letter.reason.to_string(), letter.error))
            .collect()
    }
}

/// An event source that runs.
#[derive(Debug)]
pub(crate) struct Running {
    leads: watch::Sender<bool>,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

impl Running {
    /// Gives it the lease, or takes it away.
    pub(crate) fn set_leads(&self, leads: bool) {
        self.leads.send_replace(leads);
    }

    /// Waits, in virtual time, until something is true.
    pub(crate) async fn until(&self, is_true: impl Fn() -> bool) {
        for _ in 0..6000 {
            if is_true() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it did not become true within ten minutes");
    }

    /// Ends it, and waits for its end.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        self.tasks.join_next().await.unwrap().unwrap();
    }
}

/// A clock that says `now` now, and goes by tokio's time.
pub(crate) fn virtual_clock(now: &str) -> Clock {
    let start: Timestamp = now.parse().unwrap();
    let began = Instant::now();
    Clock::new(move || start + SignedDuration::try_from(began.elapsed()).unwrap())
}

/// The embedded bus, which can be taken away: what is published then fails after five seconds, as it
/// does on a server that does not answer.
#[derive(Debug, Clone)]
pub(crate) struct FlakyBus {
    inner: Embedded,
    is_up: Arc<watch::Sender<bool>>,
}

impl FlakyBus {
    pub(crate) fn new(now: &str) -> Self {
        let clock = virtual_clock(now);
        Self {
            inner: Embedded::with_clock(Arc::new(move || clock.now())),
            is_up: Arc::new(watch::Sender::new(true)),
        }
    }

    fn handle(&self) -> EventBus {
        EventBus {
            events: Arc::new(self.clone()),
            history: Arc::new(self.inner.clone()),
            overview: Arc::new(self.inner.clone()),
            state: Arc::new(self.inner.clone()),
            dead_letters: Arc::new(self.inner.clone()),
        }
    }

    pub(crate) fn set_up(&self, is_up: bool) {
        self.is_up.send_replace(is_up);
    }

    async fn published(&self, source: &Compiled) -> Vec<Event> {
        let events = source.events.iter();
        let config = SubscriptionConfig {
            durable: Durable::trigger("ns", "reader", "reader"),
            subjects: events
                .map(|event| Subject::event(&source.name, &event.name))
                .collect(),
            start: StartAt::First,
            ack_wait: Duration::from_hours(1),
            max_in_flight: 100_000,
        };
        let mut subscription = self.inner.subscribe(config.clone()).await.unwrap();
        let mut found = Vec::new();
        tokio::task::yield_now().await;
        while let Some(Some(delivery)) = subscription.deliveries.next().now_or_never() {
            found.push(Event::decode(&delivery.unwrap().payload).unwrap());
        }
        drop(subscription);
        self.inner.unsubscribe(&config.durable).await.unwrap();
        found
    }
}

#[async_trait]
impl Bus for FlakyBus {
    async fn ensure_stream(&self, settings: Option<&str>) -> Result<StreamReport, BusError> {
        self.inner.ensure_stream(settings).await
    }

    async fn publish(&self, message: Outgoing) -> Result<PublishAck, BusError> {
        if !*self.is_up.borrow() {
            tokio::time::sleep(Duration::from_secs(5)).await;
            return Err(BusError::Closed);
        }
        self.inner.publish(message).await
    }

    async fn last_message(&self, subject: &Subject) -> Result<Option<StoredMessage>, BusError> {
        self.inner.last_message(subject).await
    }

    async fn messages(
        &self,
        subject: &Subject,
        start: StartAt,
    ) -> Result<BoxStream<'static, Result<StoredMessage, BusError>>, BusError> {
        self.inner.messages(subject, start).await
    }

    async fn subscribe(&self, config: SubscriptionConfig) -> Result<Subscription, BusError> {
        self.inner.subscribe(config).await
    }

    async fn unsubscribe(&self, durable: &Durable) -> Result<bool, BusError> {
        self.inner.unsubscribe(durable).await
    }

    async fn consumer(&self, durable: &Durable) -> Result<Option<ConsumerReport>, BusError> {
        self.inner.consumer(durable).await
    }

    fn max_payload(&self) -> usize {
        self.inner.max_payload()
    }

    fn is_connected(&self) -> bool {
        *self.is_up.borrow()
    }

    fn is_safe(&self) -> bool {
        self.inner.is_safe()
    }

    async fn close(&self) -> Result<(), BusError> {
        self.inner.close().await
    }
}
