//! Go's `time.Duration`, in nanoseconds: read from and written as `1h2m3.5s`.

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
    tiphys_base::duration::parse(text).ok()
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
