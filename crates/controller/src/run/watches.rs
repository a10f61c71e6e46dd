//! The watches: what they see is kept, and wakes whom it concerns.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::Arc;

use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{ApiResource, Object, PartialObjectMeta};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use kube::{Api, Resource, ResourceExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tiphys_api::{ConditionStatus, EventBus, EventSource, Sensor};
use tokio::task::JoinSet;

use super::{Options, pods};
use crate::Context;
use crate::condition::EVENTS_PUBLISHED;
use crate::guard::Guarded;
use crate::index::children::{Child, Key, Workload};
use crate::index::pods::SeenPod;
use crate::wakes::Wakes;

/// What the reconcilers make bears one of these labels.
const OURS: &str = "controller in (eventbus-controller,eventsource-controller,sensor-controller)";

/// How many objects a page of a list has: a page is held as text and as objects for a moment.
const PAGE: u32 = 100;

/// Starts the watches of everything that the reconcilers own.
pub(crate) fn start(
    context: &Arc<Context>,
    options: &Options,
    wakes: &Wakes,
    tasks: &mut JoinSet<()>,
) {
    let namespace = options.namespace.as_deref();
    let watching = |kind| Watching {
        kind,
        context: Arc::clone(context),
        wakes: wakes.clone(),
    };
    tasks.spawn(watching("Deployment").run(workloads::<Deployment>(context, namespace)));
    tasks.spawn(watching("StatefulSet").run(workloads::<StatefulSet>(context, namespace)));
    tasks.spawn(watching("Service").run(metadata::<Service>(context, namespace)));
    tasks.spawn(watching("ConfigMap").run(metadata::<ConfigMap>(context, namespace)));
    let budgets = metadata::<PodDisruptionBudget>(context, namespace);
    tasks.spawn(watching("PodDisruptionBudget").run(budgets));
    let seen = seen_pods(context, namespace);
    tasks.spawn(pods::run(Arc::clone(context), wakes.clone(), seen));
}

/// What is kept of an object, with its name.
struct Seen {
    namespace: String,
    name: String,
    child: Child,
}

/// What is kept of the spec of a Deployment or StatefulSet.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    replicas: Option<i32>,
}

/// The watch of one kind.
struct Watching {
    kind: &'static str,
    context: Arc<Context>,
    wakes: Wakes,
}

impl Watching {
    async fn run(self, events: impl Stream<Item = Event<Seen>>) {
        let mut events = std::pin::pin!(events);
        let mut listed = BTreeSet::new();
        let children = &self.context.children;
        while let Some(event) = events.next().await {
            match event {
                Event::Init => listed.clear(),
                Event::InitApply(seen) => {
                    listed.insert((seen.namespace.clone(), seen.name.clone()));
                    self.seen(seen).await;
                }
                Event::InitDone => {
                    let names = std::mem::take(&mut listed);
                    for (namespace, owner) in children.listed_only(self.kind, &names) {
                        self.wakes.wake_owners(&namespace, [owner]).await;
                    }
                }
                Event::Apply(seen) => self.seen(seen).await,
                Event::Delete(seen) => {
                    let key = self.key(&seen);
                    let owner = children.gone(&key);
                    self.wakes.wake_owners(&key.namespace, owner).await;
                }
            }
        }
    }

    async fn seen(&self, seen: Seen) {
        let key = self.key(&seen);
        let namespace = seen.namespace;
        let owners = self.context.children.seen(key, seen.child);
        self.wakes.wake_owners(&namespace, owners).await;
    }

    fn key(&self, seen: &Seen) -> Key {
        Key {
            kind: self.kind.into(),
            namespace: seen.namespace.clone(),
            name: seen.name.clone(),
        }
    }
}

fn config() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

fn metadata<K>(
    context: &Context,
    namespace: Option<&str>,
) -> impl Stream<Item = Event<Seen>> + Send + 'static
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let api = api::<PartialObjectMeta<K>>(context, namespace);
    let seen = |object: PartialObjectMeta<K>| Seen {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        child: Child::new(object.metadata, None),
    };
    items(
        K::kind(&()).into_owned(),
        watch_objects(api, config().labels(OURS)),
        seen,
    )
}

fn workloads<K>(
    context: &Context,
    namespace: Option<&str>,
) -> impl Stream<Item = Event<Seen>> + Send + 'static
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    type Slim = Object<Wanted, Workload>;
    let resource = ApiResource::erase::<K>(&());
    let api: Api<Slim> = match namespace {
        Some(namespace) => Api::namespaced_with(context.client.clone(), namespace, &resource),
        None => Api::all_with(context.client.clone(), &resource),
    };
    let seen = |object: Slim| Seen {
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        name: object.metadata.name.clone().unwrap_or_default(),
        child: Child::new(
            object.metadata,
            Some(Workload {
                wanted_replicas: object.spec.replicas,
                ..object.status.unwrap_or_default()
            }),
        ),
    };
    items(
        K::kind(&()).into_owned(),
        watch_objects(api, config().labels(OURS)),
        seen,
    )
}

fn seen_pods(
    context: &Context,
    namespace: Option<&str>,
) -> impl Stream<Item = Event<SeenPod>> + Send + 'static {
    let resource = ApiResource::erase::<Pod>(&());
    let api: Api<SeenPod> = match namespace {
        Some(namespace) => Api::namespaced_with(context.client.clone(), namespace, &resource),
        None => Api::all_with(context.client.clone(), &resource),
    };
    items(
        "Pod".to_owned(),
        watch_objects(api, config().labels(OURS)),
        |pod| pod,
    )
}

fn api<K>(context: &Context, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    }
}

/// The events of a watch; its failures are logged, and it is opened again.
fn items<K: 'static, T: Send + 'static>(
    kind: String,
    events: impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static,
    convert: impl Fn(K) -> T + Send + Sync + Copy + 'static,
) -> impl Stream<Item = Event<T>> + Send + 'static {
    events.default_backoff().filter_map(move |event| {
        let event = match event {
            Ok(event) => Some(match event {
                Event::Apply(object) => Event::Apply(convert(object)),
                Event::Delete(object) => Event::Delete(convert(object)),
                Event::Init => Event::Init,
                Event::InitApply(object) => Event::InitApply(convert(object)),
                Event::InitDone => Event::InitDone,
            }),
            Err(error) => {
                log_failure(&kind, &error);
                None
            }
        };
        std::future::ready(event)
    })
}

fn log_failure(kind: &str, error: &watcher::Error) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(kind, error, "A watch failed and is opened again");
}

/// The objects of a kind that users write, kept in a store; what is forgotten with them is.
pub(crate) fn primary<K>(
    context: &Arc<Context>,
    namespace: Option<&str>,
    writer: Writer<K>,
) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Default
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let events = watch_objects(api::<Guarded<K>>(context, namespace), config());
    let unguarded = Arc::clone(context);
    let events = events.map_ok(move |event| match event {
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
        Event::Apply(object) => Event::Apply(unguard(&unguarded, object)),
        Event::InitApply(object) => Event::InitApply(unguard(&unguarded, object)),
        Event::Delete(object) => {
            let object = object.object;
            let uid = object.meta().uid.as_deref().unwrap_or_default();
            unguarded.children.forget_owner(uid);
            unguarded.memory.forget(uid);
            unguarded.failures.clear(&super::identity(&object));
            Event::Delete(object)
        }
    });
    let context = Arc::clone(context);
    let events = reflector::reflector(writer, events).inspect(move |event| match event {
        Ok(Event::InitDone) => context.children.note_listed(super::kind::<K>()),
        Ok(_) => {}
        Err(error) => log_failure(&K::kind(&()), error),
    });
    events.touched_objects()
}

/// The object; its fault is kept beside it.
fn unguard<K: Resource<DynamicType = ()>>(context: &Context, guarded: Guarded<K>) -> K {
    let Guarded { object, fault } = guarded;
    let uid = object.meta().uid.as_deref().unwrap_or_default();
    context.memory.shape(uid, fault);
    object
}

/// The buses; a bus that changes wakes the event sources and sensors that use it.
pub(crate) fn event_buses(
    context: &Arc<Context>,
    namespace: Option<&str>,
    writer: Writer<EventBus>,
    wakes: Wakes,
) -> impl Stream<Item = Result<EventBus, watcher::Error>> + Send + 'static {
    let buses = primary(context, namespace, writer);
    let context = Arc::clone(context);
    buses.then(move |bus| {
        let (context, wakes) = (Arc::clone(&context), wakes.clone());
        async move {
            if let Ok(bus) = &bus {
                wake_dependents(&context, &wakes, bus).await;
            }
            bus
        }
    })
}

/// The users of buses; a user that changes wakes the buses of its namespace that wait for their users
/// to go.
pub(crate) fn users<K>(
    context: &Arc<Context>,
    namespace: Option<&str>,
    writer: Writer<K>,
    wakes: Wakes,
) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Default
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let users = primary(context, namespace, writer);
    let context = Arc::clone(context);
    users.then(move |user| {
        let (context, wakes) = (Arc::clone(&context), wakes.clone());
        async move {
            if let Ok(user) = &user {
                wake_deleted(&context, &wakes, user.namespace()).await;
            }
            user
        }
    })
}

/// The event sources; one whose spec changes, or that comes or goes, wakes the sensors that it concerns.
pub(crate) fn event_sources(
    context: &Arc<Context>,
    namespace: Option<&str>,
    writer: Writer<EventSource>,
    wakes: Wakes,
) -> impl Stream<Item = Result<EventSource, watcher::Error>> + Send + 'static {
    let sources = users(context, namespace, writer, wakes.clone());
    let context = Arc::clone(context);
    let mut generations = HashMap::new();
    sources.then(move |source| {
        let changed = source
            .as_ref()
            .ok()
            .and_then(|source| spec_changed(&context, source, &mut generations));
        let (context, wakes) = (Arc::clone(&context), wakes.clone());
        async move {
            if let Some((namespace, name)) = changed {
                wake_listeners(&context, &wakes, &namespace, &name).await;
            }
            source
        }
    })
}

/// Where an event source is, if its spec is not the one that was seen last.
fn spec_changed(
    context: &Context,
    source: &EventSource,
    generations: &mut HashMap<(String, String), Option<i64>>,
) -> Option<(String, String)> {
    let key = (source.namespace().unwrap_or_default(), source.name_any());
    let found = context.event_sources.get(&ObjectRef::from_obj(source));
    let before = if let Some(found) = found {
        generations.insert(key.clone(), found.metadata.generation)
    } else {
        generations.remove(&key);
        None
    };
    let is_known = before == Some(source.metadata.generation);
    (!is_known).then_some(key)
}

/// Wakes the sensors of a namespace that depend on an event source, or on one that nobody has found.
async fn wake_listeners(context: &Context, wakes: &Wakes, namespace: &str, source: &str) {
    let concerns = |sensor: &Sensor| {
        let mut dependencies = sensor.spec.dependencies.iter();
        let lacks = sensor
            .status
            .as_ref()
            .and_then(|status| status.condition(EVENTS_PUBLISHED))
            .is_some_and(|published| *published.status != ConditionStatus::True);
        lacks || dependencies.any(|dependency| *dependency.event_source_name == *source)
    };
    let sensors = context.sensors.state_filter(|sensor| {
        sensor.metadata.namespace.as_deref() == Some(namespace) && concerns(sensor)
    });
    for sensor in sensors {
        wakes.wake("Sensor", namespace, &sensor.name_any()).await;
    }
}

async fn wake_deleted(context: &Context, wakes: &Wakes, namespace: Option<String>) {
    let deleted = context.event_buses.state_filter(|bus| {
        bus.metadata.deletion_timestamp.is_some() && bus.metadata.namespace == namespace
    });
    for bus in deleted {
        let namespace = bus.namespace().unwrap_or_default();
        wakes.wake("EventBus", &namespace, &bus.name_any()).await;
    }
}

async fn wake_dependents(context: &Context, wakes: &Wakes, bus: &EventBus) {
    let (namespace, name) = (bus.namespace().unwrap_or_default(), bus.name_any());
    let here = |of: Option<String>| of.as_deref() == Some(&*namespace);
    let sources = context
        .event_sources
        .state_filter(|source| here(source.namespace()) && source.spec.bus_name() == name);
    for source in sources {
        wakes
            .wake("EventSource", &namespace, &source.name_any())
            .await;
    }
    let sensors = context
        .sensors
        .state_filter(|sensor| here(sensor.namespace()) && sensor.spec.bus_name() == name);
    for sensor in sensors {
        wakes.wake("Sensor", &namespace, &sensor.name_any()).await;
    }
}
