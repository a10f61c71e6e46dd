//! Deduplication: an event that a trigger has taken in lately is not run again.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use jiff::Timestamp;
use tiphys_eventbus::{Context, Replay};

/// How long an event is remembered, as in Argo Events, in milliseconds.
const WINDOW: i64 = 60_000;

/// How many are remembered at most: some 35 bytes each, a minute at 16,000 events a second.
const CAPACITY: usize = 1_000_000;

/// The events a trigger has taken in within the last minute.
///
/// Known by event source, event name and id together: ids chosen by users may collide across
/// sources (Argo Events looks at the id alone). The event of a dead letter was here before: when it is
/// delivered again, it is known by its letter, too.
#[derive(Debug, Default)]
pub(super) struct Seen {
    hasher: RandomState,
    known: HashSet<u64>,
    /// When each came, in milliseconds, oldest first.
    order: VecDeque<(i64, u64)>,
}

impl Seen {
    /// Remembers an event, and gives it a name to be forgotten by; `None` if it was known already.
    pub(super) fn insert(
        &mut self,
        context: &Context,
        replay: Option<&Replay>,
        now: Timestamp,
    ) -> Option<u64> {
        let now = now.as_millisecond();
        self.forget(now);
        let replay = replay.map(|replay| (&replay.letter, replay.is_forced));
        let hash = self
            .hasher
            .hash_one((&context.source, &context.subject, &context.id, replay));
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

    fn forget(&mut self, now: i64) {
        while let Some((since, hash)) = self.order.front() {
            if now - since < WINDOW && self.order.len() <= CAPACITY {
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
    use jiff::SignedDuration;
    use tiphys_eventbus::Subject;

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
        assert!(seen.insert(&context("a", "1"), None, start).is_some());
        assert!(seen.insert(&context("a", "1"), None, after(59)).is_none());
        assert!(seen.insert(&context("b", "1"), None, after(59)).is_some());
        let event = seen.insert(&context("a", "1"), None, after(60)).unwrap();
        assert!(seen.insert(&context("a", "1"), None, after(61)).is_none());
        seen.remove(event);
        assert!(seen.insert(&context("a", "1"), None, after(61)).is_some());
    }

    #[test]
    fn an_event_that_is_delivered_again_is_known_by_its_letter() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let replay = |letter: &str, is_forced| Replay {
            letter: letter.to_owned(),
            subject: Subject::event("a", "e"),
            stored_at: now,
            dependencies: Vec::new(),
            is_forced,
        };
        let event = context("a", "1");
        let mut seen = Seen::default();
        assert!(seen.insert(&event, None, now).is_some());
        for replay in [replay("1", false), replay("2", false), replay("1", true)] {
            assert!(seen.insert(&event, Some(&replay), now).is_some());
            assert!(seen.insert(&event, Some(&replay), now).is_none());
        }
    }
}
