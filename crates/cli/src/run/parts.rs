//! What runs in the process: a runner for each object, with everything that it needs.

use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tiphys_api::manifest::Content;
use tiphys_sensor::execute::values::{ClusterValues, NoValues, Values};
use tiphys_sensor::execute::{Executors, log};
use tracing::error;

use super::bus::Buses;
use super::cluster::Cluster;
use crate::files::{Loaded, Program};

/// The runners of a process.
pub(super) struct Parts {
    pub(super) registry: Registry,
    pub(super) sensors: Vec<tiphys_sensor::run::Runner>,
    pub(super) sources: Vec<tiphys_eventsource::Runner>,
}

impl Parts {
    /// Gives each object what it needs to run.
    pub(super) async fn assemble(
        loaded: Loaded,
        cluster: Option<Cluster>,
        buses: &mut Buses,
        sink: Arc<dyn log::Sink>,
    ) -> Self {
        let mut registry = Registry::default();
        let sensor_metrics = tiphys_sensor::Metrics::register(&mut registry);
        let source_metrics = tiphys_eventsource::Metrics::register(&mut registry);
        let client = cluster.as_ref().map(|cluster| cluster.client.clone());
        let values: Arc<dyn Values> = match &client {
            Some(client) => Arc::new(ClusterValues::new(client.clone())),
            None => Arc::new(NoValues),
        };
        let executors = Arc::new(Executors::new(client, values, sink, Timestamp::now));
        let since = Timestamp::now();
        let mut parts = Self {
            registry,
            sensors: Vec::new(),
            sources: Vec::new(),
        };
        for loadable in loaded.objects {
            match (loadable.program, &loadable.object.content) {
                (Program::Sensor(sensor), Content::Sensor(object)) => {
                    let bus = buses.get(&sensor.namespace, object.spec.bus_name()).await;
                    parts.sensors.push(tiphys_sensor::run::Runner {
                        sensor: Arc::new(*sensor),
                        bus,
                        executors: Arc::clone(&executors),
                        metrics: sensor_metrics.clone(),
                        now: Timestamp::now,
                        since,
                        status: Arc::default(),
                    });
                }
                (Program::EventSource(source), Content::EventSource(object)) => {
                    let Some(cluster) = &cluster else {
                        error!(eventSourceName = %source.name, "Not run: it needs a cluster");
                        continue;
                    };
                    let bus = buses.get(&source.namespace, object.spec.bus_name()).await;
                    parts.sources.push(tiphys_eventsource::Runner {
                        source: Arc::new(*source),
                        bus,
                        client: cluster.client.clone(),
                        metrics: source_metrics.clone(),
                        now: Timestamp::now,
                        identity: cluster.identity.clone(),
                    });
                }
                _ => {}
            }
        }
        parts
    }

    /// Whether there is nothing to run.
    pub(super) fn is_empty(&self) -> bool {
        self.sensors.is_empty() && self.sources.is_empty()
    }
}
