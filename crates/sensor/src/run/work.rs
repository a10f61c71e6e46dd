//! What a trigger's deliveries lead to, carried out beside each other: fire, keep, park.

use std::sync::Arc;
use std::time::Duration;

use tiphys_eventbus::{DeadLetter, Delivery, ParkReason};
use tokio_util::sync::CancellationToken;

use super::Runner;
use super::perform::{Failure, Firing, Limiter};
use super::prepare::chain;
use super::rounds::Kept;
use crate::engine::{Member, Outcome, Round};
use crate::metrics::TriggerMetrics;
use crate::trigger::Trigger;

/// The first and the longest wait before something is asked of the bus again.
pub(super) const BUS_WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A piece of work: it waits for its turn and is then carried out.
pub(super) enum Work {
    /// Perform the trigger's action.
    Fire { round: Round, delivery: Arc<Delivery>, kept: Option<Kept> },
    /// Store an event until its round is complete.
    Keep { dependency: usize, member: Member, delivery: Arc<Delivery>, kept: Kept },
    /// Put an event aside.
    Park { delivery: Arc<Delivery>, reason: ParkReason, error: String },
}

/// How a piece of work ended.
pub(super) struct Finished {
    /// The delivery that led to it.
    pub(super) sequence: u64,
    /// `None`: it was not carried out.
    pub(super) outcome: Option<Outcome>,
    /// Kept events that the work took along.
    pub(super) joined: u64,
}

/// What the work of a trigger has in common.
pub(super) struct Shared {
    pub(super) runner: Runner,
    pub(super) trigger: Arc<Trigger>,
    pub(super) metrics: TriggerMetrics,
    limiter: Limiter,
    /// Tells work that waits to give up, when a stop has waited long enough.
    pub(super) abort: CancellationToken,
}

impl Work {
    /// The delivery that led to it.
    pub(super) fn delivery(&self) -> &Arc<Delivery> {
        match self {
            Self::Fire { delivery, .. }
            | Self::Keep { delivery, .. }
            | Self::Park { delivery, .. } => delivery,
        }
    }
}

impl Shared {
    pub(super) fn new(runner: Runner, trigger: Arc<Trigger>) -> Self {
        Self {
            metrics: runner.metrics.trigger(runner.labels(&trigger)),
            runner,
            trigger,
            limiter: Limiter::default(),
            abort: CancellationToken::new(),
        }
    }

    /// Carries out a piece of work.
    pub(super) async fn carry_out(&self, work: Work) -> Finished {
        let sequence = work.delivery().sequence;
        let done = match work {
            Work::Fire { round, delivery, kept } => {
                return self.fire(&round, &delivery, kept.as_ref()).await;
            }
            Work::Keep { dependency, member, delivery, kept } => self
                .keep(&kept, dependency, &member, &delivery)
                .await
                .map(|()| Outcome::Waiting),
            Work::Park { delivery, reason, error } => {
                self.park(&delivery, reason, error, 0, None).await
            }
        };
        Finished { sequence, outcome: done, joined: 0 }
    }

    /// Stores an event, as often as it takes.
    async fn keep(
        &self,
        kept: &Kept,
        dependency: usize,
        member: &Member,
        delivery: &Delivery,
    ) -> Option<()> {
        self.persist("keep an event", || kept.keep(dependency, member, delivery.stored_at)).await
    }

    /// Asks the bus for something until it does it; `None` if the process stops before.
    async fn persist<F: Future<Output = Result<(), tiphys_eventbus::Error>>>(
        &self,
        act: &str,
        ask: impl Fn() -> F,
    ) -> Option<()> {
        let mut wait = BUS_WAIT.0;
        loop {
            let Err(error) = ask().await else { return Some(()) };
            tracing::warn!(
                sensorName = %self.runner.sensor.name,
                triggerName = %self.trigger.name(),
                error = chain(&error),
                "Waiting for the event bus to {act}"
            );
            tokio::select! {
                () = self.abort.cancelled() => return None,
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(BUS_WAIT.1),
            }
        }
    }

    /// Performs the trigger's action for a round.
    ///
    /// What can be recognised is performed first and acknowledged afterwards: a crash in between
    /// meets its own work. What cannot is acknowledged first unless the trigger says `atLeastOnce`.
    async fn fire(&self, round: &Round, delivery: &Arc<Delivery>, kept: Option<&Kept>) -> Finished {
        let sequence = delivery.sequence;
        let joined = round.iter().filter(|(_, member)| member.sequence != sequence);
        let joined = u64::try_from(joined.count()).unwrap_or_default();
        let firing = Firing {
            runner: &self.runner,
            trigger: &self.trigger,
            round,
            limiter: &self.limiter,
            metrics: &self.metrics,
            shutdown: &self.abort,
        };
        let outcome = match firing.render() {
            Err(failure) => self.fail(delivery, failure, false).await,
            Ok(action) => {
                let first = !self.trigger.at_least_once() && !action.is_recognisable();
                if first && self.release(round, delivery, kept).await.is_none() {
                    return Finished { sequence, outcome: None, joined };
                }
                match firing.perform(&action).await {
                    Ok(()) => {
                        self.log_success(round);
                        Some(Outcome::Fired)
                    }
                    Err(failure) => self.fail(delivery, failure, first).await,
                }
            }
        };
        if let (Some(kept), true) = (kept, outcome.is_some()) {
            let dependencies: Vec<usize> = round.iter().map(|(index, _)| *index).collect();
            if self.persist("forget a round", || kept.forget(&dependencies)).await.is_none() {
                return Finished { sequence, outcome: None, joined };
            }
        }
        Finished { sequence, outcome, joined }
    }

    /// Lets go of a round's events for good, before its action is started.
    async fn release(&self, round: &Round, delivery: &Delivery, kept: Option<&Kept>) -> Option<()> {
        if let Some(kept) = kept {
            let dependencies: Vec<usize> = round.iter().map(|(index, _)| *index).collect();
            self.persist("forget a round", || kept.forget(&dependencies)).await?;
        }
        self.persist("confirm an acknowledgement", || delivery.ack_confirmed()).await
    }

    /// What becomes of a firing that failed: put aside, or left to the bus if the process stops.
    async fn fail(&self, delivery: &Delivery, failure: Failure, released: bool) -> Option<Outcome> {
        match failure {
            Failure::GaveUp { error, attempts, action } => {
                tracing::error!(
                    sensorName = %self.runner.sensor.name,
                    triggerName = %self.trigger.name(),
                    triggerType = self.trigger.kind(),
                    error,
                    attempts,
                    "Failed to execute a trigger"
                );
                let reason = match action {
                    Some(_) => ParkReason::RetriesExhausted,
                    None => ParkReason::RenderFailed,
                };
                self.park(delivery, reason, error, attempts, action).await
            }
            // The bus will not deliver it again: nothing but the dead-letter stream keeps it.
            Failure::Interrupted { action } if released => {
                let error = "the process stopped before the action could start".to_owned();
                self.park(delivery, ParkReason::Interrupted, error, 0, action).await
            }
            Failure::Interrupted { .. } => None,
        }
    }

    async fn park(
        &self,
        delivery: &Delivery,
        reason: ParkReason,
        error: String,
        attempts: u32,
        action: Option<String>,
    ) -> Option<Outcome> {
        let runner = &self.runner;
        let letter = DeadLetter {
            namespace: runner.sensor.namespace.to_string(),
            sensor: runner.sensor.name.to_string(),
            trigger: self.trigger.name().to_string(),
            reason,
            error,
            attempts,
            parked_at: (runner.now)(),
            subject: delivery.subject.clone(),
            payload: delivery.payload.clone(),
            cut_from: None,
            action,
        };
        tracing::warn!(
            sensorName = letter.sensor,
            triggerName = letter.trigger,
            error = letter.error,
            "Parked an event"
        );
        self.persist("park an event", || runner.bus.park(letter.clone())).await?;
        Some(Outcome::Parked)
    }

    fn log_success(&self, round: &Round) {
        let names = self.trigger.dependency_names();
        let by: Vec<&str> = round.iter().map(|(index, _)| &*names[*index]).collect();
        let events: Vec<&str> =
            round.iter().map(|(_, member)| member.event.context.id.as_str()).collect();
        tracing::info!(
            sensorName = %self.runner.sensor.name,
            triggerName = %self.trigger.name(),
            triggerType = self.trigger.kind(),
            triggeredBy = by.join(","),
            triggeredByEvents = events.join(","),
            "Successfully processed trigger '{}'",
            self.trigger.name()
        );
    }
}
