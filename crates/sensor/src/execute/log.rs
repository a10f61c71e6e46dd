//! Prints events for the `log` trigger.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Caller;
use crate::action::{LogAction, LogLine};

/// Where lines go.
pub trait Sink: Send + Sync {
    /// Prints one line.
    fn print(&self, line: &LogLine, caller: Caller<'_>);
}

/// Prints lines, and keeps to the interval of each trigger.
pub struct Executor {
    sink: Arc<dyn Sink>,
    printed: Mutex<HashMap<(String, String), Instant>>,
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("log::Executor")
    }
}

impl Executor {
    /// Prints to `sink`.
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        Self {
            sink,
            printed: Mutex::default(),
        }
    }

    pub(super) fn perform(&self, action: &LogAction, caller: Caller<'_>) {
        if !self.is_due(
            Duration::from_secs(action.interval_seconds),
            caller,
            Instant::now(),
        ) {
            return;
        }
        for line in &action.lines {
            self.sink.print(line, caller);
        }
    }

    /// Whether a firing at `now` prints: the first one of each interval does.
    fn is_due(&self, interval: Duration, caller: Caller<'_>, now: Instant) -> bool {
        if interval.is_zero() {
            return true;
        }
        let key = (caller.sensor.to_owned(), caller.trigger.to_owned());
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        match printed.get(&key) {
            Some(last) if now.duration_since(*last) < interval => false,
            _ => {
                printed.insert(key, now);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere;

    impl Sink for Nowhere {
        fn print(&self, _: &LogLine, _: Caller<'_>) {}
    }

    #[test]
    fn one_firing_an_interval_prints() {
        let executor = Executor::new(Arc::new(Nowhere));
        let caller = Caller {
            sensor: "s",
            trigger: "t",
        };
        let other = Caller {
            sensor: "s",
            trigger: "u",
        };
        let start = Instant::now();
        let due = |caller, seconds| {
            let at = start + Duration::from_secs(seconds);
            executor.is_due(Duration::from_secs(10), caller, at)
        };
        assert!(due(caller, 0));
        assert!(!due(caller, 9));
        assert!(due(other, 9));
        assert!(due(caller, 10));
        assert!(!due(caller, 19));
    }
}
