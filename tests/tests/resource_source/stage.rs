//! An event source that runs in the test, and somebody who reads what it tells.

use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tiphys_clients::Clients;
use tiphys_clients::values::NoValues;
use tiphys_eventbus::jetstream::{self, JetStream};
use tiphys_eventbus::{
    Bucket, Durable, Event, EventBus, StartAt, Subject, Subscription, SubscriptionConfig,
};
use tiphys_eventsource::{Clock, Cluster, Compiled, Metrics, Runner, compile};
use tiphys_testbed::{ControlPlane, ControlPlaneOptions, Nats, NatsOptions};
use tiphys_tests::{PATIENCE, Proxy, eventually, programs, within};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A control plane of its own, to be stopped and started.
#[derive(Debug)]
pub(crate) struct Stage {
    control_plane: ControlPlane,
    pub(crate) nats: Nats,
    pub(crate) proxy: Proxy,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        let starting = tokio::task::spawn_blocking(|| {
            let options = ControlPlaneOptions::default();
            let control_plane = ControlPlane::start(programs(), options).unwrap();
            (
                control_plane,
                Nats::start(programs(), &NatsOptions::default()).unwrap(),
            )
        });
        let (control_plane, nats) = starting.await.unwrap();
        let url = control_plane.url();
        let address = url
            .trim_start_matches("https://")
            .trim_end_matches('/')
            .to_owned();
        let proxy = Proxy::start(address).await;
        Self {
            control_plane,
            nats,
            proxy,
        }
    }

    pub(crate) async fn client(&self) -> Client {
        tiphys_tests::client(&self.control_plane.kubeconfig().unwrap()).await
    }

    /// A client whose connections can be cut.
    pub(crate) async fn proxied_client(&self) -> Client {
        let kubeconfig = Kubeconfig::read_from(self.control_plane.kubeconfig().unwrap()).unwrap();
        let options = KubeConfigOptions::default();
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap();
        config.cluster_url = format!("https://{}/", self.proxy.address())
            .parse()
            .unwrap();
        Client::try_from(config).unwrap()
    }

    /// Makes the API server forget everything that happened.
    pub(crate) fn forget(&mut self) {
        tokio::task::block_in_place(|| {
            self.control_plane.compact().unwrap();
            self.control_plane.stop_apiserver().unwrap();
            self.control_plane.start_apiserver().unwrap();
        });
    }

    pub(crate) fn kill_and_start_api_server(&mut self) {
        tokio::task::block_in_place(|| {
            self.control_plane.kill_apiserver().unwrap();
            self.control_plane.start_apiserver().unwrap();
        });
    }
}

/// An event source with the one event `ev`.
pub(crate) fn event_source(name: &str, resource: &Value) -> Arc<Compiled> {
    let object = json!({
        "metadata": {"name": name, "namespace": "stories", "uid": "of-the-source"},
        "spec": {"resource": {"ev": resource}},
    });
    Arc::new(compile(&serde_json::from_value(object).unwrap()).unwrap())
}

/// An event source that runs.
pub(crate) struct Source {
    registry: Registry,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
    bus: EventBus,
}

impl Source {
    pub(crate) async fn start(source: &Arc<Compiled>, client: Client, url: &str) -> Self {
        Self::start_on(connect(url).await, source, client)
    }

    pub(crate) fn start_on(bus: EventBus, source: &Arc<Compiled>, client: Client) -> Self {
        let mut registry = Registry::default();
        let runner = Runner {
            source: source.clone(),
            bus: bus.clone(),
            cluster: Some(Cluster {
                client,
                identity: String::new(),
            }),
            clients: Arc::new(Clients::new(None, Arc::new(NoValues))),
            server: None,
            pod: "pod-0".into(),
            leads: watch::Sender::new(true).subscribe(),
            time_to_stop: std::time::Duration::from_secs(4),
            metrics: Metrics::register(&mut registry),
            clock: Clock::system(),
            status: Arc::default(),
        };
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let stopping = shutdown.clone();
        tasks.spawn(async move { runner.run(stopping).await.unwrap() });
        Self {
            registry,
            shutdown,
            tasks,
            bus,
        }
    }

    /// Ends it as SIGTERM does.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        let stopping = async { while self.tasks.join_next().await.is_some() {} };
        within("the end", stopping).await;
        self.bus.events.close().await.unwrap();
    }

    /// Ends it as SIGKILL does.
    pub(crate) fn crash(self) {
        drop(self);
    }

    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }
}

pub(crate) async fn connect(url: &str) -> EventBus {
    let config = jetstream::Config::new(url);
    let bus = EventBus::from(JetStream::connect(&config).await.unwrap());
    bus.events.ensure_stream(None).await.unwrap();
    bus
}

/// The position that an event source has stored.
pub(crate) async fn position(url: &str, source: &str) -> Option<Value> {
    let bus = connect(url).await;
    let state = bus
        .state
        .open(&Bucket::event_source("stories", source))
        .await
        .unwrap();
    let stored = state.get("ev/position").await.unwrap()?;
    serde_json::from_slice(&stored).ok()
}

/// What was told.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) version: String,
    pub(crate) body: Value,
    pub(crate) old: Value,
}

/// Reads everything on the bus.
pub(crate) struct Reader {
    told: Arc<Mutex<Vec<Told>>>,
    _tasks: JoinSet<()>,
}

pub(crate) async fn read(url: &str) -> Reader {
    let bus = connect(url).await;
    let config = SubscriptionConfig {
        durable: Durable::trigger("stories", "reader", "all"),
        subjects: vec![Subject::event("es", "ev")],
        start: StartAt::First,
        ack_wait: PATIENCE,
        max_in_flight: 100,
    };
    let Subscription { mut deliveries } = bus.events.subscribe(config).await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    let seen = told.clone();
    tasks.spawn(async move {
        let _bus = bus;
        let mut newest = None;
        while let Some(delivery) = deliveries.next().await {
            let Ok(delivery) = delivery else { continue };
            // A delivery may be repeated; a message is one event.
            if Some(delivery.position) > newest {
                newest = Some(delivery.position);
                seen.lock().unwrap().push(decode(&delivery.payload));
            }
            delivery.ack().await.ok();
        }
    });
    Reader {
        told,
        _tasks: tasks,
    }
}

fn decode(message: &[u8]) -> Told {
    let event = Event::decode(message).unwrap();
    let mut payload: Value = serde_json::from_slice(&event.data.unwrap()).unwrap();
    let body = payload["body"].take();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Told {
        kind: text(&payload["type"]),
        name: text(&body["metadata"]["name"]),
        uid: text(&body["metadata"]["uid"]),
        version: text(&body["metadata"]["resourceVersion"]),
        old: payload["oldBody"].take(),
        body,
    }
}

impl Reader {
    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// Waits until what was told is what is wanted.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&[Told]) -> bool) -> Vec<Told> {
        eventually(what, || async {
            let told = self.told();
            wanted(&told).then_some(told)
        })
        .await
    }
}
