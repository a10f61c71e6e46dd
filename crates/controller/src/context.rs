//! What every reconcile has at hand.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use kube::Client;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::{ObjectRef, Store};
use tiphys_api::{EventBus, EventSource, Sensor};
use tokio::sync::watch;

use crate::checks::Checks;
use crate::index::{Children, Failures, Memory, Pods};
use crate::metrics::Metrics;
use crate::settings::Settings;

/// The kinds that are watched for their owners' sake.
pub(crate) const WATCHED: [&str; 5] = [
    "Deployment",
    "StatefulSet",
    "Service",
    "ConfigMap",
    "PodDisruptionBudget",
];

/// The kinds that users write.
const PRIMARY: [&str; 3] = ["EventBus", "EventSource", "Sensor"];

/// What every reconcile has at hand.
pub struct Context {
    /// The cluster, as the controller's own service account.
    pub client: Client,
    /// What the operator decides; changes while it runs.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// Records Kubernetes Events.
    pub recorder: Recorder,
    /// What it counts.
    pub metrics: Metrics,
    /// What the reconcilers own, and what was sent.
    pub children: Children,
    /// The pods of event sources, sensors and buses.
    pub pods: Pods,
    /// What is known of event sources and sensors between two looks at them.
    pub(crate) memory: Memory,
    /// Who waits for a check of an object.
    pub(crate) checks: Checks,
    /// All buses.
    pub event_buses: Store<EventBus>,
    /// All event sources.
    pub event_sources: Store<EventSource>,
    /// All sensors.
    pub sensors: Store<Sensor>,
    /// The clock.
    pub now: fn() -> Timestamp,
    pub(crate) failures: Failures,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl Context {
    /// What the operator decides at this moment.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.borrow().clone()
    }

    /// The bus of a name.
    pub fn event_bus(&self, namespace: &str, name: &str) -> Option<Arc<EventBus>> {
        self.event_buses
            .get(&ObjectRef::new(name).within(namespace))
    }

    /// Waits until everything has been listed once: what is missing before may be there.
    ///
    /// Many wait here at a time, which a [`Store`] is not made for: it wakes the last one only.
    pub async fn listed(&self) {
        self.children.listed(&WATCHED).await;
        self.children.listed(&PRIMARY).await;
    }
}
