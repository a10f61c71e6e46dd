//! What the kinds that ask AWS have in common.

use tiphys_api::Problem;
use tiphys_clients::aws::{Error, LoginFields};

use crate::error::SourceError;

/// Why an act failed.
pub(super) fn failed(act: impl Into<String>, error: Error) -> SourceError {
    let hint = error.hint.clone();
    SourceError::new(error.reason, act)
        .with_hint(hint)
        .because(error)
}

/// What is wrong with the login of the event at `path`.
pub(super) fn login_problem(path: &str, fields: &LoginFields<'_>) -> Option<Problem> {
    let fault = fields.fault()?;
    let missing = match fields.access_key {
        None => "accessKey",
        Some(_) => "secretKey",
    };
    Some(Problem::error(format!("{path}.{missing}"), fault))
}
