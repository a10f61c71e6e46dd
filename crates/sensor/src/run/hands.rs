//! What all tasks of a trigger share, and what they do with it: render, perform, dead-letter, log.

use std::sync::Arc;
use std::time::Duration;

use tiphys_api::message::with_causes;
use tiphys_base::{Failure, Reason};
use tiphys_eventbus::{DeadLetter, Delivery, Error as BusError, Event};
use tiphys_lang::deadline;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Runner;
use super::budget::{Part, Permit, Seat};
use super::carrier::{Effect, Wake};
use super::kept::Kept;
use super::status::{Status, Waiting};
use crate::engine::{Attempt, Cancel, Compiled, Fired, Letter, Performs, Round, WorkId};
use crate::metrics::TriggerMetrics;
use crate::trigger::{Action, Caller, PerformError, Trigger};

/// What a trigger has to carry things out with.
pub(super) struct Means {
    pub(super) kept: Option<Kept>,
    pub(super) part: Part,
}

/// Whether an attempt may begin.
enum Turn {
    /// It was cancelled before.
    Cancelled,
    /// It may; one that waits for nobody needs no permit.
    With(Option<Permit>),
}

/// What all tasks of a trigger share.
pub(super) struct Hands {
    runner: Runner,
    /// The trigger, its `dlqTrigger`, and so on.
    levels: Vec<(Arc<Trigger>, TriggerMetrics)>,
    pub(super) means: Means,
    cancel_all: CancellationToken,
    cancel_held: CancellationToken,
}

impl Hands {
    pub(super) fn new(runner: Runner, trigger: &Arc<Trigger>, means: Means) -> Self {
        let chain = std::iter::successors(Some(trigger), |trigger| trigger.dlq());
        let levels = chain.map(|trigger| {
            let metrics = runner.metrics.trigger(&runner.labels(trigger));
            (Arc::clone(trigger), metrics)
        });
        let cancel_all = CancellationToken::new();
        Self {
            levels: levels.collect(),
            runner,
            means,
            cancel_held: cancel_all.child_token(),
            cancel_all,
        }
    }

    /// Renders an action, and performs it if that may be done at once; if not, the permit to do so
    /// comes with it.
    pub(super) async fn fire(
        self: &Arc<Self>,
        level: usize,
        round: Arc<Round>,
        performs: Performs,
        is_held: bool,
    ) -> (Fired<Arc<Action>>, Option<Permit>) {
        let permit = match self.turn(level, is_held).await {
            Turn::Cancelled => return (Fired::Interrupted, None),
            Turn::With(permit) => permit,
        };
        let action = match self.render(level, round, is_held).await {
            None => return (Fired::Interrupted, None),
            Some(Ok(action)) => Arc::new(action),
            Some(Err(error)) => {
                let (_, metrics) = &self.levels[level];
                metrics.attempt(Duration::ZERO, false);
                return (Fired::NotRendered(error), None);
            }
        };
        if !performs.includes(action.is_repeatable()) {
            return (Fired::Rendered(action), permit);
        }
        let attempt = self.perform(level, &action, permit, is_held).await;
        (Fired::Performed(action, attempt), None)
    }

    /// Renders an action; on a thread of its own if it fills in templates, which may take a while.
    /// `None`: it was cancelled before.
    async fn render(
        self: &Arc<Self>,
        level: usize,
        round: Arc<Round>,
        is_held: bool,
    ) -> Option<Result<Action, Failure>> {
        let (trigger, _) = &self.levels[level];
        let hands = Arc::clone(self);
        let render = move || {
            let (trigger, _) = &hands.levels[level];
            let Compiled {
                name, namespace, ..
            } = &*hands.runner.sensor;
            let rendered = deadline::within(|| trigger.fire(&round, name, namespace));
            rendered.map_err(|error| error.failure())
        };
        if !trigger.has_templates() {
            return Some(render());
        }
        let program = self.permit(&self.means.part.programs, is_held).await?;
        let rendered = tokio::task::spawn_blocking(move || {
            let _program = program;
            render()
        });
        match rendered.await {
            Ok(rendered) => Some(rendered),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => None,
            },
        }
    }

    /// Performs an action once.
    pub(super) async fn perform(
        &self,
        level: usize,
        action: &Action,
        permit: Option<Permit>,
        is_held: bool,
    ) -> Attempt {
        let (trigger, metrics) = &self.levels[level];
        let turn = match permit {
            None => self.turn(level, is_held).await,
            permit => Turn::With(permit),
        };
        let Turn::With(_permit) = turn else {
            return Attempt::Interrupted { may_be_done: false };
        };
        let caller = Caller {
            bus: Some(&self.runner.bus),
            namespace: &self.runner.sensor.namespace,
            sensor: &self.runner.sensor.name,
            trigger: trigger.name(),
        };
        let start = Instant::now();
        let result = tokio::select! {
            biased;
            result = self.runner.executors.perform(action, caller) => result,
            () = self.token(is_held).cancelled() => {
                return Attempt::Interrupted { may_be_done: true };
            }
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

    /// Waits until an attempt may begin.
    async fn turn(&self, level: usize, is_held: bool) -> Turn {
        if self.is_immediate(level) {
            return if self.token(is_held).is_cancelled() {
                Turn::Cancelled
            } else {
                Turn::With(None)
            };
        }
        match self.permit(&self.means.part.running, is_held).await {
            None => Turn::Cancelled,
            permit => Turn::With(permit),
        }
    }

    /// A permit, unless the attempt is cancelled before.
    async fn permit(&self, seat: &Seat, is_held: bool) -> Option<Permit> {
        tokio::select! {
            biased;
            () = self.token(is_held).cancelled() => None,
            permit = seat.permit() => Some(permit),
        }
    }

    /// Whether a trigger of the chain waits for nobody when it fires.
    pub(super) fn is_immediate(&self, level: usize) -> bool {
        self.levels[level].0.is_immediate()
    }

    /// What cancels attempts.
    fn token(&self, is_held: bool) -> &CancellationToken {
        if is_held {
            &self.cancel_held
        } else {
            &self.cancel_all
        }
    }

    pub(super) fn cancel(&self, which: Cancel) {
        match which {
            Cancel::Held => self.cancel_held.cancel(),
            Cancel::All => self.cancel_all.cancel(),
        }
    }

    pub(super) fn status(&self) -> &Status {
        &self.runner.status
    }

    /// The trigger itself, and what is counted of it.
    pub(super) fn first(&self) -> Option<&(Arc<Trigger>, TriggerMetrics)> {
        self.levels.first()
    }

    pub(super) async fn dead_letter(
        &self,
        delivery: &Delivery,
        letter: Letter<Arc<Action>>,
    ) -> Result<(), BusError> {
        let runner = &self.runner;
        let (trigger, _) = &self.levels[0];
        let action = letter.action.as_deref();
        let error = letter.error.public().to_owned();
        let (reason, event) = (letter.reason, Event::decode(&delivery.payload).ok());
        let names = trigger.dependency_names();
        let dependencies = letter.dependencies.iter();
        let dependencies = dependencies.map(|index| names[*index].to_string());
        let letter = DeadLetter {
            namespace: runner.sensor.namespace.to_string(),
            sensor: runner.sensor.name.to_string(),
            trigger: trigger.name().to_string(),
            reason: letter.reason,
            error: letter.error.into_text(),
            attempts: letter.attempts,
            dead_lettered_at: (runner.now)(),
            subject: delivery.subject.clone(),
            stored_at: Some(delivery.event_stored_at()),
            dependencies: dependencies.collect(),
            may_be_done: letter.may_be_done,
            payload: delivery.payload.clone(),
            cut_from: None,
            action: action.and_then(|action| serde_json::to_string(action).ok()),
        };
        runner.status.failed(trigger.name(), &error);
        runner.bus.dead_letters.store(letter).await?;
        tracing::warn!(
            namespace = %runner.sensor.namespace,
            sensorName = %runner.sensor.name,
            triggerName = %trigger.name(),
            eventID = event.map(|event| event.context.id.clone()),
            %reason,
            error,
            // A bus in this process cannot be asked by another one.
            hint = runner.bus.events.place().map(|_| "tiphys dlq ls"),
            "Dead-lettered an event"
        );
        Ok(())
    }

    pub(super) fn stored(&self, work: WorkId, act: &str, stored: &Result<(), BusError>) -> Wake {
        let is_stored = self.is_stored(act, stored);
        Wake::Stored { work, is_stored }
    }

    pub(super) fn is_stored(&self, act: &str, stored: &Result<(), BusError>) -> bool {
        if let Err(error) = stored {
            tracing::warn!(
                namespace = %self.runner.sensor.namespace,
                sensorName = %self.runner.sensor.name,
                triggerName = %self.levels[0].0.name(),
                error = with_causes(error),
                "Waiting for the event bus to {act}"
            );
        }
        stored.is_ok()
    }

    pub(super) fn waits(&self, reason: Reason, message: &Failure, hint: Option<&str>) -> Waiting {
        let (trigger, _) = &self.levels[0];
        let message = message.public();
        let hint = hint.unwrap_or("tried again until it is back; events wait on the bus");
        tracing::warn!(
            namespace = %self.runner.sensor.namespace,
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

    pub(super) fn log(&self, effect: Effect) {
        let (trigger, _) = &self.levels[0];
        match effect {
            Effect::Decided(decision) => tracing::debug!(
                namespace = %self.runner.sensor.namespace,
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
                ..
            } => self.log_refusal(dependency, &event_id),
            Effect::Succeeded { level, round } => self.log_success(level, &round),
            Effect::GaveUp {
                level,
                error,
                attempts,
                was_rendered,
            } => self.log_failure(level, error.public(), attempts, was_rendered),
            Effect::Reset { events } => tracing::info!(
                namespace = %self.runner.sensor.namespace,
                sensorName = %self.runner.sensor.name,
                triggerName = %trigger.name(),
                events,
                "Forgot events that waited for others"
            ),
            _ => {}
        }
    }

    fn log_refusal(&self, dependency: usize, event_id: &str) {
        let (trigger, _) = &self.levels[0];
        tracing::debug!(
            namespace = %self.runner.sensor.namespace,
            sensorName = %self.runner.sensor.name,
            triggerName = %trigger.name(),
            eventID = event_id,
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
            namespace = %self.runner.sensor.namespace,
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
            namespace = %self.runner.sensor.namespace,
            sensorName = %self.runner.sensor.name,
            triggerName = %trigger.name(),
            triggerType = trigger.kind().log_name(),
            error,
            attempts,
            "Failed to execute a trigger"
        );
    }
}
