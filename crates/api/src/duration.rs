//! Durations as Go writes them: `1h30m`, `250ms`, `1.5s`.

use jiff::SignedDuration;
pub use tiphys_base::duration::DurationError;

/// Reads a duration by Go's rules.
///
/// # Errors
/// If the text is anything else, or beyond the nanoseconds of 64 bits.
pub fn parse_duration(text: &str) -> Result<SignedDuration, DurationError> {
    tiphys_base::duration::parse(text).map(SignedDuration::from_nanos)
}
