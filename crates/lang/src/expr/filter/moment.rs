//! Dates and durations: reading dates, and the methods of both.

use super::arithmetic::int;
use super::eval::Stop;
use super::value::Value;
use crate::gotime::{self, Time, Zone, duration};

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

/// The layouts that `date()` tries, in its order.
const LAYOUTS: [&str; 7] = [
    "2006-01-02",
    "15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
];

pub(super) fn has_method(value: &Value<'_>, name: &str) -> bool {
    match value {
        Value::Time(_) => TIME_METHODS.contains(&name),
        Value::Duration(_) => DURATION_METHODS.contains(&name),
        _ => false,
    }
}

/// `date(text)`, `date(text, layout)`, `date(text, layout, zone)`
pub(super) fn date<'a>(
    text: &str,
    layout: Option<&str>,
    zone: Option<&str>,
) -> Result<Value<'a>, Stop> {
    let zone = match zone {
        Some(name) => {
            Zone::load(name).ok_or_else(|| Stop::new(format!("unknown zone '{name}'")))?
        }
        None => Zone::Utc,
    };
    let time = match layout {
        Some(layout) => gotime::parse(layout, text, &zone),
        None => gotime::parse_any(&LAYOUTS, text),
    };
    time.map(Value::Time)
        .ok_or_else(|| Stop::new(format!("invalid date '{text}'")))
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
    let (hour, minute, second) = time.clock();
    Some(match name {
        "Year" => Value::Int(time.date().year),
        "Day" => Value::Int(time.date().day),
        "Hour" => Value::Int(hour),
        "Minute" => Value::Int(minute),
        "Second" => Value::Int(second),
        "Nanosecond" => Value::Int(time.nanosecond()),
        "YearDay" => Value::Int(time.date().year_day()),
        "Unix" => Value::Int(time.unix()),
        "UnixMilli" => Value::Int(time.unix_in(1_000)),
        "UnixMicro" => Value::Int(time.unix_in(1_000_000)),
        "UnixNano" => Value::Int(time.unix_in(1_000_000_000)),
        "IsZero" => Value::Bool(time.is_zero()),
        "UTC" => Value::Time(time.clone().in_zone(Zone::Utc)),
        "String" => Value::text(time.to_string()),
        _ => return None,
    })
}

fn time_with<'a>(time: &Time, name: &str, arguments: &[Value<'a>]) -> Option<Value<'a>> {
    Some(match (name, arguments) {
        ("Before", [Value::Time(other)]) => Value::Bool(time.compare(other).is_lt()),
        ("After", [Value::Time(other)]) => Value::Bool(time.compare(other).is_gt()),
        ("Equal", [Value::Time(other)]) => Value::Bool(time.compare(other).is_eq()),
        ("Sub", [Value::Time(other)]) => Value::Duration(time.since(other)),
        ("Add", [Value::Duration(by)]) => Value::Time(time.plus(*by)),
        ("AddDate", [years, months, days]) => {
            Value::Time(time.plus_date(int(years)?, int(months)?, int(days)?))
        }
        _ => return None,
    })
}

fn duration_part<'a>(nanoseconds: i64, name: &str, arguments: &[Value<'a>]) -> Option<Value<'a>> {
    let in_units = |unit| Value::Float(duration::in_units(nanoseconds, unit));
    Some(match (name, arguments) {
        ("Hours", []) => in_units(duration::HOUR),
        ("Minutes", []) => in_units(duration::MINUTE),
        ("Seconds", []) => in_units(duration::SECOND),
        ("Milliseconds", []) => Value::Int(nanoseconds / 1_000_000),
        ("Microseconds", []) => Value::Int(nanoseconds / 1_000),
        ("Nanoseconds", []) => Value::Int(nanoseconds),
        ("Abs", []) => Value::Duration(nanoseconds.saturating_abs()),
        ("String", []) => Value::text(duration::text(nanoseconds)),
        ("Truncate", [Value::Duration(unit)]) => {
            Value::Duration(duration::truncate(nanoseconds, *unit))
        }
        ("Round", [Value::Duration(unit)]) => Value::Duration(duration::round(nanoseconds, *unit)),
        _ => return None,
    })
}
