//! What a trigger promises, and what it may do if something happens to the process.

use std::collections::{BTreeMap, BTreeSet};

/// An event for one of its dependencies: it fires at most once for each.
pub(super) type Place = (u64, usize);

/// What is known of the events that were published.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// How often each was acted on, or may have been, by which trigger of the chain.
    fired: BTreeMap<Place, BTreeMap<usize, u32>>,
    /// Those that may be acted on again: a process was cut off before the bus knew that it had.
    may_repeat: BTreeSet<Place>,
    /// Those that may be acted on again whatever the trigger says: see [`Ledger::comes_again`].
    comes_again: BTreeSet<Place>,
    /// Those that may be gone: a process was cut off after it had acknowledged them early, to act at most once.
    may_be_lost: BTreeSet<Place>,
    /// Those whose story can be read in a dead letter.
    lettered: BTreeSet<Place>,
    /// Those that another event or a reset made obsolete.
    obsolete: BTreeSet<Place>,
    /// The order in which actions about an object were started for the first time.
    started: BTreeMap<u64, BTreeSet<u64>>,
}

impl Ledger {
    /// An action was done, or may have been.
    pub(super) fn fire(&mut self, round: &[Place], level: usize, at_most_once: bool) {
        for place in round {
            let fired = self
                .fired
                .entry(*place)
                .or_default()
                .entry(level)
                .or_default();
            *fired += 1;
            let is_allowed = *fired == 1
                || self.comes_again.contains(place)
                || !at_most_once && self.may_repeat.contains(place);
            assert!(is_allowed, "{place:?} was acted on {fired} times");
        }
    }

    /// An attempt for a round with these events about an object begins.
    pub(super) fn start(&mut self, object: u64, sequence: u64) {
        let started = self.started.entry(object).or_default();
        if started.contains(&sequence) {
            return;
        }
        let newer = started.range(sequence..).next();
        assert_eq!(
            newer, None,
            "{sequence} begins after a newer event about the same object"
        );
        started.insert(sequence);
    }

    pub(super) fn may_repeat(&mut self, round: &[Place]) {
        self.may_repeat.extend(round);
    }

    /// An event for several dependencies was kept for one of them and used by a round of another event,
    /// and the runner ended before the rest of its delivery was done: the bus delivers all of it again.
    pub(super) fn comes_again(&mut self, place: Place) {
        self.comes_again.insert(place);
    }

    pub(super) fn may_be_lost(&mut self, round: &[Place]) {
        self.may_be_lost.extend(round);
    }

    pub(super) fn letter(&mut self, round: &[Place]) {
        self.lettered.extend(round);
    }

    pub(super) fn obsolete(&mut self, place: Place) {
        self.obsolete.insert(place);
    }

    /// Whether an event came to one of the ends that are promised, or waits on the bus.
    pub(super) fn is_accounted_for(&self, place: Place, waits: bool) -> bool {
        waits
            || self.fired.contains_key(&place)
            || self.may_be_lost.contains(&place)
            || self.lettered.contains(&place)
            || self.obsolete.contains(&place)
    }
}
