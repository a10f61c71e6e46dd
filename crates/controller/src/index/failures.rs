//! How often objects have failed, and how long to wait before the next attempt.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Waits before a reconcile is tried again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// How often each object has failed in a row.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    counts: Mutex<HashMap<String, u32>>,
}

impl Failures {
    /// Counts a failure; how long to wait before the next attempt.
    pub(crate) fn failed(&self, object: String) -> Duration {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(object).or_default();
        let wait = BACKOFF.0.saturating_mul(1 << (*count).min(16));
        *count += 1;
        wait.min(BACKOFF.1)
    }

    /// Forgets the failures of an object that is well or gone.
    pub(crate) fn clear(&self, object: &str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.remove(object);
    }
}
