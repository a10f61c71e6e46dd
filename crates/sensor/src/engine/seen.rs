//! Deduplication: an event that a trigger has finished lately is not run again.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use jiff::{SignedDuration, Timestamp};
use tiphys_eventbus::Context;

/// How long a finished event is remembered, as in Argo Events.
const WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// How many are remembered at most: 16 bytes each, a minute at 16,000 events a second.
const CAPACITY: usize = 1_000_000;

/// The events a trigger has finished within the last minute.
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
    /// Whether the event was finished less than a minute before `now`.
    pub fn contains(&mut self, context: &Context, now: Timestamp) -> bool {
        self.forget(now);
        self.known.contains(&self.hash(context))
    }

    /// Remembers a finished event.
    pub fn insert(&mut self, context: &Context, now: Timestamp) {
        let hash = self.hash(context);
        if self.known.insert(hash) {
            self.order.push_back((now, hash));
        }
        self.forget(now);
    }

    fn hash(&self, context: &Context) -> u64 {
        self.hasher.hash_one((&context.source, &context.subject, &context.id))
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
        Context { source: source.into(), id: id.into(), ..Context::default() }
    }

    #[test]
    fn an_event_is_remembered_for_a_minute_and_by_its_source() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let after = |seconds| start + SignedDuration::from_secs(seconds);
        let mut seen = Seen::default();
        seen.insert(&context("a", "1"), start);
        assert!(seen.contains(&context("a", "1"), after(59)));
        assert!(!seen.contains(&context("b", "1"), after(59)));
        assert!(!seen.contains(&context("a", "1"), after(60)));
    }
}
