//! Plain scalars as Kubernetes reads them: YAML 1.1 as far as Go's YAML library follows it.
//!
//! `yes` is a boolean, `010` is eight, `1_000` a thousand; `=`, `12:30` and dates are texts.

/// What a scalar stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    /// The digits of a JSON number.
    Number(String),
    String(String),
    /// An infinity or no number at all, which JSON cannot hold.
    NotInJson,
    /// `<<`, which merges other mappings into this one.
    Merge,
}

/// What a plain (unquoted) scalar stands for.
pub(super) fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF"
        | "-.inf" | "-.Inf" | "-.INF" => Scalar::NotInJson,
        "<<" => Scalar::Merge,
        _ => number(text).map_or_else(|| Scalar::String(text.to_owned()), Scalar::Number),
    }
}

fn number(text: &str) -> Option<String> {
    let first = text.bytes().next()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    let plain = text.replace('_', "");
    integer(&plain).or_else(|| float(&plain))
}

/// An integer in any of Go's bases: `0x1F`, `0b101`, `0o17`, `017`.
fn integer(plain: &str) -> Option<String> {
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", plain.strip_prefix('+').unwrap_or(plain)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let digits = if radix == 10 {
        digits.to_owned()
    } else {
        u64::from_str_radix(digits, radix).ok()?.to_string()
    };
    Some(if digits == "0" {
        digits
    } else {
        format!("{sign}{digits}")
    })
}

fn float(plain: &str) -> Option<String> {
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(plain);
    let (mantissa, exponent) = unsigned
        .split_once(['e', 'E'])
        .map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let mantissa_ok =
        all_digits(whole) && all_digits(fraction) && (!whole.is_empty() || !fraction.is_empty());
    let exponent_ok = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    if !mantissa_ok || !exponent_ok {
        return None;
    }
    let value: f64 = plain.parse().ok()?;
    // Whole floats lose their point, as they do when Go writes them as JSON.
    value.is_finite().then(|| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_1_1_is_read_as_go_does() {
        let number = |text: &str| Scalar::Number(text.to_owned());
        let string = |text: &str| Scalar::String(text.to_owned());
        for (text, expected) in [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("yes", Scalar::Bool(true)),
            ("n", Scalar::Bool(false)),
            ("Off", Scalar::Bool(false)),
            ("oN", string("oN")),
            ("=", string("=")),
            ("==", string("==")),
            ("-", string("-")),
            (".", string(".")),
            ("12:30", string("12:30")),
            ("2026-01-01", string("2026-01-01")),
            ("1.2.3", string("1.2.3")),
            ("0", number("0")),
            ("-0", number("0")),
            ("+5", number("5")),
            ("010", number("8")),
            ("-010", number("-8")),
            ("08", number("8")),
            ("0x1F", number("31")),
            ("0b101", number("5")),
            ("0o17", number("15")),
            ("1_000", number("1000")),
            ("1.0", number("1")),
            ("1.", number("1")),
            (".5", number("0.5")),
            ("1e3", number("1000")),
            ("1e", string("1e")),
            ("9007199254740993", number("9007199254740993")),
            (
                "123456789012345678901234567890",
                number("123456789012345678901234567890"),
            ),
            (".inf", Scalar::NotInJson),
            ("<<", Scalar::Merge),
        ] {
            assert_eq!(resolve(text), expected, "{text}");
        }
    }
}
