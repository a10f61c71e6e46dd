//! Deduplication: an event that a trigger has taken in lately is not run again.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use jiff::{SignedDuration, Timestamp};
use tiphys_eventbus::Context;

/// How long an event is remembered, as in Argo Events.
const WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// How many are remembered at most: 16 bytes each, a minute at 16,000 events a second.
const CAPACITY: usize = 1_000_000;

/// The events a trigger has taken in within the last minute.
///
/// Known by event source, event name and id together: ids chosen by users may collide across
/// sources (Argo Events looks at the id alone).
#[derive(Debug, Default)]
pub(super) struct Seen {
    hasher: RandomState,
    known: HashSet<u64>,
    order: VecDeque<(Timestamp, u64)>,
}

impl Seen {
    /// Remembers an event, and gives it a name to be forgotten by; `None` if it was known already.
    pub(super) fn insert(&mut self, context: &Context, now: Timestamp) -> Option<u64> {
        self.forget(now);
        let hash = self
            .hasher
            .hash_one((&context.source, &context.subject, &context.id));
        if !self.known.insert(hash) {
            return None;
        }
        self.order.push_back((now, hash));
        Some(hash)
    }

    /// Forgets an event that has to be delivered again.
    pub(super) fn remove(&mut self, event: u64) {
        self.known.remove(&event);
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((since, hash)) = self.order.front() {
            if now.duration_since(*since) < WINDOW && self.order.len() <= CAPACITY {
                return;
            }
            self.known.remove(hash);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(source: &str, id: &str) -> Context {
        Context {
            source: source.into(),
            id: id.into(),
            ..Context::default()
        }
    }

    #[test]
    fn an_event_is_remembered_for_a_minute_and_by_its_source() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let after = |seconds| start + SignedDuration::from_secs(seconds);
        let mut seen = Seen::default();
        assert!(seen.insert(&context("a", "1"), start).is_some());
        assert!(seen.insert(&context("a", "1"), after(59)).is_none());
        assert!(seen.insert(&context("b", "1"), after(59)).is_some());
        let event = seen.insert(&context("a", "1"), after(60)).unwrap();
        assert!(seen.insert(&context("a", "1"), after(61)).is_none());
        seen.remove(event);
        assert!(seen.insert(&context("a", "1"), after(61)).is_some());
    }
}
