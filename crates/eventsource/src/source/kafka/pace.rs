//! `limitEventsPerSecond`.

use std::time::Duration;

use tokio::time::Instant;

/// What a limit is about.
const SECOND: Duration = Duration::from_secs(1);

/// So many events in each second, counted from the first of them.
#[derive(Debug)]
pub(super) struct Pace {
    limit: Option<u64>,
    second: Option<Instant>,
    count: u64,
}

impl Pace {
    /// `None`: as many as come.
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self {
            limit,
            second: None,
            count: 0,
        }
    }

    /// When the next event may be handed on, if it has to wait.
    pub(super) fn wait(&self, now: Instant) -> Option<Instant> {
        let limit = self.limit?;
        let end = self.second? + SECOND;
        (self.count >= limit && now < end).then_some(end)
    }

    /// An event is handed on.
    pub(super) fn count(&mut self, now: Instant) {
        if self.second.is_none_or(|second| now >= second + SECOND) {
            self.second = Some(now);
            self.count = 0;
        }
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_events() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut pace = Pace::new(Some(2));
        assert_eq!(pace.wait(start), None);
        pace.count(start);
        assert_eq!(pace.wait(at(100)), None);
        pace.count(at(100));
        assert_eq!(pace.wait(at(200)), Some(at(1000)));
        assert_eq!(pace.wait(at(1000)), None);
        pace.count(at(1300));
        pace.count(at(1300));
        assert_eq!(pace.wait(at(2200)), Some(at(2300)));
        let mut pace = Pace::new(None);
        for _ in 0..10_000 {
            pace.count(start);
        }
        assert_eq!(pace.wait(start), None);
    }
}
