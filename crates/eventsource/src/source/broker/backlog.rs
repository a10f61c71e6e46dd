//! What was said while no event may be handed on, by an upstream that waits for nobody: a bounded queue
//! that gives up the oldest.

use std::collections::VecDeque;

use crate::incoming::Incoming;

/// How many bytes may wait: as much as may be on its way to the bus.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What a message takes beside its payload, so that small ones are bounded too.
const AROUND: usize = 256;

/// A bounded queue.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    waiting: VecDeque<Incoming>,
    bytes: usize,
}

impl Backlog {
    /// Adds one, and says how many of the oldest were given up for it.
    pub(super) fn push(&mut self, incoming: Incoming) -> usize {
        self.bytes += size(&incoming);
        self.waiting.push_back(incoming);
        let mut lost = 0;
        // The newest stays, however large it is.
        while self.bytes > MAX_BYTES && self.waiting.len() > 1 {
            self.pop();
            lost += 1;
        }
        lost
    }

    /// The oldest.
    pub(super) fn pop(&mut self) -> Option<Incoming> {
        let oldest = self.waiting.pop_front()?;
        self.bytes -= size(&oldest);
        Some(oldest)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

fn size(incoming: &Incoming) -> usize {
    incoming.size() + AROUND
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incoming::Payload;

    fn one(byte: u8, size: usize) -> Incoming {
        Incoming::new(vec![byte; size])
    }

    #[test]
    fn the_oldest_give_way_to_the_newest() {
        let mut backlog = Backlog::default();
        let mib = 1024 * 1024;
        for byte in 0..7 {
            assert_eq!(backlog.push(one(byte, mib)), 0);
        }
        assert_eq!(backlog.push(one(7, mib)), 1);
        assert_eq!(backlog.push(one(8, 3 * mib)), 3);
        assert_eq!(backlog.len(), 5);
        let Some(Payload::Json(oldest)) = backlog.pop().map(|oldest| oldest.payload) else {
            panic!("there is one");
        };
        assert_eq!(oldest[0], 4);
        assert_eq!(backlog.push(one(9, 9 * mib)), 4);
        assert_eq!(backlog.len(), 1);
        assert!(backlog.pop().is_some());
        assert_eq!(backlog.push(one(0, 0)), 0);
    }
}
