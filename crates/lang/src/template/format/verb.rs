//! One value under one verb of Go's `fmt`.

use super::super::limit::Outcome;
use super::super::unicode::is_print;
use super::super::value::{List, Map, Value};
use super::float::format_float;
use super::{Printer, append};

/// What stands between `%` and the verb.
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are the flags that the language has"
)]
#[derive(Debug, Clone, Default)]
pub(super) struct Flags {
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
    /// `%#v`: as Go source.
    pub(super) syntax: bool,
}

impl Flags {
    /// Writes `text`, filled up to the width.
    fn pad(&self, out: &mut Printer<'_>, text: &[u8]) -> Outcome<()> {
        let fill = self.width.unwrap_or(0).saturating_sub(rune_count(text));
        if self.minus {
            out.push(text)?;
            out.push_repeated(b' ', fill)
        } else {
            out.push_repeated(if self.zero { b'0' } else { b' ' }, fill)?;
            out.push(text)
        }
    }

    fn without_zero(&self) -> Self {
        Self {
            zero: false,
            ..self.clone()
        }
    }
}

/// Characters, and bytes that are none.
fn rune_count(text: &[u8]) -> usize {
    text.utf8_chunks()
        .map(|chunk| chunk.valid().chars().count() + chunk.invalid().len())
        .sum()
}

/// Writes `value` as `%<flags><verb>` does.
///
/// Only lists and maps recurse, so everything else is kept out of this frame.
pub(super) fn write_verb(
    out: &mut Printer<'_>,
    value: &Value,
    verb: char,
    flags: &Flags,
) -> Outcome<()> {
    match value {
        Value::List(list) if verb != 'T' => write_list(out, list, verb, flags),
        Value::Map(map) if verb != 'T' => write_map(out, map, verb, flags),
        value => write_single(out, value, verb, flags),
    }
}

fn write_single(out: &mut Printer<'_>, value: &Value, verb: char, flags: &Flags) -> Outcome<()> {
    if verb == 'T' {
        let name = if value.is_nothing() {
            "<nil>".into()
        } else {
            value.type_name()
        };
        return flags.pad(out, name.as_bytes());
    }
    if let Some(text) = own_text(value)
        && !flags.syntax
        && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
    {
        return write_text(out, value, text.as_bytes(), verb, flags);
    }
    match value {
        Value::Missing | Value::Nil if verb == 'v' => flags.pad(out, b"<nil>"),
        Value::Bool(bool) if matches!(verb, 'v' | 't') => {
            flags.pad(out, if *bool { b"true" } else { b"false" })
        }
        Value::Int(int)
        | Value::Int64(int)
        | Value::Duration(int)
        | Value::Month(int)
        | Value::Weekday(int) => {
            write_integer(out, value, int.unsigned_abs(), *int < 0, verb, flags)
        }
        Value::Uint8(byte) => write_integer(out, value, u64::from(*byte), false, verb, flags),
        Value::Uint64(int) => write_integer(out, value, *int, false, verb, flags),
        Value::Float(float) => write_float(out, value, *float, verb, flags),
        Value::Exact(digits) => write_exact(out, value, digits, verb, flags),
        Value::Text(text) => write_text(out, value, text, verb, flags),
        Value::Time(_) | Value::Version(_) if verb == 'v' => {
            flags.pad(out, own_text(value).unwrap_or_default().as_bytes())
        }
        _ => write_bad(out, value, verb, flags),
    }
}

/// The text of the types that have a `String` method.
fn own_text(value: &Value) -> Option<String> {
    match value {
        Value::Time(time) => Some(time.to_string()),
        Value::Duration(_) | Value::Month(_) | Value::Weekday(_) => {
            super::super::method::text_of(value)
        }
        Value::Version(version) => Some(version.to_string()),
        _ => None,
    }
}

/// `%!d(string=hi)`: a verb that does not fit.
fn write_bad(out: &mut Printer<'_>, value: &Value, verb: char, flags: &Flags) -> Outcome<()> {
    out.push(format!("%!{verb}("))?;
    if value.is_nothing() {
        out.push(b"<nil>")?;
    } else {
        out.push(format!("{}=", value.type_name()))?;
        write_verb(out, value, 'v', flags)?;
    }
    out.push(b")")
}

fn write_text(
    out: &mut Printer<'_>,
    value: &Value,
    text: &[u8],
    verb: char,
    flags: &Flags,
) -> Outcome<()> {
    match verb {
        'v' if flags.syntax => flags.pad(out, quote(text, '"', false).as_bytes()),
        'v' | 's' => flags.pad(out, truncate(text, flags)),
        'q' => {
            let text = truncate(text, flags);
            if flags.sharp && can_backquote(text) {
                return flags.pad(out, &[b"`", text, b"`"].concat());
            }
            flags.pad(out, quote(text, '"', flags.plus).as_bytes())
        }
        'x' | 'X' => write_hex(out, text, verb == 'X', flags),
        _ => write_bad(out, value, verb, flags),
    }
}

/// The first characters, as many as the precision says.
fn truncate<'a>(text: &'a [u8], flags: &Flags) -> &'a [u8] {
    let Some(mut left) = flags.precision else {
        return text;
    };
    let mut end = 0;
    for chunk in text.utf8_chunks() {
        for length in chunk
            .valid()
            .chars()
            .map(char::len_utf8)
            .chain(chunk.invalid().iter().map(|_| 1))
        {
            if left == 0 {
                return &text[..end];
            }
            left -= 1;
            end += length;
        }
    }
    text
}

fn can_backquote(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| {
        text.chars().all(|char| {
            !matches!(char, '\0'..='\u{8}' | '\u{a}'..='\u{1f}' | '`' | '\u{7f}' | '\u{feff}')
        })
    })
}

fn write_hex(out: &mut Printer<'_>, text: &[u8], upper: bool, flags: &Flags) -> Outcome<()> {
    let text = &text[..text.len().min(flags.precision.unwrap_or(usize::MAX))];
    out.budget.take_text(text.len().saturating_mul(5))?;
    let prefix = match (flags.sharp, upper) {
        (false, _) => "",
        (true, false) => "0x",
        (true, true) => "0X",
    };
    let mut hex = String::new();
    for (index, byte) in text.iter().enumerate() {
        if flags.space && index > 0 {
            hex.push(' ');
        }
        if flags.space || index == 0 {
            hex.push_str(prefix);
        }
        if upper {
            append(&mut hex, format_args!("{byte:02X}"));
        } else {
            append(&mut hex, format_args!("{byte:02x}"));
        }
    }
    flags.pad(out, hex.as_bytes())
}

/// `strconv.Quote`, or `QuoteToASCII`: what cannot be printed is escaped.
pub(in super::super) fn quote(text: &[u8], mark: char, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for chunk in text.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\\' => out.push_str("\\\\"),
                _ if char == mark => {
                    out.push('\\');
                    out.push(char);
                }
                '\u{7}' => out.push_str("\\a"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{b}' => out.push_str("\\v"),
                _ if is_print(char) && (char.is_ascii() || !ascii) => out.push(char),
                '\0'..='\u{7f}' => append(&mut out, format_args!("\\x{:02x}", u32::from(char))),
                '\u{80}'..='\u{ffff}' => {
                    append(&mut out, format_args!("\\u{:04x}", u32::from(char)));
                }
                _ => append(&mut out, format_args!("\\U{:08x}", u32::from(char))),
            }
        }
        for byte in chunk.invalid() {
            append(&mut out, format_args!("\\x{byte:02x}"));
        }
    }
    out.push(mark);
    out
}

fn write_integer(
    out: &mut Printer<'_>,
    value: &Value,
    magnitude: u64,
    negative: bool,
    verb: char,
    flags: &Flags,
) -> Outcome<()> {
    let is_unsigned = matches!(value, Value::Uint8(_) | Value::Uint64(_));
    let (digits, prefix) = match verb {
        'v' if flags.syntax && is_unsigned => {
            return flags.pad(out, format!("{magnitude:#x}").as_bytes());
        }
        'v' | 'd' => (magnitude.to_string(), ""),
        'b' => (
            format!("{magnitude:b}"),
            if flags.sharp { "0b" } else { "" },
        ),
        'o' => (format!("{magnitude:o}"), if flags.sharp { "0" } else { "" }),
        'O' => (format!("{magnitude:o}"), "0o"),
        'x' => (
            format!("{magnitude:x}"),
            if flags.sharp { "0x" } else { "" },
        ),
        'X' => (
            format!("{magnitude:X}"),
            if flags.sharp { "0X" } else { "" },
        ),
        'c' => return flags.pad(out, code_char(magnitude, negative).to_string().as_bytes()),
        'q' => {
            let char = code_char(magnitude, negative).to_string();
            return flags.pad(out, quote(char.as_bytes(), '\'', flags.plus).as_bytes());
        }
        'U' => {
            let char = code_char(magnitude, negative);
            let code = if negative {
                magnitude.wrapping_neg()
            } else {
                magnitude
            };
            let mut text = format!("U+{code:04X}");
            if flags.sharp && !negative && is_print(char) {
                append(&mut text, format_args!(" '{char}'"));
            }
            return flags.without_zero().pad(out, text.as_bytes());
        }
        _ => return write_bad(out, value, verb, flags),
    };
    let sign = match (negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    let least = match (flags.precision, flags.width) {
        (Some(0), _) if magnitude == 0 => {
            return out.push_repeated(b' ', flags.width.unwrap_or(0));
        }
        (Some(precision), _) => precision,
        (None, Some(width)) if flags.zero && !flags.minus => width.saturating_sub(sign.len()),
        _ => 0,
    };
    out.budget.take_text(least)?;
    let mut fill = least.saturating_sub(digits.len());
    if verb == 'o' && prefix == "0" && (fill > 0 || digits == "0") {
        // The leading zero is there already.
        fill = fill.saturating_sub(1);
    }
    let prefix = if verb == 'o' && digits == "0" {
        ""
    } else {
        prefix
    };
    let text = format!("{sign}{prefix}{}{digits}", "0".repeat(fill));
    flags.without_zero().pad(out, text.as_bytes())
}

fn code_char(magnitude: u64, negative: bool) -> char {
    if negative {
        return char::REPLACEMENT_CHARACTER;
    }
    u32::try_from(magnitude)
        .ok()
        .and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn write_float(
    out: &mut Printer<'_>,
    value: &Value,
    float: f64,
    verb: char,
    flags: &Flags,
) -> Outcome<()> {
    let (notation, precision) = match verb {
        'e' | 'E' => (b'e', flags.precision.or(Some(6))),
        'f' | 'F' => (b'f', flags.precision.or(Some(6))),
        'v' | 'g' | 'G' => (b'g', flags.precision),
        'x' | 'X' => (b'x', flags.precision),
        'b' => (b'b', None),
        _ => return write_bad(out, value, verb, flags),
    };
    out.budget.take_text(precision.unwrap_or(0))?;
    let mut text = format_float(float, notation, precision);
    if flags.sharp && notation != b'b' && float.is_finite() {
        let digits = if matches!(notation, b'g' | b'x') {
            precision.unwrap_or(6)
        } else {
            0
        };
        text = with_point(&text, digits, notation == b'x');
    }
    if verb.is_ascii_uppercase() && float.is_finite() {
        text.make_ascii_uppercase();
    }
    write_signed(out, &text, float.is_finite(), flags)
}

/// The `#` flag: a point always, and zeros up to a number of significant digits.
fn with_point(text: &str, significant: usize, is_hex: bool) -> String {
    let marks: &[char] = if is_hex { &['p'] } else { &['e'] };
    let (number, exponent) = text.split_at(text.find(marks).unwrap_or(text.len()));
    let digits = number.trim_start_matches('-').replace('.', "");
    let mut used = digits.trim_start_matches('0').len();
    let mut out = String::from(number);
    if !number.contains('.') {
        // A single zero counts as a digit.
        used += usize::from(digits == "0");
        out.push('.');
    }
    out.push_str(&"0".repeat(significant.saturating_sub(used)));
    out + exponent
}

/// Puts sign and padding around the digits of a number.
fn write_signed(out: &mut Printer<'_>, text: &str, finite: bool, flags: &Flags) -> Outcome<()> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => ("-", &text[1..]),
        Some(b'+') if flags.plus || text == "+Inf" && !flags.space => ("+", &text[1..]),
        Some(b'+') => ("", &text[1..]),
        _ => ("", text),
    };
    let sign = match sign {
        "" if flags.plus => "+",
        "" if flags.space => " ",
        sign => sign,
    };
    let whole = format!("{sign}{digits}");
    if !finite {
        return flags.without_zero().pad(out, whole.as_bytes());
    }
    match flags.width {
        Some(width) if flags.zero && !flags.minus && !sign.is_empty() => {
            out.push(sign)?;
            out.push_repeated(b'0', width.saturating_sub(whole.len()))?;
            out.push(digits)
        }
        _ => flags.pad(out, whole.as_bytes()),
    }
}

/// A whole number that a double cannot hold keeps its digits wherever digits are printed.
fn write_exact(
    out: &mut Printer<'_>,
    value: &Value,
    digits: &str,
    verb: char,
    flags: &Flags,
) -> Outcome<()> {
    match verb {
        'v' => write_signed(out, digits, true, flags),
        'f' | 'F' => {
            let decimals = flags.precision.unwrap_or(6);
            out.budget.take_text(decimals)?;
            let point = if decimals > 0 { "." } else { "" };
            write_signed(
                out,
                &format!("{digits}{point}{}", "0".repeat(decimals)),
                true,
                flags,
            )
        }
        'e' | 'E' | 'g' | 'G' | 'x' | 'X' => write_float(
            out,
            value,
            value.as_float().unwrap_or(f64::NAN),
            verb,
            flags,
        ),
        _ => write_bad(out, value, verb, flags),
    }
}

/// An element of a list or map: nil is nil under every verb.
fn write_element(out: &mut Printer<'_>, value: &Value, verb: char, flags: &Flags) -> Outcome<()> {
    match value {
        Value::Missing | Value::Nil if flags.syntax => out.push(b"interface {}(nil)"),
        Value::Missing | Value::Nil => out.push(b"<nil>"),
        value => write_verb(out, value, verb, flags),
    }
}

fn write_list(out: &mut Printer<'_>, list: &List, verb: char, flags: &Flags) -> Outcome<()> {
    let _level = out.budget.nest()?;
    if flags.syntax {
        out.push(list.type_name())?;
        if list.is_nil() {
            return out.push(b"(nil)");
        }
    }
    out.push(if flags.syntax { b"{" } else { b"[" })?;
    for (index, item) in list.items().iter().enumerate() {
        if index > 0 {
            out.push(if flags.syntax { &b", "[..] } else { b" " })?;
        }
        write_element(out, item, verb, flags)?;
    }
    out.push(if flags.syntax { b"}" } else { b"]" })
}

fn write_map(out: &mut Printer<'_>, map: &Map, verb: char, flags: &Flags) -> Outcome<()> {
    let _level = out.budget.nest()?;
    if flags.syntax {
        out.push(map.type_name())?;
        if map.is_nil() {
            return out.push(b"(nil)");
        }
    }
    out.push(if flags.syntax { &b"{"[..] } else { b"map[" })?;
    for (index, (key, member)) in map.snapshot(out.budget)?.into_iter().enumerate() {
        if index > 0 {
            out.push(if flags.syntax { &b", "[..] } else { b" " })?;
        }
        write_verb(out, &Value::Text(key), verb, flags)?;
        out.push(b":")?;
        write_element(out, &member, verb, flags)?;
    }
    out.push(if flags.syntax { b"}" } else { b"]" })
}
