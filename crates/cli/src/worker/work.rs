//! The work of a worker: runners, one after another, of whatever the spec says.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tiphys_api::worker::PartReport;
use tiphys_sensor::execute::Executors;
use tiphys_sensor::execute::values::{MountedValues, Values};
use tiphys_sensor::run::Handover;
use tokio_util::sync::CancellationToken;

use super::opening::Open;
use super::report;
use super::spec::{Program, Spec};
use crate::assembly::Assembly;
use crate::cluster::{Cluster, User};
use crate::logging::LoggingFields;
use crate::process::Group;

/// Makes runners.
pub(super) struct Workshop {
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
pub(super) struct Work {
    pub(super) key: Key,
    /// Cancelled to have it make room for another one.
    pub(super) leave: CancellationToken,
    /// Cancelled when another one may begin.
    pub(super) gone: CancellationToken,
    /// Cancelled when it has ended.
    pub(super) ended: CancellationToken,
}

/// What a runner was made of: another one is needed when it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) spec: u64,
    pub(super) bus: u64,
}

impl Workshop {
    pub(super) fn new(
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
    pub(super) fn user(&self, spec: &Spec) -> anyhow::Result<Option<User>> {
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
    pub(super) fn note(&mut self, spec: &Spec, now: Timestamp) {
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
    pub(super) fn start(
        &mut self,
        spec: &Spec,
        open: &Open,
        group: &mut Group,
    ) -> anyhow::Result<Work> {
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
                let user = user.ok_or_else(|| anyhow::anyhow!("there is no cluster to watch"))?;
                let mut runner = self.assembly.event_source(Arc::clone(source), bus, user);
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
    pub(super) fn changes(&self) -> u64 {
        self.events.changes() + self.triggers.changes()
    }

    /// What the parts of a spec say.
    pub(super) fn parts(&self, spec: &Spec) -> Vec<PartReport> {
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
