//! What runs in the process: a runner for each object.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tiphys_api::message::with_causes;
use tiphys_clients::values::{ClusterValues, NoValues, Values};
use tiphys_eventbus::EventBus;
use tiphys_runtime::cluster::{Cluster, User};
use tiphys_runtime::logging::Logging;
use tiphys_sensor::trigger::Executors;
use tracing::error;

use super::bus::Buses;
use crate::Error;
use crate::assembly::Assembly;
use crate::spec::{Program, Spec};

/// The runners of a process.
pub struct Parts {
    pub(super) registry: Registry,
    pub(super) sensors: Vec<tiphys_sensor::run::Runner>,
    pub(super) sources: Vec<tiphys_eventsource::Runner>,
}

impl Parts {
    /// Gives each object what it needs to run.
    pub async fn assemble(
        specs: Vec<Spec>,
        cluster: Option<Cluster>,
        buses: &mut Buses,
        logging: Logging,
    ) -> Self {
        let (assembly, registry) = Assembly::new(logging.printer);
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
        for spec in specs {
            let bus = buses.get(&spec.namespace, &spec.bus).await;
            match &spec.program {
                Program::Sensor {
                    sensor,
                    logging_fields,
                } => {
                    logging.fields.set(&sensor.name, logging_fields);
                    match makers.executors(&spec) {
                        Ok(executors) => parts.sensors.push(makers.assembly.sensor(
                            Arc::clone(sensor),
                            bus,
                            executors,
                            makers.since,
                        )),
                        Err(error) => {
                            error!(
                                sensorName = spec.name,
                                error = with_causes(&error),
                                "Not run"
                            );
                        }
                    }
                }
                Program::EventSource(source) => match makers.event_source(&spec, source, bus) {
                    Ok(runner) => parts.sources.push(runner),
                    Err(error) => {
                        let error = with_causes(&error);
                        error!(eventSourceName = spec.name, error, "Not run");
                    }
                },
            }
        }
        parts
    }

    /// Whether there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.sensors.is_empty() && self.sources.is_empty()
    }
}

/// Values of Secrets and ConfigMaps, as one user.
fn values(user: Option<&User>) -> Arc<dyn Values> {
    match user {
        Some(user) => Arc::new(ClusterValues::new(user.client.clone())),
        None => Arc::new(NoValues),
    }
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
    fn event_source(
        &self,
        spec: &Spec,
        source: &Arc<tiphys_eventsource::Compiled>,
        bus: Arc<dyn EventBus>,
    ) -> Result<tiphys_eventsource::Runner, Error> {
        let user = match &self.cluster {
            Some(cluster) => Some(cluster.user(&spec.namespace, &spec.account)?),
            None => None,
        };
        let values = values(user.as_ref());
        Ok(self
            .assembly
            .event_source(Arc::clone(source), bus, user, values))
    }

    fn executors(&mut self, spec: &Spec) -> Result<Arc<Executors>, Error> {
        let user = match &self.cluster {
            Some(cluster) => Some(cluster.user(&spec.namespace, &spec.account)?),
            None => None,
        };
        let identity = user.as_ref().map(|user| user.identity.clone());
        let executors = self
            .executors
            .entry(identity.unwrap_or_default())
            .or_insert_with(|| {
                let values = values(user.as_ref());
                self.assembly.executors(user, values)
            });
        Ok(Arc::clone(executors))
    }
}
