//! The work of a worker: runners, one after another, of whatever the spec says.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tiphys_api::worker::PartReport;
use tiphys_clients::values::{MountedValues, Values};
use tiphys_runtime::Group;
use tiphys_runtime::cluster::{Cluster, User};
use tiphys_runtime::logging::LoggingFields;
use tiphys_sensor::run::Handover;
use tiphys_sensor::trigger::Executors;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::assembly::Assembly;
use crate::opening::Open;
use crate::report;
use crate::spec::{Program, Spec};

/// Makes runners.
pub(crate) struct Workshop {
    assembly: Assembly,
    cluster: Option<Cluster>,
    logging: LoggingFields,
    values: Arc<dyn Values>,
    executors: Option<Arc<Executors>>,
    events: Arc<tiphys_eventsource::Status>,
    triggers: Arc<tiphys_sensor::run::Status>,
    /// Since when each trigger is there, as far as this process knows.
    known: HashMap<Arc<str>, Timestamp>,
    /// Triggers that were there, and that the next runner is to forget.
    removed: HashSet<Arc<str>>,
}

/// A runner at work.
pub(crate) struct Work {
    pub(crate) key: Key,
    /// Cancelled to have it make room for another one.
    pub(crate) leave: CancellationToken,
    /// Cancelled when another one may begin.
    pub(crate) gone: CancellationToken,
    /// Cancelled when it has ended.
    pub(crate) ended: CancellationToken,
}

/// What a runner was made of: another one is needed when it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) spec: u64,
    pub(crate) bus: u64,
}

impl Workshop {
    pub(crate) fn new(
        assembly: Assembly,
        cluster: Option<Cluster>,
        logging: LoggingFields,
        values: &Path,
    ) -> Self {
        Self {
            assembly,
            cluster,
            logging,
            values: Arc::new(MountedValues::new(values)),
            executors: None,
            events: Arc::default(),
            triggers: Arc::default(),
            known: HashMap::new(),
            removed: HashSet::new(),
        }
    }

    /// Who this process is to the cluster, if there is one.
    pub(crate) fn user(&self, spec: &Spec) -> Result<Option<User>, Error> {
        let Some(cluster) = &self.cluster else {
            return Ok(None);
        };
        let mut user = cluster.user(&spec.namespace, &spec.account)?;
        if user.identity.is_empty() {
            user.identity = format!("system:serviceaccount:{}:{}", spec.namespace, spec.account);
        }
        Ok(Some(user))
    }

    /// Takes note of the triggers of a spec at the moment at which it came.
    pub(crate) fn note(&mut self, spec: &Spec, now: Timestamp) {
        let Program::Sensor {
            sensor,
            logging_fields,
        } = &spec.program
        else {
            return;
        };
        self.logging.set(&sensor.name, logging_fields);
        let begin = if self.known.is_empty() {
            spec.created.unwrap_or(now)
        } else {
            now
        };
        let mut before = std::mem::take(&mut self.known);
        for trigger in &sensor.triggers {
            let name = Arc::clone(trigger.name());
            self.removed.remove(&name);
            let since = before.remove(&name).unwrap_or(begin);
            self.known.insert(name, since);
        }
        self.removed.extend(before.into_keys());
    }

    /// Starts a runner in `group`.
    pub(crate) fn start(
        &mut self,
        spec: &Spec,
        open: &Open,
        group: &mut Group,
    ) -> Result<Work, Error> {
        let user = self.user(spec)?;
        let key = Key {
            spec: spec.fingerprint,
            bus: open.fingerprint,
        };
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let bus = Arc::clone(&open.bus);
        let name = format!("{}/{}", spec.namespace, spec.name);
        match &spec.program {
            Program::EventSource(source) => {
                let values = Arc::clone(&self.values);
                let mut runner = self
                    .assembly
                    .event_source(Arc::clone(source), bus, user, values);
                runner.status = Arc::clone(&self.events);
                let leave = group.stop.child_token();
                let stop = leave.clone();
                group.spawn(format!("event source {name}"), |_| async move {
                    let _guard = guard;
                    Ok(runner.run(stop).await?)
                });
                let gone = ended.clone();
                Ok(Work {
                    key,
                    leave,
                    gone,
                    ended,
                })
            }
            Program::Sensor { sensor, .. } => {
                let executors = match &self.executors {
                    Some(executors) => Arc::clone(executors),
                    None => self.assembly.executors(user, Arc::clone(&self.values)),
                };
                self.executors = Some(Arc::clone(&executors));
                let since = spec.created.unwrap_or_else(Timestamp::now);
                let mut runner = self
                    .assembly
                    .sensor(Arc::clone(sensor), bus, executors, since);
                runner.status = Arc::clone(&self.triggers);
                runner.added.clone_from(&self.known);
                runner.removed = self.removed.drain().collect();
                let Handover { asked, done } = runner.handover.clone();
                group.spawn(format!("sensor {name}"), |stop| async move {
                    let _guard = guard;
                    Ok(runner.run(stop).await?)
                });
                Ok(Work {
                    key,
                    leave: asked,
                    gone: done,
                    ended,
                })
            }
        }
    }

    /// A number that grows with each change of what the parts say.
    pub(crate) fn changes(&self) -> u64 {
        self.events.changes() + self.triggers.changes()
    }

    /// What the parts of a spec say.
    pub(crate) fn parts(&self, spec: &Spec) -> Vec<PartReport> {
        match &spec.program {
            Program::EventSource(source) => {
                let mut told = self.events.events();
                let names = source.events.iter().map(|event| &event.name);
                names
                    .map(|name| report::event(name, told.remove(name).unwrap_or_default()))
                    .collect()
            }
            Program::Sensor { sensor, .. } => {
                let told = self.triggers.triggers();
                let names = sensor.triggers.iter().map(|trigger| trigger.name());
                names
                    .map(|name| report::trigger(name, &told.get(name).cloned().unwrap_or_default()))
                    .collect()
            }
        }
    }
}
