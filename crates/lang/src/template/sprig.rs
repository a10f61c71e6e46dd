//! The functions of sprig 3.3, by name, with those of Go's `text/template`.
//!
//! Left out on purpose: what reads the environment or asks DNS (`env`, `expandenv`,
//! `getHostByName`: a template comes from a user, the process does not belong to him), and what
//! makes keys, certificates and password hashes.

mod cast;
mod clock;
mod date;
mod date_parse;
mod decimal;
mod default;
mod dict;
mod duration;
mod encode;
mod hash;
mod layout;
mod list;
mod merge;
mod number;
mod path;
mod pattern;
mod random;
mod text;
mod time;
mod url;
mod version;
mod words;

use std::collections::HashMap;
use std::sync::LazyLock;

pub(super) use self::encode::go_lossy;
pub(super) use self::time::{Time, duration_text, month_name, weekday_name};
pub(super) use self::version::{Version, compare as compare_versions};
use super::builtin;
use super::function::{Args, Function, Param, Scope};
use super::limit::{Fault, Outcome};
use super::value::Value;
use crate::json;

/// Names that exist in sprig and not here.
const REFUSED: &[(&str, &str)] = &[
    ("env", "templates must not read the environment"),
    ("expandenv", "templates must not read the environment"),
    ("getHostByName", "templates must not use the network"),
    ("bcrypt", CRYPTO),
    ("buildCustomCert", CRYPTO),
    ("decryptAES", CRYPTO),
    ("derivePassword", CRYPTO),
    ("encryptAES", CRYPTO),
    ("genCA", CRYPTO),
    ("genCAWithKey", CRYPTO),
    ("genPrivateKey", CRYPTO),
    ("genSelfSignedCert", CRYPTO),
    ("genSelfSignedCertWithKey", CRYPTO),
    ("genSignedCert", CRYPTO),
    ("genSignedCertWithKey", CRYPTO),
    ("htpasswd", CRYPTO),
];

const CRYPTO: &str = "keys and password hashes are not made by templates";

static FUNCTIONS: LazyLock<HashMap<&'static str, &'static Function>> = LazyLock::new(|| {
    // Later ones win: sprig replaces the `slice` of Go.
    let tables: [&'static [Function]; 16] = [
        builtin::FUNCTIONS,
        date::FUNCTIONS,
        default::FUNCTIONS,
        dict::FUNCTIONS,
        encode::FUNCTIONS,
        hash::FUNCTIONS,
        list::FUNCTIONS,
        list::MUST_FUNCTIONS,
        number::FUNCTIONS,
        path::FUNCTIONS,
        pattern::FUNCTIONS,
        random::FUNCTIONS,
        text::FUNCTIONS,
        url::FUNCTIONS,
        version::FUNCTIONS,
        words::FUNCTIONS,
    ];
    tables
        .into_iter()
        .flatten()
        .map(|function| (function.name, function))
        .collect()
});

/// The function of that name.
pub(super) fn function(name: &str) -> Result<&'static Function, String> {
    if let Some(function) = FUNCTIONS.get(name) {
        return Ok(function);
    }
    match REFUSED.iter().find(|(refused, _)| *refused == name) {
        Some((_, reason)) => Err(format!("function {name:?} is not available: {reason}")),
        None => Err(format!("function {name:?} not defined")),
    }
}

/// Calls one sprig function on JSON values, for expression filters.
///
/// Whole numbers are passed as Go's `int`, others as `float64`. `None` if there is no such
/// function; an error if the arguments do not fit, or the function fails.
pub fn call(name: &str, args: &[json::Value]) -> Option<Result<json::Value, String>> {
    let function = FUNCTIONS.get(name)?;
    Some(call_function(function, args).map_err(|Fault(message)| message.into_owned()))
}

fn call_function(function: &'static Function, args: &[json::Value]) -> Outcome<json::Value> {
    let scope = Scope::new();
    function.check_count(args.len())?;
    let values = args.iter().enumerate().map(|(index, argument)| {
        let value = match argument {
            json::Value::Number(json::Number::Int(int)) => match function.param(index) {
                Some(Param::Float) => Value::from_json(&scope.budget, argument)?,
                _ => Value::Int(*int),
            },
            other => Value::from_json(&scope.budget, other)?,
        };
        function.param(index).unwrap_or(Param::Any).check(value)
    });
    let values = values.collect::<Outcome<Vec<_>>>()?;
    let result = match (function.name, values.as_slice()) {
        // These two are run by the engine, because they may leave arguments alone.
        ("and", [.., last]) => values
            .iter()
            .find(|value| !value.is_true())
            .unwrap_or(last)
            .clone(),
        ("or", [.., last]) => values
            .iter()
            .find(|value| value.is_true())
            .unwrap_or(last)
            .clone(),
        _ => (function.run)(&Args {
            scope: &scope,
            values,
        })?,
    };
    let text = encode::to_json(&scope.budget, &result, &encode::Style::COMPACT)?;
    json::from_slice(text.as_bytes()).map_err(|error| error.to_string().into())
}
