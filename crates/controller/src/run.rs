//! Starts the three reconcilers and their watches.

mod pods;
mod watches;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use futures::{FutureExt, Stream, StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::checks::Checks;
use crate::index::{Children, Failures, Memory, Pods};
use crate::wakes::{Wakes, Woken};
use crate::{Context, Error, Metrics, Settings, event_bus, event_source, sensor};

/// How many objects of a kind are looked at at a time: enough to hide the way to the API server,
/// few enough to leave it to others.
const CONCURRENCY: u16 = 8;

/// How the controller runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The only namespace that it looks at; `None` for all.
    pub namespace: Option<String>,
    /// The name under which it records Kubernetes Events: its pod.
    pub instance: String,
}

/// Reconciles until `shutdown`. `is_ready` becomes true when everything has been listed.
///
/// # Cancellation
/// A reconcile can end at every step; the next start does what is left.
pub async fn run(
    client: Client,
    options: Options,
    settings: watch::Receiver<Arc<Settings>>,
    metrics: Metrics,
    is_ready: watch::Sender<bool>,
    shutdown: CancellationToken,
) {
    let reporter = Reporter {
        controller: crate::FIELD_MANAGER.into(),
        instance: Some(options.instance.clone()),
    };
    let (event_buses, event_bus_writer) = reflector::store();
    let (event_sources, event_source_writer) = reflector::store();
    let (sensors, sensor_writer) = reflector::store();
    let context = Arc::new(Context {
        recorder: Recorder::new(client.clone(), reporter),
        client,
        settings,
        metrics,
        children: Children::default(),
        pods: Pods::default(),
        memory: Memory::default(),
        checks: Checks::default(),
        event_buses,
        event_sources,
        sensors,
        now: Timestamp::now,
        failures: Failures::default(),
    });
    let (wakes, woken) = Wakes::new();
    let Woken {
        event_bus,
        event_source,
        sensor,
    } = woken;
    let mut tasks = JoinSet::new();
    watches::start(&context, &options, &wakes, &mut tasks);
    let namespace = options.namespace.as_deref();
    let buses = watches::event_buses(&context, namespace, event_bus_writer, wakes.clone());
    let store = context.event_buses.clone();
    tasks.spawn(controller(
        buses,
        store,
        event_bus,
        event_bus::reconcile,
        &context,
        &shutdown,
    ));
    let sources = watches::event_sources(&context, namespace, event_source_writer, wakes.clone());
    let store = context.event_sources.clone();
    tasks.spawn(controller(
        sources,
        store,
        event_source,
        event_source::reconcile,
        &context,
        &shutdown,
    ));
    let all_sensors = watches::users(&context, namespace, sensor_writer, wakes);
    let store = context.sensors.clone();
    tasks.spawn(controller(
        all_sensors,
        store,
        sensor,
        sensor::reconcile,
        &context,
        &shutdown,
    ));
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = context.listed().map(|()| is_ready.send_replace(true)).then(|_| shutdown.cancelled()) => {}
    }
    is_ready.send_replace(false);
    tasks.shutdown().await;
}

/// One reconciler with all that wakes it.
fn controller<K, F>(
    objects: impl Stream<Item = Result<K, watcher::Error>> + Send + 'static,
    store: Store<K>,
    mut woken: mpsc::Receiver<ObjectRef<K>>,
    reconcile: fn(Arc<K>, Arc<Context>) -> F,
    context: &Arc<Context>,
    shutdown: &CancellationToken,
) -> impl Future<Output = ()> + Send + 'static
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
    F: Future<Output = Result<Action, Error>> + Send + 'static,
{
    let observed =
        move |object: Arc<K>, context: Arc<Context>| observed(reconcile, object, context).boxed();
    Controller::for_stream(objects, store)
        .reconcile_on(stream::poll_fn(move |waker| woken.poll_recv(waker)))
        .reconcile_all_on(changes(context.settings.clone()))
        .with_config(Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(shutdown.clone().cancelled_owned())
        .run(observed, try_again::<K>, Arc::clone(context))
        .for_each(|_| std::future::ready(()))
}

/// A reconcile, timed and counted.
async fn observed<K, F>(
    reconcile: fn(Arc<K>, Arc<Context>) -> F,
    object: Arc<K>,
    context: Arc<Context>,
) -> Result<Action, Error>
where
    K: Resource<DynamicType = ()>,
    F: Future<Output = Result<Action, Error>>,
{
    context.listed().await;
    let began = Instant::now();
    let name = identity(&*object);
    let result = reconcile(object, Arc::clone(&context)).await;
    context.metrics.reconciled(kind::<K>(), began.elapsed());
    if result.is_ok() {
        context.failures.clear(&name);
    }
    result
}

/// Waits longer after each failure; what only a human can mend waits for the human.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is that of kube's error policy"
)]
fn try_again<K>(object: Arc<K>, error: &Error, context: Arc<Context>) -> Action
where
    K: Resource<DynamicType = ()>,
{
    let kind = kind::<K>();
    context.metrics.failed(kind, error.reason().as_str());
    let name = object.name_any();
    let namespace = object.namespace().unwrap_or_default();
    let wait = context.failures.failed(identity(&*object));
    let error_text = error.message();
    if !error.is_transient() {
        tracing::error!(
            kind,
            namespace,
            name,
            error = error_text,
            "Not reconciled: the object has to change"
        );
        return Action::await_change();
    }
    let retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    tracing::warn!(
        kind,
        namespace,
        name,
        error = error_text,
        retry_in_ms,
        "Not reconciled: tried again"
    );
    Action::requeue(wait)
}

fn identity<K: Resource<DynamicType = ()>>(object: &K) -> String {
    let namespace = object.namespace().unwrap_or_default();
    format!("{}/{namespace}/{}", K::kind(&()), object.name_any())
}

fn kind<K: Resource<DynamicType = ()>>() -> &'static str {
    match &*K::kind(&()) {
        "EventBus" => "EventBus",
        "EventSource" => "EventSource",
        _ => "Sensor",
    }
}

/// One item for each change of the settings.
fn changes(settings: watch::Receiver<Arc<Settings>>) -> impl Stream<Item = ()> + Send + 'static {
    stream::unfold(settings, |mut settings| async move {
        settings.changed().await.ok()?;
        Some(((), settings))
    })
}
