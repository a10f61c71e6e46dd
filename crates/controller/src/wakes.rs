//! Wakes: which object is to be looked at, on the way to its reconciler.

use kube::runtime::reflector::ObjectRef;
use tiphys_api::{EventBus, EventSource, Sensor};
use tokio::sync::mpsc;

use crate::index::children::Owner;

/// Wakes that wait to be looked at. The reconciler takes them at once and keeps one for each object,
/// so this is only the way there.
const WAKES: usize = 256;

/// Wakes reconcilers.
#[derive(Clone, Debug)]
pub(crate) struct Wakes {
    event_bus: mpsc::Sender<ObjectRef<EventBus>>,
    event_source: mpsc::Sender<ObjectRef<EventSource>>,
    sensor: mpsc::Sender<ObjectRef<Sensor>>,
}

/// The other ends of [`Wakes`].
#[derive(Debug)]
pub(crate) struct Woken {
    pub(crate) event_bus: mpsc::Receiver<ObjectRef<EventBus>>,
    pub(crate) event_source: mpsc::Receiver<ObjectRef<EventSource>>,
    pub(crate) sensor: mpsc::Receiver<ObjectRef<Sensor>>,
}

impl Wakes {
    pub(crate) fn new() -> (Self, Woken) {
        let (event_bus, event_buses) = mpsc::channel(WAKES);
        let (event_source, event_sources) = mpsc::channel(WAKES);
        let (sensor, sensors) = mpsc::channel(WAKES);
        let wakes = Self {
            event_bus,
            event_source,
            sensor,
        };
        let woken = Woken {
            event_bus: event_buses,
            event_source: event_sources,
            sensor: sensors,
        };
        (wakes, woken)
    }

    /// Wakes the reconciler of an object. Nobody is there to be woken when the process ends.
    pub(crate) async fn wake(&self, kind: &str, namespace: &str, name: &str) {
        match kind {
            "EventBus" => {
                let object = ObjectRef::new(name).within(namespace);
                self.event_bus.send(object).await.ok();
            }
            "EventSource" => {
                let object = ObjectRef::new(name).within(namespace);
                self.event_source.send(object).await.ok();
            }
            "Sensor" => {
                let object = ObjectRef::new(name).within(namespace);
                self.sensor.send(object).await.ok();
            }
            _ => {}
        }
    }

    /// Wakes the reconcilers of these owners.
    pub(crate) async fn wake_owners(
        &self,
        namespace: &str,
        owners: impl IntoIterator<Item = Owner>,
    ) {
        for owner in owners {
            self.wake(&owner.kind, namespace, &owner.name).await;
        }
    }
}
