//! What an event reads from, each over a connection of its own: which are to be connected to, and how the
//! event is by how they are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tiphys_base::Backoff;
use tokio::time::Instant;

use crate::error::{Reason, SourceError};
use crate::status::{Condition, chain};

/// Waits before a connection is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A connection that stood for so long was healthy: its next failure is a first one.
const HEALTHY_AFTER: Duration = Duration::from_mins(1);

/// All that are known, by their names.
#[derive(Debug, Default)]
pub(in crate::source) struct Roster(BTreeMap<String, Upstream>);

#[derive(Debug)]
struct Upstream {
    is_listed: bool,
    state: State,
    backoff: Backoff,
    failure: Option<Failure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be connected to from this moment on.
    Closed(Instant),
    Opening,
    /// Since this moment.
    Open(Instant),
}

#[derive(Debug, Clone)]
struct Failure {
    reason: Reason,
    message: String,
    hint: String,
}

impl Roster {
    /// These are there. One that is not among them is forgotten, unless its connection stands: it may
    /// still have messages.
    pub(in crate::source) fn list(&mut self, names: BTreeSet<String>, now: Instant) {
        for upstream in self.0.values_mut() {
            upstream.is_listed = false;
        }
        for name in names {
            let upstream = self.0.entry(name).or_insert_with(|| Upstream {
                is_listed: true,
                state: State::Closed(now),
                backoff: Backoff::new(RETRY.0, RETRY.1),
                failure: None,
            });
            upstream.is_listed = true;
        }
        self.forget();
    }

    /// Those that are to be connected to now: that has begun with this call.
    pub(in crate::source) fn due(&mut self, now: Instant) -> Vec<String> {
        let mut due = Vec::new();
        for (name, upstream) in &mut self.0 {
            if matches!(upstream.state, State::Closed(at) if at <= now) {
                upstream.state = State::Opening;
                due.push(name.clone());
            }
        }
        due
    }

    /// When the next one is to be connected to.
    pub(in crate::source) fn next(&self) -> Option<Instant> {
        let closed = self.0.values().filter_map(|upstream| match upstream.state {
            State::Closed(at) => Some(at),
            State::Opening | State::Open(_) => None,
        });
        closed.min()
    }

    /// A connection stands.
    pub(in crate::source) fn opened(&mut self, name: &str, now: Instant) {
        if let Some(upstream) = self.0.get_mut(name) {
            upstream.state = State::Open(now);
            upstream.failure = None;
        }
    }

    /// A connection failed or was lost.
    pub(in crate::source) fn failed(&mut self, name: &str, error: &SourceError, now: Instant) {
        let Some(upstream) = self.0.get_mut(name) else {
            return;
        };
        if matches!(upstream.state, State::Open(since) if now - since > HEALTHY_AFTER) {
            upstream.backoff.reset();
        }
        upstream.state = State::Closed(now + upstream.backoff.wait());
        upstream.failure = Some(Failure {
            reason: error.reason(),
            message: chain(error),
            hint: error.hint().to_owned(),
        });
        self.forget();
    }

    /// Whether there is nothing to read from.
    pub(in crate::source) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any connection stands.
    pub(in crate::source) fn is_any_open(&self) -> bool {
        self.0.values().any(Upstream::is_open)
    }

    /// How many are connected to.
    pub(in crate::source) fn connections(&self) -> usize {
        let upstreams = self.0.values();
        upstreams
            .filter(|upstream| !matches!(upstream.state, State::Closed(_)))
            .count()
    }

    /// How the event is; `None` while that is being found out, and if there is nothing to read from.
    pub(in crate::source) fn condition(&self) -> Option<Condition> {
        let failure = self
            .0
            .values()
            .find_map(|upstream| upstream.failure.clone());
        match (failure, self.is_any_open()) {
            (None, true) => Some(Condition::Working),
            (None, false) => None,
            (Some(failure), is_any_open) => {
                let Failure {
                    reason,
                    message,
                    hint,
                } = failure;
                Some(if is_any_open {
                    Condition::Impaired {
                        reason,
                        message,
                        hint,
                    }
                } else {
                    Condition::Failed {
                        reason,
                        message,
                        hint,
                    }
                })
            }
        }
    }

    fn forget(&mut self) {
        self.0.retain(|_, upstream| {
            upstream.is_listed || !matches!(upstream.state, State::Closed(_))
        });
    }
}

impl Upstream {
    fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn refused() -> SourceError {
        SourceError::new(Reason::Unreachable, "connect to a:1").because("no")
    }

    fn said(roster: &Roster) -> String {
        match roster.condition() {
            None => "-".to_owned(),
            Some(Condition::Failed { message, .. }) => format!("failed: {message}"),
            Some(Condition::Impaired { message, .. }) => format!("impaired: {message}"),
            Some(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn a_new_one_is_connected_to_once() {
        let mut roster = Roster::default();
        let now = Instant::now();
        assert_eq!((&*said(&roster), roster.is_empty()), ("-", true));
        roster.list(listed(&["a:1", "b:1"]), now);
        assert_eq!(said(&roster), "-");
        assert_eq!(roster.due(now), ["a:1", "b:1"]);
        roster.list(listed(&["a:1", "b:1"]), now);
        assert_eq!(roster.due(now), [""; 0]);
        assert_eq!(roster.connections(), 2);
        roster.opened("a:1", now);
        assert_eq!(said(&roster), "Working");
    }

    #[test]
    fn one_that_fails_is_tried_again_and_impairs_the_others_only() {
        let mut roster = Roster::default();
        let now = Instant::now();
        roster.list(listed(&["a:1", "b:1"]), now);
        roster.due(now);
        roster.failed("a:1", &refused(), now);
        assert_eq!(said(&roster), "failed: connect to a:1: no");
        roster.opened("b:1", now);
        assert_eq!(said(&roster), "impaired: connect to a:1: no");
        assert_eq!(roster.due(now), [""; 0]);
        let again = roster.next().unwrap();
        assert!(again > now && again <= now + Duration::from_millis(750));
        assert_eq!(roster.due(again), ["a:1"]);
        // Until it stands it is known to have failed.
        assert_eq!(said(&roster), "impaired: connect to a:1: no");
        roster.opened("a:1", again);
        assert_eq!(said(&roster), "Working");
    }

    #[test]
    fn one_that_vanishes_is_listened_to_as_long_as_it_is_there() {
        let mut roster = Roster::default();
        let now = Instant::now();
        roster.list(listed(&["a:1", "b:1"]), now);
        roster.due(now);
        roster.opened("a:1", now);
        roster.failed("b:1", &refused(), now);
        roster.list(listed(&[]), now);
        assert_eq!(said(&roster), "Working");
        roster.failed("a:1", &refused(), now);
        assert_eq!((&*said(&roster), roster.is_empty()), ("-", true));
        assert_eq!(roster.next(), None);
    }
}
