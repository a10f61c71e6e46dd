//! The buses of `run`: one NATS server for all, or one embedded bus for each EventBus.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tiphys_eventbus::EventBus;
use tiphys_eventbus::embedded::Embedded;
use tiphys_eventbus::jetstream::Config;
use tracing::warn;

use crate::bus;

/// How often an embedded bus is asked whether it has run empty.
const LOOK: Duration = Duration::from_millis(10);

/// Namespace and name of an `EventBus`.
pub type Name = (String, String);

/// The open buses.
pub struct Buses {
    server: Option<Arc<dyn EventBus>>,
    embedded: BTreeMap<Name, Embedded>,
    settings: BTreeMap<Name, String>,
}

impl Buses {
    /// Opens the server, if there is one, as often as it takes; otherwise buses are in this process.
    /// `settings` is the `streamConfig` of each `EventBus`.
    pub async fn open(server: Option<Config>, settings: BTreeMap<Name, String>) -> Self {
        let config = server;
        let mut server = None;
        if let Some(config) = config {
            let bus = bus::connect(&config, drop).await;
            // All EventBus objects stand for this one server; their streams are one stream.
            if settings.len() > 1 {
                warn!("Several EventBus objects, one server: the first one's streamConfig counts");
            }
            bus::set_up(&*bus, settings.values().next().map(String::as_str), drop).await;
            server = Some(bus);
        }
        Self {
            server,
            embedded: BTreeMap::new(),
            settings,
        }
    }

    /// The bus that an EventBus object stands for.
    pub(super) async fn get(&mut self, namespace: &str, name: &str) -> Arc<dyn EventBus> {
        if let Some(server) = &self.server {
            return Arc::clone(server);
        }
        let key = (namespace.to_owned(), name.to_owned());
        if let Some(bus) = self.embedded.get(&key) {
            return Arc::new(bus.clone());
        }
        let bus = Embedded::new();
        bus::set_up(&bus, self.settings.get(&key).map(String::as_str), drop).await;
        self.embedded.insert(key, bus.clone());
        Arc::new(bus)
    }

    /// Whether the buses end with this process.
    pub(super) fn are_embedded(&self) -> bool {
        self.server.is_none()
    }

    /// Waits until embedded buses have delivered everything, for at most `time`: what they hold is
    /// gone with the process.
    pub(super) async fn run_empty(&self, time: Duration) {
        let empty = async {
            while !self.embedded.values().all(Embedded::is_idle) {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(time, empty).await.is_err() {
            warn!("The embedded bus still holds events: they are lost with this process");
        }
    }

    /// Sends what is still to be sent.
    pub(super) async fn close(&self) {
        if let Some(server) = &self.server
            && let Err(error) = server.close().await
        {
            let error: &dyn std::error::Error = &error;
            warn!(error, "The event bus was not closed in order");
        }
    }
}
