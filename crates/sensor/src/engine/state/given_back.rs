//! Deliveries that wait on the bus instead of in memory, because too many wait for a target.
//!
//! What is known of the firing stays here, without its events: how often it was tried, since when it
//! waits, and its turn on its ordering keys, so that later events about the same object go on waiting
//! for it.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use super::super::pace::{GIVEN_BACK, GIVEN_BACK_EACH, GIVEN_BACK_LOST};
use super::super::wake::{Act, Effect, Now};
use super::super::{Round, WorkId};
use super::confirm::Confirmation;
use super::ending::Phase;
use super::work::{Duty, Stage, Work};
use super::{Hand, TriggerState};

impl<A: Act> TriggerState<A> {
    /// A firing waits for its target from now on: if too many do, its delivery is given back.
    pub(super) fn make_room(&mut self, id: WorkId, now: Now) {
        // Who tries the target next is needed here.
        let waits = |work: &Work<A>| matches!(work.stage, Stage::AtTarget) && work.due.is_none();
        if self.is_crowded() && self.works.get(&id).is_some_and(waits) {
            self.give_back(id, now);
        }
    }

    /// A firing waits for its turn behind others: if too many wait, and those others do not run, its
    /// delivery is given back.
    pub(super) fn queue(&mut self, id: WorkId, before: &[WorkId], now: Now) {
        let waits = |id: &WorkId| match self.works.get(id).map(|work| &work.stage) {
            Some(Stage::AtTarget | Stage::GivenBack) => true,
            Some(Stage::Queued) => !self.ordering.is_ready(*id),
            _ => false,
        };
        if self.is_crowded() && before.iter().any(waits) {
            self.give_back(id, now);
        }
    }

    fn is_crowded(&self) -> bool {
        let waiting = self.limits.waiting;
        self.targets.is_any_unavailable()
            && (self.targets.weight() > waiting || self.weight > 2 * waiting)
            && self.given_back.len() < self.limits.given_back
    }

    /// Gives the delivery of a firing back, if the bus can deliver it again as if it had never been here.
    fn give_back(&mut self, id: WorkId, now: Now) {
        let Some(work) = self.works.get_mut(&id) else {
            return;
        };
        let hand = work
            .sequence
            .and_then(|sequence| self.in_hand.get(&sequence));
        let may_be = self.phase == Phase::Running
            && !self.rounds.keeps()
            && hand.is_some_and(Hand::may_be_given_back);
        let (true, Some(sequence), Duty::Fire(firing)) = (may_be, work.sequence, &mut work.duty)
        else {
            return;
        };
        if !firing.is_at_the_beginning() {
            return;
        }
        firing.lay_down();
        work.stage = Stage::GivenBack;
        if let Some(target) = firing.target {
            self.leave_target(target, id);
        }
        if let Some(hand) = self.take_out(sequence) {
            self.undo(hand.seen);
        }
        let many = u32::try_from(self.given_back.len()).unwrap_or(u32::MAX);
        let delay = (GIVEN_BACK + GIVEN_BACK_EACH.saturating_mul(many)).min(GIVEN_BACK_LOST);
        self.given_back.insert(sequence, id);
        self.wait(id, now.uptime + delay + GIVEN_BACK_LOST);
        self.effects.push(Effect::GiveBack { sequence, delay });
    }

    /// A delivery that was given back has come again, for this round: its firing goes on. Otherwise the
    /// round is returned.
    pub(super) fn take_returned(
        &mut self,
        sequence: u64,
        dependency: usize,
        round: Round,
        now: Now,
    ) -> Option<Round> {
        let Some(hand) = self.in_hand.get_mut(&sequence) else {
            return Some(round);
        };
        let work = hand.returned.and_then(|id| self.works.get_mut(&id));
        let (Some(id), Some(work)) = (hand.returned, work) else {
            return Some(round);
        };
        match &mut work.duty {
            Duty::Fire(firing) if firing.dependency == dependency => {
                firing.round = Arc::new(round);
            }
            _ => return Some(round),
        }
        hand.returned = None;
        hand.works.push(id);
        work.stage = Stage::Queued;
        self.forget_due(id);
        if self.ordering.is_ready(id) {
            self.make_ready(id, now);
        }
        None
    }

    /// What came again is not what was given back: its firing is over.
    pub(super) fn forget_returned(&mut self, sequence: u64, now: Now) {
        let hand = self.in_hand.get_mut(&sequence);
        if let Some(id) = hand.and_then(|hand| hand.returned.take()) {
            self.give_up_turn(id, now);
        }
    }

    /// What was given back has not come again: the stream does not have it any more.
    pub(super) fn forget_given_back(&mut self, id: WorkId, now: Now) {
        let sequence = self.works.get(&id).and_then(|work| work.sequence);
        if let Some(sequence) = sequence {
            self.given_back.remove(&sequence);
            self.effects.push(Effect::Release { sequence });
        }
        self.give_up_turn(id, now);
    }

    /// A target has answered: what waits for it on the bus is to come.
    pub(super) fn recall(&mut self, target: u64) {
        let waits = |id: &WorkId| match self.works.get(id).map(|work| &work.duty) {
            Some(Duty::Fire(firing)) => firing.target == Some(target),
            _ => false,
        };
        let waiting = self.given_back.iter().filter(|(_, id)| waits(id));
        let sequences = waiting.map(|(sequence, _)| *sequence).collect();
        self.ask_for(sequences);
    }

    /// Somebody else is to have what was given back. It keeps its turn as long as this state goes on.
    pub(super) fn recall_all(&mut self) {
        let given_back: BTreeMap<u64, WorkId> = mem::take(&mut self.given_back);
        self.ask_for(given_back.into_keys().collect());
    }

    fn ask_for(&mut self, sequences: Vec<u64>) {
        if !sequences.is_empty() {
            self.effects.push(Effect::Recall { sequences });
        }
    }

    fn give_up_turn(&mut self, id: WorkId, now: Now) {
        if let Some((_, followers)) = self.remove(id) {
            self.ended(None, followers, now);
        }
    }
}

impl Hand {
    /// Whether the bus can deliver it again as if it had never been here.
    fn may_be_given_back(&self) -> bool {
        self.confirmation == Confirmation::Held && self.is_single && !self.came_again
    }
}
