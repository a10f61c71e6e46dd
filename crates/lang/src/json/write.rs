//! Writes JSON as Go's `encoding/json` does, and numbers as Go's `strconv` prints them.

use std::fmt::Write as _;

use super::scan::text_end;
use super::{Number, Value};

pub(super) fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
        Value::Number(Number::Int(int)) => push(out, format_args!("{int}")),
        Value::Number(Number::Big(digits)) => out.push_str(digits),
        Value::Number(Number::Float(float)) => write_float(*float, out),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, member)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write_value(member, out);
            }
            out.push('}');
        }
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    out.write_fmt(text).unwrap_or_default();
}

/// Appends a JSON string as `json.Marshal` does: `<`, `>`, `&`, U+2028 and U+2029 are escaped.
pub fn write_string(text: &str, out: &mut String) {
    quote(text, out, true);
}

/// Appends a JSON string as an encoder with `SetEscapeHTML(false)` does.
pub fn write_string_plain(text: &str, out: &mut String) {
    quote(text, out, false);
}

/// What a byte of a text asks for when it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Byte {
    Plain,
    /// It is escaped in any case.
    Special,
    /// It is escaped for HTML.
    Html,
    /// U+2028 and U+2029, which are escaped, begin with it.
    Separator,
}

static BYTES: [Byte; 256] = bytes();

const fn bytes() -> [Byte; 256] {
    let mut table = [Byte::Plain; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = Byte::Special;
        control += 1;
    }
    table[b'"' as usize] = Byte::Special;
    table[b'\\' as usize] = Byte::Special;
    table[b'<' as usize] = Byte::Html;
    table[b'>' as usize] = Byte::Html;
    table[b'&' as usize] = Byte::Html;
    table[0xe2] = Byte::Separator;
    table
}

/// The next byte from `at` on that is escaped.
#[inline]
pub(super) fn next_special(bytes: &[u8], at: usize, html: bool) -> Option<usize> {
    let found =
        bytes[at..]
            .iter()
            .enumerate()
            .position(|(index, &byte)| match BYTES[usize::from(byte)] {
                Byte::Plain => false,
                Byte::Special => true,
                Byte::Html => html,
                Byte::Separator => matches!(bytes[at + index..], [_, 0x80, 0xa8 | 0xa9, ..]),
            });
    found.map(|index| at + index)
}

fn quote(text: &str, out: &mut String, html: bool) {
    out.reserve(text.len() + 2);
    out.push('"');
    let bytes = text.as_bytes();
    // What only quotes, backslashes and control characters can interrupt is looked at by words.
    let by_words = !html && memchr::memchr(0xe2, bytes).is_none();
    // Where what is not written yet begins, and from where on it was not looked at.
    let (mut done, mut at) = (0, 0);
    loop {
        let next = if by_words {
            text_end(bytes, at)
        } else {
            next_special(bytes, at, html)
        };
        let Some(index) = next else {
            break;
        };
        out.push_str(&text[done..index]);
        let byte = bytes[index];
        at = index + 1;
        done = at;
        match byte {
            // It is written with what follows.
            b'"' | b'\\' => {
                out.push('\\');
                done = index;
            }
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x8 => out.push_str("\\b"),
            0xc => out.push_str("\\f"),
            0xe2 => {
                out.push_str(if bytes[index + 2] == 0xa8 {
                    "\\u2028"
                } else {
                    "\\u2029"
                });
                at = index + 3;
                done = at;
            }
            _ => push(out, format_args!("\\u{byte:04x}")),
        }
    }
    out.push_str(&text[done..]);
    out.push('"');
}

/// Appends a double as `json.Marshal` does: plain digits, an exponent below 1e-6 or from 1e21.
///
/// NaN and infinities, an error in Go, are written as `null`.
pub fn write_float(float: f64, out: &mut String) {
    if !float.is_finite() {
        out.push_str("null");
    } else if float != 0.0 && (float.abs() < 1e-6 || float.abs() >= 1e21) {
        out.push_str(&exponent(float, 1));
    } else {
        push(out, format_args!("{float}"));
    }
}

/// A double as Go's `FormatFloat(f, 'f', -1, 64)`: the shortest digits, never an exponent;
/// `+Inf`, `-Inf` and `NaN` beyond the numbers.
pub fn float_text(float: f64) -> String {
    special(float).unwrap_or_else(|| format!("{float}"))
}

/// A double as Go's `%v` or `FormatFloat(f, 'g', -1, 64)`: an exponent below 1e-4 or from 1e6.
pub fn float_shortest(float: f64) -> String {
    if let Some(text) = special(float) {
        text
    } else if float != 0.0 && (float.abs() < 1e-4 || float.abs() >= 1e6) {
        exponent(float, 2)
    } else {
        format!("{float}")
    }
}

fn special(float: f64) -> Option<String> {
    if float.is_nan() {
        Some("NaN".into())
    } else if float.is_infinite() {
        Some(if float > 0.0 { "+Inf" } else { "-Inf" }.into())
    } else {
        None
    }
}

/// `1e+21`, `1e-07`: Go signs the exponent and gives it two digits; its JSON writer drops the zero
/// of a negative one (`1e-7`).
fn exponent(float: f64, negative_digits: usize) -> String {
    let text = format!("{float:e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    match power.strip_prefix('-') {
        Some(power) => format!("{digits}e-{power:0>negative_digits$}"),
        None => format!("{digits}e+{power:0>2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{write_string, write_string_plain};

    #[test]
    fn texts_are_escaped_as_go_escapes_them() {
        for (text, html, plain) in [
            ("", r#""""#, r#""""#),
            ("a\"b\\c", r#""a\"b\\c""#, r#""a\"b\\c""#),
            (
                "\n\r\t\u{8}\u{c}\u{0}\u{1f}",
                r#""\n\r\t\b\f\u0000\u001f""#,
                r#""\n\r\t\b\f\u0000\u001f""#,
            ),
            ("<a&b>", r#""\u003ca\u0026b\u003e""#, r#""<a&b>""#),
            (
                "é\u{2027}\u{2028}\u{2029}\u{202a}\u{7f}",
                "\"é\u{2027}\\u2028\\u2029\u{202a}\u{7f}\"",
                "\"é\u{2027}\\u2028\\u2029\u{202a}\u{7f}\"",
            ),
        ] {
            let (mut got, mut got_plain) = (String::new(), String::new());
            write_string(text, &mut got);
            write_string_plain(text, &mut got_plain);
            assert_eq!((got.as_str(), got_plain.as_str()), (html, plain));
        }
    }
}
