//! Runs a sensor: one loop per trigger wakes the trigger's state and has its effects carried out.
//!
//! A delivery is prepared (decoded, transformed, filtered) beside others on all cores, but leaves
//! preparation in stream order. All else is decided by [`TriggerState`](crate::engine::TriggerState).
//! What is in flight and what runs is bounded, for each trigger and for all of a process together
//! ([`Budget`]): beyond that, nothing more is received from the bus.

mod budget;
mod carrier;
mod hands;
mod kept;
mod preparation;
mod status;
mod trigger_loop;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tiphys_api::message::with_causes;
use tiphys_eventbus::{Durable, EventBus};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::engine::Compiled;
use crate::metrics::{Metrics, TriggerLabels};
use crate::trigger::{Executors, Trigger};
use budget::Part;
use trigger_loop::TriggerLoop;

pub use budget::Budget;
pub use status::{Status, TriggerStatus, Unavailable};

/// How long a trigger waits for servers that its first action will need, before it listens.
const WARM_WITHIN: Duration = Duration::from_secs(2);

/// A sensor and everything it needs to run.
#[derive(Debug, Clone)]
pub struct Runner {
    /// What to run.
    pub sensor: Arc<Compiled>,
    /// Where its events come from.
    pub bus: EventBus,
    /// What performs its actions.
    pub executors: Arc<Executors>,
    /// What it counts.
    pub metrics: Metrics,
    /// Tells the time.
    pub now: fn() -> Timestamp,
    /// When the Sensor object was created: a new trigger begins with the events since then.
    pub since: Timestamp,
    /// When triggers were added that the Sensor did not have at first.
    pub added: HashMap<Arc<str>, Timestamp>,
    /// Triggers that the Sensor no longer has: what waits for them on the bus is given up.
    pub removed: Vec<Arc<str>>,
    /// What it says of itself.
    pub status: Arc<Status>,
    /// What it may do at a time, beside all others of the process.
    pub budget: Budget,
    /// Lets another runner of the sensor take over.
    pub handover: Handover,
}

/// How one runner of a sensor makes room for another while the process goes on, such that no event
/// is lost or handled twice.
///
/// What is only waited with goes back to the bus at once and to the other runner. What must not be
/// started twice and was acknowledged already is finished here, beside the other runner.
#[derive(Debug, Clone, Default)]
pub struct Handover {
    /// Cancelled by whoever wants it.
    pub asked: CancellationToken,
    /// Cancelled by the runner, when the other one may begin; also when it has ended.
    pub done: CancellationToken,
}

/// The triggers of a sensor that do not have their subscription yet.
#[derive(Debug)]
struct Opening {
    sensor: Arc<Compiled>,
    left: AtomicUsize,
}

impl Opening {
    fn of(sensor: &Arc<Compiled>) -> Self {
        Self {
            sensor: Arc::clone(sensor),
            left: AtomicUsize::new(sensor.triggers.len()),
        }
    }

    /// One has it: logs, as Argo Events does, that the sensor has started when it was the last one.
    fn opened(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            tracing::info!(
                namespace = %self.sensor.namespace,
                sensorName = %self.sensor.name,
                "Sensor started."
            );
        }
    }
}

impl Runner {
    /// Runs until `shutdown`; then finishes what is in flight, for at most 4 s, and returns.
    ///
    /// # Errors
    /// If a trigger cannot go on without a human. The other triggers go on until `shutdown`.
    ///
    /// # Cancellation
    /// What was in flight is delivered again later.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        self.give_up_removed().await;
        let mut loops = JoinSet::new();
        let holds = Arc::new(self.handover.done.clone().drop_guard());
        let opening = Arc::new(Opening::of(&self.sensor));
        let mut names = HashMap::new();
        for trigger in &self.sensor.triggers {
            let trigger_loop =
                TriggerLoop::new(self.clone(), Arc::clone(trigger), Arc::clone(&opening));
            let warm = self.clone().warm(Arc::clone(trigger), shutdown.clone());
            let run = trigger_loop.run(shutdown.clone(), Arc::clone(&holds));
            let task = loops.spawn(async move {
                warm.await;
                run.await
            });
            names.insert(task.id(), Arc::clone(trigger.name()));
        }
        drop(holds);
        let mut result = Ok(());
        while let Some(ended) = loops.join_next_with_id().await {
            let (id, ended) = match ended {
                Ok((id, ended)) => (id, ended),
                Err(error) => (error.id(), Err(Error::Task(error))),
            };
            if let Err(error) = &ended {
                if let Some(name) = names.get(&id) {
                    self.status.not_listening(name, &with_causes(error));
                }
                let error: &dyn std::error::Error = error;
                tracing::error!(
                    namespace = %self.sensor.namespace,
                    sensorName = %self.sensor.name,
                    error,
                    "A trigger stopped"
                );
            }
            result = result.and(ended);
        }
        result
    }

    /// Opens what the first action of a trigger would have to wait for.
    async fn warm(self, trigger: Arc<Trigger>, shutdown: CancellationToken) {
        let warm = self.executors.warm(&trigger, &self.sensor.namespace);
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.handover.asked.cancelled() => {}
            // Who does not answer in time is waited for by the first action.
            _ = tokio::time::timeout(WARM_WITHIN, warm) => {}
        }
    }

    /// Deletes the consumers of triggers that are gone. One that stays costs the bus a little and
    /// is no reason not to work.
    async fn give_up_removed(&self) {
        for name in &self.removed {
            let durable = Durable::trigger(&self.sensor.namespace, &self.sensor.name, name);
            if let Err(error) = self.bus.events.unsubscribe(&durable).await {
                let error = with_causes(&error);
                tracing::warn!(
                    namespace = %self.sensor.namespace,
                    sensorName = %self.sensor.name,
                    triggerName = %name,
                    error,
                    "The consumer of a removed trigger stays"
                );
            }
        }
    }

    /// Where a new consumer of a trigger begins.
    fn start(&self, trigger: &Trigger) -> Timestamp {
        self.added
            .get(trigger.name())
            .copied()
            .unwrap_or(self.since)
    }

    /// What its triggers may do at a time.
    fn part(&self) -> Part {
        let Compiled {
            name, namespace, ..
        } = &*self.sensor;
        self.budget.part(&format!("{namespace}/{name}"))
    }

    fn labels(&self, trigger: &Trigger) -> TriggerLabels {
        TriggerLabels {
            namespace: self.sensor.namespace.to_string(),
            sensor_name: self.sensor.name.to_string(),
            trigger_name: trigger.name().to_string(),
        }
    }
}
