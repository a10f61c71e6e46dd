//! Carries the effects of a trigger's state out, and brings back what came of them.
//!
//! What is short is done at once; whatever waits for somebody is a task or a future of its own, so
//! the loop never waits for one of them. A task that panics costs its piece of work and no other.

use std::collections::HashMap;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tiphys_api::message::with_causes;
use tiphys_base::Reason;
use tiphys_eventbus::{DeadLetter, Delivery, Error as BusError};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Runner;
use super::budget::Budget;
use super::kept::Kept;
use super::status::Waiting;
use crate::engine::{self, Attempt, Cancel, Fired, Letter, Round, Tally, WorkId, panic_message};
use crate::filter::Verdict;
use crate::metrics::TriggerMetrics;
use crate::trigger::{Action, Caller, PerformError, Trigger};

pub(super) type Wake = engine::Wake<Arc<Action>>;
type Effect = engine::Effect<Arc<Action>>;

/// What carries out the effects of one trigger.
pub(super) struct Carrier {
    hands: Arc<Hands>,
    /// The latest delivery of each message in hand: only it can be answered.
    deliveries: HashMap<u64, Arc<Delivery>>,
    tasks: JoinSet<Wake>,
    confirmations: FuturesUnordered<BoxFuture<'static, Wake>>,
    /// Who is said to wait.
    waiting: HashMap<WorkId, Waiting>,
    /// Until another runner may begin.
    holds: Option<Arc<DropGuard>>,
    is_handed_over: bool,
    is_over: bool,
}

/// What all tasks of a trigger share.
struct Hands {
    runner: Runner,
    /// The trigger, its `dlqTrigger`, and so on.
    levels: Vec<(Arc<Trigger>, TriggerMetrics)>,
    kept: Option<Kept>,
    budget: Budget,
    cancel_all: CancellationToken,
    cancel_held: CancellationToken,
}

impl Carrier {
    pub(super) fn new(
        runner: Runner,
        trigger: &Arc<Trigger>,
        kept: Option<Kept>,
        holds: Arc<DropGuard>,
    ) -> Self {
        let chain = std::iter::successors(Some(trigger), |trigger| trigger.dlq());
        let levels = chain.map(|trigger| {
            let metrics = runner.metrics.trigger(&runner.labels(trigger));
            (Arc::clone(trigger), metrics)
        });
        let cancel_all = CancellationToken::new();
        let hands = Hands {
            levels: levels.collect(),
            runner,
            kept,
            budget: Budget::of_one_trigger(),
            cancel_held: cancel_all.child_token(),
            cancel_all,
        };
        Self {
            hands: Arc::new(hands),
            deliveries: HashMap::new(),
            tasks: JoinSet::new(),
            confirmations: FuturesUnordered::new(),
            waiting: HashMap::new(),
            holds: Some(holds),
            is_handed_over: false,
            is_over: false,
        }
    }

    /// Takes a delivery in hand.
    pub(super) fn receive(&mut self, delivery: Arc<Delivery>) {
        self.deliveries
            .insert(delivery.position.to_wire(), delivery);
    }

    /// What came of an effect; nothing as long as none is being carried out.
    ///
    /// # Cancellation
    /// Nothing gets lost.
    pub(super) async fn next(&mut self) -> Result<Wake, JoinError> {
        tokio::select! {
            biased;
            Some(wake) = self.tasks.join_next() => wake,
            Some(wake) = self.confirmations.next() => Ok(wake),
            else => pending().await,
        }
    }

    /// Whether nothing is left to do.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Shows where the events are.
    pub(super) fn show(&self, tally: &Tally) {
        let Some((trigger, metrics)) = self.hands.levels.first() else {
            return;
        };
        let status = &self.hands.runner.status;
        match (self.is_handed_over, self.is_over) {
            (false, _) => metrics.show(&status.count(trigger.name(), tally)),
            (true, true) => status.finished(trigger.name(), tally),
            (true, false) => {}
        }
    }

    /// Carries an effect out, or begins to.
    pub(super) async fn carry(&mut self, effect: Effect) {
        match effect {
            Effect::Keep { .. }
            | Effect::Forget { .. }
            | Effect::DeadLetter { .. }
            | Effect::Fire { .. }
            | Effect::Perform { .. } => self.begin(effect),
            Effect::Cancel(Cancel::Held) => self.hands.cancel_held.cancel(),
            Effect::Cancel(Cancel::All) => self.hands.cancel_all.cancel(),
            Effect::Confirm { sequence } => self.confirm(sequence),
            Effect::Acknowledge { sequence } => {
                if let Some(delivery) = self.deliveries.remove(&sequence) {
                    warn_unsent(delivery.ack().await);
                }
            }
            Effect::NegativeAcknowledge { sequence } => {
                if let Some(delivery) = self.deliveries.remove(&sequence) {
                    warn_unsent(delivery.retry_after(Duration::ZERO).await);
                }
            }
            Effect::Release { sequence } => {
                self.deliveries.remove(&sequence);
            }
            Effect::InProgress { sequences } => self.show_heartbeats(&sequences).await,
            Effect::Waits {
                work,
                reason,
                message,
                hint,
            } => {
                let waiting = self.hands.waits(reason, &message, hint.as_deref());
                self.waiting.insert(work, waiting);
            }
            Effect::WaitsNoMore { work } => {
                self.waiting.remove(&work);
            }
            Effect::HandedOver(over) => {
                self.show(&over);
                self.is_handed_over = true;
                self.holds = None;
            }
            Effect::Ended => self.is_over = true,
            effect @ (Effect::Decided(_)
            | Effect::Refused { .. }
            | Effect::Succeeded { .. }
            | Effect::GaveUp { .. }
            | Effect::Reset { .. }) => self.hands.log(effect),
        }
    }

    /// Begins what takes a while.
    fn begin(&mut self, effect: Effect) {
        let hands = Arc::clone(&self.hands);
        match effect {
            Effect::Keep {
                work,
                dependency,
                member,
            } => self.spawn(work, async move {
                let stored = match &hands.kept {
                    Some(kept) => kept.keep(dependency, &member).await,
                    None => Ok(()),
                };
                hands.stored(work, "keep an event", &stored)
            }),
            Effect::Forget { work, dependencies } => self.spawn(work, async move {
                let stored = match &hands.kept {
                    Some(kept) => kept.forget(&dependencies).await,
                    None => Ok(()),
                };
                hands.stored(work, "forget kept events", &stored)
            }),
            Effect::DeadLetter {
                work,
                sequence,
                letter,
            } => {
                if let Some(delivery) = self.deliveries.get(&sequence).cloned() {
                    self.spawn(work, async move {
                        let stored = hands.dead_letter(&delivery, letter).await;
                        hands.stored(work, "dead-letter an event", &stored)
                    });
                }
            }
            Effect::Fire {
                work,
                level,
                round,
                performs,
                is_held,
            } => self.spawn(work, async move {
                let fired = hands.fire(level, &round, performs, is_held).await;
                Wake::Fired { work, fired }
            }),
            Effect::Perform {
                work,
                level,
                action,
                is_held,
            } => self.spawn(work, async move {
                let attempt = hands.attempt(level, &action, is_held).await;
                Wake::Performed { work, attempt }
            }),
            _ => {}
        }
    }

    fn spawn(&mut self, work: WorkId, task: impl Future<Output = Wake> + Send + 'static) {
        self.tasks.spawn(async move {
            let ended = AssertUnwindSafe(task).catch_unwind().await;
            ended.unwrap_or_else(|panic| Wake::Panicked {
                work,
                message: panic_message(&*panic),
            })
        });
    }

    fn confirm(&mut self, sequence: u64) {
        let Some(delivery) = self.deliveries.get(&sequence).cloned() else {
            return;
        };
        let hands = Arc::clone(&self.hands);
        self.confirmations.push(Box::pin(async move {
            let confirmed = delivery.ack_confirmed().await;
            let is_confirmed = hands.is_stored("confirm an acknowledgement", &confirmed);
            Wake::Confirmed {
                sequence,
                is_confirmed,
            }
        }));
    }

    async fn show_heartbeats(&mut self, sequences: &[u64]) {
        for sequence in sequences {
            if let Some(delivery) = self.deliveries.get(sequence)
                && delivery.in_progress().await.is_err()
            {
                return;
            }
        }
    }
}

impl Hands {
    /// Renders an action, and performs it if that may be done at once.
    async fn fire(
        &self,
        level: usize,
        round: &Round,
        performs: bool,
        is_held: bool,
    ) -> Fired<Arc<Action>> {
        let (trigger, metrics) = &self.levels[level];
        let sensor = &self.runner.sensor;
        let action = match trigger.fire(round, &sensor.name, &sensor.namespace) {
            Ok(action) => Arc::new(action),
            Err(error) => {
                metrics.attempt(Duration::ZERO, false);
                return Fired::NotRendered(with_causes(&error));
            }
        };
        if !performs && !action.is_repeatable() {
            return Fired::Rendered(action);
        }
        let attempt = self.attempt(level, &action, is_held).await;
        Fired::Performed(action, attempt)
    }

    /// Performs an action once.
    async fn attempt(&self, level: usize, action: &Action, is_held: bool) -> Attempt {
        let (trigger, metrics) = &self.levels[level];
        let cancelled = if is_held {
            &self.cancel_held
        } else {
            &self.cancel_all
        };
        let _permit = tokio::select! {
            biased;
            () = cancelled.cancelled() => return Attempt::Interrupted { may_be_done: false },
            permit = self.budget.running() => permit,
        };
        let caller = Caller {
            sensor: &self.runner.sensor.name,
            trigger: trigger.name(),
        };
        let start = Instant::now();
        let result = tokio::select! {
            biased;
            result = self.runner.executors.perform(action, caller) => result,
            () = cancelled.cancelled() => return Attempt::Interrupted { may_be_done: true },
        };
        metrics.attempt(start.elapsed(), result.is_ok());
        match result {
            Ok(()) => Attempt::Done,
            Err(PerformError::Refused(error)) => Attempt::Refused(error),
            Err(PerformError::Unavailable {
                reason,
                message,
                hint,
                retry_after,
            }) => Attempt::Unavailable {
                reason,
                message,
                hint,
                retry_after,
            },
        }
    }

    async fn dead_letter(
        &self,
        delivery: &Delivery,
        letter: Letter<Arc<Action>>,
    ) -> Result<(), BusError> {
        let runner = &self.runner;
        let (trigger, _) = &self.levels[0];
        let action = letter.action.as_deref();
        let letter = DeadLetter {
            namespace: runner.sensor.namespace.to_string(),
            sensor: runner.sensor.name.to_string(),
            trigger: trigger.name().to_string(),
            reason: letter.reason,
            error: letter.error,
            attempts: letter.attempts,
            dead_lettered_at: (runner.now)(),
            subject: delivery.subject.clone(),
            payload: delivery.payload.clone(),
            cut_from: None,
            action: action.and_then(|action| serde_json::to_string(action).ok()),
        };
        let error = letter.error.clone();
        runner.status.failed(trigger.name(), &error);
        runner.bus.dead_letters.store(letter).await?;
        tracing::warn!(
            sensorName = %runner.sensor.name,
            triggerName = %trigger.name(),
            error,
            "Dead-lettered an event"
        );
        Ok(())
    }

    fn stored(&self, work: WorkId, act: &str, stored: &Result<(), BusError>) -> Wake {
        let is_stored = self.is_stored(act, stored);
        Wake::Stored { work, is_stored }
    }

    fn is_stored(&self, act: &str, stored: &Result<(), BusError>) -> bool {
        if let Err(error) = stored {
            tracing::warn!(
                sensorName = %self.runner.sensor.name,
                triggerName = %self.levels[0].0.name(),
                error = with_causes(error),
                "Waiting for the event bus to {act}"
            );
        }
        stored.is_ok()
    }

    fn waits(&self, reason: Reason, message: &str, hint: Option<&str>) -> Waiting {
        let (trigger, _) = &self.levels[0];
        let hint = hint.unwrap_or("tried again until it is back; events wait on the bus");
        tracing::warn!(
            sensorName = %self.runner.sensor.name,
            triggerName = %trigger.name(),
            triggerType = trigger.kind().log_name(),
            error = message,
            hint,
            "Failed to execute a trigger"
        );
        let status = &self.runner.status;
        status.waits(trigger.name(), reason, message, hint)
    }

    fn log(&self, effect: Effect) {
        let (trigger, _) = &self.levels[0];
        match effect {
            Effect::Decided(decision) => tracing::debug!(
                sensorName = %self.runner.sensor.name,
                triggerName = %trigger.name(),
                eventID = decision.event_id,
                outcome = %decision.outcome,
                reason = decision.reason,
                "Decided about an event"
            ),
            Effect::Refused {
                dependency,
                event_id,
                verdict,
            } => self.log_refusal(dependency, &event_id, &verdict),
            Effect::Succeeded { level, round } => self.log_success(level, &round),
            Effect::GaveUp {
                level,
                error,
                attempts,
                was_rendered,
            } => self.log_failure(level, &error, attempts, was_rendered),
            Effect::Reset { events } => tracing::info!(
                sensorName = %self.runner.sensor.name,
                triggerName = %trigger.name(),
                events,
                "Forgot events that waited for others"
            ),
            _ => {}
        }
    }

    fn log_refusal(&self, dependency: usize, event_id: &str, verdict: &Verdict) {
        let (trigger, _) = &self.levels[0];
        tracing::debug!(
            sensorName = %self.runner.sensor.name,
            triggerName = %trigger.name(),
            eventID = event_id,
            reason = ?verdict,
            "not interested in dependency {} (didn't pass filter)",
            trigger.dependency_names()[dependency],
        );
    }

    fn log_success(&self, level: usize, round: &Round) {
        let (trigger, _) = &self.levels[level];
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

    fn log_failure(&self, level: usize, error: &str, attempts: u32, was_rendered: bool) {
        let (trigger, metrics) = &self.levels[level];
        if was_rendered {
            metrics.gave_up();
        }
        let first = self.levels[0].0.name();
        self.runner.status.failed(first, error);
        tracing::error!(
            sensorName = %self.runner.sensor.name,
            triggerName = %trigger.name(),
            triggerType = trigger.kind().log_name(),
            error,
            attempts,
            "Failed to execute a trigger"
        );
    }
}

fn warn_unsent(answered: Result<(), BusError>) {
    if let Err(error) = answered {
        tracing::warn!(
            error = with_causes(&error),
            "An acknowledgement was not sent"
        );
    }
}
