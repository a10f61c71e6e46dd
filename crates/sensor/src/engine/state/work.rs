//! Pieces of work: they wait for their turn, ask the bus, and end.

use std::time::Duration;

use super::super::pace::{BUS_FIRST, BUS_LAST};
use super::super::wake::{Act, Effect, Letter, Now};
use super::super::{Decision, Member, Outcome, Round, WorkId};
use super::ending::Phase;
use super::fire::Firing;
use super::{Hand, ROUNDS, TriggerState};

/// A piece of work.
#[derive(Debug)]
pub(super) struct Work<A> {
    /// The delivery that led to it; a reset has none.
    pub(super) sequence: Option<u64>,
    pub(super) duty: Duty<A>,
    pub(super) stage: Stage<A>,
    /// The kept event that the arriving one took the place of.
    pub(super) replaced: Option<Member>,
    /// The wait after the next failure of the bus.
    bus_wait: Duration,
    /// When it goes on, if it waits for that.
    pub(super) due: Option<Duration>,
}

/// What a piece of work is for.
#[derive(Debug)]
pub(super) enum Duty<A> {
    /// Store an event until its round is complete.
    Keep { dependency: usize, member: Member },
    /// Forget events whose time is over.
    Reset { forgotten: Round },
    /// Put a delivery aside.
    DeadLetter(Option<Letter<A>>),
    /// Perform the trigger's action.
    Fire(Box<Firing<A>>),
}

/// Where a piece of work is.
#[derive(Debug)]
pub(super) enum Stage<A> {
    /// It waits for its turn.
    Queued,
    /// The bus was asked for this.
    Writing(Write<A>),
    /// The bus did not do this: it is asked again in a while.
    WriteAgain(Write<A>),
    /// It waits because the trigger fires at most so often.
    RateTurn,
    /// Its action is being rendered or performed.
    Attempting,
    /// Its action is performed again in a while.
    Pausing,
    /// Its action waits for its target.
    AtTarget,
    /// Its delivery was given back to the bus.
    GivenBack,
    /// It waits until its delivery is acknowledged.
    Unconfirmed,
}

/// What is asked of the bus.
#[derive(Debug, Clone)]
pub(super) enum Write<A> {
    /// Store the event.
    Keep,
    /// Remove what a reset forgot.
    Reset,
    /// Remove the events of a round, before its action.
    ForgetFirst,
    /// Remove the events of a round that came to this.
    ForgetLast(Outcome, String),
    /// Store a dead letter.
    DeadLetter(Letter<A>),
}

impl<A> Work<A> {
    fn new(sequence: Option<u64>, duty: Duty<A>, replaced: Option<Member>) -> Self {
        Self {
            sequence,
            duty,
            stage: Stage::Queued,
            replaced,
            bus_wait: BUS_FIRST,
            due: None,
        }
    }

    /// The dependencies that the delivery of a firing came for, by their places in the spec.
    pub(super) fn came_for(&self) -> Vec<usize> {
        let Duty::Fire(firing) = &self.duty else {
            return Vec::new();
        };
        let round = firing.round.iter();
        let arrived = round.filter(|(_, member)| Some(member.sequence) == self.sequence);
        arrived.map(|(dependency, _)| *dependency).collect()
    }
}

impl<A: Act> TriggerState<A> {
    /// Takes in a piece of work of a delivery.
    pub(super) fn add(
        &mut self,
        sequence: u64,
        keys: Vec<u64>,
        duty: Duty<A>,
        replaced: Option<Member>,
        now: Now,
    ) {
        let (work, before) = self.ordering.enter(keys);
        if let Some(hand) = self.in_hand.get_mut(&sequence) {
            hand.works.push(work);
        }
        self.works
            .insert(work, Work::new(Some(sequence), duty, replaced));
        if before.is_empty() {
            self.make_ready(work, now);
        } else {
            self.queue(work, &before, now);
        }
    }

    /// Takes in the work that a reset makes.
    pub(super) fn add_reset(&mut self, forgotten: Round, now: Now) {
        let (work, before) = self.ordering.enter(vec![ROUNDS]);
        self.works
            .insert(work, Work::new(None, Duty::Reset { forgotten }, None));
        if before.is_empty() {
            self.make_ready(work, now);
        }
    }

    /// It is the turn of a piece of work. Only firings need a place.
    pub(super) fn make_ready(&mut self, id: WorkId, now: Now) {
        let Some(work) = self.works.get_mut(&id) else {
            return;
        };
        let write = match &mut work.duty {
            Duty::Fire(_) if matches!(work.stage, Stage::GivenBack) => {
                let sequences = work.sequence.into_iter().collect();
                return self.effects.push(Effect::Recall { sequences });
            }
            Duty::Fire(_) => return self.ready.push_back(id),
            Duty::Keep { .. } => Write::Keep,
            Duty::Reset { .. } => Write::Reset,
            Duty::DeadLetter(letter) => match letter.take() {
                Some(letter) => Write::DeadLetter(letter),
                None => return,
            },
        };
        // A dead letter is always worth a try.
        if self.may_begin(id) || self.phase == Phase::Aborting && is_letter(&write) {
            self.write(id, write);
        } else {
            self.abandon(id, now);
        }
    }

    /// Starts what is ready, as far as there are places.
    pub(super) fn start(&mut self, now: Now) {
        while self.running < self.limits.running
            && let Some(id) = self.targets.next(self.limits.running - self.running)
        {
            self.attempt(id, now);
        }
        while let Some(id) = self.ready.front().copied() {
            // It may have been ended, or put into the dead-letter stream, meanwhile.
            let is_queued = |work: &Work<A>| matches!(work.stage, Stage::Queued);
            let is_queued = self.works.get(&id).is_some_and(is_queued);
            let begins = is_queued && self.may_begin(id);
            if begins && self.running >= self.limits.running {
                return;
            }
            self.ready.pop_front();
            if begins {
                self.begin_firing(id, now);
            } else if is_queued {
                self.abandon(id, now);
            }
        }
    }

    /// Asks the bus.
    pub(super) fn write(&mut self, id: WorkId, write: Write<A>) {
        let Some(work) = self.works.get_mut(&id) else {
            return;
        };
        let effect = match (&write, &work.duty) {
            (Write::Keep, Duty::Keep { dependency, member }) => Effect::Keep {
                work: id,
                dependency: *dependency,
                member: member.clone(),
            },
            (Write::Reset, Duty::Reset { forgotten }) => Effect::Forget {
                work: id,
                dependencies: places(forgotten),
            },
            (Write::ForgetFirst | Write::ForgetLast(..), Duty::Fire(firing)) => Effect::Forget {
                work: id,
                dependencies: places(&firing.round),
            },
            (Write::DeadLetter(letter), _) => Effect::DeadLetter {
                work: id,
                sequence: work.sequence.unwrap_or_default(),
                letter: letter.clone(),
            },
            // No other duty asks for it.
            _ => return,
        };
        work.stage = Stage::Writing(write);
        self.effects.push(effect);
    }

    /// The bus has answered, or not.
    pub(super) fn stored(&mut self, id: WorkId, is_stored: bool, now: Now) {
        let Some(work) = self.works.get_mut(&id) else {
            return;
        };
        let Stage::Writing(write) = std::mem::replace(&mut work.stage, Stage::Queued) else {
            return;
        };
        if !is_stored {
            return self.write_again(id, write, now);
        }
        work.bus_wait = BUS_FIRST;
        match write {
            Write::Keep => self.done(id, Outcome::Waiting, String::new(), now),
            Write::Reset => self.done(id, Outcome::Filtered, String::new(), now),
            Write::ForgetFirst => self.forgot_first(id, now),
            Write::ForgetLast(outcome, reason) => self.done(id, outcome, reason, now),
            Write::DeadLetter(letter) => {
                self.dead_lettered(id, letter.error.public().to_owned(), now);
            }
        }
    }

    /// The bus did not do what it was asked for: it is asked again, unless the process stops.
    fn write_again(&mut self, id: WorkId, write: Write<A>, now: Now) {
        if self.phase == Phase::Aborting {
            return self.give_up_writing(id, &write, now);
        }
        let Some(work) = self.works.get_mut(&id) else {
            return;
        };
        work.stage = Stage::WriteAgain(write);
        let wait = work.bus_wait;
        work.bus_wait = (wait * 2).min(BUS_LAST);
        self.wait(id, now.uptime + wait);
    }

    /// Lets a piece of work go on at a moment.
    pub(super) fn wait(&mut self, id: WorkId, due: Duration) {
        if let Some(work) = self.works.get_mut(&id) {
            work.due = Some(due);
            self.timers.insert((due, id));
        }
    }

    /// A piece of work does not wait for a moment any more.
    pub(super) fn forget_due(&mut self, id: WorkId) {
        let due = self.works.get_mut(&id).and_then(|work| work.due.take());
        if let Some(due) = due {
            self.timers.remove(&(due, id));
        }
    }

    /// The moment has come that a piece of work waited for.
    pub(super) fn go_on(&mut self, id: WorkId, now: Now) {
        let Some(work) = self.works.get_mut(&id) else {
            return;
        };
        work.due = None;
        match std::mem::replace(&mut work.stage, Stage::Queued) {
            Stage::WriteAgain(write) => self.write(id, write),
            Stage::RateTurn => self.fire(id),
            Stage::Pausing => self.approach(id, now),
            Stage::AtTarget => self.try_target(id),
            Stage::GivenBack => self.forget_given_back(id, now),
            other => work.stage = other,
        }
    }

    /// A piece of work was carried out, and came to this.
    pub(super) fn done(&mut self, id: WorkId, outcome: Outcome, reason: String, now: Now) {
        let Some((work, followers)) = self.remove(id) else {
            return;
        };
        if let Some(member) = &work.replaced {
            let why = || "a newer event took its place".to_owned();
            self.leave_place(member, Outcome::Filtered, why);
        }
        match &work.duty {
            Duty::Fire(firing) => {
                let arriving = work.sequence.map(|sequence| (firing.dependency, sequence));
                for (dependency, member) in firing.round.iter() {
                    if Some((*dependency, member.sequence)) != arriving {
                        self.leave_place(member, outcome, || reason.clone());
                    }
                }
            }
            Duty::Reset { forgotten } => {
                for (_, member) in forgotten {
                    let why = || "forgotten by a reset".to_owned();
                    self.leave_place(member, Outcome::Filtered, why);
                }
            }
            Duty::Keep { .. } | Duty::DeadLetter(_) => {}
        }
        if let Some(hand) = self.hand(&work) {
            // An event that is kept waits for as long as it has a place.
            if outcome != Outcome::Waiting {
                hand.fate.note(outcome, || reason);
            }
            hand.works.retain(|other| *other != id);
        }
        self.ended(work.sequence, followers, now);
    }

    /// A piece of work is not carried out here: the bus has to deliver its event again.
    pub(super) fn drop_work(&mut self, id: WorkId, now: Now) {
        let Some((work, followers)) = self.remove(id) else {
            return;
        };
        if let Some(hand) = self.hand(&work) {
            hand.is_undone = true;
            hand.works.retain(|other| *other != id);
        }
        self.ended(work.sequence, followers, now);
    }

    /// A piece of work has ended: its delivery may be over, and what waited for it can go on.
    pub(super) fn ended(&mut self, sequence: Option<u64>, followers: Vec<WorkId>, now: Now) {
        if let Some(sequence) = sequence {
            self.settle(sequence);
        }
        for follower in followers {
            self.make_ready(follower, now);
        }
        // After its own followers: they may be stored with it.
        if let Some(sequence) = sequence {
            self.ask_for_confirmation(sequence);
        }
    }

    /// The bus delivers again what was not carried out, as if it had never been here.
    pub(super) fn undo(&mut self, seen: Option<u64>) {
        self.books.give_back();
        if let Some(seen) = seen {
            self.seen.remove(seen);
        }
    }

    /// Has nothing to do with a delivery any more.
    pub(super) fn take_out(&mut self, sequence: u64) -> Option<Hand> {
        let hand = self.in_hand.remove(&sequence)?;
        self.weight -= hand.weight;
        Some(hand)
    }

    fn hand(&mut self, work: &Work<A>) -> Option<&mut Hand> {
        self.in_hand.get_mut(&work.sequence?)
    }

    /// Takes a piece of work out; returns what waited for it.
    pub(super) fn remove(&mut self, id: WorkId) -> Option<(Work<A>, Vec<WorkId>)> {
        self.forget_due(id);
        self.leave_its_target(id);
        let work = self.works.remove(&id)?;
        if let Duty::Fire(firing) = &work.duty {
            if firing.waits {
                self.effects.push(Effect::WaitsNoMore { work: id });
            }
            self.running -= usize::from(firing.has_place);
        }
        let followers = self.ordering.leave(id);
        Some((work, followers))
    }

    /// An event does not wait any more in one of its places.
    fn leave_place(&mut self, member: &Member, outcome: Outcome, reason: impl Fn() -> String) {
        if let Some(hand) = self.in_hand.get_mut(&member.sequence) {
            return hand.fate.leave_place(outcome, reason);
        }
        let decided = self.books.leave_place(member.sequence, outcome, reason);
        if let Some((outcome, reason)) = decided {
            self.effects.push(Effect::Decided(Decision {
                event_id: member.event.context.id.clone(),
                outcome,
                reason,
            }));
        }
    }

    /// Answers a delivery whose work has ended.
    pub(super) fn settle(&mut self, sequence: u64) {
        let has_work = |hand: &Hand| !hand.works.is_empty();
        if self.in_hand.get(&sequence).is_none_or(has_work) {
            return;
        }
        let Some(hand) = self.take_out(sequence) else {
            return;
        };
        self.uncertain.remove(&sequence);
        let is_unanswered = hand.is_unanswered();
        if hand.is_undone {
            self.undo(hand.seen);
        } else {
            let decision = self.books.settle(sequence, hand.event_id, hand.fate);
            self.effects.push(Effect::Decided(decision));
        }
        self.effects.push(match (is_unanswered, hand.is_undone) {
            (true, true) => Effect::NegativeAcknowledge { sequence },
            (true, false) => Effect::Acknowledge { sequence },
            (false, _) => Effect::Release { sequence },
        });
    }
}

fn is_letter<A>(write: &Write<A>) -> bool {
    matches!(write, Write::DeadLetter(_))
}

/// The dependencies of a round, by their places in the spec.
fn places(round: &Round) -> Vec<usize> {
    round.iter().map(|(dependency, _)| *dependency).collect()
}
