//! The functions of sprig 3.3, by name, with those of Go's `text/template`.
//!
//! Left out on purpose: what reads the environment or asks DNS (`env`, `expandenv`,
//! `getHostByName`: a template comes from a user, the process does not belong to him), and what
//! makes keys, certificates and password hashes.

mod call;
mod cast;
mod date;
mod decimal;
mod default;
mod dict;
mod encode;
mod hash;
mod list;
mod merge;
mod number;
mod path;
mod pattern;
mod random;
mod text;
mod url;
mod version;
mod words;

use std::collections::HashMap;
use std::sync::LazyLock;

pub use self::call::{Elements, Returned, call, is_known};
pub(super) use self::encode::go_lossy;
pub(super) use self::version::{Version, compare as compare_versions};
use super::builtin;
use super::function::Function;

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
    let tables: [&'static [Function]; 15] = [
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

/// The function of that name; sprig replaces the `slice` of Go.
pub(super) fn function(name: &str) -> Result<&'static Function, String> {
    let builtin = || {
        builtin::FUNCTIONS
            .iter()
            .find(|function| function.name == name)
    };
    own_function(name).or_else(|reason| builtin().ok_or(reason))
}

/// The function of sprig of that name.
fn own_function(name: &str) -> Result<&'static Function, String> {
    if let Some(function) = FUNCTIONS.get(name) {
        return Ok(function);
    }
    match REFUSED.iter().find(|(refused, _)| *refused == name) {
        Some((_, reason)) => Err(format!("function {name:?} is not available: {reason}")),
        None => Err(format!("function {name:?} not defined")),
    }
}
