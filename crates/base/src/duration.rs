//! Durations as Go writes them: `1h30m`, `250ms`, `1.5s`.

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

/// Reads a duration by Go's rules, in nanoseconds: `<decimal><unit>` one or more times, an optional
/// sign; `0` needs no unit.
///
/// # Errors
/// If the text is anything else, or beyond the nanoseconds of 64 bits.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let malformed = || DurationError::Malformed(text.to_owned());
    let too_large = || DurationError::TooLarge(text.to_owned());
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0" {
        return Ok(0);
    }
    if unsigned.is_empty() {
        return Err(malformed());
    }
    let mut rest = unsigned;
    let mut sum: u64 = 0;
    while !rest.is_empty() {
        let (whole, tail) = split_digits(rest);
        let (fraction, tail) = tail.strip_prefix('.').map_or(("", tail), split_digits);
        if whole.is_empty() && fraction.is_empty() {
            return Err(malformed());
        }
        let end = tail.find(|char: char| char == '.' || char.is_ascii_digit());
        let (unit, tail) = tail.split_at(end.unwrap_or(tail.len()));
        let nanos = nanos_of(unit).ok_or_else(|| match unit {
            "" => DurationError::MissingUnit(text.to_owned()),
            _ => DurationError::UnknownUnit {
                text: text.to_owned(),
                unit: unit.to_owned(),
            },
        })?;
        let amount = amount(whole, fraction, nanos).ok_or_else(too_large)?;
        let longer = sum.checked_add(amount).and_then(in_bounds);
        sum = longer.ok_or_else(too_large)?;
        rest = tail;
    }
    let signed = if text.starts_with('-') {
        0_i64.checked_sub_unsigned(sum)
    } else {
        i64::try_from(sum).ok()
    };
    signed.ok_or_else(too_large)
}

/// What the longest duration has, the negative one.
fn in_bounds(number: u64) -> Option<u64> {
    (number <= 1 << 63).then_some(number)
}

/// A decimal number of units, in nanoseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the fraction is scaled as a double in Go too, and is less than a unit"
)]
fn amount(whole: &str, fraction: &str, unit: u64) -> Option<u64> {
    let whole: u64 = match whole {
        "" => 0,
        digits => digits.parse().ok()?,
    };
    // Digits that do not fit say less than a nanosecond of any unit.
    let (mut part, mut scale) = (0_u64, 1.0);
    for digit in fraction.bytes() {
        let longer = part.checked_mul(10);
        let longer = longer.and_then(|part| part.checked_add(u64::from(digit - b'0')));
        let Some(longer) = longer.and_then(in_bounds) else {
            break;
        };
        part = longer;
        scale *= 10.0;
    }
    let part = (part as f64 * (unit as f64 / scale)) as u64;
    let whole = in_bounds(whole.checked_mul(unit)?)?;
    in_bounds(whole + part)
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
            ("0.830103483285477580700h", 2_988_372_539_827),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
        ] {
            assert_eq!(parse(text), Ok(nanos), "{text}");
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
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("7"), Err(DurationError::MissingUnit("7".into())));
        let large = "9223372036854775808ns";
        assert_eq!(parse(large), Err(DurationError::TooLarge(large.into())));
        assert!(parse("99999999999999999999h").is_err());
        assert!(parse(&"9999999h".repeat(100_000)).is_err());
    }
}
