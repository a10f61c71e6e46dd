//! Doubles as Go's `strconv.FormatFloat` prints them.

use crate::json;

/// More digits than any double has; what is asked beyond is zeros.
const MAX_DIGITS: usize = 1100;

/// The digits of `float` in the notation `verb` (`e`, `f`, `g` or `x`), without a sign unless it is
/// negative. Without a precision: as many digits as needed to read the same double again.
pub(super) fn format_float(float: f64, verb: u8, precision: Option<usize>) -> String {
    if float.is_nan() {
        return "NaN".into();
    }
    if float.is_infinite() {
        return if float > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    match (verb, precision) {
        (b'e', None) => go_exponent(&format!("{float:e}")),
        (b'e', Some(digits)) => exponent_digits(float, digits),
        (b'f', None) => format!("{float}"),
        (b'f', Some(digits)) => fixed_digits(float, digits),
        (b'x', _) => hexadecimal(float),
        (b'b', _) => binary(float),
        (_, None) => json::float_shortest(float),
        (_, Some(digits)) => general(float, digits.max(1)),
    }
}

fn exponent_digits(float: f64, digits: usize) -> String {
    let shown = digits.min(MAX_DIGITS);
    let text = format!("{float:.shown$e}");
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    go_exponent(&format!("{mantissa}{}e{power}", "0".repeat(digits - shown)))
}

fn fixed_digits(float: f64, digits: usize) -> String {
    let shown = digits.min(MAX_DIGITS);
    format!("{float:.shown$}{}", "0".repeat(digits - shown))
}

/// Rust's `1e5` as Go's `1e+05`.
fn go_exponent(text: &str) -> String {
    let (mantissa, power) = text.split_once('e').unwrap_or((text, "0"));
    match power.strip_prefix('-') {
        Some(power) => format!("{mantissa}e-{power:0>2}"),
        None => format!("{mantissa}e+{power:0>2}"),
    }
}

/// `%g` with a number of significant digits: an exponent if it is small or above them.
fn general(float: f64, significant: usize) -> String {
    let shown = significant.min(MAX_DIGITS) - 1;
    let text = format!("{float:.shown$e}");
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i64 = power.parse().unwrap_or(0);
    let trimmed = if mantissa.contains('.') {
        mantissa.trim_end_matches('0').trim_end_matches('.')
    } else {
        mantissa
    };
    let count = i64::try_from(trimmed.bytes().filter(u8::is_ascii_digit).count()).unwrap_or(1);
    let mut threshold = i64::try_from(significant).unwrap_or(i64::MAX);
    if threshold > count && count > power {
        threshold = count;
    }
    if power < -4 || power >= threshold {
        return go_exponent(&format!("{trimmed}e{power}"));
    }
    let decimals = usize::try_from(count - power - 1).unwrap_or(0);
    fixed_digits(float, decimals)
}

/// `4503599627370496p-52`: the whole number of units, and their power of two.
fn binary(float: f64) -> String {
    let sign = if float.is_sign_negative() { "-" } else { "" };
    let bits = float.to_bits();
    let exponent = i64::try_from((bits >> 52) & 0x7ff).unwrap_or(0);
    let hidden = if exponent == 0 { 0 } else { 1 << 52 };
    let mantissa = bits & ((1 << 52) - 1) | hidden;
    format!("{sign}{mantissa}p{:+}", exponent.max(1) - 1075)
}

/// `0x1.8p+01`
fn hexadecimal(float: f64) -> String {
    let sign = if float.is_sign_negative() { "-" } else { "" };
    if float == 0.0 {
        return format!("{sign}0x0p+00");
    }
    let bits = float.to_bits();
    let mut mantissa = bits & ((1 << 52) - 1);
    let mut power = i64::try_from((bits >> 52) & 0x7ff).unwrap_or(0) - 1023;
    if power == -1023 {
        // A subnormal number: its first digit becomes the 1 before the point.
        let shift = mantissa.leading_zeros() - 11;
        mantissa = (mantissa << shift) & ((1 << 52) - 1);
        power = -1022 - i64::from(shift);
    }
    let digits = format!("{mantissa:013x}");
    let digits = digits.trim_end_matches('0');
    let point = if digits.is_empty() { "" } else { "." };
    let power_sign = if power < 0 { '-' } else { '+' };
    format!("{sign}0x1{point}{digits}p{power_sign}{:02}", power.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notations_are_those_of_go() {
        let cases = [
            (1e6, b'g', None, "1e+06"),
            (100.4, b'g', Some(3), "100"),
            (123_456.0, b'g', Some(3), "1.23e+05"),
            (0.000_012_3, b'g', Some(2), "1.2e-05"),
            (3.25, b'e', None, "3.25e+00"),
            (3.25, b'e', Some(6), "3.250000e+00"),
            (2.5, b'f', Some(0), "2"),
            (1.0, b'x', None, "0x1p+00"),
            (3.0, b'x', None, "0x1.8p+01"),
            (f64::INFINITY, b'g', None, "+Inf"),
        ];
        for (float, verb, precision, expected) in cases {
            assert_eq!(format_float(float, verb, precision), expected);
        }
    }
}
