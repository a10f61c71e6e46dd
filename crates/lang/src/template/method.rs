//! The methods of the types that sprig's functions give: times, durations, versions.

use std::cmp::Ordering;
use std::rc::Rc;

use super::function::Param::{
    self, Duration, Int, Text, Time as TimeParam, Version as VersionParam,
};
use super::function::{Args, Function, fixed};
use super::limit::Outcome;
use super::sprig::{Version, compare_versions};
use super::value::Value;
use crate::gotime::{Time, Zone, duration, month_name, weekday_name};

/// The method of that name. Its first argument is the receiver, which its parameters leave out.
pub(super) fn find(receiver: &Value, name: &str) -> Option<&'static Function> {
    let methods = match receiver {
        Value::Time(_) => TIME,
        Value::Duration(_) => DURATION,
        Value::Month(_) | Value::Weekday(_) => NAMED,
        Value::Version(_) => VERSION,
        _ => return None,
    };
    methods.iter().find(|method| method.name == name)
}

/// What the `String` method of a number type gives.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Duration(nanoseconds) => Some(duration::text(*nanoseconds)),
        Value::Month(month @ 1..=12) => Some(month_name(*month).into()),
        Value::Month(month) => Some(format!("%!Month({month})")),
        Value::Weekday(day @ 0..=6) => Some(weekday_name(*day).into()),
        Value::Weekday(day) => Some(format!("%!Weekday({day})")),
        _ => None,
    }
}

const TIME: &[Function] = &[
    fixed("Format", &[Text], |args| {
        args.budget()
            .take_text(args.bytes(1).len().saturating_mul(9))?;
        args.give(time(args)?.format(&args.text(1)))
    }),
    fixed("String", &[], |args| args.give(time(args)?.to_string())),
    fixed("Unix", &[], |args| Ok(Value::Int64(time(args)?.unix()))),
    fixed("UnixMilli", &[], |args| {
        Ok(Value::Int64(time(args)?.unix_in(1_000)))
    }),
    fixed("UnixMicro", &[], |args| {
        Ok(Value::Int64(time(args)?.unix_in(1_000_000)))
    }),
    fixed("UnixNano", &[], |args| {
        Ok(Value::Int64(time(args)?.unix_in(1_000_000_000)))
    }),
    fixed("Year", &[], |args| Ok(Value::Int(time(args)?.date().year))),
    fixed("Month", &[], |args| {
        Ok(Value::Month(time(args)?.date().month))
    }),
    fixed("Day", &[], |args| Ok(Value::Int(time(args)?.date().day))),
    fixed("YearDay", &[], |args| {
        Ok(Value::Int(time(args)?.date().year_day()))
    }),
    fixed("Weekday", &[], |args| {
        Ok(Value::Weekday(time(args)?.date().weekday()))
    }),
    fixed("Hour", &[], |args| Ok(Value::Int(time(args)?.clock().0))),
    fixed("Minute", &[], |args| Ok(Value::Int(time(args)?.clock().1))),
    fixed("Second", &[], |args| Ok(Value::Int(time(args)?.clock().2))),
    fixed("Nanosecond", &[], |args| {
        Ok(Value::Int(time(args)?.nanosecond()))
    }),
    fixed("UTC", &[], in_utc),
    fixed("Local", &[], in_utc),
    fixed("IsZero", &[], |args| Ok(Value::Bool(time(args)?.is_zero()))),
    fixed("Add", &[Duration], |args| {
        Ok(Value::Time(time(args)?.plus(args.int(1))))
    }),
    fixed("AddDate", &[Int, Int, Int], |args| {
        Ok(Value::Time(time(args)?.plus_date(
            args.int(1),
            args.int(2),
            args.int(3),
        )))
    }),
    fixed("Sub", &[TimeParam], |args| {
        Ok(Value::Duration(time(args)?.since(other_time(args)?)))
    }),
    fixed("Before", &[TimeParam], |args| {
        Ok(Value::Bool(order(args)?.is_lt()))
    }),
    fixed("After", &[TimeParam], |args| {
        Ok(Value::Bool(order(args)?.is_gt()))
    }),
    fixed("Equal", &[TimeParam], |args| {
        Ok(Value::Bool(order(args)?.is_eq()))
    }),
    fixed("Compare", &[TimeParam], |args| {
        Ok(order_value(order(args)?))
    }),
];

fn time<'a>(args: &'a Args<'_>) -> Outcome<&'a Time> {
    match args.any(0) {
        Value::Time(time) => Ok(time),
        _ => Err("not a time".into()),
    }
}

fn in_utc(args: &Args<'_>) -> Outcome<Value> {
    Ok(Value::Time(time(args)?.clone().in_zone(Zone::Utc)))
}

fn other_time<'a>(args: &'a Args<'_>) -> Outcome<&'a Time> {
    match args.any(1) {
        Value::Time(time) => Ok(time),
        _ => Err("not a time".into()),
    }
}

fn order(args: &Args<'_>) -> Outcome<Ordering> {
    Ok(time(args)?.compare(other_time(args)?))
}

fn order_value(order: Ordering) -> Value {
    Value::Int(match order {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    })
}

const DURATION: &[Function] = &[
    fixed("String", &[], |args| args.give(duration::text(args.int(0)))),
    fixed("Nanoseconds", &[], |args| Ok(Value::Int64(args.int(0)))),
    fixed("Microseconds", &[], |args| {
        Ok(Value::Int64(args.int(0) / 1_000))
    }),
    fixed("Milliseconds", &[], |args| {
        Ok(Value::Int64(args.int(0) / 1_000_000))
    }),
    fixed("Seconds", &[], |args| Ok(units(args, duration::SECOND))),
    fixed("Minutes", &[], |args| Ok(units(args, duration::MINUTE))),
    fixed("Hours", &[], |args| Ok(units(args, duration::HOUR))),
    fixed("Abs", &[], |args| {
        Ok(Value::Duration(args.int(0).saturating_abs()))
    }),
    fixed("Truncate", &[Duration], |args| {
        let truncated = duration::truncate(args.int(0), args.int(1));
        Ok(Value::Duration(truncated))
    }),
    fixed("Round", &[Duration], |args| {
        let rounded = duration::round(args.int(0), args.int(1));
        Ok(Value::Duration(rounded))
    }),
];

fn units(args: &Args<'_>, unit: i64) -> Value {
    Value::Float(duration::in_units(args.int(0), unit))
}

const NAMED: &[Function] = &[fixed("String", &[], |args| {
    args.give(text_of(args.any(0)).unwrap_or_default())
})];

const ONE_VERSION: &[Param] = &[VersionParam];

const VERSION: &[Function] = &[
    fixed("String", &[], |args| args.give(version(args)?.to_string())),
    fixed("Original", &[], |args| args.give(&version(args)?.original)),
    fixed("Major", &[], |args| Ok(Value::Uint64(version(args)?.major))),
    fixed("Minor", &[], |args| Ok(Value::Uint64(version(args)?.minor))),
    fixed("Patch", &[], |args| Ok(Value::Uint64(version(args)?.patch))),
    fixed("Prerelease", &[], |args| {
        args.give(&version(args)?.prerelease)
    }),
    fixed("Metadata", &[], |args| args.give(&version(args)?.metadata)),
    fixed("Compare", ONE_VERSION, |args| {
        Ok(order_value(version_order(args)?))
    }),
    fixed("Equal", ONE_VERSION, |args| {
        Ok(Value::Bool(version_order(args)?.is_eq()))
    }),
    fixed("LessThan", ONE_VERSION, |args| {
        Ok(Value::Bool(version_order(args)?.is_lt()))
    }),
    fixed("LessThanEqual", ONE_VERSION, |args| {
        Ok(Value::Bool(version_order(args)?.is_le()))
    }),
    fixed("GreaterThan", ONE_VERSION, |args| {
        Ok(Value::Bool(version_order(args)?.is_gt()))
    }),
    fixed("GreaterThanEqual", ONE_VERSION, |args| {
        Ok(Value::Bool(version_order(args)?.is_ge()))
    }),
    fixed("IncMajor", &[], |args| {
        next(args, |version| {
            (version.major, version.minor, version.patch) = (version.major.wrapping_add(1), 0, 0);
        })
    }),
    fixed("IncMinor", &[], |args| {
        next(args, |version| {
            (version.minor, version.patch) = (version.minor.wrapping_add(1), 0);
        })
    }),
    fixed("IncPatch", &[], |args| {
        next(args, |version| {
            // The version that a prerelease leads to comes next.
            if version.prerelease.is_empty() {
                version.patch = version.patch.wrapping_add(1);
            }
        })
    }),
];

fn version<'a>(args: &'a Args<'_>) -> Outcome<&'a Version> {
    match args.any(0) {
        Value::Version(version) => Ok(version),
        _ => Err("not a version".into()),
    }
}

fn version_order(args: &Args<'_>) -> Outcome<Ordering> {
    match args.any(1) {
        Value::Version(other) => Ok(compare_versions(version(args)?, other)),
        _ => Err("not a version".into()),
    }
}

fn next(args: &Args<'_>, change: fn(&mut Version)) -> Outcome<Value> {
    let mut next = version(args)?.clone();
    let prefix = if next.original.starts_with('v') {
        "v"
    } else {
        ""
    };
    change(&mut next);
    next.prerelease.clear();
    next.metadata.clear();
    next.original = format!("{prefix}{next}");
    Ok(Value::Version(Rc::new(next)))
}
