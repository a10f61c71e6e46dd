//! How long to wait before what failed is tried again.

use std::time::Duration;

/// Waits that double, each longer by up to half of itself so that many clients do not come at once;
/// that holds for the longest ones too, which are between two thirds of `longest` and all of it.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Waits from `first` to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// The next wait.
    pub fn wait(&mut self) -> Duration {
        let wait = self.next.min(self.longest * 2 / 3);
        self.next = wait.saturating_mul(2);
        jittered(wait)
    }

    /// Begins anew, because something worked.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

/// `duration`, and by chance up to half of it more.
pub fn jittered(duration: Duration) -> Duration {
    duration + duration.mul_f64(fastrand::f64() / 2.0)
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
            .zip([800, 1600, 3200, 6400, 12_800, 20_000, 20_000])
        {
            assert!(*wait >= Duration::from_millis(shortest), "{waits:?}");
            assert!(
                *wait <= Duration::from_millis(shortest * 3 / 2),
                "{waits:?}"
            );
        }
        backoff.reset();
        assert!(backoff.wait() <= Duration::from_millis(1200));
    }
}
