//! Makes runners: an object that was compiled, with everything that it needs.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tiphys_clients::values::Values;
use tiphys_eventbus::EventBus;
use tiphys_runtime::cluster::User;
use tiphys_runtime::logging::Printer;
use tiphys_sensor::trigger::Executors;
use tiphys_sensor::trigger::log::Sink;
use tokio::sync::watch;

use crate::print::Stdout;
use crate::values::SourceValues;

/// What the runners of a process share.
pub(crate) struct Assembly {
    sensor_metrics: tiphys_sensor::Metrics,
    source_metrics: tiphys_eventsource::Metrics,
    sink: Arc<dyn Sink>,
}

impl Assembly {
    /// Also returns where the runners count.
    pub(crate) fn new(printer: Printer) -> (Self, Registry) {
        let mut registry = Registry::default();
        // Shown as `build_info`.
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program that runs", version);
        let assembly = Self {
            sensor_metrics: tiphys_sensor::Metrics::register(&mut registry),
            source_metrics: tiphys_eventsource::Metrics::register(&mut registry),
            sink: Arc::new(Stdout(printer)),
        };
        (assembly, registry)
    }

    /// What performs actions, as one user.
    pub(crate) fn executors(&self, user: Option<User>, values: Arc<dyn Values>) -> Arc<Executors> {
        let client = user.map(|user| user.client);
        let sink = Arc::clone(&self.sink);
        Arc::new(Executors::new(client, values, sink, Timestamp::now))
    }

    /// A runner of a sensor that was created at `since`.
    pub(crate) fn sensor(
        &self,
        sensor: Arc<tiphys_sensor::Compiled>,
        bus: Arc<dyn EventBus>,
        executors: Arc<Executors>,
        since: Timestamp,
    ) -> tiphys_sensor::run::Runner {
        tiphys_sensor::run::Runner {
            sensor,
            bus,
            executors,
            metrics: self.sensor_metrics.clone(),
            now: Timestamp::now,
            since,
            added: HashMap::new(),
            removed: Vec::new(),
            status: Arc::default(),
            handover: tiphys_sensor::run::Handover::default(),
        }
    }

    /// A runner of an event source.
    pub(crate) fn event_source(
        &self,
        source: Arc<tiphys_eventsource::Compiled>,
        bus: Arc<dyn EventBus>,
        user: Option<User>,
        values: Arc<dyn Values>,
    ) -> tiphys_eventsource::Runner {
        tiphys_eventsource::Runner {
            values: Arc::new(SourceValues {
                namespace: source.namespace.to_string(),
                values,
            }),
            source,
            bus,
            cluster: user.map(|user| tiphys_eventsource::Cluster {
                client: user.client,
                identity: user.identity,
            }),
            server: None,
            // Whoever starts a runner holds the lease, or needs none.
            leads: watch::Sender::new(true).subscribe(),
            metrics: self.source_metrics.clone(),
            clock: tiphys_eventsource::Clock::system(),
            status: Arc::default(),
        }
    }
}
