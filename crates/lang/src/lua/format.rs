//! `string.format` as gopher-lua has it, which hands the pattern to Go's `fmt.Sprintf`: `%d` cuts
//! the fraction off, `%g` prints the shortest digits, a wrong argument prints instead of failing.

use std::borrow::Cow;

use mlua::Value;

use super::number;
use crate::json::{float_shortest, write_string_plain};

/// Go refuses larger widths and precisions.
const MAX_WIDTH: usize = 1_000_000;

/// The longest text a pattern may make.
const MAX_TEXT: usize = 16 << 20;

/// The longest text that is read as a number.
const MAX_NUMBER: usize = 64 << 10;

/// Digits of a double: behind these come nothing but zeros. Rust refuses more than 65,535.
const MAX_DIGITS: usize = 1_100;

/// One argument. Texts stay where the script has them.
pub(super) enum Argument<'a> {
    Nil,
    Bool(bool),
    Number(f64),
    Text(&'a [u8]),
}

/// Why there is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It would be too long.
    TooLong,
    /// The time is over.
    TimedOut,
}

impl<'a> Argument<'a> {
    /// A value, and its bytes if it is a text. Anything but the four kinds is made a text before.
    pub(super) fn new(value: &Value, text: Option<&'a [u8]>) -> Self {
        if let Some(text) = text {
            return Self::Text(text);
        }
        match value {
            Value::Boolean(value) => Self::Bool(*value),
            #[expect(clippy::cast_precision_loss, reason = "made of a double, so exact")]
            Value::Integer(int) => Self::Number(*int as f64),
            Value::Number(number) => Self::Number(*number),
            _ => Self::Nil,
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "lua.LBool",
            Self::Number(number) if number::whole(*number).is_some() => "int64",
            Self::Number(_) => "float64",
            Self::Text(_) => "string",
        }
    }

    fn text(&self) -> Cow<'a, [u8]> {
        match self {
            Self::Nil => b"nil".into(),
            Self::Bool(value) => value.to_string().into_bytes().into(),
            Self::Number(number) => number::text(*number).into_bytes().into(),
            Self::Text(text) => (*text).into(),
        }
    }

    fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) if text.len() <= MAX_NUMBER => {
                let text = String::from_utf8_lossy(text);
                number::literal(text.trim())
            }
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one for each flag of the pattern"
)]
struct Spec {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// The formatted text. `is_over` says whether the time is over.
pub(super) fn format(
    pattern: &[u8],
    arguments: &[Argument<'_>],
    is_over: impl Fn() -> bool,
) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::new();
    let mut arguments = arguments.iter();
    let mut rest = pattern;
    while let Some(place) = memchr::memchr(b'%', rest) {
        out.extend_from_slice(&rest[..place]);
        rest = &rest[place + 1..];
        let spec = Spec::read(&mut rest, &mut arguments);
        let Some((&verb, after)) = rest.split_first() else {
            out.extend_from_slice(b"%!(NOVERB)");
            return Ok(out);
        };
        rest = after;
        if is_over() {
            return Err(Refusal::TimedOut);
        }
        if verb == b'%' {
            out.push(b'%');
        } else if let Some(argument) = arguments.next() {
            if matches!(argument, Argument::Text(text) if text.len() > MAX_TEXT) {
                return Err(Refusal::TooLong);
            }
            spec.write(verb, argument, &mut out);
        } else {
            out.extend_from_slice(&[b'%', b'!', verb]);
            out.extend_from_slice(b"(MISSING)");
        }
        if out.len() > MAX_TEXT {
            return Err(Refusal::TooLong);
        }
    }
    out.extend_from_slice(rest);
    Ok(out)
}

impl Spec {
    fn read<'a, 't: 'a>(
        rest: &mut &[u8],
        arguments: &mut impl Iterator<Item = &'a Argument<'t>>,
    ) -> Self {
        let mut spec = Self::default();
        while let Some((flag, after)) = rest.split_first() {
            match flag {
                b'+' => spec.plus = true,
                b'-' => spec.minus = true,
                b'#' => spec.sharp = true,
                b' ' => spec.space = true,
                b'0' => spec.zero = true,
                _ => break,
            }
            *rest = after;
        }
        spec.width = size(rest, arguments);
        if let Some(after) = rest.strip_prefix(b".") {
            *rest = after;
            spec.precision = Some(size(rest, arguments).unwrap_or(0));
        }
        spec
    }

    fn write(&self, verb: u8, argument: &Argument<'_>, out: &mut Vec<u8>) {
        let float = argument.as_number();
        let int = float.map(truncate);
        match (verb, argument) {
            (b'd' | b'i', Argument::Text(text)) => match int {
                Some(_) => self.pad(text, false, out),
                None => self.integer("0", false, out),
            },
            (b'd' | b'i', _) if int.is_some() => {
                let int = int.unwrap_or_default();
                self.integer(&int.unsigned_abs().to_string(), int < 0, out);
            }
            (b'x' | b'X' | b'o' | b'b' | b'c', Argument::Number(_)) => {
                self.radix(verb, int.unwrap_or_default(), out);
            }
            (b'x' | b'X', _) => {
                let digits = if verb == b'X' {
                    b"0123456789ABCDEF"
                } else {
                    b"0123456789abcdef"
                };
                let text = argument.text();
                let nibbles = text.iter().flat_map(|byte| [byte >> 4, byte & 15]);
                let hex: Vec<u8> = nibbles.map(|nibble| digits[usize::from(nibble)]).collect();
                self.pad(&hex, false, out);
            }
            (b'e' | b'E' | b'f' | b'F' | b'g' | b'G', _) if float.is_some() => {
                self.float(verb, float.unwrap_or_default(), out);
            }
            (b'q', _) => self.pad(&quoted(&argument.text()), false, out),
            (b's' | b'v', _) | (b't', Argument::Bool(_)) => self.text(&argument.text(), out),
            _ => {
                out.extend_from_slice(&[b'%', b'!', verb, b'(']);
                out.extend_from_slice(argument.type_name().as_bytes());
                out.push(b'=');
                out.extend_from_slice(&argument.text());
                out.push(b')');
            }
        }
    }

    fn text(&self, text: &[u8], out: &mut Vec<u8>) {
        match self.precision {
            None => self.pad(text, false, out),
            Some(most) => {
                // No character is longer, and what stands for a fault is no shorter.
                let text = &text[..text.len().min(most.saturating_mul(4))];
                let cut: String = String::from_utf8_lossy(text).chars().take(most).collect();
                self.pad(cut.as_bytes(), false, out);
            }
        }
    }

    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (.., true) => " ",
            _ => "",
        }
    }

    fn integer(&self, digits: &str, negative: bool, out: &mut Vec<u8>) {
        let missing = self.precision.unwrap_or(0).saturating_sub(digits.len());
        let text = format!("{}{}{digits}", self.sign(negative), "0".repeat(missing));
        self.pad(text.as_bytes(), self.precision.is_none(), out);
    }

    fn radix(&self, verb: u8, int: i64, out: &mut Vec<u8>) {
        if verb == b'c' {
            let char = u32::try_from(int).ok().and_then(char::from_u32);
            let char = char.unwrap_or(char::REPLACEMENT_CHARACTER);
            return self.pad(char.to_string().as_bytes(), false, out);
        }
        let size = int.unsigned_abs();
        let (prefix, digits) = match verb {
            b'x' => ("0x", format!("{size:x}")),
            b'X' => ("0X", format!("{size:X}")),
            b'o' => ("0", format!("{size:o}")),
            _ => ("0b", format!("{size:b}")),
        };
        let digits = if self.sharp {
            format!("{prefix}{digits}")
        } else {
            digits
        };
        self.integer(&digits, int < 0, out);
    }

    fn float(&self, verb: u8, float: f64, out: &mut Vec<u8>) {
        let negative = float.is_sign_negative() && !float.is_nan();
        let size = float.abs();
        let digits = if size.is_finite() {
            match verb.to_ascii_lowercase() {
                b'e' => exponential(size, self.precision.unwrap_or(6)),
                b'f' => decimal(size, self.precision.unwrap_or(6)),
                _ => self
                    .precision
                    .map_or_else(|| float_shortest(size), |most| general(size, most)),
            }
        } else {
            // Go signs an infinity always.
            let name = if size.is_nan() { "NaN" } else { "Inf" };
            let sign = if size.is_nan() {
                ""
            } else if negative {
                "-"
            } else {
                "+"
            };
            return self.pad(format!("{sign}{name}").as_bytes(), false, out);
        };
        let digits = if verb.is_ascii_uppercase() {
            digits.to_uppercase()
        } else {
            digits
        };
        self.pad(
            format!("{}{digits}", self.sign(negative)).as_bytes(),
            true,
            out,
        );
    }

    /// Pads to the width, counted in characters; with zeros behind the sign where that is allowed.
    fn pad(&self, text: &[u8], number: bool, out: &mut Vec<u8>) {
        let missing = self.width.map_or(0, |width| {
            let length: usize = text.utf8_chunks().map(|chunk| length(&chunk)).sum();
            width.saturating_sub(length)
        });
        if self.minus {
            out.extend_from_slice(text);
            out.extend(std::iter::repeat_n(b' ', missing));
        } else if self.zero && number {
            let signed = text.first().is_some_and(|byte| b"+- ".contains(byte));
            let (sign, digits) = text.split_at(usize::from(signed));
            out.extend_from_slice(sign);
            out.extend(std::iter::repeat_n(b'0', missing));
            out.extend_from_slice(digits);
        } else {
            out.extend(std::iter::repeat_n(b' ', missing));
            out.extend_from_slice(text);
        }
    }
}

/// How many characters a part of a text has; what is not UTF-8 is one.
fn length(chunk: &std::str::Utf8Chunk<'_>) -> usize {
    chunk.valid().chars().count() + usize::from(!chunk.invalid().is_empty())
}

/// A width or precision: digits, or `*` for the next argument.
fn size<'a, 't: 'a>(
    rest: &mut &[u8],
    arguments: &mut impl Iterator<Item = &'a Argument<'t>>,
) -> Option<usize> {
    if let Some(after) = rest.strip_prefix(b"*") {
        *rest = after;
        let size = arguments.next().and_then(Argument::as_number).map(truncate);
        return size
            .and_then(|size| usize::try_from(size).ok())
            .map(|size| size.min(MAX_WIDTH));
    }
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = rest.split_at(count);
    *rest = after;
    let text = std::str::from_utf8(digits).unwrap_or_default();
    if text.is_empty() {
        return None;
    }
    Some(text.parse().unwrap_or(MAX_WIDTH).min(MAX_WIDTH))
}

/// Without its fraction. What is out of range becomes the lowest number, as on the machines that
/// Go's programs run on.
fn truncate(float: f64) -> i64 {
    number::whole(float.trunc()).unwrap_or(i64::MIN)
}

fn decimal(size: f64, precision: usize) -> String {
    let digits = precision.min(MAX_DIGITS);
    format!("{size:.digits$}{}", "0".repeat(precision - digits))
}

/// `1.5e+00`: Go signs the exponent and gives it two digits.
fn exponential(size: f64, precision: usize) -> String {
    let digits = precision.min(MAX_DIGITS);
    let text = format!("{size:.digits$e}");
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    signed_exponent(&format!(
        "{mantissa}{}e{power}",
        "0".repeat(precision - digits)
    ))
}

fn signed_exponent(text: &str) -> String {
    let (digits, power) = text.split_once('e').unwrap_or((text, "0"));
    match power.strip_prefix('-') {
        Some(power) => format!("{digits}e-{power:0>2}"),
        None => format!("{digits}e+{power:0>2}"),
    }
}

fn power_of(text: &str) -> i32 {
    text.split_once('e')
        .and_then(|(_, power)| power.parse().ok())
        .unwrap_or(0)
}

fn general(size: f64, precision: usize) -> String {
    let precision = precision.clamp(1, MAX_DIGITS);
    let text = format!("{size:.*e}", precision - 1);
    let power = power_of(&text);
    let least = i32::try_from(precision).unwrap_or(i32::MAX);
    let trim = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text.to_owned()
        }
    };
    if (-4..least).contains(&power) {
        let decimals = usize::try_from(least - 1 - power).unwrap_or(0);
        return trim(&format!("{size:.decimals$}"));
    }
    let (digits, _) = text.split_once('e').unwrap_or((&text, ""));
    signed_exponent(&format!("{}e{power}", trim(digits)))
}

fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = String::new();
    write_string_plain(&String::from_utf8_lossy(text), &mut out);
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, argument: Argument, expected: &str) {
        let text = format(pattern.as_bytes(), &[argument], || false).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), expected, "{pattern}");
    }

    #[test]
    fn verbs_print_as_in_go() {
        check("%d", Argument::Number(3.7), "3");
        check("%05d", Argument::Number(-42.0), "-0042");
        check("%-5d|", Argument::Number(42.0), "42   |");
        check("%+d", Argument::Number(5.0), "+5");
        check("%5.2f", Argument::Number(3.25), " 3.25");
        check("%e", Argument::Number(1.5), "1.500000e+00");
        check("%g", Argument::Number(0.1), "0.1");
        check("%g", Argument::Number(1e21), "1e+21");
        check("%g", Argument::Number(123_456_789.0), "1.23456789e+08");
        check("%G", Argument::Number(1e20), "1E+20");
        check("%u", Argument::Number(5.0), "%!u(int64=5)");
        check("%u", Argument::Number(5.5), "%!u(float64=5.5)");
        check("%d", Argument::Number(1e20), "-9223372036854775808");
        check("%.3g", Argument::Number(1234.5), "1.23e+03");
        check("%.3g", Argument::Number(0.5), "0.5");
        check("%x", Argument::Number(255.0), "ff");
        check("%x", Argument::Text(b"hi"), "6869");
        check("%c", Argument::Number(65.0), "A");
        check("%q", Argument::Text(b"a\"b\n"), "\"a\\\"b\\n\"");
        check("%5s|", Argument::Nil, "  nil|");
        check("%.2s", Argument::Text("äöü".as_bytes()), "äö");
        check("%d", Argument::Text(b"42"), "42");
        check("%d", Argument::Bool(true), "%!d(lua.LBool=true)");
        check("100%%", Argument::Nil, "100%");
        check("%s %s", Argument::Nil, "nil %!s(MISSING)");
    }

    #[test]
    fn long_texts_are_refused() {
        let pattern = "%1000000d".repeat(20);
        let arguments: Vec<_> = (0..20).map(|_| Argument::Number(1.0)).collect();
        assert!(format(pattern.as_bytes(), &arguments, || false).is_err());
    }
}
