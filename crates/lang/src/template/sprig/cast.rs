//! What sprig's whole-number and float functions make of any value. They never fail: what is no
//! number is zero.

use super::super::literal::{parse_float, parse_int};
use super::super::value::Value;

/// Any value as `int64`.
pub(super) fn to_int64(value: &Value) -> i64 {
    match value {
        Value::Bool(bool) => i64::from(*bool),
        Value::Text(text) => std::str::from_utf8(text).map_or(0, text_to_int),
        Value::Float(float) => float_to_int(*float),
        Value::Exact(digits) => digits.parse().unwrap_or(i64::MIN),
        Value::Uint8(byte) => i64::from(*byte),
        #[expect(clippy::cast_possible_wrap, reason = "Go's conversion wraps")]
        Value::Uint64(uint) => *uint as i64,
        value => value.as_int().unwrap_or(0),
    }
}

/// Any value as `float64`.
#[expect(
    clippy::cast_precision_loss,
    reason = "the nearest double is what is asked for"
)]
pub(super) fn to_float64(value: &Value) -> f64 {
    match value {
        Value::Bool(bool) => f64::from(*bool),
        Value::Text(text) => std::str::from_utf8(text)
            .ok()
            .and_then(parse_float)
            .unwrap_or(0.0),
        Value::Uint8(byte) => f64::from(*byte),
        Value::Uint64(uint) => *uint as f64,
        value => match value.as_int() {
            Some(int) => int as f64,
            None => value.as_float().unwrap_or(0.0),
        },
    }
}

/// A double without its fraction; what does not fit becomes the smallest number, as on amd64.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
pub(super) fn float_to_int(float: f64) -> i64 {
    let limit = 9_223_372_036_854_775_808.0;
    if (-limit..limit).contains(&float) {
        float as i64
    } else {
        i64::MIN
    }
}

/// A text as a whole number: a fraction is cut off, a prefix such as `0x` counts.
fn text_to_int(text: &str) -> i64 {
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if is_decimal(whole, fraction) => match whole {
            "" | "+" | "-" => "0",
            whole => whole,
        },
        _ => text,
    };
    parse_int(whole).unwrap_or(0)
}

fn is_decimal(whole: &str, fraction: &str) -> bool {
    let digits = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    digits
        .bytes()
        .chain(fraction.bytes())
        .all(|byte| byte.is_ascii_digit())
}
