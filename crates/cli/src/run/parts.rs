//! What runs in the process: a runner for each object, with everything that it needs.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tiphys_api::Template;
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
        let mut assembly = Assembly {
            cluster,
            sink,
            executors: HashMap::new(),
        };
        let since = Timestamp::now();
        let mut parts = Self {
            registry,
            sensors: Vec::new(),
            sources: Vec::new(),
        };
        for loadable in loaded.objects {
            match (loadable.program, &loadable.object.content) {
                (Program::Sensor(sensor), Content::Sensor(object)) => {
                    let account = service_account(object.spec.template.as_ref());
                    let executors = match assembly.executors(&sensor.namespace, account) {
                        Ok(executors) => executors,
                        Err(error) => {
                            error!(sensorName = %sensor.name, error = format!("{error:#}"), "Not run");
                            continue;
                        }
                    };
                    parts.sensors.push(tiphys_sensor::run::Runner {
                        bus: buses.get(&sensor.namespace, object.spec.bus_name()).await,
                        sensor: Arc::new(*sensor),
                        executors,
                        metrics: sensor_metrics.clone(),
                        now: Timestamp::now,
                        since,
                        status: Arc::default(),
                    });
                }
                (Program::EventSource(source), Content::EventSource(object)) => {
                    let account = service_account(object.spec.template.as_ref());
                    let Some(cluster) = &assembly.cluster else {
                        error!(eventSourceName = %source.name, "Not run: it needs a cluster");
                        continue;
                    };
                    let user = match cluster.user(&source.namespace, account) {
                        Ok(user) => user,
                        Err(error) => {
                            let error = format!("{error:#}");
                            error!(eventSourceName = %source.name, error, "Not run");
                            continue;
                        }
                    };
                    parts.sources.push(tiphys_eventsource::Runner {
                        bus: buses.get(&source.namespace, object.spec.bus_name()).await,
                        source: Arc::new(*source),
                        client: user.client,
                        metrics: source_metrics.clone(),
                        now: Timestamp::now,
                        identity: user.identity,
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

/// The service account that a pod of the object would run under.
fn service_account(template: Option<&Template>) -> &str {
    template.map_or("", |template| &template.service_account_name)
}

/// What runners share.
struct Assembly {
    cluster: Option<Cluster>,
    sink: Arc<dyn log::Sink>,
    /// One set of executors for each user.
    executors: HashMap<String, Arc<Executors>>,
}

impl Assembly {
    fn executors(&mut self, namespace: &str, account: &str) -> anyhow::Result<Arc<Executors>> {
        let user = match &self.cluster {
            Some(cluster) => Some(cluster.user(namespace, account)?),
            None => None,
        };
        let identity = user.as_ref().map(|user| user.identity.clone());
        let executors = self
            .executors
            .entry(identity.unwrap_or_default())
            .or_insert_with(|| {
                let client = user.map(|user| user.client);
                let values: Arc<dyn Values> = match &client {
                    Some(client) => Arc::new(ClusterValues::new(client.clone())),
                    None => Arc::new(NoValues),
                };
                let sink = Arc::clone(&self.sink);
                Arc::new(Executors::new(client, values, sink, Timestamp::now))
            });
        Ok(Arc::clone(executors))
    }
}
