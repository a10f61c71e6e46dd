//! Times: seconds since 1970, their parts in UTC, and texts of them.

mod format;
mod parse;

use super::{Fun, native};
use crate::gotime::{DAY, Date, Time};
use crate::jq::value::{Answer, Val};
use crate::jq::{fault, number};

/// Formats are short; a long one would only make a text many times its size.
const MAX_FORMAT: usize = 4096;

/// Times further from 1970 are refused.
const MAX_SECONDS: f64 = 1e14;

pub(super) fn natives() -> Vec<Fun> {
    vec![
        native!("gmtime", 0, |value: &Val| parts_of("gmtime", value)),
        native!("localtime", 0, |value: &Val| parts_of("localtime", value)),
        native!("mktime", 0, make_time),
        native!("strftime", 1, |value: &Val, format: &Val| to_text(
            "strftime", value, format
        )),
        native!("strflocaltime", 1, |value: &Val, format: &Val| {
            to_text("strflocaltime", value, format)
        }),
        native!("strptime", 1, from_text),
    ]
}

/// Seconds since 1970, now.
pub(super) fn now() -> f64 {
    to_seconds(&Time::now())
}

fn parts_of(name: &str, value: &Val) -> Answer {
    let refused = || fault::not_applicable(name, value);
    let seconds = number::to_float(value).ok_or_else(refused)?;
    from_seconds(seconds)
        .map(|time| to_parts(&time))
        .ok_or_else(refused)
}

/// Out of seconds since 1970 with a fraction.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded just before"
)]
fn from_seconds(seconds: f64) -> Option<Time> {
    if seconds.is_nan() || seconds.abs() > MAX_SECONDS {
        return None;
    }
    let nanos = (seconds - seconds.floor()) * 1e9;
    Some(Time::from_unix(seconds as i64, nanos as u32))
}

#[expect(clippy::cast_precision_loss, reason = "gojq's seconds are doubles too")]
fn to_seconds(time: &Time) -> f64 {
    time.unix() as f64 + time.nanosecond() as f64 / 1e9
}

/// Out of parts, each of which may be beyond its range: the 32nd is the next month's first.
fn from_date(date: Date, seconds: i64, nanos: u32) -> Option<Time> {
    let seconds = date.days().checked_mul(DAY)?.checked_add(seconds)?;
    (seconds.unsigned_abs() < 1 << 50).then(|| Time::from_unix(seconds, nanos))
}

#[expect(clippy::cast_precision_loss, reason = "below 1e9")]
fn to_parts(time: &Time) -> Val {
    let date = time.date();
    let (hour, minute, second) = time.clock();
    Val::array(vec![
        Val::Int(date.year),
        Val::Int(date.month - 1),
        Val::Int(date.day),
        Val::Int(hour),
        Val::Int(minute),
        Val::Float(second as f64 + time.nanosecond() as f64 / 1e9),
        Val::Int(date.weekday()),
        Val::Int(date.year_day() - 1),
    ])
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a fraction of a second is below 1e9 nanoseconds"
)]
fn from_parts(parts: &[Val]) -> Option<Time> {
    let mut fields = [0; 6];
    let mut nanos = 0;
    for (index, part) in parts.iter().take(8).enumerate() {
        let whole = number::to_int(part).filter(|part| part.unsigned_abs() < 1 << 40)?;
        if let Some(field) = fields.get_mut(index) {
            *field = whole;
        }
        if index == 5 {
            let seconds = number::to_float(part)?;
            nanos = ((seconds - seconds.floor()) * 1e9) as u32;
        }
    }
    let [year, month, day, hour, minute, second] = fields;
    let date = Date {
        year,
        month: month + 1,
        day,
    };
    from_date(date, hour * 3600 + minute * 60 + second, nanos)
}

fn make_time(value: &Val) -> Answer {
    let Some(parts) = value.as_items() else {
        return Err(fault::not_applicable("mktime", value));
    };
    match from_parts(parts) {
        Some(time) => Ok(Val::Float(to_seconds(&time))),
        None => Err(fault::failed(
            "mktime",
            value,
            "expected an array of 8 numbers",
        )),
    }
}

fn to_text(name: &str, value: &Val, format: &Val) -> Answer {
    let refused = || fault::not_applicable1(name, value, format);
    let time = match (value, number::to_float(value)) {
        (_, Some(seconds)) => from_seconds(seconds).ok_or_else(refused)?,
        (Val::Array(parts), _) => from_parts(parts.items())
            .ok_or_else(|| fault::failed1(name, value, format, "expected an array of 8 numbers"))?,
        _ => return Err(refused()),
    };
    let format = format
        .as_text()
        .filter(|text| text.len() <= MAX_FORMAT)
        .ok_or_else(refused)?;
    Ok(Val::str(format::format(&time, format)))
}

fn from_text(value: &Val, format: &Val) -> Answer {
    match (value.as_text(), format.as_text()) {
        (Some(text), Some(pattern)) if pattern.len() <= MAX_FORMAT => {
            let time = parse::parse(text, pattern).map_err(|why| {
                let why = format!("failed to parse {text:?} with {pattern:?}: {why}");
                fault::failed1("strptime", value, format, why)
            })?;
            Ok(to_parts(&time))
        }
        _ => Err(fault::not_applicable1("strptime", value, format)),
    }
}
