//! Durations as Go writes them: `1h30m`, `250ms`, `1.5s`.

use jiff::SignedDuration;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// There is no number with a unit in it.
    #[error("invalid duration {0:?}: write numbers with units, like 1h30m, 10s or 500ms")]
    Malformed(String),
    /// A number lacks its unit.
    #[error("missing unit in duration {0:?}: ns, us, ms, s, m or h")]
    MissingUnit(String),
    /// A unit that does not exist.
    #[error("unknown unit {unit:?} in duration {text:?}: use ns, us, ms, s, m or h")]
    UnknownUnit {
        /// The whole text.
        text: String,
        /// What stands where a unit belongs.
        unit: String,
    },
    /// More than 292 years.
    #[error("duration {0:?} does not fit: at most 2562047h47m16s")]
    TooLarge(String),
}

/// Reads a duration by Go's rules: `<decimal><unit>` one or more times, an optional sign; `0` needs
/// no unit.
///
/// # Errors
/// If the text is anything else, or beyond the nanoseconds of 64 bits.
pub fn parse_duration(text: &str) -> Result<SignedDuration, DurationError> {
    let malformed = || DurationError::Malformed(text.to_owned());
    let too_large = || DurationError::TooLarge(text.to_owned());
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if unsigned == "0" {
        return Ok(SignedDuration::ZERO);
    }
    if unsigned.is_empty() {
        return Err(malformed());
    }
    let mut rest = unsigned;
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (number, after) = Number::split(rest).ok_or_else(malformed)?;
        let unit_end = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let nanos = nanos_of(unit).ok_or_else(|| match unit {
            "" => DurationError::MissingUnit(text.to_owned()),
            _ => DurationError::UnknownUnit {
                text: text.to_owned(),
                unit: unit.to_owned(),
            },
        })?;
        total += number.times(nanos).ok_or_else(too_large)?;
        rest = after;
    }
    let limit = i64::MAX.unsigned_abs() + u64::from(negative);
    if total > u128::from(limit) {
        return Err(too_large());
    }
    let nanos = i128::try_from(total).map_err(|_| too_large())?;
    let nanos = i64::try_from(if negative { -nanos } else { nanos }).map_err(|_| too_large())?;
    Ok(SignedDuration::from_nanos(nanos))
}

/// A decimal as written: its digits before and after the point.
struct Number<'a> {
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> Number<'a> {
    fn split(text: &'a str) -> Option<(Self, &'a str)> {
        let (whole, rest) = split_digits(text);
        let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), split_digits);
        (!whole.is_empty() || !fraction.is_empty()).then_some((Self { whole, fraction }, rest))
    }

    /// The number of nanoseconds, cut below one.
    fn times(&self, nanos: u64) -> Option<u128> {
        let whole = match self.whole {
            "" => 0,
            digits => u128::from(digits.parse::<u64>().ok()?),
        };
        // An hour has 13 digits of nanoseconds: what stands behind the 19th place cannot count.
        let digits = &self.fraction[..self.fraction.len().min(19)];
        let mut fraction: u128 = 0;
        let mut scale: u128 = 1;
        for digit in digits.bytes() {
            fraction = fraction * 10 + u128::from(digit - b'0');
            scale *= 10;
        }
        Some(whole * u128::from(nanos) + fraction * u128::from(nanos) / scale)
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

fn nanos_of(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read() {
        for (text, nanos) in [
            ("0", 0),
            ("-0", 0),
            ("1s", 1_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5ms", 500_000),
            ("2.ms", 2_000_000),
            ("-1m1ns", -60_000_000_001),
            ("+3us", 3_000),
            ("3µs", 3_000),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(SignedDuration::from_nanos(nanos)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in [
            "",
            "-",
            "5",
            "1000000000",
            "1d",
            "s",
            ".",
            ".s",
            "1 s",
            "5m 3s",
            "1e3s",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert_eq!(
            parse_duration("7"),
            Err(DurationError::MissingUnit("7".into()))
        );
        let large = "9223372036854775808ns";
        assert_eq!(
            parse_duration(large),
            Err(DurationError::TooLarge(large.into()))
        );
        assert!(parse_duration("99999999999999999999h").is_err());
        assert!(parse_duration(&"9999999h".repeat(100_000)).is_err());
    }
}
