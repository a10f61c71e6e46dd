//! What a subscription knows of its messages beyond what the server remembers. Pure.
//!
//! A server that was killed forgets the acknowledgements of its last moments, a deleted consumer
//! forgets all of them; what was acknowledged here is not delivered again all the same.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::RangeInclusive;

use jiff::Timestamp;

/// How many acknowledged messages are remembered: more than a server loses when it is killed.
const REMEMBERED: usize = 16_384;

/// How many messages in hand are remembered at most. Ones that were dropped stay in here until they
/// are delivered again and acknowledged, or for good if the stream dropped them too.
const HELD: usize = 65_536;

/// What is to become of a message that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Hand it out.
    Deliver,
    /// It was acknowledged: say so again.
    Settled,
    /// It is in hand already, and the server does not know.
    InHand,
}

/// A place in the stream. The time finds it in a stream that was made again, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sequence: u64,
    pub(super) stored_at: Option<Timestamp>,
}

/// Messages of one subscription.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    held: BTreeMap<u64, Held>,
    settled: HashMap<u64, Timestamp>,
    settled_order: VecDeque<u64>,
    /// The last message, in the order of the stream, that was delivered.
    newest: Option<Place>,
}

#[derive(Debug)]
struct Held {
    stored_at: Timestamp,
    /// It was acknowledged negatively: the next delivery is wanted.
    is_negative: bool,
}

impl Tracker {
    /// Where the position on the server was when the subscription began.
    pub(super) fn begin(&mut self, sequence: u64) {
        if self.newest.is_none() && sequence > 0 {
            self.newest = Some(Place {
                sequence,
                stored_at: None,
            });
        }
    }

    /// Which of these messages are not in hand.
    pub(super) fn not_held(&self, sequences: RangeInclusive<u64>) -> Vec<u64> {
        sequences
            .filter(|sequence| !self.held.contains_key(sequence))
            .collect()
    }

    /// Decides about a message that arrived with this delivery count.
    pub(super) fn arrived(&mut self, sequence: u64, stored_at: Timestamp, attempt: u64) -> Verdict {
        if attempt <= 1 && self.newest.is_none_or(|newest| sequence > newest.sequence) {
            self.newest = Some(Place {
                sequence,
                stored_at: Some(stored_at),
            });
        }
        if self.settled.get(&sequence) == Some(&stored_at) {
            return Verdict::Settled;
        }
        let held = self.held.insert(
            sequence,
            Held {
                stored_at,
                is_negative: false,
            },
        );
        if self.held.len() > HELD {
            self.held.pop_first();
        }
        match held {
            Some(held) if attempt <= 1 && !held.is_negative && held.stored_at == stored_at => {
                Verdict::InHand
            }
            _ => Verdict::Deliver,
        }
    }

    pub(super) fn settle(&mut self, sequence: u64, stored_at: Timestamp) {
        self.held.remove(&sequence);
        if self.settled.insert(sequence, stored_at).is_some() {
            return;
        }
        self.settled_order.push_back(sequence);
        if self.settled_order.len() > REMEMBERED
            && let Some(oldest) = self.settled_order.pop_front()
        {
            self.settled.remove(&oldest);
        }
    }

    pub(super) fn negative_acknowledge(&mut self, sequence: u64) {
        if let Some(held) = self.held.get_mut(&sequence) {
            held.is_negative = true;
        }
    }

    /// The first message that a consumer made again has to deliver: everything before it is
    /// acknowledged.
    pub(super) fn resume(&self) -> Option<Place> {
        if let Some((&sequence, held)) = self.held.first_key_value() {
            return Some(Place {
                sequence,
                stored_at: Some(held.stored_at),
            });
        }
        self.newest.map(|newest| Place {
            sequence: newest.sequence + 1,
            ..newest
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Place, Tracker, Verdict};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_was_acknowledged_is_not_delivered_again() {
        let mut tracker = Tracker::default();
        assert_eq!(tracker.arrived(5, at(5), 1), Verdict::Deliver);
        tracker.settle(5, at(5));
        assert_eq!(tracker.arrived(5, at(5), 1), Verdict::Settled);
        assert_eq!(tracker.arrived(5, at(5), 2), Verdict::Settled);
    }

    #[test]
    fn another_message_under_the_same_number_is_delivered() {
        let mut tracker = Tracker::default();
        tracker.arrived(5, at(5), 1);
        tracker.settle(5, at(5));
        assert_eq!(tracker.arrived(5, at(9), 1), Verdict::Deliver);
    }

    #[test]
    fn a_message_in_hand_is_not_handed_out_again_by_a_forgetful_server() {
        let mut tracker = Tracker::default();
        tracker.arrived(5, at(5), 1);
        assert_eq!(tracker.arrived(5, at(5), 1), Verdict::InHand);
        // The server knows this one and its time is up.
        assert_eq!(tracker.arrived(5, at(5), 2), Verdict::Deliver);
        tracker.negative_acknowledge(5);
        assert_eq!(tracker.arrived(5, at(5), 1), Verdict::Deliver);
    }

    #[test]
    fn a_consumer_made_again_begins_after_the_last_acknowledged_message() {
        let mut tracker = Tracker::default();
        assert_eq!(tracker.resume(), None);
        tracker.begin(4);
        assert_eq!(
            tracker.resume(),
            Some(Place {
                sequence: 5,
                stored_at: None
            })
        );
        for sequence in 5..8 {
            tracker.arrived(sequence, at(10), 1);
        }
        tracker.settle(5, at(10));
        tracker.settle(7, at(10));
        assert_eq!(tracker.not_held(5..=8), [5, 7, 8]);
        assert_eq!(
            tracker.resume(),
            Some(Place {
                sequence: 6,
                stored_at: Some(at(10))
            })
        );
        tracker.settle(6, at(10));
        assert_eq!(
            tracker.resume(),
            Some(Place {
                sequence: 8,
                stored_at: Some(at(10))
            })
        );
    }
}
