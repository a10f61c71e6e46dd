//! What a scalar means, by the rules of `go-yaml` v2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::json::float_shortest;

pub(super) const MERGE: &str = "tag:yaml.org,2002:merge";
const CORE: &str = "tag:yaml.org,2002:";

/// A resolved scalar.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    /// Canonical digits, `-` first if negative; exact at any size.
    Int(String),
    Float(f64),
    Text(String),
}

impl Scalar {
    /// The scalar as a key of a JSON object, as `ghodss/yaml` makes it.
    pub(super) fn as_key(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(value) => value.to_string(),
            Self::Int(digits) => digits.clone(),
            Self::Float(float) if float.is_nan() => ".nan".into(),
            Self::Float(float) if float.is_infinite() => {
                if *float > 0.0 { ".inf" } else { "-.inf" }.into()
            }
            Self::Float(float) => single_precision(*float),
            Self::Text(text) => text.clone(),
        })
    }

    fn tag(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
        }
    }
}

/// Keys are printed with the shortest digits of a single-precision number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "single precision is what is asked for"
)]
fn single_precision(float: f64) -> String {
    let single = float as f32;
    float_shortest(single.to_string().parse().unwrap_or(float))
}

/// The meaning of a scalar; `tag` is empty where none is given.
pub(super) fn resolve(text: &str, plain: bool, tag: &str) -> Result<Scalar, String> {
    if tag.is_empty() && plain {
        return Ok(implicit(text));
    }
    match tag.strip_prefix(CORE) {
        Some("binary") => match STANDARD.decode(text.replace(['\n', '\r'], "")) {
            Ok(bytes) => Ok(Scalar::Text(String::from_utf8_lossy(&bytes).into_owned())),
            Err(_) => Err("a binary value is not base64".into()),
        },
        Some(wanted @ ("null" | "bool" | "int" | "float")) => match (wanted, implicit(text)) {
            ("float", Scalar::Int(digits)) => Ok(Scalar::Float(digits.parse().unwrap_or(f64::NAN))),
            (_, scalar) if scalar.tag() == wanted => Ok(scalar),
            _ => Err(format!("cannot read '{text}' as {tag}")),
        },
        _ => Ok(Scalar::Text(text.into())),
    }
}

fn implicit(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Scalar::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Scalar::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Scalar::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let number = match text.as_bytes()[0] {
        b'+' | b'-' | b'0'..=b'9' => {
            let digits = text.replace('_', "");
            int(&digits)
                .map(Scalar::Int)
                .or_else(|| float(&digits).map(Scalar::Float))
        }
        b'.' => float(text).map(Scalar::Float),
        _ => None,
    };
    number.unwrap_or_else(|| Scalar::Text(text.into()))
}

/// Go's `ParseInt` with base 0: `0x`, `0o`, `0b`, and a leading zero for octal. Decimal digits may
/// be any number.
fn int(text: &str) -> Option<String> {
    let (sign, digits) = match text.as_bytes() {
        [b'-', ..] => ("-", &text[1..]),
        [b'+', ..] => ("", &text[1..]),
        _ => ("", text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, rest) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if rest.is_empty() || !rest.chars().all(|char| char.is_digit(base)) {
        return None;
    }
    if base == 10 {
        return Some(if rest == "0" {
            "0".into()
        } else {
            format!("{sign}{rest}")
        });
    }
    let value = u64::from_str_radix(rest, base).ok()?;
    let fits = sign.is_empty() || value <= i64::MIN.unsigned_abs();
    fits.then(|| {
        if value == 0 {
            "0".into()
        } else {
            format!("{sign}{value}")
        }
    })
}

/// Digits with at most one point and an exponent; not what a double cannot hold.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(place) => (&unsigned[..place], Some(&unsigned[place + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_holds = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    let holds = all_digits(whole)
        && all_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent_holds;
    if !holds {
        return None;
    }
    text.parse().ok().filter(|float: &f64| float.is_finite())
}
