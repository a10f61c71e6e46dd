//! Where every event of a trigger is: an event that came is counted once, at every moment.

use std::collections::HashMap;

use super::{Decision, Outcome, Tally};

/// The books of one trigger.
#[derive(Debug, Default)]
pub(super) struct Books {
    tally: Tally,
    /// Events that wait in rounds and were received here, by their numbers in the stream.
    waiting: HashMap<u64, Fate>,
}

/// What has become of an event so far.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// The best that it has come to, and why.
    best: Option<(Outcome, String)>,
    /// In how many places of rounds it is kept.
    places: u32,
}

impl Fate {
    /// It came to this, for one of the dependencies that waited for it. The best counts.
    pub(super) fn note(&mut self, outcome: Outcome, reason: impl FnOnce() -> String) {
        if self.best.as_ref().is_none_or(|(best, _)| outcome < *best) {
            self.best = Some((outcome, reason()));
        }
    }

    /// It is kept in one more place of a round.
    pub(super) fn keep(&mut self) {
        self.places += 1;
    }

    /// It is kept in one place less, and came to this there.
    pub(super) fn leave_place(&mut self, outcome: Outcome, reason: impl FnOnce() -> String) {
        self.places = self.places.saturating_sub(1);
        self.note(outcome, reason);
    }

    /// Whether it waits and nothing better has become of it.
    fn waits(&self) -> bool {
        let best = self.best.as_ref().map(|(best, _)| *best);
        self.places > 0 && best.is_none_or(|best| best > Outcome::Waiting)
    }
}

impl Books {
    /// How many events are where.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// An event came.
    pub(super) fn receive(&mut self) {
        self.tally.receive();
    }

    /// It went back to the bus.
    pub(super) fn give_back(&mut self) {
        self.tally.give_back();
    }

    /// It was a delivery of something that is being worked on.
    pub(super) fn receive_again(&mut self) {
        self.tally.shift(Outcome::InFlight, Outcome::Deduplicated);
    }

    /// A delivery is over: what became of its event.
    pub(super) fn settle(&mut self, sequence: u64, event_id: String, fate: Fate) -> Decision {
        if fate.waits() {
            self.waiting.insert(sequence, fate);
            self.tally.shift(Outcome::InFlight, Outcome::Waiting);
            return Decision {
                event_id,
                outcome: Outcome::Waiting,
                reason: String::new(),
            };
        }
        let nobody = || (Outcome::Filtered, "no dependency waits for it".to_owned());
        let (outcome, reason) = fate.best.unwrap_or_else(nobody);
        self.tally.shift(Outcome::InFlight, outcome);
        Decision {
            event_id,
            outcome,
            reason,
        }
    }

    /// An event that waited does not wait any more in one of its places. What it came to, if that
    /// was the last one. Of an event that another runner received, nothing is counted here.
    pub(super) fn leave_place(
        &mut self,
        sequence: u64,
        outcome: Outcome,
        reason: impl FnOnce() -> String,
    ) -> Option<(Outcome, String)> {
        let fate = self.waiting.get_mut(&sequence)?;
        fate.leave_place(outcome, reason);
        if fate.waits() {
            return None;
        }
        let (outcome, reason) = self.waiting.remove(&sequence)?.best?;
        self.tally.shift(Outcome::Waiting, outcome);
        Some((outcome, reason))
    }

    /// Leaves to another runner what is over or waits; goes on with what is at work.
    pub(super) fn split(&mut self) -> Tally {
        let (over, at_work) = self.tally.split();
        self.tally = at_work;
        self.waiting.clear();
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(books: &Books, outcome: Outcome) -> u64 {
        books.tally().count(outcome)
    }

    #[test]
    fn an_event_that_waits_in_two_places_waits_until_it_has_left_both() {
        let mut books = Books::default();
        books.receive();
        let mut fate = Fate::default();
        fate.keep();
        fate.keep();
        let decision = books.settle(7, "x".to_owned(), fate);
        assert_eq!(decision.outcome, Outcome::Waiting);
        assert_eq!(
            books.leave_place(7, Outcome::Fired, String::new),
            Some((Outcome::Fired, String::new()))
        );
        assert_eq!(books.leave_place(7, Outcome::Filtered, String::new), None);
        assert_eq!(count(&books, Outcome::Fired), 1);
        assert_eq!(books.tally().received(), 1);
    }

    #[test]
    fn an_event_whose_place_was_taken_still_waits_in_the_other() {
        let mut books = Books::default();
        books.receive();
        let mut fate = Fate::default();
        fate.keep();
        fate.keep();
        books.settle(7, "x".to_owned(), fate);
        assert_eq!(books.leave_place(7, Outcome::Filtered, String::new), None);
        assert_eq!(count(&books, Outcome::Waiting), 1);
        let last = books.leave_place(7, Outcome::DeadLettered, || "why".to_owned());
        assert_eq!(last, Some((Outcome::DeadLettered, "why".to_owned())));
        assert_eq!(count(&books, Outcome::Waiting), 0);
        assert_eq!(count(&books, Outcome::DeadLettered), 1);
    }

    #[test]
    fn what_another_runner_received_is_not_counted() {
        let mut books = Books::default();
        assert_eq!(books.leave_place(7, Outcome::Fired, String::new), None);
        assert_eq!(books.tally().received(), 0);
    }

    #[test]
    fn the_best_counts_that_any_dependency_came_to() {
        let mut books = Books::default();
        books.receive();
        let mut fate = Fate::default();
        fate.note(Outcome::Filtered, || "refused".to_owned());
        fate.note(Outcome::Fired, String::new);
        fate.note(Outcome::DeadLettered, || "failed".to_owned());
        let decision = books.settle(7, "x".to_owned(), fate);
        assert_eq!(
            (decision.outcome, decision.reason.as_str()),
            (Outcome::Fired, "")
        );
    }
}
