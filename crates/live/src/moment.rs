//! Moments as people write them.

use jiff::{SignedDuration, Timestamp};

/// A moment, or how long ago it was: `10m`, `3h`, `2d`.
///
/// # Errors
/// If it is neither, in words.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    before(Timestamp::now(), text)
}

/// The moment that is so long before another one.
fn before(moment: Timestamp, text: &str) -> Result<Timestamp, String> {
    let ago = text.parse::<SignedDuration>().ok().or_else(|| {
        // Days and weeks are no durations to the library, as they have no fixed length on a calendar.
        let (number, hours) = match text.strip_suffix('d') {
            Some(days) => (days, 24),
            None => (text.strip_suffix('w')?, 7 * 24),
        };
        let number: i64 = number.trim().parse().ok()?;
        SignedDuration::try_from_hours(number.checked_mul(hours)?)
    });
    let ago = ago.ok_or("a moment like 2026-03-01T09:30:00Z, or a time like 10m, 3h, 2d")?;
    moment
        .checked_sub(ago)
        .map_err(|_| "it is too long ago".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_said_in_two_ways() {
        let exact = moment("2026-03-01T09:30:00Z").unwrap();
        assert_eq!(exact.to_string(), "2026-03-01T09:30:00Z");
        let now: Timestamp = "2026-03-10T00:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("10m", "2026-03-09T23:50:00Z"),
            ("3h", "2026-03-09T21:00:00Z"),
            ("2d", "2026-03-08T00:00:00Z"),
            ("1w", "2026-03-03T00:00:00Z"),
        ] {
            let before = before(now, text).unwrap();
            assert_eq!(before.to_string(), expected, "{text}");
        }
        assert!(moment("yesterday").is_err());
        assert!(moment("99999999999999999d").is_err());
    }
}
