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
pub struct Seen {
    hasher: RandomState,
    known: HashSet<u64>,
    order: VecDeque<(Timestamp, u64)>,
}

impl Seen {
    /// Remembers an event; false if it was known already.
    pub fn insert(&mut self, context: &Context, now: Timestamp) -> bool {
        self.forget(now);
        let hash = self.hash(context);
        let is_new = self.known.insert(hash);
        if is_new {
            self.order.push_back((now, hash));
        }
        is_new
    }

    /// Forgets an event that has to be delivered again.
    pub fn remove(&mut self, context: &Context) {
        let hash = self.hash(context);
        self.known.remove(&hash);
    }

    fn hash(&self, context: &Context) -> u64 {
        self.hasher
            .hash_one((&context.source, &context.subject, &context.id))
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
        assert!(seen.insert(&context("a", "1"), start));
        assert!(!seen.insert(&context("a", "1"), after(59)));
        assert!(seen.insert(&context("b", "1"), after(59)));
        assert!(seen.insert(&context("a", "1"), after(60)));
        seen.remove(&context("a", "1"));
        assert!(seen.insert(&context("a", "1"), after(61)));
    }
}
