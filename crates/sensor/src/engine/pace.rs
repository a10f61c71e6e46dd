//! How long to wait: rate limits and back-off.

use std::time::Duration;

/// The first wait while a target is unavailable.
pub(super) const UNAVAILABLE_FIRST: Duration = Duration::from_millis(100);

/// The longest wait while a target is unavailable.
pub(super) const UNAVAILABLE_LAST: Duration = Duration::from_secs(15);

/// The longest wait that a target may ask for.
pub(super) const UNAVAILABLE_ASKED: Duration = Duration::from_mins(5);

/// The longest that an action waits for its target, unless the trigger's retry strategy says less.
pub const PATIENCE: Duration = Duration::from_hours(24);

/// The shortest such time: a server that is replaced is away for a while.
pub const LEAST_PATIENCE: Duration = Duration::from_mins(1);

/// How long a delivery is given back to the bus while its target is unavailable: at least this, and
/// longer the more there are, so that no more than fifty come back in a second.
pub(super) const GIVEN_BACK: Duration = Duration::from_secs(30);
pub(super) const GIVEN_BACK_EACH: Duration = Duration::from_millis(20);

/// How long after that a delivery which does not come is waited for: the stream may have dropped it.
pub(super) const GIVEN_BACK_LOST: Duration = Duration::from_mins(10);

/// The first wait before something is asked of the bus again.
pub const BUS_FIRST: Duration = Duration::from_millis(100);

/// The longest wait before something is asked of the bus again.
pub const BUS_LAST: Duration = Duration::from_secs(5);

/// Unused time that a rate limit saves up, as Argo Events' limiter does.
const SAVED_TURNS: u32 = 10;

/// Lets a trigger fire at most so often.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    next: Option<Duration>,
}

impl Limiter {
    /// When the caller may fire: each call takes one turn.
    pub(super) fn turn(&mut self, interval: Duration, now: Duration) -> Duration {
        let turn = match self.next {
            None => now,
            Some(next) => next.max(now.saturating_sub(interval.saturating_mul(SAVED_TURNS))),
        };
        self.next = Some(turn.saturating_add(interval));
        turn.max(now)
    }
}

/// A duration times a factor; what is too long for a duration is a day.
pub(super) fn scale(duration: Duration, factor: f64) -> Duration {
    const LONGEST: Duration = Duration::from_hours(24);
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).map_or(LONGEST, |d| d.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limiter_saves_ten_turns() {
        let seconds = Duration::from_secs;
        let mut limiter = Limiter::default();
        assert_eq!(limiter.turn(seconds(1), seconds(7)), seconds(7));
        assert_eq!(limiter.turn(seconds(1), seconds(7)), seconds(8));
        for _ in 0..=10 {
            assert_eq!(limiter.turn(seconds(1), seconds(107)), seconds(107));
        }
        assert_eq!(limiter.turn(seconds(1), seconds(107)), seconds(108));
    }

    #[test]
    fn what_is_too_long_is_a_day() {
        let day = Duration::from_hours(24);
        assert_eq!(scale(Duration::from_secs(2), 1.5), Duration::from_secs(3));
        assert_eq!(scale(Duration::from_secs(2), 1e300), day);
        assert_eq!(scale(Duration::from_secs(2), f64::NAN), day);
    }
}
