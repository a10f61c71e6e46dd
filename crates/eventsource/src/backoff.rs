//! How long to wait before what failed is tried again.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// Waits that double, each longer by up to half of itself so that many clients do not come at once.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// The next wait.
    pub(crate) fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        jittered(wait).min(self.longest)
    }

    /// Begins anew, because something worked.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// `duration`, and by chance up to half of it more.
pub(crate) fn jittered(duration: Duration) -> Duration {
    // Each `RandomState` has its own keys: enough chance to spread clients, without a dependency.
    let chance = RandomState::new().build_hasher().finish() % 1000;
    duration + duration.mul_f64(f64::from(u32::try_from(chance).unwrap_or(0)) / 2000.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Backoff;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(800), Duration::from_secs(30));
        let waits: Vec<Duration> = (0..7).map(|_| backoff.wait()).collect();
        for (wait, shortest) in waits
            .iter()
            .zip([800, 1600, 3200, 6400, 12_800, 25_600, 30_000])
        {
            assert!(*wait >= Duration::from_millis(shortest), "{waits:?}");
            assert!(*wait <= Duration::from_secs(30), "{waits:?}");
        }
        backoff.reset();
        assert!(backoff.wait() <= Duration::from_millis(1200));
    }
}
