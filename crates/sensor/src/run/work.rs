//! What a trigger's deliveries lead to, carried out beside each other: fire, keep, dead-letter.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tiphys_api::message::with_causes;
use tiphys_eventbus::{DeadLetter, DeadLetterReason, Delivery};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::perform::{Failure, Firing, Limiter};
use super::rounds::Kept;
use super::{ACK_WAIT, Runner};
use crate::engine::{Member, Outcome, Round};
use crate::metrics::TriggerMetrics;
use crate::trigger::{Action, Trigger};

/// The first and the longest wait before something is asked of the bus again.
pub(super) const BUS_WAIT: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(5));

/// A piece of work: it waits for its turn and is then carried out.
pub(super) enum Work {
    /// Perform the trigger's action.
    Fire {
        round: Round,
        delivery: Arc<Delivery>,
        /// Tells of the message being delivered again meanwhile.
        latest: watch::Receiver<Arc<Delivery>>,
        kept: Option<Kept>,
    },
    /// Store an event until its round is complete.
    Keep {
        dependency: usize,
        member: Member,
        delivery: Arc<Delivery>,
        kept: Kept,
    },
    /// Forget kept events.
    Forget {
        dependencies: Vec<usize>,
        kept: Kept,
    },
    /// Put an event aside.
    DeadLetter {
        delivery: Arc<Delivery>,
        reason: DeadLetterReason,
        error: String,
    },
}

/// How a piece of work ended.
pub(super) struct Finished {
    /// The delivery that led to it, if one did.
    pub(super) sequence: Option<u64>,
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
    /// Tells all work to give up, when a stop has waited long enough.
    pub(super) abort: CancellationToken,
    /// The same for work whose events the bus still holds.
    pub(super) abort_held: CancellationToken,
    /// Tells work whose events the bus still holds not to wait: another runner will do it.
    pub(super) yields: CancellationToken,
    /// The deliveries of unfinished work that has let go of its events.
    released: Mutex<Vec<u64>>,
}

impl Work {
    /// The delivery that led to it, if one did.
    pub(super) fn delivery(&self) -> Option<&Arc<Delivery>> {
        match self {
            Self::Fire { delivery, .. }
            | Self::Keep { delivery, .. }
            | Self::DeadLetter { delivery, .. } => Some(delivery),
            Self::Forget { .. } => None,
        }
    }
}

impl Shared {
    pub(super) fn new(runner: Runner, trigger: Arc<Trigger>) -> Self {
        let abort = CancellationToken::new();
        Self {
            metrics: runner.metrics.trigger(&runner.labels(&trigger)),
            runner,
            trigger,
            limiter: Limiter::default(),
            abort_held: abort.child_token(),
            abort,
            yields: CancellationToken::new(),
            released: Mutex::default(),
        }
    }

    /// The deliveries of the work that goes on whoever has the subscription, one for each piece.
    pub(super) fn released(&self) -> MutexGuard<'_, Vec<u64>> {
        self.released.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out a piece of work.
    pub(super) async fn carry_out(&self, work: Work) -> Finished {
        let sequence = work.delivery().map(|delivery| delivery.sequence);
        let done = match work {
            Work::Fire {
                round,
                delivery,
                latest,
                kept,
            } => {
                return self.fire(&round, &delivery, latest, kept.as_ref()).await;
            }
            Work::Keep {
                dependency,
                member,
                kept,
                ..
            } => self
                .persist("keep an event", || kept.keep(dependency, &member))
                .await
                .map(|()| Outcome::Waiting),
            Work::Forget { dependencies, kept } => self
                .persist("forget kept events", || kept.forget(&dependencies))
                .await
                .map(|()| Outcome::Filtered),
            Work::DeadLetter {
                delivery,
                reason,
                error,
            } => self.dead_letter(&delivery, reason, error, 0, None).await,
        };
        Finished {
            sequence,
            outcome: done,
            joined: 0,
        }
    }

    /// Asks the bus for something until it does it; `None` if the process stops before.
    async fn persist<F: Future<Output = Result<(), tiphys_eventbus::Error>>>(
        &self,
        act: &str,
        ask: impl Fn() -> F,
    ) -> Option<()> {
        let mut wait = BUS_WAIT.0;
        loop {
            let Err(error) = ask().await else {
                return Some(());
            };
            tracing::warn!(
                sensorName = %self.runner.sensor.name,
                triggerName = %self.trigger.name(),
                error = with_causes(&error),
                "Waiting for the event bus to {act}"
            );
            tokio::select! {
                () = self.abort.cancelled() => return None,
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(BUS_WAIT.1),
            }
        }
    }

    /// Performs the trigger's action for a round.
    async fn fire(
        &self,
        round: &Round,
        delivery: &Arc<Delivery>,
        latest: watch::Receiver<Arc<Delivery>>,
        kept: Option<&Kept>,
    ) -> Finished {
        let sequence = Some(delivery.sequence);
        let joined = round
            .iter()
            .filter(|(_, member)| member.sequence != delivery.sequence);
        let joined = u64::try_from(joined.count()).unwrap_or_default();
        let (outcome, released) = self.act(round, delivery, latest, kept).await;
        // What was let go of was forgotten then; there may be the next round's events by now.
        if let (Some(kept), true, false) = (kept, outcome.is_some(), released) {
            let dependencies: Vec<usize> = round.iter().map(|(index, _)| *index).collect();
            if self
                .persist("forget a round", || kept.forget(&dependencies))
                .await
                .is_none()
            {
                return Finished {
                    sequence,
                    outcome: None,
                    joined,
                };
            }
        }
        Finished {
            sequence,
            outcome,
            joined,
        }
    }

    /// What can be recognised is performed first and acknowledged afterwards: a crash in between
    /// meets its own work. What cannot is acknowledged first unless the trigger says `atLeastOnce`.
    ///
    /// Returns the outcome, and whether the round's events had been let go of before.
    async fn act(
        &self,
        round: &Round,
        delivery: &Arc<Delivery>,
        latest: watch::Receiver<Arc<Delivery>>,
        kept: Option<&Kept>,
    ) -> (Option<Outcome>, bool) {
        let firing = self.firing(&self.trigger, round, &self.metrics, false);
        let action = match firing.render() {
            Ok(action) => action,
            Err(failure) => return (self.fail(round, delivery, failure, false).await, false),
        };
        let first = !self.trigger.at_least_once() && !action.is_repeatable();
        if !first {
            return (self.carry_on(round, delivery, &action, false).await, false);
        }
        if self.release(round, latest, kept).await.is_none() {
            let error = "the process stopped before the acknowledgement was confirmed".to_owned();
            let reason = DeadLetterReason::Interrupted;
            return (
                self.dead_letter(delivery, reason, error, 0, None).await,
                false,
            );
        }
        self.released().push(delivery.sequence);
        let outcome = self.carry_on(round, delivery, &action, true).await;
        let mut released = self.released();
        if let Some(at) = released
            .iter()
            .position(|sequence| *sequence == delivery.sequence)
        {
            released.swap_remove(at);
        }
        (outcome, true)
    }

    /// Performs an action, and deals with its failure.
    async fn carry_on(
        &self,
        round: &Round,
        delivery: &Delivery,
        action: &Action,
        released: bool,
    ) -> Option<Outcome> {
        let firing = self.firing(&self.trigger, round, &self.metrics, released);
        match firing.perform(action).await {
            Ok(()) => {
                self.log_success(&self.trigger, round);
                Some(Outcome::Fired)
            }
            Err(failure) => self.fail(round, delivery, failure, released).await,
        }
    }

    fn firing<'f>(
        &'f self,
        trigger: &'f Trigger,
        round: &'f Round,
        metrics: &'f TriggerMetrics,
        released: bool,
    ) -> Firing<'f> {
        Firing {
            runner: &self.runner,
            trigger,
            round,
            // The trigger that takes over is not limited, as in Argo Events.
            limiter: std::ptr::eq(trigger, Arc::as_ptr(&self.trigger)).then_some(&self.limiter),
            metrics,
            shutdown: if released {
                &self.abort
            } else {
                &self.abort_held
            },
            yields: (!released).then_some(&self.yields),
        }
    }

    /// Lets the trigger take over that is there for failures, and after that its own.
    async fn take_over(
        &self,
        round: &Round,
        mut failure: Failure,
        released: bool,
    ) -> Result<(), Failure> {
        let mut next = self.trigger.dlq();
        while let (
            Some(trigger),
            Failure::GaveUp {
                error,
                attempts,
                action,
            },
        ) = (next, &failure)
        {
            let metrics = self.runner.metrics.trigger(&self.runner.labels(trigger));
            let firing = self.firing(trigger, round, &metrics, released);
            let result = match firing.render() {
                Ok(action) => firing.perform(&action).await,
                Err(failure) => Err(failure),
            };
            failure = match result {
                Ok(()) => {
                    self.log_success(trigger, round);
                    return Ok(());
                }
                Err(Failure::GaveUp {
                    error: own,
                    attempts: tried,
                    ..
                }) => {
                    self.log_failure(trigger, &own, tried);
                    Failure::GaveUp {
                        error: format!("{error}; then dlqTrigger {}: {own}", trigger.name()),
                        attempts: *attempts,
                        action: action.clone(),
                    }
                }
                Err(interrupted) => interrupted,
            };
            next = trigger.dlq();
        }
        Err(failure)
    }

    /// Lets go of a round's events for good, before its action is started.
    async fn release(
        &self,
        round: &Round,
        latest: watch::Receiver<Arc<Delivery>>,
        kept: Option<&Kept>,
    ) -> Option<()> {
        if let Some(kept) = kept {
            let dependencies: Vec<usize> = round.iter().map(|(index, _)| *index).collect();
            self.persist("forget a round", || kept.forget(&dependencies))
                .await?;
        }
        self.confirm(latest).await
    }

    /// Acknowledges, and returns when it is certain that the message will not come again.
    ///
    /// An acknowledgement without an answer may have arrived or not. If not, the bus delivers again,
    /// and that delivery is acknowledged; if nothing comes within the time in which it would have
    /// to, it had arrived.
    async fn confirm(&self, mut latest: watch::Receiver<Arc<Delivery>>) -> Option<()> {
        loop {
            let delivery = latest.borrow_and_update().clone();
            let Err(error) = delivery.ack_confirmed().await else {
                return Some(());
            };
            tracing::warn!(
                sensorName = %self.runner.sensor.name,
                triggerName = %self.trigger.name(),
                error = with_causes(&error),
                "Waiting for the event bus to confirm an acknowledgement"
            );
            tokio::select! {
                () = self.abort.cancelled() => return None,
                Ok(()) = latest.changed() => {}
                () = self.connected_for(ACK_WAIT + ACK_WAIT / 3) => return Some(()),
            }
        }
    }

    /// Returns when the bus has been there for so long without a break.
    async fn connected_for(&self, time: Duration) {
        const LOOK: Duration = Duration::from_millis(500);
        let mut connected = Duration::ZERO;
        while connected < time {
            tokio::time::sleep(LOOK).await;
            connected = if self.runner.bus.is_connected() {
                connected + LOOK
            } else {
                Duration::ZERO
            };
        }
    }

    /// What becomes of a firing that failed: taken over, dead-lettered, or left to the bus if the
    /// process stops.
    async fn fail(
        &self,
        round: &Round,
        delivery: &Delivery,
        failure: Failure,
        released: bool,
    ) -> Option<Outcome> {
        if let Failure::GaveUp {
            error, attempts, ..
        } = &failure
        {
            self.log_failure(&self.trigger, error, *attempts);
        }
        match self.take_over(round, failure, released).await {
            Ok(()) => Some(Outcome::Fired),
            Err(Failure::GaveUp {
                error,
                attempts,
                action,
            }) => {
                let reason = match action {
                    Some(_) => DeadLetterReason::RetriesExhausted,
                    None => DeadLetterReason::RenderFailed,
                };
                self.dead_letter(delivery, reason, error, attempts, action)
                    .await
            }
            // The bus will not deliver it again: nothing but the dead-letter stream keeps it.
            Err(Failure::Interrupted {
                action,
                may_be_done,
            }) if released => {
                let (error, attempts) = if may_be_done {
                    (
                        "the process stopped while the action was under way: it may be done",
                        1,
                    )
                } else {
                    ("the process stopped before the action could start", 0)
                };
                let reason = DeadLetterReason::Interrupted;
                self.dead_letter(delivery, reason, error.to_owned(), attempts, action)
                    .await
            }
            Err(Failure::Interrupted { .. }) => None,
        }
    }

    fn log_failure(&self, trigger: &Trigger, error: &str, attempts: u32) {
        self.runner.status.failed(self.trigger.name(), error);
        tracing::error!(
            sensorName = %self.runner.sensor.name,
            triggerName = %trigger.name(),
            triggerType = trigger.kind().log_name(),
            error,
            attempts,
            "Failed to execute a trigger"
        );
    }

    async fn dead_letter(
        &self,
        delivery: &Delivery,
        reason: DeadLetterReason,
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
            dead_lettered_at: (runner.now)(),
            subject: delivery.subject.clone(),
            payload: delivery.payload.clone(),
            cut_from: None,
            action,
        };
        tracing::warn!(
            sensorName = letter.sensor,
            triggerName = letter.trigger,
            error = letter.error,
            "Dead-lettered an event"
        );
        runner.status.failed(self.trigger.name(), &letter.error);
        self.persist("dead-letter an event", || {
            runner.bus.dead_letter(letter.clone())
        })
        .await?;
        Some(Outcome::DeadLettered)
    }

    fn log_success(&self, trigger: &Trigger, round: &Round) {
        let names = trigger.dependency_names();
        let by: Vec<&str> = round.iter().map(|(index, _)| &*names[*index]).collect();
        let events: Vec<&str> = round
            .iter()
            .map(|(_, member)| member.event.context.id.as_str())
            .collect();
        tracing::info!(
            sensorName = %self.runner.sensor.name,
            triggerName = %trigger.name(),
            triggerType = trigger.kind().log_name(),
            triggeredBy = by.join(","),
            triggeredByEvents = events.join(","),
            "Successfully processed trigger '{}'",
            trigger.name()
        );
    }
}
