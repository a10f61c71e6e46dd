//! The only place where templates read the clock.

use super::time::Time;

/// The present moment, in UTC.
pub(super) fn now() -> Time {
    let now = jiff::Timestamp::now();
    Time::from_unix(
        now.as_second(),
        u32::try_from(now.subsec_nanosecond()).unwrap_or(0),
    )
}
