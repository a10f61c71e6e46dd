//! The vocabulary of what can become of an event, shared by metrics, `simulate` and the flow.

use std::fmt;

/// How an event ended, or where it is, for one trigger.
///
/// Of an event that several dependencies wait for, the first of these that one of them led to counts.
///
/// For each trigger, always: received = the sum of the counts of all outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Its action was performed, or was started where it may run at most once.
    Fired,
    /// It could not be processed and lies in the dead-letter stream.
    DeadLettered,
    /// It waits for other events of its round.
    Waiting,
    /// A filter did not take it, or a newer event took its place in a round.
    Filtered,
    /// It had been here already.
    Deduplicated,
    /// It is being worked on.
    InFlight,
}

impl Outcome {
    /// All outcomes, in their order.
    pub const ALL: [Self; 6] = [
        Self::Fired,
        Self::DeadLettered,
        Self::Waiting,
        Self::Filtered,
        Self::Deduplicated,
        Self::InFlight,
    ];

    /// The name in metrics, JSON and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Filtered => "filtered",
            Self::Deduplicated => "deduplicated",
            Self::Waiting => "waiting",
            Self::DeadLettered => "dead_lettered",
            Self::InFlight => "in_flight",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One event's way through one trigger, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Id of the event.
    pub event_id: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why: the filter that refused it, the error it failed with.
    pub reason: String,
}

/// How many events of a trigger are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    counts: [u64; Outcome::ALL.len()],
}

impl Tally {
    /// How many events have this outcome.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize]
    }

    /// How many events have come.
    pub fn received(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// An event came.
    pub fn receive(&mut self) {
        self.counts[Outcome::InFlight as usize] += 1;
    }

    /// An event went back to the bus: when it comes again, it is received anew.
    pub fn give_back(&mut self) {
        let in_flight = &mut self.counts[Outcome::InFlight as usize];
        *in_flight = in_flight.saturating_sub(1);
    }

    /// Parts what is over or kept from what is being worked on.
    pub fn split(mut self) -> (Self, Self) {
        let mut flights = Self::default();
        let index = Outcome::InFlight as usize;
        flights.counts[index] = std::mem::take(&mut self.counts[index]);
        (self, flights)
    }

    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self
    }

    /// An event went from one outcome to another: their sum stays.
    pub fn shift(&mut self, from: Outcome, to: Outcome) {
        let left = &mut self.counts[from as usize];
        // An event that waited since before a restart was not received by this process.
        if *left > 0 {
            *left -= 1;
            self.counts[to as usize] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_received_is_always_accounted_for() {
        let mut tally = Tally::default();
        for outcome in Outcome::ALL {
            tally.receive();
            tally.shift(Outcome::InFlight, outcome);
        }
        tally.shift(Outcome::Waiting, Outcome::Fired);
        assert_eq!(tally.received(), 6);
        assert_eq!(tally.count(Outcome::Fired), 2);
        assert_eq!(tally.count(Outcome::Waiting), 0);
    }
}
