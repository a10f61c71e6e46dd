//! Keeps a bus from going while it is used, and clears up behind it.

use kube::ResourceExt;
use kube::runtime::controller::Action;
use tiphys_api::EventBus;

use super::names::Names;
use super::volumes;
use crate::{Context, Error, patch};

/// The finalizer that keeps a bus from going while it is used: Argo Events' own.
const FINALIZER: &str = "eventbus-controller";

/// How many users of a bus a condition names.
const NAMED_USERS: usize = 10;

/// True if the bus does not go by itself.
pub(super) fn is_held(bus: &EventBus) -> bool {
    let mut finalizers = bus.finalizers().iter();
    finalizers.any(|finalizer| finalizer == FINALIZER)
}

/// Who uses a bus, in Argo Events' words and with their names; `None` if nobody does.
pub(super) fn users(bus: &EventBus, context: &Context) -> Option<String> {
    let (namespace, name) = (bus.namespace(), bus.name_any());
    let sources = context
        .event_sources
        .state_filter(|source| source.namespace() == namespace && source.spec.bus_name() == name);
    let sensors = context
        .sensors
        .state_filter(|sensor| sensor.namespace() == namespace && sensor.spec.bus_name() == name);
    let sources = sources.iter().map(|source| source.name_any()).collect();
    let sensors = sensors.iter().map(|sensor| sensor.name_any()).collect();
    let users = [
        connected("EventSources", sources),
        connected("Sensors", sensors),
    ];
    let users: Vec<String> = users.into_iter().flatten().collect();
    (!users.is_empty()).then(|| format!("can not delete an EventBus with {}", users.join(" and ")))
}

fn connected(kind: &str, mut names: Vec<String>) -> Option<String> {
    names.sort();
    let count = names.len();
    let mut shown = names
        .iter()
        .take(NAMED_USERS)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if count > NAMED_USERS {
        shown.push_str(", …");
    }
    (count > 0).then(|| format!("{count} {kind} connected: {shown}"))
}

/// Keeps the bus from going while it is used.
pub(super) async fn hold(bus: &EventBus, context: &Context) -> Result<(), Error> {
    let mut finalizers = bus.finalizers().to_vec();
    finalizers.push(FINALIZER.to_owned());
    patch::finalizers(context, bus, &finalizers, "hold").await
}

/// Deletes what does not go by itself, and lets the bus go.
pub(super) async fn release(bus: &EventBus, context: &Context) -> Result<Action, Error> {
    let namespace = bus.namespace().unwrap_or_default();
    let names = Names::of(&bus.name_any(), &namespace);
    volumes::remove(context, &names).await?;
    let mut finalizers = bus.finalizers().to_vec();
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    patch::finalizers(context, bus, &finalizers, "hold").await?;
    Ok(Action::await_change())
}
