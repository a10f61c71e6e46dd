//! Google: who asks.
//!
//! A login is a credential of Google's own format, in a Secret or where Google's libraries look for one, or
//! what the metadata server knows of the pod. Whatever it is, requests carry a token that it is exchanged
//! for, which is kept and renewed before it ends.

mod credentials;
mod environment;
mod exchange;
mod login;

use std::fmt;

use tiphys_base::Reason;

pub use environment::{Environment, Server};
pub use login::{LoginRef, Logins};

/// What requests carry.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub text: String,
    /// The project whose quota counts, if it is not that of what is asked for.
    pub quota_project: Option<String>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Why there is no login.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The cause in one word.
    pub reason: Reason,
    /// What is wrong.
    pub message: String,
    /// What a human can do; may be empty.
    pub hint: String,
}

impl Error {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            hint: String::new(),
        }
    }

    #[must_use]
    fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// A value of ours that is not there, or makes no sense.
    fn of_ours(error: &crate::Error) -> Self {
        let (reason, hint) = match error {
            crate::Error::Unavailable { hint, .. } => (Reason::Missing, hint.clone()),
            crate::Error::Refused(_) => (Reason::Invalid, None),
        };
        Self::new(reason, error.to_string()).with_hint(hint.unwrap_or_default())
    }
}
