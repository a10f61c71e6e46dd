//! Dates and durations. The local zone is UTC; what is no date means now, as in sprig.

use super::super::function::Param::{Any, Text as TextParam, Time as TimeParam};
use super::super::function::{Args, Function, fixed};
use super::super::limit::Outcome;
use super::super::literal::parse_int_radix;
use super::super::value::Value;
use crate::gotime::duration::{self, HOUR, MINUTE, SECOND};
use crate::gotime::{Time, Zone, parse};

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("now", &[], |_| Ok(Value::Time(Time::now()))),
    fixed("date", &[TextParam, Any], |args| {
        format(args, &args.text(0), 1, "Local")
    }),
    fixed("dateInZone", &[TextParam, Any, TextParam], |args| {
        format(args, &args.text(0), 1, &args.text(2))
    }),
    fixed("date_in_zone", &[TextParam, Any, TextParam], |args| {
        format(args, &args.text(0), 1, &args.text(2))
    }),
    fixed("htmlDate", &[Any], |args| {
        format(args, "2006-01-02", 0, "Local")
    }),
    fixed("htmlDateInZone", &[Any, TextParam], |args| {
        format(args, "2006-01-02", 0, &args.text(1))
    }),
    fixed("dateModify", &[TextParam, TimeParam], |args| {
        modify(args, true)
    }),
    fixed("date_modify", &[TextParam, TimeParam], |args| {
        modify(args, true)
    }),
    fixed("mustDateModify", &[TextParam, TimeParam], |args| {
        modify(args, false)
    }),
    fixed("must_date_modify", &[TextParam, TimeParam], |args| {
        modify(args, false)
    }),
    fixed("toDate", &[TextParam, TextParam], |args| {
        let time = to_date(args);
        Ok(Value::Time(time.unwrap_or(Time::ZERO)))
    }),
    fixed(
        "mustToDate",
        &[TextParam, TextParam],
        |args| match to_date(args) {
            Some(time) => Ok(Value::Time(time)),
            None => Err(format!("cannot read {:?} as {:?}", args.text(1), args.text(0)).into()),
        },
    ),
    fixed("unixEpoch", &[TimeParam], |args| match args.any(0) {
        Value::Time(time) => args.give(time.unix().to_string()),
        _ => args.give("0"),
    }),
    fixed("ago", &[Any], |args| {
        let time = time_of(args.any(0)).unwrap_or_else(Time::now);
        let since = Time::now().since(&time);
        args.give(duration::text(duration::round(since, SECOND)))
    }),
    fixed("duration", &[Any], |args| {
        let seconds = match args.any(0) {
            Value::Text(_) => parse_seconds(&args.text(0)),
            Value::Int64(seconds) => *seconds,
            _ => 0,
        };
        args.give(duration::text(seconds.wrapping_mul(SECOND)))
    }),
    fixed("durationRound", &[Any], |args| args.give(round(args))),
];

fn to_date(args: &Args<'_>) -> Option<Time> {
    parse(&args.text(0), &args.text(1), &Zone::Utc)
}

/// Out of range, Go gives the nearest number it has.
fn parse_seconds(text: &str) -> i64 {
    let is_number = !text.is_empty()
        && text
            .strip_prefix(['+', '-'])
            .unwrap_or(text)
            .bytes()
            .all(|byte| byte.is_ascii_digit());
    parse_int_radix(text, 10).unwrap_or(match (is_number, text.starts_with('-')) {
        (false, _) => 0,
        (true, false) => i64::MAX,
        (true, true) => i64::MIN,
    })
}

/// The time that a value stands for; whole numbers are seconds since 1970.
fn time_of(value: &Value) -> Option<Time> {
    match value {
        Value::Time(time) => Some(time.clone()),
        Value::Int(seconds) | Value::Int64(seconds) => Some(Time::from_unix(*seconds, 0)),
        _ => None,
    }
}

fn format(args: &Args<'_>, layout: &str, index: usize, zone: &str) -> Outcome<Value> {
    let time = time_of(args.any(index)).unwrap_or_else(Time::now);
    args.budget().take_text(layout.len().saturating_mul(9))?;
    let zone = Zone::load(zone).unwrap_or(Zone::Utc);
    args.give(time.in_zone(zone).format(layout))
}

/// Moves a time by a duration; one that cannot be read is an error or, if lenient, no move.
fn modify(args: &Args<'_>, is_lenient: bool) -> Outcome<Value> {
    let Value::Time(time) = args.any(1) else {
        return Ok(Value::Nil);
    };
    match duration::parse(&args.text(0)) {
        Some(duration) => Ok(Value::Time(time.plus(duration))),
        None if is_lenient => Ok(Value::Time(time.clone())),
        None => Err(format!("invalid duration {:?}", args.text(0)).into()),
    }
}

/// A duration in its largest unit, rounded down.
fn round(args: &Args<'_>) -> String {
    let duration = match args.any(0) {
        Value::Text(_) => duration::parse(&args.text(0)).unwrap_or(0),
        Value::Int64(nanoseconds) => *nanoseconds,
        Value::Time(time) => Time::now().since(time),
        _ => 0,
    };
    let magnitude = duration.unsigned_abs();
    let units = [
        (24 * 365 * HOUR, "y"),
        (24 * 30 * HOUR, "mo"),
        (24 * HOUR, "d"),
        (HOUR, "h"),
        (MINUTE, "m"),
        (SECOND, "s"),
    ];
    units
        .into_iter()
        .map(|(unit, name)| (unit.unsigned_abs(), name))
        .find(|(unit, _)| magnitude > *unit)
        .map_or_else(
            || "0s".into(),
            |(unit, name)| format!("{}{name}", magnitude / unit),
        )
}
