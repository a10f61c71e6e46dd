//! Numbers and letters as gopher-lua reads and prints them: Go's `strconv` and `strings`.

use crate::json::float_shortest;

/// The first whole number beyond 64 bits.
const TWO_63: f64 = 9_223_372_036_854_775_808.0;

/// A number as text: whole numbers up to 2^63 in full, others with the shortest digits.
pub(super) fn text(number: f64) -> String {
    match whole(number) {
        Some(int) => int.to_string(),
        None => float_shortest(number),
    }
}

/// The number as a 64-bit integer, if it is one.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
#[expect(clippy::float_cmp, reason = "asks for exactly whole numbers")]
pub(super) fn whole(number: f64) -> Option<i64> {
    let fits = number.trunc() == number && (-TWO_63..TWO_63).contains(&number);
    fits.then_some(number as i64)
}

/// The value of a number written in a script. A leading zero makes it octal where that fits.
pub(super) fn literal(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    if let Some(digits) = lower.strip_prefix("0x") {
        return i64::from_str_radix(digits, 16).ok().map(to_float);
    }
    if lower.bytes().all(|byte| byte.is_ascii_digit()) {
        let octal = lower.len() > 1 && lower.starts_with('0');
        let int = i64::from_str_radix(&lower, if octal { 8 } else { 10 });
        if let Ok(int) = int {
            return Some(to_float(int));
        }
    }
    lower.parse().ok()
}

/// `tonumber`: a text with a point is a decimal fraction, any other a whole number of the base.
pub(super) fn parse(text: &str, base: Option<u32>) -> Option<f64> {
    let text = text.trim_matches([' ', '\n', '\t']);
    if text.contains('.') {
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
        return if plain { text.parse().ok() } else { None };
    }
    let hex = text
        .get(..2)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("0x"));
    if base.is_none() && hex {
        return i64::from_str_radix(&text[2..], 16).ok().map(to_float);
    }
    let base = base.unwrap_or(10);
    if !(2..=36).contains(&base) {
        return None;
    }
    i64::from_str_radix(text, base).ok().map(to_float)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "every number of Lua is a double"
)]
fn to_float(int: i64) -> f64 {
    int as f64
}

/// `string.upper`: letters of all scripts, one character for one.
pub(super) fn upper(bytes: &[u8]) -> String {
    map_letters(bytes, char::to_uppercase)
}

/// `string.lower`: letters of all scripts, one character for one.
pub(super) fn lower(bytes: &[u8]) -> String {
    map_letters(bytes, char::to_lowercase)
}

fn map_letters<I: Iterator<Item = char>>(bytes: &[u8], map: impl Fn(char) -> I) -> String {
    let mut out = String::with_capacity(bytes.len());
    for char in String::from_utf8_lossy(bytes).chars() {
        let mut mapped = map(char);
        match (mapped.next(), mapped.next()) {
            (Some(single), None) => out.push(single),
            _ => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_in_go() {
        let cases = [
            (1e15, "1000000000000000"),
            (2f64.powi(62), "4611686018427387904"),
            (2f64.powi(63), "9.223372036854776e+18"),
            (1_234_567.5, "1.2345675e+06"),
            (0.000_01, "1e-05"),
            (-0.0, "0"),
            (f64::INFINITY, "+Inf"),
        ];
        for (number, expected) in cases {
            assert_eq!(text(number), expected, "{number}");
        }
    }

    #[test]
    fn texts_become_numbers_as_in_go() {
        let cases = [
            ("0x1F", None, Some(31.0)),
            ("1e3", None, None),
            ("1.5e3", None, Some(1500.0)),
            ("10", Some(2), Some(2.0)),
            ("ff", Some(16), Some(255.0)),
            (" 42\n", None, Some(42.0)),
            ("010", None, Some(10.0)),
            ("", None, None),
            ("x", None, None),
        ];
        for (text, base, expected) in cases {
            assert_eq!(parse(text, base), expected, "{text}");
        }
        assert_eq!(literal("010"), Some(8.0));
        assert_eq!(literal("08"), Some(8.0));
    }
}
