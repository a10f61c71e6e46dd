//! Times: seconds since 1970, their parts in UTC, and texts of them.

mod civil;
mod format;
mod parse;

use std::time::{SystemTime, UNIX_EPOCH};

use self::civil::Moment;
use super::{Fun, native};
use crate::jq::value::{Answer, Val};
use crate::jq::{fault, number};

/// Formats are short; a long one would only make a text many times its size.
const MAX_FORMAT: usize = 4096;

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
#[expect(
    clippy::disallowed_methods,
    reason = "it is the program that asks for the time"
)]
pub(super) fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

fn parts_of(name: &str, value: &Val) -> Answer {
    let refused = || fault::not_applicable(name, value);
    let seconds = number::to_float(value).ok_or_else(refused)?;
    Moment::from_seconds(seconds)
        .map(to_parts)
        .ok_or_else(refused)
}

fn to_parts(moment: Moment) -> Val {
    let date = moment.date();
    let second = f64::from(moment.second()) + f64::from(moment.nanos) / 1e9;
    Val::array(vec![
        Val::Int(date.year),
        Val::Int(i64::from(date.month) - 1),
        Val::Int(date.day.into()),
        Val::Int(moment.hour().into()),
        Val::Int(moment.minute().into()),
        Val::Float(second),
        Val::Int(moment.weekday().into()),
        Val::Int(i64::from(moment.year_day()) - 1),
    ])
}

fn from_parts(parts: &[Val]) -> Option<Moment> {
    let mut fields = [0; 6];
    let mut nanos = 0.0;
    for (index, part) in parts.iter().take(8).enumerate() {
        let whole = number::to_int(part).filter(|part| part.unsigned_abs() < 1 << 40)?;
        if let Some(field) = fields.get_mut(index) {
            *field = whole;
        }
        if index == 5 {
            let seconds = number::to_float(part)?;
            nanos = (seconds - seconds.floor()) * 1e9;
        }
    }
    let [year, month, day, hour, minute, second] = fields;
    Moment::new(
        year,
        month + 1,
        day,
        hour * 3600 + minute * 60 + second,
        nanos,
    )
}

fn make_time(value: &Val) -> Answer {
    let Some(parts) = value.as_items() else {
        return Err(fault::not_applicable("mktime", value));
    };
    match from_parts(parts) {
        Some(moment) => Ok(Val::Float(moment.to_seconds())),
        None => Err(fault::failed(
            "mktime",
            value,
            "expected an array of 8 numbers",
        )),
    }
}

fn to_text(name: &str, value: &Val, format: &Val) -> Answer {
    let refused = || fault::not_applicable1(name, value, format);
    let moment = match (value, number::to_float(value)) {
        (_, Some(seconds)) => Moment::from_seconds(seconds).ok_or_else(refused)?,
        (Val::Array(parts), _) => from_parts(parts.items())
            .ok_or_else(|| fault::failed1(name, value, format, "expected an array of 8 numbers"))?,
        _ => return Err(refused()),
    };
    let format = format
        .as_text()
        .filter(|text| text.len() <= MAX_FORMAT)
        .ok_or_else(refused)?;
    Ok(Val::str(format::format(moment, format)))
}

fn from_text(value: &Val, format: &Val) -> Answer {
    match (value.as_text(), format.as_text()) {
        (Some(text), Some(pattern)) if pattern.len() <= MAX_FORMAT => {
            let moment = parse::parse(text, pattern)
                .map_err(|why| fault::failed1("strptime", value, format, why))?;
            Ok(to_parts(moment))
        }
        _ => Err(fault::not_applicable1("strptime", value, format)),
    }
}
