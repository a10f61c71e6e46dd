//! Firings: render, perform, try again, let another trigger take over, give up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tiphys_base::Failure;
use tiphys_eventbus::DeadLetterReason;

use super::super::pace::scale;
use super::super::prepare::panicked;
use super::super::wake::{Act, Attempt, Effect, Fired, Letter, Now, Performs};
use super::super::{Outcome, Round, WorkId};
use super::work::{Duty, Stage, Work, Write};
use super::{Hand, TriggerState};

/// A firing of the trigger.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is about something else that has happened to it"
)]
pub(super) struct Firing<A> {
    pub(super) round: Arc<Round>,
    /// The dependency that completed the round.
    pub(super) dependency: usize,
    /// Which trigger is at it.
    pub(super) level: usize,
    /// What that one does.
    pub(super) action: Option<A>,
    /// What has to be there for that.
    pub(super) target: Option<u64>,
    /// It was performed without asking before, so it may be again.
    pub(super) may_perform: bool,
    /// How often that failed.
    attempts: u32,
    /// The wait after the next failure.
    retry_wait: Duration,
    /// Since when it waits for a target that is unavailable.
    pub(super) since: Option<Duration>,
    /// How those before have failed.
    failure: Option<Letter<A>>,
    /// The bus does not keep its events any more.
    pub(super) is_forgotten: bool,
    /// It was said that it waits for somebody.
    pub(super) waits: bool,
    /// It has had its turn of the rate limit.
    had_turn: bool,
    pub(super) has_place: bool,
    /// Its attempt is counted at its target.
    pub(super) is_counted: bool,
}

impl<A> Firing<A> {
    pub(super) fn new(dependency: usize, round: Round, retry_wait: Duration) -> Self {
        Self {
            round: Arc::new(round),
            dependency,
            level: 0,
            action: None,
            target: None,
            may_perform: false,
            attempts: 0,
            retry_wait,
            since: None,
            failure: None,
            is_forgotten: false,
            waits: false,
            had_turn: false,
            has_place: false,
            is_counted: false,
        }
    }

    /// Leaves it to the next trigger of the chain.
    fn begin_level(&mut self, level: usize, retry_wait: Duration) {
        self.level = level;
        self.may_perform = false;
        self.attempts = 0;
        self.retry_wait = retry_wait;
        self.since = None;
    }

    /// Whether no other trigger was at it before.
    pub(super) fn is_at_the_beginning(&self) -> bool {
        self.level == 0 && self.failure.is_none()
    }

    /// Lays down what can be had again from its delivery.
    pub(super) fn lay_down(&mut self) {
        self.round = Arc::default();
        self.action = None;
    }
}

impl<A: Act> TriggerState<A> {
    /// It is a firing's turn, and there is a place.
    pub(super) fn begin_firing(&mut self, id: WorkId, now: Now) {
        self.take_place(id);
        let Some((firing, _)) = self.firing(id) else {
            return;
        };
        let had_turn = std::mem::replace(&mut firing.had_turn, true);
        let interval = self.plan.levels.first().and_then(|level| level.interval);
        let turn = interval
            .filter(|_| !had_turn)
            .map_or(now.uptime, |interval| {
                self.limiter.turn(interval, now.uptime)
            });
        if turn > now.uptime {
            self.set_stage(id, Stage::RateTurn);
            self.wait(id, turn);
        } else {
            self.fire(id);
        }
    }

    /// Renders the action; performs it if that may be done at once.
    pub(super) fn fire(&mut self, id: WorkId) {
        // What is rare enough not to cost anything otherwise: to know the target first.
        let asks = self.targets.is_any_unavailable() || self.running * 2 > self.limits.running;
        let is_beyond = self.works.get(&id).is_some_and(|work| self.is_beyond(work));
        let is_held = !self.is_ours(id);
        let Some((firing, stage)) = self.firing(id) else {
            return;
        };
        firing.action = None;
        *stage = Stage::Attempting;
        let (number, round) = (firing.level, Arc::clone(&firing.round));
        let Some(level) = self.plan.levels.get(number) else {
            return;
        };
        let performs = if asks {
            Performs::Never
        } else if level.at_least_once || is_beyond {
            Performs::Always
        } else {
            Performs::IfRepeatable
        };
        self.effects.push(Effect::Fire {
            work: id,
            level: number,
            round,
            performs,
            is_held,
        });
    }

    /// Performs the action that was rendered.
    pub(super) fn perform(&mut self, id: WorkId, now: Now) {
        let is_held = !self.is_ours(id);
        let Some((firing, stage)) = self.firing(id) else {
            return;
        };
        let Some(action) = firing.action.clone() else {
            return self.abandon(id, now);
        };
        *stage = Stage::Attempting;
        let level = firing.level;
        self.effects.push(Effect::Perform {
            work: id,
            level,
            action,
            is_held,
        });
    }

    pub(super) fn fired(&mut self, id: WorkId, fired: Fired<A>, now: Now) {
        let Some((firing, Stage::Attempting)) = self.firing(id) else {
            return;
        };
        match fired {
            Fired::NotRendered(error) => {
                firing.attempts = 1;
                self.failed(id, DeadLetterReason::RenderFailed, error, now);
            }
            Fired::Rendered(action) => {
                firing.know(action);
                self.approach(id, now);
            }
            Fired::Performed(action, attempt) => {
                firing.know(action);
                firing.may_perform = true;
                self.performed(id, attempt, now);
            }
            Fired::Interrupted => self.interrupted(id, false, now),
        }
    }

    pub(super) fn performed(&mut self, id: WorkId, attempt: Attempt, now: Now) {
        let Some((firing, Stage::Attempting)) = self.firing(id) else {
            return;
        };
        let target = firing.target.unwrap_or_default();
        let (level, round) = (firing.level, Arc::clone(&firing.round));
        if std::mem::take(&mut firing.is_counted) {
            self.targets.end(target);
        }
        match attempt {
            Attempt::Done => {
                self.answered(target);
                self.stop_waiting(id);
                self.effects.push(Effect::Succeeded { level, round });
                self.finish(id, Outcome::Fired, String::new(), now);
            }
            Attempt::Refused(error) => {
                self.answered(target);
                self.refused(id, error, now);
            }
            Attempt::Unavailable {
                reason,
                message,
                hint,
                retry_after,
            } => {
                if let Some((firing, _)) = self.firing(id)
                    && !std::mem::replace(&mut firing.waits, true)
                {
                    self.effects.push(Effect::Waits {
                        work: id,
                        reason,
                        message: message.clone(),
                        hint,
                    });
                }
                self.unavailable(id, &message, retry_after, now);
            }
            Attempt::Interrupted { may_be_done } => self.interrupted(id, may_be_done, now),
        }
    }

    /// An attempt was answered with a refusal.
    fn refused(&mut self, id: WorkId, error: Failure, now: Now) {
        self.stop_waiting(id);
        let share = self.random.f64();
        let policies = self.plan.levels.iter().map(|level| level.retry);
        let policies: Vec<_> = policies.collect();
        let Some((firing, _)) = self.firing(id) else {
            return;
        };
        let Some(policy) = policies.get(firing.level) else {
            return;
        };
        firing.attempts += 1;
        firing.since = None;
        if firing.attempts >= policy.attempts {
            return self.failed(id, DeadLetterReason::RetriesExhausted, error, now);
        }
        let wait = scale(firing.retry_wait, 1.0 + policy.jitter * share);
        firing.retry_wait = scale(firing.retry_wait, policy.factor);
        self.pause(id, wait, now);
    }

    /// Performs the action again after a while, unless somebody else is to do so.
    fn pause(&mut self, id: WorkId, wait: Duration, now: Now) {
        if self.may_begin(id) {
            self.give_place_back(id);
            self.set_stage(id, Stage::Pausing);
            self.wait(id, now.uptime.saturating_add(wait));
        } else {
            self.abandon(id, now);
        }
    }

    /// The code that carried something out panicked: that costs this delivery and no other.
    pub(super) fn panicked(&mut self, id: WorkId, message: &str, now: Now) {
        let error = panicked(message);
        let Some(work) = self.works.get_mut(&id) else {
            return;
        };
        match (&mut work.duty, &work.stage) {
            (Duty::Fire(firing), Stage::Attempting) => {
                firing.attempts += 1;
                self.failed(id, DeadLetterReason::Panicked, error, now);
            }
            (Duty::Keep { .. }, Stage::Writing(_)) => {
                self.dead_letter_instead(id, DeadLetterReason::Panicked, error);
            }
            _ => self.stored(id, false, now),
        }
    }

    /// An event that was to be kept cannot be: its delivery is dead-lettered.
    pub(super) fn dead_letter_instead(
        &mut self,
        id: WorkId,
        reason: DeadLetterReason,
        error: Failure,
    ) {
        let Some(work) = self.works.get_mut(&id) else {
            return;
        };
        let Duty::Keep { dependency, member } = &work.duty else {
            return;
        };
        let dependencies = vec![*dependency];
        self.rounds.forget(*dependency, member.sequence);
        if let Some(hand) = self.in_hand.get_mut(&member.sequence) {
            let why = || error.public().to_owned();
            hand.fate.leave_place(Outcome::DeadLettered, why);
        }
        work.duty = Duty::DeadLetter(None);
        let letter = Letter::of(reason, error, dependencies);
        self.write(id, Write::DeadLetter(letter));
    }

    /// A trigger cannot perform its action: the next one takes over, or the delivery is dead-lettered.
    pub(super) fn failed(
        &mut self,
        id: WorkId,
        reason: DeadLetterReason,
        error: Failure,
        now: Now,
    ) {
        self.stop_waiting(id);
        self.leave_its_target(id);
        let levels = self.plan.levels.iter();
        let levels: Vec<_> = levels
            .map(|level| (Arc::clone(&level.name), level.retry.duration))
            .collect();
        let came_for = self.works.get(&id).map(Work::came_for);
        let Some((firing, _)) = self.firing(id) else {
            return;
        };
        let (level, attempts) = (firing.level, firing.attempts);
        let action = firing.action.take();
        let was_rendered = action.is_some();
        let letter = match firing.failure.take() {
            None => Letter {
                attempts,
                action,
                ..Letter::of(reason, error.clone(), came_for.unwrap_or_default())
            },
            Some(mut first) => {
                let name = levels.get(level).map_or("", |(name, _)| name);
                let words = format!("; then dlqTrigger {name}: ");
                first.error = first.error.then(&words, &error);
                first
            }
        };
        let next = levels.get(level + 1);
        if let Some((_, retry_wait)) = next {
            firing.begin_level(level + 1, *retry_wait);
        }
        firing.failure = Some(letter.clone());
        let has_place = firing.has_place;
        self.effects.push(Effect::GaveUp {
            level,
            error,
            attempts,
            was_rendered,
        });
        if next.is_none() {
            self.write(id, Write::DeadLetter(letter));
        } else if self.is_aborting() {
            self.abandon(id, now);
        } else if has_place {
            self.fire(id);
        } else {
            self.set_stage(id, Stage::Queued);
            self.forget_due(id);
            self.ready.push_back(id);
        }
    }

    /// The process stops before a firing was carried out, or meanwhile. What the bus does not deliver
    /// again is kept nowhere but in the dead-letter stream.
    pub(super) fn interrupted(&mut self, id: WorkId, may_be_done: bool, now: Now) {
        if !self.is_ours(id) {
            return self.drop_work(id, now);
        }
        self.stop_waiting(id);
        self.leave_its_target(id);
        self.forget_due(id);
        let came_for = self.works.get(&id).map(Work::came_for);
        let Some((firing, stage)) = self.firing(id) else {
            return;
        };
        let why = match stage {
            _ if may_be_done => "while the action was under way: it may be done",
            Stage::Unconfirmed => "before the acknowledgement was confirmed",
            _ if firing.attempts > 0 => "before the action was tried again",
            _ => "before the action could start",
        };
        let error = Failure::from(format!("the process stopped {why}"));
        let action = firing.action.take();
        let is_repeatable = action.as_ref().is_some_and(Act::is_repeatable);
        let reason = DeadLetterReason::Interrupted;
        let mut letter = match firing.failure.take() {
            Some(mut first) => {
                first.error = first.error.then("; then ", &error);
                first
            }
            None => Letter {
                attempts: firing.attempts + u32::from(may_be_done),
                action,
                ..Letter::of(reason, error, came_for.unwrap_or_default())
            },
        };
        letter.may_be_done = may_be_done && !is_repeatable;
        self.write(id, Write::DeadLetter(letter));
    }

    /// A delivery is in the dead-letter stream.
    pub(super) fn dead_lettered(&mut self, id: WorkId, error: String, now: Now) {
        if self.firing(id).is_some() {
            self.finish(id, Outcome::DeadLettered, error, now);
        } else {
            self.done(id, Outcome::DeadLettered, error, now);
        }
    }

    /// A firing came to this: its round is forgotten now if it was not before.
    fn finish(&mut self, id: WorkId, outcome: Outcome, reason: String, now: Now) {
        let keeps = self.rounds.keeps();
        let is_kept = |firing: &mut Firing<A>| keeps && !firing.is_forgotten;
        if self.firing(id).is_some_and(|(firing, _)| is_kept(firing)) {
            self.write(id, Write::ForgetLast(outcome, reason));
        } else {
            self.done(id, outcome, reason, now);
        }
    }

    fn stop_waiting(&mut self, id: WorkId) {
        let Some((firing, _)) = self.firing(id) else {
            return;
        };
        if std::mem::take(&mut firing.waits) {
            self.effects.push(Effect::WaitsNoMore { work: id });
        }
    }

    pub(super) fn firing(&mut self, id: WorkId) -> Option<(&mut Firing<A>, &mut Stage<A>)> {
        let work = self.works.get_mut(&id)?;
        match &mut work.duty {
            Duty::Fire(firing) => Some((firing, &mut work.stage)),
            _ => None,
        }
    }

    pub(super) fn set_stage(&mut self, id: WorkId, stage: Stage<A>) {
        if let Some(work) = self.works.get_mut(&id) {
            work.stage = stage;
        }
    }

    pub(super) fn take_place(&mut self, id: WorkId) {
        if let Some((firing, _)) = self.firing(id)
            && !std::mem::replace(&mut firing.has_place, true)
        {
            self.running += 1;
        }
    }

    pub(super) fn give_place_back(&mut self, id: WorkId) {
        if let Some((firing, _)) = self.firing(id)
            && std::mem::take(&mut firing.has_place)
        {
            self.running -= 1;
        }
    }

    /// How much memory the delivery of a piece of work holds.
    pub(super) fn weight(&self, id: WorkId) -> usize {
        let sequence = self.works.get(&id).and_then(|work| work.sequence);
        let hand = sequence.and_then(|sequence| self.in_hand.get(&sequence));
        hand.map_or(1, |hand| hand.weight.max(1))
    }

    /// Whether nobody but this state can bring a piece of work to its end.
    pub(super) fn is_ours(&self, id: WorkId) -> bool {
        is_ours(&self.works, &self.in_hand, id)
    }
}

impl<A: Act> Firing<A> {
    fn know(&mut self, action: A) {
        self.target = Some(action.target());
        self.action = Some(action);
    }
}

/// Whether nobody but this state can bring a piece of work to its end.
pub(super) fn is_ours<A>(
    works: &HashMap<WorkId, Work<A>>,
    in_hand: &HashMap<u64, Hand>,
    id: WorkId,
) -> bool {
    let sequence = works.get(&id).and_then(|work| work.sequence);
    let hand = sequence.and_then(|sequence| in_hand.get(&sequence));
    hand.is_some_and(Hand::is_ours)
}
