//! How a trigger's state ends: it hands over to another one, or drains because the process stops.

use std::time::Duration;

use tiphys_eventbus::DeadLetterReason;

use super::super::WorkId;
use super::super::wake::{Act, Cancel, Effect, Now};
use super::confirm::Confirmation;
use super::work::{Duty, Stage, Work, Write};
use super::{Hand, TriggerState};

/// How long a stop waits for what is in flight. The process has 5 s in all.
const DRAIN: Duration = Duration::from_secs(4);

/// What the state does with what it has, and whether it takes more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Everything.
    Running,
    /// It gives back what another runner can do, as soon as nobody is at it any more. Attempts may go
    /// on until a moment.
    HandingOver(Option<Duration>),
    /// It finishes what nobody else can.
    HandedOver,
    /// It finishes what it has, until a moment.
    Draining(Duration),
    /// It cuts everything short.
    Aborting,
    /// Nothing is left.
    Ended,
}

impl Phase {
    /// When patience ends.
    pub(super) fn deadline(self) -> Option<Duration> {
        match self {
            Self::HandingOver(deadline) => deadline,
            Self::Draining(deadline) => Some(deadline),
            _ => None,
        }
    }
}

impl<A: Act> TriggerState<A> {
    /// Makes room for another runner: what is only waited with goes back to the bus.
    pub(super) fn hand_over(&mut self, now: Now) {
        if self.phase != Phase::Running {
            return;
        }
        self.phase = Phase::HandingOver(Some(now.uptime + DRAIN));
        self.recall_all();
        for id in self.ids() {
            if !self.is_ours(id) && self.works.get(&id).is_some_and(Work::only_waits) {
                self.drop_work(id, now);
            }
        }
    }

    /// Takes nothing more in, and finishes what is in hand.
    pub(super) fn shut_down(&mut self, now: Now) {
        if matches!(
            self.phase,
            Phase::Running | Phase::HandingOver(_) | Phase::HandedOver
        ) {
            self.phase = Phase::Draining(now.uptime + DRAIN);
            self.recall_all();
        }
    }

    /// Ends what takes too long.
    pub(super) fn end_patience(&mut self, now: Now) {
        if self
            .phase
            .deadline()
            .is_none_or(|deadline| deadline > now.uptime)
        {
            return;
        }
        if let Phase::HandingOver(_) = self.phase {
            self.phase = Phase::HandingOver(None);
            self.effects.push(Effect::Cancel(Cancel::Held));
            // Nobody else can do it, and it may touch what is another runner's soon.
            for id in self.ids() {
                let work = self.works.get(&id);
                let is_stuck = |work: &Work<A>| {
                    matches!(work.duty, Duty::Fire(_))
                        && (work.only_waits() || self.is_uncertain(work))
                        && !self.is_beyond(work)
                };
                if self.is_ours(id) && work.is_some_and(is_stuck) {
                    self.abandon(id, now);
                }
            }
        } else {
            self.abort(now);
        }
    }

    fn abort(&mut self, now: Now) {
        self.phase = Phase::Aborting;
        self.effects.push(Effect::Cancel(Cancel::All));
        for id in self.ids() {
            let Some(work) = self.works.get_mut(&id) else {
                continue;
            };
            let hand = work
                .sequence
                .and_then(|sequence| self.in_hand.get(&sequence));
            let is_asked = |hand: &Hand| hand.confirmation == Confirmation::Asked;
            match std::mem::replace(&mut work.stage, Stage::Queued) {
                stage @ (Stage::Writing(_) | Stage::Attempting) => work.stage = stage,
                stage @ Stage::Unconfirmed => {
                    work.stage = stage;
                    if !hand.is_some_and(is_asked) {
                        self.abandon(id, now);
                    }
                }
                Stage::WriteAgain(write @ Write::DeadLetter(_)) => self.write(id, write),
                Stage::WriteAgain(write) => self.give_up_writing(id, &write, now),
                Stage::Queued
                | Stage::RateTurn
                | Stage::Pausing
                | Stage::AtTarget
                | Stage::GivenBack => self.abandon(id, now),
            }
        }
    }

    /// The process does not wait for the bus any more.
    pub(super) fn give_up_writing(&mut self, id: WorkId, write: &Write<A>, now: Now) {
        match write {
            Write::ForgetFirst | Write::Keep => self.abandon(id, now),
            _ => self.drop_work(id, now),
        }
    }

    /// A piece of work is not begun, or not gone on with, because of how this state ends.
    pub(super) fn abandon(&mut self, id: WorkId, now: Now) {
        match self.works.get(&id).map(|work| &work.duty) {
            Some(Duty::Fire(_)) => self.interrupted(id, false, now),
            Some(Duty::Keep { .. }) if self.is_ours(id) => {
                let error = "the process stopped before the event was kept".into();
                self.dead_letter_instead(id, DeadLetterReason::Interrupted, error);
            }
            Some(_) => self.drop_work(id, now),
            None => {}
        }
    }

    /// Whether a piece of work may begin, or go on after a pause.
    pub(super) fn may_begin(&self, id: WorkId) -> bool {
        match self.phase {
            Phase::Running | Phase::HandedOver | Phase::Draining(_) => true,
            Phase::HandingOver(_) => self.is_ours(id),
            Phase::Aborting | Phase::Ended => false,
        }
    }

    pub(super) fn is_aborting(&self) -> bool {
        self.phase == Phase::Aborting
    }

    /// Says so when another runner may begin, and when all is over.
    pub(super) fn end(&mut self) {
        if let Phase::HandingOver(_) = self.phase
            && self.works.values().all(|work| self.is_beyond(work))
        {
            self.phase = Phase::HandedOver;
            let over = self.books.split();
            self.effects.push(Effect::HandedOver(over));
        }
        let ends = matches!(
            self.phase,
            Phase::HandedOver | Phase::Draining(_) | Phase::Aborting
        );
        if ends && self.works.is_empty() {
            self.phase = Phase::Ended;
            self.effects.push(Effect::Ended);
        }
    }

    /// Whether a piece of work touches nothing that another runner will see: the bus does not come back to
    /// it, whatever becomes of it.
    pub(super) fn is_beyond(&self, work: &Work<A>) -> bool {
        let hand = work
            .sequence
            .and_then(|sequence| self.in_hand.get(&sequence));
        let is_confirmed = hand.is_some_and(|hand| hand.confirmation == Confirmation::Confirmed);
        match &work.duty {
            Duty::Fire(firing) => is_confirmed && (firing.is_forgotten || !self.rounds.keeps()),
            _ => false,
        }
    }

    /// Whether the acknowledgement that a firing waits for may have got lost.
    fn is_uncertain(&self, work: &Work<A>) -> bool {
        let waits = matches!(work.stage, Stage::Unconfirmed);
        waits
            && work
                .sequence
                .is_some_and(|sequence| self.uncertain.contains(&sequence))
    }

    /// All work, the oldest first.
    fn ids(&self) -> Vec<WorkId> {
        let mut ids: Vec<WorkId> = self.works.keys().copied().collect();
        ids.sort_unstable();
        ids
    }
}

impl<A> Work<A> {
    /// Whether nothing of it is under way.
    fn only_waits(&self) -> bool {
        matches!(
            self.stage,
            Stage::Queued | Stage::RateTurn | Stage::Pausing | Stage::AtTarget | Stage::GivenBack
        )
    }
}
