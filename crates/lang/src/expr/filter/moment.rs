//! Dates and durations: reading, printing and their methods.

use jiff::ToSpan as _;
use jiff::tz::TimeZone;

use super::arithmetic::int;
use super::eval::Stop;
use super::value::Value;
use crate::expr::date::{self, Time};

pub(super) const TIME_METHODS: [&str; 20] = [
    "Year",
    "Day",
    "Hour",
    "Minute",
    "Second",
    "Nanosecond",
    "YearDay",
    "Unix",
    "UnixMilli",
    "UnixMicro",
    "UnixNano",
    "IsZero",
    "UTC",
    "String",
    "Before",
    "After",
    "Equal",
    "Add",
    "Sub",
    "AddDate",
];

pub(super) const DURATION_METHODS: [&str; 10] = [
    "Hours",
    "Minutes",
    "Seconds",
    "Milliseconds",
    "Microseconds",
    "Nanoseconds",
    "Abs",
    "String",
    "Truncate",
    "Round",
];

const SECOND: i64 = 1_000_000_000;

/// The units of a duration, longest first, in nanoseconds.
const UNITS: [(&str, i64); 8] = [
    ("h", 3600 * SECOND),
    ("ms", 1_000_000),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ns", 1),
];

pub(super) fn has_method(value: &Value<'_>, name: &str) -> bool {
    match value {
        Value::Time(_) => TIME_METHODS.contains(&name),
        Value::Duration(_) => DURATION_METHODS.contains(&name),
        _ => false,
    }
}

/// `now()`
pub(super) fn now<'a>() -> Result<Value<'a>, Stop> {
    let now = jiff::Timestamp::now().as_nanosecond();
    Time::from_nanoseconds(now, 0)
        .map(Value::Time)
        .ok_or_else(|| Stop::new("the clock is out of range"))
}

/// `date(text)`, `date(text, layout)`, `date(text, layout, zone)`
pub(super) fn date<'a>(
    text: &str,
    layout: Option<&str>,
    zone: Option<&str>,
) -> Result<Value<'a>, Stop> {
    let zone = zone
        .map(|name| match name {
            "" | "UTC" | "Local" => Ok(TimeZone::UTC),
            name => TimeZone::get(name).map_err(|_| Stop::new(format!("unknown zone '{name}'"))),
        })
        .transpose()?;
    let time = match layout {
        Some(layout) => date::parse(layout, text, zone.as_ref()),
        None => date::any_of(&date::DEFAULTS, text),
    };
    time.map(Value::Time)
        .ok_or_else(|| Stop::new(format!("invalid date '{text}'")))
}

/// Go's `time.ParseDuration`: `1h30m`, `-1.5s`, `0`.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = digits(rest);
        let (number, mut after) = rest.split_at(whole);
        let mut fraction = "";
        if let Some(dotted) = after.strip_prefix('.') {
            (fraction, after) = dotted.split_at(digits(dotted));
        }
        if number.is_empty() && fraction.is_empty() {
            return None;
        }
        let (name, unit) = UNITS.iter().find(|(name, _)| {
            let next = after.strip_prefix(name);
            next.is_some_and(|next| {
                next.is_empty() || next.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            })
        })?;
        let number: i128 = if number.is_empty() {
            0
        } else {
            number.parse().ok()?
        };
        total = total.checked_add(number.checked_mul((*unit).into())?)?;
        let mut scale: i128 = 1;
        for digit in fraction.bytes().take(18) {
            scale *= 10;
            total += i128::from(digit - b'0') * i128::from(*unit) / scale;
        }
        rest = &after[name.len()..];
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// A duration as Go prints it: `1h0m0s`, `1.5s`, `300ms`.
pub(super) fn duration_text(nanoseconds: i64) -> String {
    let size = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let fraction = |value: u64, unit: u64| {
        let digits = unit.ilog10() as usize;
        let text = format!("{}.{:0digits$}", value / unit, value % unit);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match size {
        0 => "0s".into(),
        1..1_000 => format!("{sign}{size}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", fraction(size, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", fraction(size, 1_000_000)),
        _ => {
            let minutes = size / (60 * SECOND.unsigned_abs());
            let seconds = fraction(size % (60 * SECOND.unsigned_abs()), SECOND.unsigned_abs());
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

fn offset_text(offset_seconds: i32, colon: &str) -> String {
    let minutes = offset_seconds.abs() / 60;
    let sign = if offset_seconds < 0 { '-' } else { '+' };
    format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
}

fn civil_text(time: &Time, between: char) -> String {
    let civil = time.civil;
    let mut text = format!(
        "{:04}-{:02}-{:02}{between}{:02}:{:02}:{:02}",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second()
    );
    if civil.subsec_nanosecond() > 0 {
        text.push_str(format!(".{:09}", civil.subsec_nanosecond()).trim_end_matches('0'));
    }
    text
}

/// A moment as Go prints it: `2026-03-02 00:00:00 +0000 UTC`.
pub(super) fn time_text(time: &Time) -> String {
    let offset = offset_text(time.offset_seconds, "");
    let zone = if time.offset_seconds == 0 {
        "UTC"
    } else {
        &offset
    };
    format!("{} {offset} {zone}", civil_text(time, ' '))
}

/// A moment as JSON holds it.
pub(super) fn rfc3339(time: &Time) -> String {
    let offset = match time.offset_seconds {
        0 => "Z".to_owned(),
        seconds => offset_text(seconds, ":"),
    };
    civil_text(time, 'T') + &offset
}

/// Calls the method `name`.
pub(super) fn call<'a>(
    receiver: &Value<'a>,
    name: &str,
    arguments: &[Value<'a>],
) -> Result<Value<'a>, Stop> {
    let result = match receiver {
        Value::Time(time) if arguments.is_empty() => time_part(time, name),
        Value::Time(time) => time_with(time, name, arguments),
        Value::Duration(nanoseconds) => duration_part(*nanoseconds, name, arguments),
        _ => None,
    };
    result.ok_or_else(|| Stop::new(format!("cannot call '{name}' like this")))
}

fn time_part<'a>(time: &Time, name: &str) -> Option<Value<'a>> {
    let civil = time.civil;
    let part = |part: i64| Some(Value::Int(part));
    let whole = |nanoseconds: i128| i64::try_from(nanoseconds).ok().map(Value::Int);
    match name {
        "Year" => part(civil.year().into()),
        "Day" => part(civil.day().into()),
        "Hour" => part(civil.hour().into()),
        "Minute" => part(civil.minute().into()),
        "Second" => part(civil.second().into()),
        "Nanosecond" => part(civil.subsec_nanosecond().into()),
        "YearDay" => part(civil.day_of_year().into()),
        "Unix" => part(time.seconds()),
        "UnixMilli" => whole(time.nanoseconds().div_euclid(1_000_000)),
        "UnixMicro" => whole(time.nanoseconds().div_euclid(1_000)),
        "UnixNano" => whole(time.nanoseconds()),
        "IsZero" => Some(Value::Bool(time.seconds() == -62_135_596_800)),
        "UTC" => Time::from_nanoseconds(time.nanoseconds(), 0).map(Value::Time),
        "String" => Some(Value::text(time_text(time))),
        _ => None,
    }
}

fn time_with<'a>(time: &Time, name: &str, arguments: &[Value<'a>]) -> Option<Value<'a>> {
    let order = |other: &Time| time.nanoseconds().cmp(&other.nanoseconds());
    match (name, arguments) {
        ("Before", [Value::Time(other)]) => Some(Value::Bool(order(other).is_lt())),
        ("After", [Value::Time(other)]) => Some(Value::Bool(order(other).is_gt())),
        ("Equal", [Value::Time(other)]) => Some(Value::Bool(order(other).is_eq())),
        ("Sub", [Value::Time(other)]) => i64::try_from(time.nanoseconds() - other.nanoseconds())
            .ok()
            .map(Value::Duration),
        ("Add", [Value::Duration(by)]) => {
            Time::from_nanoseconds(time.nanoseconds() + i128::from(*by), time.offset_seconds)
                .map(Value::Time)
        }
        ("AddDate", [years, months, days]) => {
            let first = time.civil.with().day(1).build().ok()?;
            let span = int(years)?.try_years_months(int(months)?)?;
            let days = jiff::Span::new().try_days(int(days)? + i64::from(time.civil.day()) - 1);
            let civil = first.checked_add(span).ok()?.checked_add(days.ok()?).ok()?;
            Some(Value::Time(Time {
                civil,
                offset_seconds: time.offset_seconds,
            }))
        }
        _ => None,
    }
}

/// Years and months as one span, if they fit.
trait TryYearsMonths {
    fn try_years_months(self, months: i64) -> Option<jiff::Span>;
}

impl TryYearsMonths for i64 {
    fn try_years_months(self, months: i64) -> Option<jiff::Span> {
        0.years().try_years(self).ok()?.try_months(months).ok()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Go gives hours and seconds as doubles"
)]
fn duration_part<'a>(nanoseconds: i64, name: &str, arguments: &[Value<'a>]) -> Option<Value<'a>> {
    Some(match (name, arguments) {
        ("Hours", []) => Value::Float(nanoseconds as f64 / (3600 * SECOND) as f64),
        ("Minutes", []) => Value::Float(nanoseconds as f64 / (60 * SECOND) as f64),
        ("Seconds", []) => Value::Float(nanoseconds as f64 / SECOND as f64),
        ("Milliseconds", []) => Value::Int(nanoseconds / 1_000_000),
        ("Microseconds", []) => Value::Int(nanoseconds / 1_000),
        ("Nanoseconds", []) => Value::Int(nanoseconds),
        ("Abs", []) => Value::Duration(nanoseconds.saturating_abs()),
        ("String", []) => Value::text(duration_text(nanoseconds)),
        ("Truncate", [Value::Duration(unit)]) if *unit > 0 => {
            Value::Duration(nanoseconds - nanoseconds % unit)
        }
        ("Round", [Value::Duration(unit)]) if *unit > 0 => {
            let rest = nanoseconds % unit;
            let down = nanoseconds - rest;
            let up = down.checked_add(if nanoseconds < 0 { -unit } else { *unit })?;
            Value::Duration(if rest.unsigned_abs() * 2 >= unit.unsigned_abs() {
                up
            } else {
                down
            })
        }
        _ => return None,
    })
}
