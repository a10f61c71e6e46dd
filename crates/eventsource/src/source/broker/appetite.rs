//! How many messages may be here before one of them is done with: many small ones, few large ones.

use crate::pump::MAX_EVENTS;

/// How many bytes of messages may be with this pod: as much as may be on its way to the bus.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// How large a message may be by the defaults of nsqd, and in SQS: what is expected before any was seen.
const LARGE: usize = 1024 * 1024;

/// What messages of one server are like.
#[derive(Debug)]
pub(in crate::source) struct Appetite {
    /// How large the next message may well be.
    expected: usize,
    /// How many the server allows at most.
    most: usize,
}

impl Appetite {
    pub(in crate::source) fn new(most: usize) -> Self {
        Self {
            expected: LARGE,
            most,
        }
    }

    /// A message of so many bytes came. A large one is not forgotten at once.
    pub(in crate::source) fn saw(&mut self, size: usize) {
        self.expected = size.max(self.expected - self.expected / 8);
    }

    /// How many messages may be here from this server, if it shares with so many `connections`: a power of
    /// two, so that it does not have to be told often.
    pub(in crate::source) fn messages(&self, connections: usize) -> usize {
        let fitting = MAX_BYTES / connections.max(1) / self.expected.max(1);
        let share = MAX_EVENTS / connections.max(1);
        let messages = fitting.min(share).min(self.most).max(1);
        1 << messages.ilog2()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_messages_are_many_and_large_ones_few() {
        let mut appetite = Appetite::new(2500);
        assert_eq!(appetite.messages(1), 8);
        for _ in 0..100 {
            appetite.saw(100);
        }
        assert_eq!(appetite.messages(1), 256);
        assert_eq!(appetite.messages(3), 64);
        assert_eq!(appetite.messages(1000), 1);
        appetite.saw(4 * 1024 * 1024);
        assert_eq!(appetite.messages(1), 2);
        appetite.saw(64 * 1024 * 1024);
        assert_eq!(appetite.messages(1), 1);
    }

    #[test]
    fn no_more_are_asked_for_than_the_server_allows() {
        let mut appetite = Appetite::new(50);
        for _ in 0..100 {
            appetite.saw(1);
        }
        assert_eq!(appetite.messages(1), 32);
    }
}
