//! What a sensor says of itself, trigger by trigger: for the object's conditions.
//!
//! It belongs to the sensor, not to a runner: its counts go on when an edited spec takes over.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::engine::Tally;
use tiphys_api::message::shortened;
use tiphys_base::Reason;

/// The longest text that is kept: a condition is no log.
const LONGEST: usize = 1_000;

/// What a sensor says of itself.
#[derive(Debug, Default)]
pub struct Status {
    triggers: Mutex<BTreeMap<Arc<str>, TriggerStatus>>,
    changes: AtomicU64,
}

/// What one trigger says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TriggerStatus {
    /// It has its subscription.
    pub is_listening: bool,
    /// What it waits for, and what a human can do about it.
    pub unavailable: Option<Unavailable>,
    /// Where its events are, since the start of the process.
    pub tally: Tally,
    /// How many events waited on the bus when the last one came.
    pub pending: u64,
    /// When the last event came.
    pub last_event: Option<Timestamp>,
    /// The last failure.
    pub last_error: Option<String>,
    /// The part of `tally` that is not the current runner's.
    finished: Tally,
    /// How many actions wait.
    waiting: usize,
}

/// Why actions wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// `Forbidden` or `TargetUnavailable`.
    pub reason: Reason,
    /// What was attempted and what is wrong.
    pub message: String,
    /// What a human can do.
    pub hint: String,
}

/// An action waits for as long as this lives.
pub(super) struct Waiting {
    status: Arc<Status>,
    trigger: Arc<str>,
}

impl Status {
    /// What each trigger says.
    pub fn triggers(&self) -> BTreeMap<Arc<str>, TriggerStatus> {
        self.locked().clone()
    }

    /// The triggers that wait for somebody, with what is wrong.
    pub fn unavailable(&self) -> Vec<(Arc<str>, String)> {
        let triggers = self.locked();
        let unavailable = triggers.iter().filter_map(|(name, status)| {
            Some((name.clone(), status.unavailable.as_ref()?.message.clone()))
        });
        unavailable.collect()
    }

    /// A number that grows with each change.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// A runner has taken over: what was counted so far is another's.
    pub(super) fn begin(&self, trigger: &Arc<str>) {
        self.change(trigger, |status| {
            (status.tally, _) = status.tally.split();
            status.finished = status.tally;
        });
    }

    /// Another runner than the current one has finished this.
    pub(super) fn finished(&self, trigger: &Arc<str>, tally: &Tally) {
        self.change(trigger, |status| {
            status.finished = status.finished.plus(tally);
            status.tally = status.tally.plus(tally);
        });
    }

    pub(super) fn listening(&self, trigger: &Arc<str>) {
        self.change(trigger, |status| status.is_listening = true);
    }

    pub(super) fn not_listening(&self, trigger: &Arc<str>, error: &str) {
        self.change(trigger, |status| {
            status.is_listening = false;
            status.last_error = Some(shortened(error, LONGEST));
        });
    }

    /// Takes note of the current runner's events; returns all together.
    pub(super) fn count(&self, trigger: &Arc<str>, tally: &Tally) -> Tally {
        let mut sum = Tally::default();
        self.change(trigger, |status| {
            sum = status.finished.plus(tally);
            status.tally = sum;
        });
        sum
    }

    pub(super) fn received(&self, trigger: &Arc<str>, pending: u64, now: Timestamp) {
        self.change(trigger, |status| {
            status.pending = pending;
            status.last_event = Some(now);
        });
    }

    pub(super) fn failed(&self, trigger: &Arc<str>, error: &str) {
        self.change(trigger, |status| {
            status.last_error = Some(shortened(error, LONGEST));
        });
    }

    pub(super) fn waits(
        self: &Arc<Self>,
        trigger: &Arc<str>,
        reason: Reason,
        message: &str,
        hint: &str,
    ) -> Waiting {
        let unavailable = Unavailable {
            reason,
            message: shortened(message, LONGEST),
            hint: shortened(hint, LONGEST),
        };
        self.change(trigger, |status| {
            status.waiting += 1;
            status.last_error = Some(unavailable.message.clone());
            status.unavailable = Some(unavailable);
        });
        Waiting {
            status: Arc::clone(self),
            trigger: trigger.clone(),
        }
    }

    fn change(&self, trigger: &Arc<str>, change: impl FnOnce(&mut TriggerStatus)) {
        let mut triggers = self.locked();
        let before = triggers.entry(trigger.clone()).or_default();
        let mut after = before.clone();
        change(&mut after);
        if *before != after {
            *before = after;
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, TriggerStatus>> {
        self.triggers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.status.change(&self.trigger, |status| {
            status.waiting -= 1;
            if status.waiting == 0 {
                status.unavailable = None;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_waits_until_the_last_of_its_actions_has_stopped_waiting() {
        let status = Arc::new(Status::default());
        let trigger: Arc<str> = "t".into();
        let first = status.waits(&trigger, Reason::Forbidden, "create a: no", "grant it");
        let unavailable = status.triggers()["t"].unavailable.clone().unwrap();
        assert_eq!(unavailable.reason, Reason::Forbidden);
        let message = "create b: no answer";
        let second = status.waits(&trigger, Reason::TargetUnavailable, message, "");
        drop(first);
        let unavailable = status.triggers()["t"].unavailable.clone().unwrap();
        assert_eq!(
            (unavailable.reason, unavailable.message.as_str()),
            (Reason::TargetUnavailable, "create b: no answer")
        );
        drop(second);
        assert_eq!(status.triggers()["t"].unavailable, None);
    }

    #[test]
    fn what_changes_nothing_is_no_change() {
        let status = Status::default();
        let trigger: Arc<str> = "t".into();
        status.listening(&trigger);
        status.listening(&trigger);
        assert_eq!(status.changes(), 1);
    }
}
