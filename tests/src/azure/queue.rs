//! A queue of Service Bus: messages that are locked while a client has them.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::LOCKED_FOR;
use super::entity::Kept;

/// A queue, or a subscription.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Vec<Waiting>,
    sequence: i64,
    /// Message ids: what has one of them again is taken and not kept.
    known: BTreeSet<String>,
    all: Vec<Kept>,
    pub(super) requires_sessions: bool,
}

struct Waiting {
    kept: Kept,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Free,
    /// A link has it, and may not send it yet.
    Reserved,
    Locked {
        token: [u8; 16],
        until: Instant,
    },
}

impl State {
    fn is_free(self, now: Instant) -> bool {
        match self {
            Self::Free => true,
            Self::Reserved => false,
            Self::Locked { until, .. } => until <= now,
        }
    }
}

impl Queue {
    pub(super) fn of_sessions() -> Self {
        Self {
            requires_sessions: true,
            ..Self::default()
        }
    }

    pub(super) fn take(&mut self, mut kept: Kept) {
        self.all.push(kept.clone());
        if kept.id().is_some_and(|id| !self.known.insert(id)) {
            return;
        }
        self.sequence += 1;
        kept.sequence = self.sequence;
        self.waiting.push(Waiting {
            kept,
            state: State::Free,
        });
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Kept> {
        self.all.iter()
    }

    pub(super) fn depth(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn locked(&self) -> usize {
        let now = Instant::now();
        let waiting = self.waiting.iter();
        waiting
            .filter(|waiting| matches!(waiting.state, State::Locked { until, .. } if until > now))
            .count()
    }

    /// The next message for a link.
    pub(super) fn reserve(&mut self) -> Option<Kept> {
        let now = Instant::now();
        let mut waiting = self.waiting.iter_mut();
        let next = waiting.find(|waiting| waiting.state.is_free(now))?;
        next.state = State::Reserved;
        Some(next.kept.clone())
    }

    /// When the next lock ends.
    pub(super) fn next_end(&self) -> Option<Instant> {
        let ends = self
            .waiting
            .iter()
            .filter_map(|waiting| match waiting.state {
                State::Locked { until, .. } => Some(until),
                _ => None,
            });
        ends.min()
    }

    /// A reserved message goes out under this lock; or does not, without one.
    pub(super) fn lock(&mut self, sequence: i64, token: Option<[u8; 16]>) {
        let until = Instant::now() + LOCKED_FOR;
        let state = token.map_or(State::Free, |token| State::Locked { token, until });
        let mut waiting = self.waiting.iter_mut();
        if let Some(found) = waiting.find(|waiting| waiting.kept.sequence == sequence)
            && found.state == State::Reserved
        {
            found.state = state;
        }
    }

    /// Settles what still has this lock: it is gone, or free.
    pub(super) fn settle(&mut self, lock: [u8; 16], is_done: bool) {
        let now = Instant::now();
        let has_it = |waiting: &Waiting| match waiting.state {
            State::Locked { token, until } => token == lock && until > now,
            _ => false,
        };
        let Some(at) = self.waiting.iter().position(has_it) else {
            return;
        };
        if is_done {
            self.waiting.remove(at);
        } else {
            self.waiting[at].state = State::Free;
        }
    }

    /// Renews locks. Not one of them, if one has ended.
    pub(super) fn renew(&mut self, locks: &[[u8; 16]]) -> bool {
        let now = Instant::now();
        let is_held = |lock: &[u8; 16]| {
            let mut waiting = self.waiting.iter();
            waiting.any(|waiting| match waiting.state {
                State::Locked { token, until } => token == *lock && until > now,
                _ => false,
            })
        };
        if !locks.iter().all(is_held) {
            return false;
        }
        for waiting in &mut self.waiting {
            if let State::Locked { token, until } = &mut waiting.state
                && locks.contains(token)
            {
                *until = now + LOCKED_FOR;
            }
        }
        true
    }
}
