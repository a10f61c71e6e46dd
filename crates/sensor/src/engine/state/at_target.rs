//! Firings at the targets of their actions: they begin there, wait for their turn, or for the target.

use std::time::Duration;

use tiphys_base::Failure;
use tiphys_eventbus::DeadLetterReason;

use super::super::WorkId;
use super::super::wake::{Act, Effect, Now};
use super::TriggerState;
use super::fire::is_ours;
use super::work::Stage;

impl<A: Act> TriggerState<A> {
    /// The action is known: it is performed, or waits for its target.
    pub(super) fn approach(&mut self, id: WorkId, now: Now) {
        if !self.may_begin(id) {
            return self.abandon(id, now);
        }
        let Some((firing, _)) = self.firing(id) else {
            return;
        };
        let (target, has_place) = (firing.target.unwrap_or_default(), firing.has_place);
        let others = self.running - usize::from(has_place);
        let left = self.limits.running.checked_sub(others + 1);
        if left.is_some_and(|left| self.targets.is_free(target, left)) {
            return self.attempt(id, now);
        }
        if has_place {
            self.give_place_back(id);
            self.effects.push(Effect::GivesWay { work: id });
        }
        let is_away = self.targets.is_unavailable(target);
        if let Some((firing, stage)) = self.firing(id) {
            *stage = Stage::AtTarget;
            if is_away {
                firing.since.get_or_insert(now.uptime);
            }
        }
        self.targets.wait(target, id, self.weight(id));
        if is_away {
            self.make_room(id, now);
        }
    }

    /// It is the turn of an action at its target.
    pub(super) fn attempt(&mut self, id: WorkId, now: Now) {
        if !self.may_begin(id) {
            return self.abandon(id, now);
        }
        self.take_place(id);
        let is_beyond = self.works.get(&id).is_some_and(|work| self.is_beyond(work));
        let Some((firing, _)) = self.firing(id) else {
            return;
        };
        firing.is_counted = true;
        let target = firing.target.unwrap_or_default();
        let is_repeatable = firing.action.as_ref().is_some_and(Act::is_repeatable);
        let may_perform = firing.may_perform || is_repeatable || is_beyond;
        let level = firing.level;
        self.targets.begin(target);
        let level = self.plan.levels.get(level);
        if may_perform || level.is_some_and(|level| level.at_least_once) {
            self.perform(id, now);
        } else {
            self.acknowledge_early(id, now);
        }
    }

    /// The moment has come to try a target that was unavailable.
    pub(super) fn try_target(&mut self, id: WorkId) {
        let Some((firing, stage)) = self.firing(id) else {
            return;
        };
        *stage = Stage::AtTarget;
        let target = firing.target.unwrap_or_default();
        self.targets.is_due(target);
    }

    /// A target has answered, whatever it said: who waits for it may go on.
    pub(super) fn answered(&mut self, target: u64) {
        if !self.targets.is_unavailable(target) {
            return;
        }
        if let Some(id) = self.targets.available(target) {
            self.forget_due(id);
        }
        self.recall(target);
    }

    /// A target has not answered: the firing waits for it, without a place.
    pub(super) fn unavailable(
        &mut self,
        id: WorkId,
        message: &Failure,
        asked: Option<Duration>,
        now: Now,
    ) {
        if !self.may_begin(id) {
            return self.abandon(id, now);
        }
        if self.is_out_of_patience(id, now) {
            let error = message.clone();
            return self.failed(id, DeadLetterReason::TargetUnavailable, error, now);
        }
        self.give_place_back(id);
        self.set_stage(id, Stage::AtTarget);
        let Some(target) = self.firing(id).and_then(|(firing, _)| firing.target) else {
            return;
        };
        let weight = self.weight(id);
        let (works, in_hand) = (&self.works, &self.in_hand);
        let is_ours = |id| is_ours(works, in_hand, id);
        let trying = self
            .targets
            .unavailable(target, id, weight, asked, now.uptime, is_ours);
        if let Some(trying) = trying {
            self.wait(trying.work, trying.due);
            for waiting in self.targets.waiting(target) {
                if self.is_out_of_patience(waiting, now) {
                    let error = message.clone();
                    self.failed(waiting, DeadLetterReason::TargetUnavailable, error, now);
                }
            }
        }
        self.make_room(id, now);
    }

    /// Whether a firing has waited for its target for as long as it may.
    fn is_out_of_patience(&mut self, id: WorkId, now: Now) -> bool {
        let Some((firing, _)) = self.firing(id) else {
            return false;
        };
        let since = *firing.since.get_or_insert(now.uptime);
        let level = firing.level;
        let patience = self.plan.levels.get(level).map(|level| level.patience);
        patience.is_some_and(|patience| now.uptime.saturating_sub(since) >= patience)
    }

    /// A firing has nothing to do with its target any more.
    pub(super) fn leave_its_target(&mut self, id: WorkId) {
        let Some((firing, _)) = self.firing(id) else {
            return;
        };
        let is_counted = std::mem::take(&mut firing.is_counted);
        let Some(target) = firing.target.take() else {
            return;
        };
        if is_counted {
            self.targets.end(target);
        }
        self.leave_target(target, id);
    }

    /// A firing does not wait for a target any more, and does not try it.
    pub(super) fn leave_target(&mut self, target: u64, id: WorkId) {
        if let Some(trying) = self.targets.leave(target, id) {
            self.wait(trying.work, trying.due);
        }
    }
}
