//! Firings: render, perform, try again, let another trigger take over, give up.

use std::sync::Arc;
use std::time::Duration;

use tiphys_eventbus::DeadLetterReason;

use super::super::pace::{UNAVAILABLE_ASKED, UNAVAILABLE_FIRST, UNAVAILABLE_LAST, scale};
use super::super::wake::{Attempt, Effect, Fired, Letter, Now};
use super::super::{Outcome, Round, WorkId};
use super::confirm::Confirmation;
use super::work::{Duty, Stage, Write};
use super::{Hand, TriggerState};

/// A firing of the trigger.
#[derive(Debug)]
pub(super) struct Firing<A> {
    pub(super) round: Arc<Round>,
    /// The dependency that completed the round.
    pub(super) dependency: usize,
    /// Which trigger is at it.
    level: usize,
    /// What that one does.
    action: Option<A>,
    /// How often that failed.
    attempts: u32,
    /// The wait after the next failure.
    retry_wait: Duration,
    /// The wait after the next absence.
    unavailable_wait: Duration,
    /// How those before have failed.
    failure: Option<Letter<A>>,
    /// The bus does not keep its events any more.
    pub(super) is_forgotten: bool,
    /// It was said that it waits for somebody.
    pub(super) waits: bool,
    pub(super) has_permit: bool,
}

impl<A> Firing<A> {
    pub(super) fn new(dependency: usize, round: Round) -> Self {
        Self {
            round: Arc::new(round),
            dependency,
            level: 0,
            action: None,
            attempts: 0,
            retry_wait: Duration::ZERO,
            unavailable_wait: UNAVAILABLE_FIRST,
            failure: None,
            is_forgotten: false,
            waits: false,
            has_permit: false,
        }
    }
}

impl<A: Clone> TriggerState<A> {
    /// It is a firing's turn, and it has a permit.
    pub(super) fn begin_firing(&mut self, id: WorkId, now: Now) {
        let Some((firing, _)) = self.firing(id) else {
            return;
        };
        firing.has_permit = true;
        self.running += 1;
        let interval = self.plan.levels.first().and_then(|level| level.interval);
        let turn = interval.map_or(now.uptime, |interval| {
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
        let keeps = self.rounds.keeps();
        let Some(work) = self.works.get_mut(&id) else {
            return;
        };
        let Duty::Fire(firing) = &mut work.duty else {
            return;
        };
        let Some(level) = self.plan.levels.get(firing.level) else {
            return;
        };
        let hand = work
            .sequence
            .and_then(|sequence| self.in_hand.get(&sequence));
        let confirmation = hand.map_or(Confirmation::Held, |hand| hand.confirmation);
        let is_released =
            confirmation == Confirmation::Confirmed && (firing.is_forgotten || !keeps);
        firing.action = None;
        firing.attempts = 0;
        firing.retry_wait = level.retry.duration;
        firing.unavailable_wait = UNAVAILABLE_FIRST;
        work.stage = Stage::Attempting;
        self.effects.push(Effect::Fire {
            work: id,
            level: firing.level,
            round: Arc::clone(&firing.round),
            performs: level.at_least_once || is_released,
            is_held: confirmation == Confirmation::Held,
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
                firing.action = Some(action);
                if self.may_begin(id) {
                    self.acknowledge_early(id, now);
                } else {
                    self.abandon(id, now);
                }
            }
            Fired::Performed(action, attempt) => {
                firing.action = Some(action);
                self.performed(id, attempt, now);
            }
            Fired::Interrupted => self.interrupted(id, false, now),
        }
    }

    pub(super) fn performed(&mut self, id: WorkId, attempt: Attempt, now: Now) {
        let Some((firing, Stage::Attempting)) = self.firing(id) else {
            return;
        };
        match attempt {
            Attempt::Done => {
                let (level, round) = (firing.level, Arc::clone(&firing.round));
                self.stop_waiting(id);
                self.effects.push(Effect::Succeeded { level, round });
                self.finish(id, Outcome::Fired, String::new(), now);
            }
            Attempt::Refused(error) => self.refused(id, error, now),
            Attempt::Unavailable {
                reason,
                message,
                hint,
                retry_after,
            } => {
                let wait = firing.unavailable_wait;
                firing.unavailable_wait = scale(wait, 2.0).min(UNAVAILABLE_LAST);
                if !std::mem::replace(&mut firing.waits, true) {
                    self.effects.push(Effect::Waits {
                        work: id,
                        reason,
                        message,
                        hint,
                    });
                }
                let asked = retry_after.map(|asked| asked.min(UNAVAILABLE_ASKED));
                self.pause(id, asked.unwrap_or(wait), now);
            }
            Attempt::Interrupted { may_be_done } => self.interrupted(id, may_be_done, now),
        }
    }

    /// An attempt was answered with a refusal.
    fn refused(&mut self, id: WorkId, error: String, now: Now) {
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
        firing.unavailable_wait = UNAVAILABLE_FIRST;
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
            self.set_stage(id, Stage::Pausing);
            self.wait(id, now.uptime.saturating_add(wait));
        } else {
            self.abandon(id, now);
        }
    }

    /// The code that carried something out panicked: that costs this delivery and no other.
    pub(super) fn panicked(&mut self, id: WorkId, message: &str, now: Now) {
        let error = format!("panicked: {message}");
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
        error: String,
    ) {
        let Some(work) = self.works.get_mut(&id) else {
            return;
        };
        let Duty::Keep { dependency, member } = &work.duty else {
            return;
        };
        self.rounds.forget(*dependency, member.sequence);
        if let Some(hand) = self.in_hand.get_mut(&member.sequence) {
            let why = || error.clone();
            hand.fate.leave_place(Outcome::DeadLettered, why);
        }
        work.duty = Duty::DeadLetter(None);
        let letter = Letter {
            reason,
            error,
            attempts: 0,
            action: None,
        };
        self.write(id, Write::DeadLetter(letter));
    }

    /// A trigger cannot perform its action: the next one takes over, or the delivery is dead-lettered.
    fn failed(&mut self, id: WorkId, reason: DeadLetterReason, error: String, now: Now) {
        self.stop_waiting(id);
        let names: Vec<_> = self
            .plan
            .levels
            .iter()
            .map(|level| Arc::clone(&level.name))
            .collect();
        let Some((firing, _)) = self.firing(id) else {
            return;
        };
        let (level, attempts) = (firing.level, firing.attempts);
        let action = firing.action.take();
        let was_rendered = action.is_some();
        let letter = match firing.failure.take() {
            None => Letter {
                reason,
                error: error.clone(),
                attempts,
                action,
            },
            Some(mut first) => {
                let name = names.get(level).map_or("", |name| name);
                first.error = format!("{}; then dlqTrigger {name}: {error}", first.error);
                first
            }
        };
        let is_last = level + 1 >= names.len();
        if !is_last {
            firing.level += 1;
        }
        firing.failure = Some(letter.clone());
        self.effects.push(Effect::GaveUp {
            level,
            error,
            attempts,
            was_rendered,
        });
        if is_last {
            self.write(id, Write::DeadLetter(letter));
        } else if self.may_begin(id) || !self.is_aborting() {
            self.fire(id);
        } else {
            self.abandon(id, now);
        }
    }

    /// The process stops before a firing was carried out, or meanwhile. What the bus does not deliver
    /// again is kept nowhere but in the dead-letter stream.
    pub(super) fn interrupted(&mut self, id: WorkId, may_be_done: bool, now: Now) {
        if !self.is_ours(id) {
            return self.drop_work(id, now);
        }
        self.stop_waiting(id);
        let Some((firing, stage)) = self.firing(id) else {
            return;
        };
        let why = match stage {
            _ if may_be_done => "while the action was under way: it may be done",
            Stage::Unconfirmed => "before the acknowledgement was confirmed",
            _ if firing.attempts > 0 => "before the action was tried again",
            _ => "before the action could start",
        };
        let error = format!("the process stopped {why}");
        let action = firing.action.take();
        let letter = match firing.failure.take() {
            Some(mut first) => {
                first.error = format!("{}; then {error}", first.error);
                first
            }
            None => Letter {
                reason: DeadLetterReason::Interrupted,
                error,
                attempts: firing.attempts + u32::from(may_be_done),
                action,
            },
        };
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

    fn firing(&mut self, id: WorkId) -> Option<(&mut Firing<A>, &mut Stage<A>)> {
        let work = self.works.get_mut(&id)?;
        match &mut work.duty {
            Duty::Fire(firing) => Some((firing, &mut work.stage)),
            _ => None,
        }
    }

    fn set_stage(&mut self, id: WorkId, stage: Stage<A>) {
        if let Some(work) = self.works.get_mut(&id) {
            work.stage = stage;
        }
    }

    /// Whether nobody but this state can bring a piece of work to its end.
    pub(super) fn is_ours(&self, id: WorkId) -> bool {
        let sequence = self.works.get(&id).and_then(|work| work.sequence);
        let hand = sequence.and_then(|sequence| self.in_hand.get(&sequence));
        hand.is_some_and(Hand::is_ours)
    }
}
