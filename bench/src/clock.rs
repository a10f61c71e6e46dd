//! Times: percentiles of samples, and rates of a piece of work on one core.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Samples of a duration.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    sorted: Vec<Duration>,
}

impl FromIterator<Duration> for Samples {
    fn from_iter<I: IntoIterator<Item = Duration>>(samples: I) -> Self {
        let mut sorted: Vec<Duration> = samples.into_iter().collect();
        sorted.sort_unstable();
        Self { sorted }
    }
}

impl Samples {
    /// The sample that `percent` of all do not exceed, in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let rank = (self.sorted.len() * percent).div_ceil(100).max(1);
        self.sorted
            .get(rank - 1)
            .map_or(f64::NAN, |sample| sample.as_secs_f64() * 1000.0)
    }
}

/// How often a second one core can do `work`: the median of several rounds.
///
/// Measured by the CPU time of this thread, so that other programs on the machine take nothing away.
pub(crate) fn rate(round: Duration, rounds: usize, mut work: impl FnMut()) -> f64 {
    let mut batch = 1_u32;
    // Looking at the clock must not count: a batch is at least a hundredth of a round.
    while cpu_time(&mut || (0..batch).for_each(|_| work())) < round / 100 {
        batch = batch.saturating_mul(2);
    }
    let mut rates: Vec<f64> = (0..rounds)
        .map(|_| {
            let (mut spent, mut times) = (Duration::ZERO, 0.0);
            while spent < round {
                spent += cpu_time(&mut || (0..batch).for_each(|_| work()));
                times += f64::from(batch);
            }
            times / spent.as_secs_f64()
        })
        .collect();
    rates.sort_unstable_by(f64::total_cmp);
    rates.get(rounds / 2).copied().unwrap_or(f64::NAN)
}

fn cpu_time(work: &mut dyn FnMut()) -> Duration {
    let start = thread_time();
    work();
    thread_time().saturating_sub(start)
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let samples: Samples = (1..=200).rev().map(Duration::from_millis).collect();
        let shown =
            [50, 95, 99, 100].map(|percent| format!("{:.1}", samples.percentile_ms(percent)));
        assert_eq!(shown, ["100.0", "190.0", "198.0", "200.0"]);
    }
}
