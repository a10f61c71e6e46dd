//! What runs in the process: a runner for each object.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tiphys_api::manifest::Content;
use tiphys_api::{EventSource, Sensor, Template};
use tiphys_sensor::execute::Executors;
use tiphys_sensor::execute::values::{ClusterValues, NoValues, Values};
use tracing::error;

use super::bus::Buses;
use crate::assembly::Assembly;
use crate::cluster::Cluster;
use crate::files::{Loaded, Program};
use crate::logging::Logging;

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
        logging: &Logging,
    ) -> Self {
        let (assembly, registry) = Assembly::new(logging);
        let mut makers = Makers {
            assembly,
            cluster,
            executors: HashMap::new(),
            since: Timestamp::now(),
        };
        let mut parts = Self {
            registry,
            sensors: Vec::new(),
            sources: Vec::new(),
        };
        for loadable in loaded.objects {
            match (loadable.program, &loadable.object.content) {
                (Program::Sensor(sensor), Content::Sensor(object)) => {
                    let name = Arc::clone(&sensor.name);
                    logging.fields.set(&name, &object.spec.logging_fields);
                    match makers.sensor(*sensor, object, buses).await {
                        Ok(runner) => parts.sensors.push(runner),
                        Err(error) => {
                            error!(sensorName = %name, error = format!("{error:#}"), "Not run");
                        }
                    }
                }
                (Program::EventSource(source), Content::EventSource(object)) => {
                    let name = Arc::clone(&source.name);
                    match makers.event_source(*source, object, buses).await {
                        Ok(runner) => parts.sources.push(runner),
                        Err(error) => {
                            error!(eventSourceName = %name, error = format!("{error:#}"), "Not run");
                        }
                    }
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

/// Makes runners.
struct Makers {
    assembly: Assembly,
    cluster: Option<Cluster>,
    /// One set of executors for each user.
    executors: HashMap<String, Arc<Executors>>,
    since: Timestamp,
}

impl Makers {
    async fn sensor(
        &mut self,
        sensor: tiphys_sensor::Compiled,
        object: &Sensor,
        buses: &mut Buses,
    ) -> anyhow::Result<tiphys_sensor::run::Runner> {
        let account = service_account(object.spec.template.as_ref());
        let executors = self.executors(&sensor.namespace, account)?;
        let bus = buses.get(&sensor.namespace, object.spec.bus_name()).await;
        Ok(self
            .assembly
            .sensor(Arc::new(sensor), bus, executors, self.since))
    }

    async fn event_source(
        &mut self,
        source: tiphys_eventsource::Compiled,
        object: &EventSource,
        buses: &mut Buses,
    ) -> anyhow::Result<tiphys_eventsource::Runner> {
        let account = service_account(object.spec.template.as_ref());
        let cluster = self.cluster.as_ref().context("it needs a cluster")?;
        let user = cluster.user(&source.namespace, account)?;
        let bus = buses.get(&source.namespace, object.spec.bus_name()).await;
        Ok(self.assembly.event_source(Arc::new(source), bus, user))
    }

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
                let values: Arc<dyn Values> = match &user {
                    Some(user) => Arc::new(ClusterValues::new(user.client.clone())),
                    None => Arc::new(NoValues),
                };
                self.assembly.executors(user, values)
            });
        Ok(Arc::clone(executors))
    }
}
