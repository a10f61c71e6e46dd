//! What an event source says of itself, event by event: for the object's conditions.
//!
//! It belongs to the event source, not to a runner: its counts go on when an edited spec takes over.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tiphys_api::message::{add_cause, shortened};

use crate::error::Reason;

/// The longest text that is kept: a condition is no log.
const LONGEST: usize = 1_000;

/// What an event source says of itself.
#[derive(Debug, Default)]
pub struct Status {
    events: Mutex<BTreeMap<Arc<str>, EventStatus>>,
    changes: AtomicU64,
}

/// What one event says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventStatus {
    /// How it is now.
    pub condition: Condition,
    /// How many events were published since the start of the process.
    pub published: u64,
    /// How many went to the dead letters since then.
    pub dead_lettered: u64,
    /// When the last one was published.
    pub last_event: Option<Timestamp>,
    /// The last failure.
    pub last_error: Option<String>,
    /// Why the bus takes nothing, though it answers: it has no room.
    pub bus_full: Option<String>,
}

/// How an event is, whatever its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Condition {
    /// It is being opened: a watch, a connection, a port.
    #[default]
    Opening,
    /// It is open, and receives.
    Working,
    /// It is open, and receives what it is sent; but something that makes its upstream send does not
    /// work, and is tried again.
    Impaired {
        /// Why, in one word.
        reason: Reason,
        /// What was attempted and what is wrong.
        message: String,
        /// What a human can do; may be empty.
        hint: String,
    },
    /// Another pod holds the lease and does the work.
    Standby,
    /// It does not work, and is tried again.
    Failed {
        /// Why, in one word.
        reason: Reason,
        /// What was attempted and what is wrong.
        message: String,
        /// What a human can do; may be empty.
        hint: String,
    },
}

impl Condition {
    /// Whether it receives what it is sent.
    pub fn receives(&self) -> bool {
        matches!(self, Self::Working | Self::Impaired { .. })
    }
}

/// One event's part of the status.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    status: Arc<Status>,
    event: Arc<str>,
}

impl Status {
    /// What each event says.
    pub fn events(&self) -> BTreeMap<Arc<str>, EventStatus> {
        self.locked().clone()
    }

    /// A number that grows with each change.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, EventStatus>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter {
    pub(crate) fn new(status: Arc<Status>, event: Arc<str>) -> Self {
        Self { status, event }
    }

    pub(crate) fn condition(&self, condition: Condition) {
        self.change(|status| {
            if let Condition::Failed { message, .. } | Condition::Impaired { message, .. } =
                &condition
            {
                status.last_error = Some(shortened(message, LONGEST));
            }
            status.condition = condition;
        });
    }

    pub(crate) fn published(&self, now: Timestamp) {
        self.change(|status| {
            status.published += 1;
            status.last_event = Some(now);
            status.bus_full = None;
        });
    }

    pub(crate) fn dead_lettered(&self, error: &str) {
        self.change(|status| {
            status.dead_lettered += 1;
            status.last_error = Some(shortened(error, LONGEST));
        });
    }

    pub(crate) fn failed(&self, error: &str) {
        self.change(|status| status.last_error = Some(shortened(error, LONGEST)));
    }

    pub(crate) fn bus_full(&self, error: &str) {
        self.change(|status| status.bus_full = Some(shortened(error, LONGEST)));
    }

    fn change(&self, change: impl FnOnce(&mut EventStatus)) {
        let mut events = self.status.locked();
        let before = events.entry(self.event.clone()).or_default();
        let mut after = before.clone();
        change(&mut after);
        if *before != after {
            *before = after;
            self.status.changes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// An error with its causes, in one line. What the API server says comes without its frame.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let causes = std::iter::successors(error.source(), |error| error.source());
    for cause in causes {
        let cause = match cause.downcast_ref::<kube::Error>() {
            Some(kube::Error::Api(status)) => return format!("{text}: {}", status.message),
            _ => cause.to_string(),
        };
        add_cause(&mut text, &cause);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_go_on_when_another_runner_takes_over() {
        let status = Arc::new(Status::default());
        let now = Timestamp::from_second(7).unwrap();
        let first = Reporter::new(status.clone(), "ev".into());
        first.condition(Condition::Working);
        first.published(now);
        let second = Reporter::new(status.clone(), "ev".into());
        second.condition(Condition::Opening);
        assert_eq!(status.events()["ev"].condition, Condition::Opening);
        second.published(now);
        assert_eq!(status.events()["ev"].published, 2);
        assert_eq!(status.events()["ev"].last_event, Some(now));
        let changes = status.changes();
        second.condition(Condition::Opening);
        assert_eq!(status.changes(), changes);
    }
}
