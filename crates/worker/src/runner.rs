//! Makes runners: one after another, of whatever the spec of an object says.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use tiphys_api::worker::PartReport;
use tiphys_clients::Clients;
use tiphys_eventsource::Placement;
use tiphys_runtime::Group;
use tiphys_sensor::run::Handover;
use tiphys_sensor::trigger::Executors;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::buses::InUse;
use crate::context::Context;
use crate::ports::HttpPorts;
use crate::spec::{Program, Spec};
use crate::{Error, report};

/// What an object keeps from one runner to the next.
#[derive(Default)]
pub(crate) struct Memory {
    events: Arc<tiphys_eventsource::Status>,
    triggers: Arc<tiphys_sensor::run::Status>,
    /// What performed its actions last: connections outlive an edit.
    executors: Option<Arc<Executors>>,
    /// Since when each trigger is there, as far as this process knows.
    known: HashMap<Arc<str>, Timestamp>,
    /// Triggers that were there, and that the next runner is to forget.
    removed: HashSet<Arc<str>>,
}

/// A runner at work.
pub(crate) struct Work {
    pub(crate) made_of: MadeOf,
    /// Cancelled to have it make room for another one.
    pub(crate) leave: CancellationToken,
    /// Cancelled when another one may begin.
    pub(crate) gone: CancellationToken,
}

/// What a runner was made of: another one is needed when it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MadeOf {
    /// The fingerprint of its spec.
    pub(crate) spec: u64,
    /// Which bus it is on.
    pub(crate) bus: u64,
}

impl Memory {
    /// Notes the triggers of a spec at the moment at which it came.
    pub(crate) fn note(&mut self, spec: &Spec, now: Timestamp) {
        let Program::Sensor { sensor, .. } = &spec.program else {
            return;
        };
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

    /// Starts a runner in `group`. `leads` says whether this pod holds the lease.
    ///
    /// # Errors
    /// If no client can be made for it.
    pub(crate) fn start(
        &mut self,
        context: &Context,
        spec: &Spec,
        (bus, leads): (InUse, watch::Receiver<bool>),
        group: &mut Group,
    ) -> Result<Work, Error> {
        let made_of = MadeOf {
            spec: spec.fingerprint,
            bus: bus.id(),
        };
        match &spec.program {
            Program::EventSource(source) => {
                let (leave, gone) =
                    self.event_source(context, spec, source, (bus, leads), group)?;
                Ok(Work {
                    made_of,
                    leave,
                    gone,
                })
            }
            Program::Sensor { sensor, .. } => {
                let handover = self.sensor(context, spec, sensor, bus, group)?;
                Ok(Work {
                    made_of,
                    leave: handover.asked,
                    gone: handover.done,
                })
            }
        }
    }

    fn event_source(
        &self,
        context: &Context,
        spec: &Spec,
        source: &Arc<tiphys_eventsource::Compiled>,
        (bus, leads): (InUse, watch::Receiver<bool>),
        group: &mut Group,
    ) -> Result<(CancellationToken, CancellationToken), Error> {
        let user = context.user(spec)?;
        let values = context.values(user.as_ref());
        let client = user.as_ref().map(|user| user.client.clone());
        let clients = Arc::new(Clients::new(client, values));
        let cluster = user.map(|user| tiphys_eventsource::Cluster {
            identity: if user.identity.is_empty() {
                format!(
                    "system:serviceaccount:{}:{}",
                    spec.key.namespace, spec.account
                )
            } else {
                user.identity
            },
            client: user.client,
        });
        let runner = tiphys_eventsource::Runner {
            source: Arc::clone(source),
            bus: bus.bus(),
            cluster,
            clients,
            server: Some(Arc::new(HttpPorts(context.ports.clone()))),
            pod: context.pod(),
            leads,
            time_to_stop: context.time_to_stop(),
            metrics: context.source_metrics.clone(),
            clock: tiphys_eventsource::Clock::system(),
            status: Arc::clone(&self.events),
        };
        let (leave, gone) = (group.stop.child_token(), CancellationToken::new());
        let (stop, ended) = (leave.clone(), gone.clone().drop_guard());
        group.spawn(spec.key.to_string(), |_| async move {
            let _held = (bus, ended);
            Ok(runner.run(stop).await?)
        });
        Ok((leave, gone))
    }

    fn sensor(
        &mut self,
        context: &Context,
        spec: &Spec,
        sensor: &Arc<tiphys_sensor::Compiled>,
        bus: InUse,
        group: &mut Group,
    ) -> Result<Handover, Error> {
        let executors = context.executors(spec)?;
        self.executors = Some(Arc::clone(&executors));
        let runner = tiphys_sensor::run::Runner {
            sensor: Arc::clone(sensor),
            bus: bus.bus(),
            executors,
            metrics: context.sensor_metrics.clone(),
            now: Timestamp::now,
            since: spec.created.unwrap_or_else(Timestamp::now),
            added: self.known.clone(),
            removed: self.removed.drain().collect(),
            status: Arc::clone(&self.triggers),
            budget: context.budget.clone(),
            handover: Handover::default(),
        };
        let handover = runner.handover.clone();
        group.spawn(spec.key.to_string(), |stop| async move {
            let _held = bus;
            Ok(runner.run(stop).await?)
        });
        Ok(handover)
    }

    /// A number that grows with each change of what the parts say.
    pub(crate) fn changes(&self) -> u64 {
        self.events.changes() + self.triggers.changes()
    }

    /// Whether all events of an event source receive that run in all pods.
    pub(crate) fn is_working(&self, program: &Program) -> bool {
        let Program::EventSource(source) = program else {
            return true;
        };
        let said = self.events.events();
        let events = source.events.iter();
        let mut anywhere = events.filter(|event| event.placement() == Placement::AllPods);
        anywhere.all(|event| {
            let said = said.get(&event.name);
            said.is_some_and(|event| event.condition.receives())
        })
    }

    /// What the parts of a spec say.
    pub(crate) fn parts(&self, spec: &Spec) -> Vec<PartReport> {
        match &spec.program {
            Program::EventSource(source) => {
                let mut said = self.events.events();
                let names = source.events.iter().map(|event| &event.name);
                names
                    .map(|name| report::event(name, said.remove(name).unwrap_or_default()))
                    .collect()
            }
            Program::Sensor { sensor, .. } => {
                let said = self.triggers.triggers();
                let names = sensor.triggers.iter().map(|trigger| trigger.name());
                names
                    .map(|name| report::trigger(name, &said.get(name).cloned().unwrap_or_default()))
                    .collect()
            }
        }
    }
}
