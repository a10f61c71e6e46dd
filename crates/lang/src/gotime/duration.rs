//! Go's `time.Duration`, in nanoseconds: read from and written as `1h2m3.5s`.

const MICROSECOND: i64 = 1_000;
const MILLISECOND: i64 = 1_000_000;
pub(crate) const SECOND: i64 = 1_000_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// `1h2m3.5s`, with smaller units only below a second.
pub(crate) fn text(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let magnitude = nanoseconds.unsigned_abs();
    match magnitude {
        0 => "0s".into(),
        1..1_000 => format!("{sign}{magnitude}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", decimal(magnitude, 3)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", decimal(magnitude, 6)),
        _ => {
            let (minutes, rest) = (magnitude / 60_000_000_000, magnitude % 60_000_000_000);
            let seconds = decimal(rest, 9);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// `number` with its last digits behind a point, without zeros at the end.
fn decimal(number: u64, digits: u32) -> String {
    let unit = 10_u64.pow(digits);
    let width = digits as usize;
    let text = format!("{}.{:0width$}", number / unit, number % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Go's `ParseDuration`: numbers with units in a row, after a sign.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0" {
        return Some(0);
    }
    if unsigned.is_empty() {
        return None;
    }
    let mut rest = unsigned;
    let mut sum: u64 = 0;
    while !rest.is_empty() {
        let (whole, tail) = split_digits(rest);
        let (fraction, tail) = tail.strip_prefix('.').map_or(("", tail), split_digits);
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = tail.find(|char: char| char == '.' || char.is_ascii_digit());
        let (unit, tail) = tail.split_at(end.unwrap_or(tail.len()));
        let unit = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => MICROSECOND,
            "ms" => MILLISECOND,
            "s" => SECOND,
            "m" => MINUTE,
            "h" => HOUR,
            _ => return None,
        };
        sum = in_bounds(sum.checked_add(amount(whole, fraction, unit.unsigned_abs())?)?)?;
        rest = tail;
    }
    if text.starts_with('-') {
        0_i64.checked_sub_unsigned(sum)
    } else {
        i64::try_from(sum).ok()
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
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

/// Towards zero, to a multiple of `unit`.
pub(crate) fn truncate(duration: i64, unit: i64) -> i64 {
    if unit <= 0 {
        duration
    } else {
        duration - duration % unit
    }
}

/// To the nearest multiple of `unit`, halves away from zero.
pub(crate) fn round(duration: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return duration;
    }
    let rest = duration % unit;
    let whole = duration - rest;
    if rest.unsigned_abs() < unit.unsigned_abs().div_ceil(2) {
        whole
    } else {
        whole.saturating_add(unit * rest.signum())
    }
}

/// How many units it is. Whole ones and the fraction apart, which keeps the digits of both.
#[expect(
    clippy::cast_precision_loss,
    reason = "this is Go's way to make a float of it"
)]
pub(crate) fn in_units(duration: i64, unit: i64) -> f64 {
    (duration / unit) as f64 + (duration % unit) as f64 / unit as f64
}
