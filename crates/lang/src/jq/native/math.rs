//! Mathematics: Go's functions over doubles. Those that agree come from jaq's library, to the last
//! digit or nearly so.

use jaq_core::native::v;
use jaq_core::{Native, native::bome};

use super::{Fun, native};
use crate::gomath;
use crate::jq::value::{Answer, Val};
use crate::jq::{fault, number};

/// The functions of jaq's library that do as Go's.
const BORROWED: [&str; 38] = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "copysign",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "fdim",
    "fma",
    "fmod",
    "j0",
    "j1",
    "jn",
    "ldexp",
    "lgamma",
    "log",
    "log1p",
    "nextafter",
    "remainder",
    "rint",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "tgamma",
    "y0",
    "y1",
    "yn",
];

/// More names for some of them. `gamma` is the function itself, not its logarithm as in C.
const ALIASES: [(&str, &str); 4] = [
    ("tgamma", "gamma"),
    ("ldexp", "scalb"),
    ("ldexp", "scalbln"),
    ("nextafter", "nexttoward"),
];

pub(super) fn natives() -> Vec<Fun> {
    let borrow = |wanted: &'static str, name: &'static str| {
        let found = jaq_std::extra_funs::<super::Data>().find(|(known, ..)| *known == wanted);
        found.map(|(_, args, native)| (name, args, native))
    };
    let mut natives: Vec<Fun> = jaq_std::extra_funs::<super::Data>()
        .filter(|(name, ..)| BORROWED.contains(name))
        .chain(
            ALIASES
                .into_iter()
                .filter_map(|(wanted, name)| borrow(wanted, name)),
        )
        .collect();
    natives.extend(rounding());
    natives.extend(own());
    natives.extend(tests());
    natives
}

fn float(name: &str, value: &Val) -> Answer<f64> {
    number::to_float(value).ok_or_else(|| fault::not_applicable(name, value))
}

/// Whole numbers stay as they are, whatever their size.
fn rounded(name: &str, value: &Val, round: fn(f64) -> f64) -> Answer {
    match value {
        Val::Int(_) | Val::Big(_) => Ok(value.clone()),
        Val::Literal(text) if !text.contains(['.', 'e', 'E']) => Ok(value.clone()),
        _ => Ok(Val::Float(round(float(name, value)?))),
    }
}

fn rounding() -> [Fun; 6] {
    [
        native!("floor", 0, |value: &Val| rounded(
            "floor",
            value,
            f64::floor
        )),
        native!("ceil", 0, |value: &Val| rounded("ceil", value, f64::ceil)),
        native!("round", 0, |value: &Val| rounded(
            "round",
            value,
            f64::round
        )),
        native!("trunc", 0, |value: &Val| rounded(
            "trunc",
            value,
            f64::trunc
        )),
        native!("nearbyint", 0, |value: &Val| {
            rounded("nearbyint", value, f64::round_ties_even)
        }),
        native!("fabs", 0, |value: &Val| Ok(Val::Float(
            float("fabs", value)?.abs()
        ))),
    ]
}

fn own() -> Vec<Fun> {
    vec![
        native!("abs", 0, |value: &Val| number::absolute(value)
            .unwrap_or_else(|| Err(fault::not_applicable("abs", value)))),
        native!("exp10", 0, |value: &Val| Ok(Val::Float(gomath::pow(
            10.0,
            float("exp10", value)?
        )))),
        native!("pow", 2, |_: &Val, base: &Val, power: &Val| {
            let (base, power) = (float("pow", base)?, float("pow", power)?);
            Ok(Val::Float(gomath::pow(base, power)))
        }),
        native!("log2", 0, |value: &Val| Ok(Val::Float(gomath::log2(
            float("log2", value)?
        )))),
        native!("log10", 0, |value: &Val| Ok(Val::Float(gomath::log10(
            float("log10", value)?
        )))),
        native!("hypot", 2, |_: &Val, left: &Val, right: &Val| {
            let (left, right) = (float("hypot", left)?, float("hypot", right)?);
            Ok(Val::Float(gomath::hypot(left, right)))
        }),
        native!("fmin", 2, |_: &Val, left: &Val, right: &Val| {
            Ok(Val::Float(float("fmin", left)?.min(float("fmin", right)?)))
        }),
        native!("fmax", 2, |_: &Val, left: &Val, right: &Val| {
            Ok(Val::Float(float("fmax", left)?.max(float("fmax", right)?)))
        }),
        native!("drem", 2, |_: &Val, left: &Val, right: &Val| {
            let (left, right) = (float("drem", left)?, float("drem", right)?);
            let rest = libm::remainder(left, right);
            Ok(Val::Float(if rest == 0.0 {
                rest.copysign(left)
            } else {
                rest
            }))
        }),
        native!("significand", 0, |value: &Val| {
            Ok(Val::Float(
                libm::frexp(float("significand", value)?).0 * 2.0,
            ))
        }),
        native!("logb", 0, |value: &Val| {
            let value = float("logb", value)?;
            Ok(Val::Float(match value {
                0.0 => f64::NEG_INFINITY,
                value if value.is_infinite() => f64::INFINITY,
                value if value.is_nan() => value,
                value => f64::from(libm::frexp(value).1 - 1),
            }))
        }),
        native!("frexp", 0, |value: &Val| {
            let (fraction, exponent) = libm::frexp(float("frexp", value)?);
            Ok(Val::array(vec![
                Val::Float(fraction),
                Val::Int(exponent.into()),
            ]))
        }),
        native!("modf", 0, |value: &Val| {
            let value = float("modf", value)?;
            let fraction = if value.is_infinite() {
                0_f64.copysign(value)
            } else {
                value.fract()
            };
            Ok(Val::array(vec![
                Val::Float(fraction),
                Val::Float(value.trunc()),
            ]))
        }),
        native!("infinite", 0, |_: &Val| Ok(Val::Float(f64::INFINITY))),
        native!("nan", 0, |_: &Val| Ok(Val::Float(f64::NAN))),
    ]
}

fn tests() -> [Fun; 5] {
    [
        native!("isfinite", 0, |value: &Val| {
            Ok(Val::Bool(
                number::to_float(value).is_some_and(|value| !value.is_infinite()),
            ))
        }),
        native!("isinfinite", 0, |value: &Val| {
            Ok(Val::Bool(
                number::to_float(value).is_some_and(f64::is_infinite),
            ))
        }),
        native!("isnormal", 0, |value: &Val| {
            Ok(Val::Bool(
                number::to_float(value).is_some_and(f64::is_normal),
            ))
        }),
        native!("isnan", 0, |value: &Val| match value {
            Val::Null => Ok(Val::Bool(false)),
            value => Ok(Val::Bool(float("isnan", value)?.is_nan())),
        }),
        (
            "now",
            v(0),
            Native::new(|_| bome(Ok(Val::Float(super::time::now())))),
        ),
    ]
}
