//! Why another program did not do what it was asked for.

use std::time::Duration;

use tiphys_base::{Failure, Reason};

/// An error of a library below.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why another program did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is unavailable, busy, or does not allow it yet: not an answer, so the same is tried again
    /// without counting.
    #[error("{}", message.text())]
    Unavailable {
        /// The cause in one word: `Forbidden`, or `TargetUnavailable` for all others.
        reason: Reason,
        /// What was attempted, and what is wrong.
        message: Failure,
        /// What a human can do, if it does not pass by itself.
        hint: Option<String>,
        /// When to try again, if the other side said so.
        retry_after: Option<Duration>,
    },
    /// It refused: an answer, counted as a failed attempt.
    #[error("{}", .0.text())]
    Refused(Failure),
}

impl Error {
    /// A refusal.
    pub fn refused(message: impl Into<Failure>) -> Self {
        Self::Refused(message.into())
    }

    /// Unavailable, and there is nothing more to say about it.
    pub fn unavailable(message: impl Into<Failure>) -> Self {
        Self::Unavailable {
            reason: Reason::TargetUnavailable,
            message: message.into(),
            hint: None,
            retry_after: None,
        }
    }

    /// The same, with its cause.
    #[must_use]
    pub(crate) fn with_reason(mut self, cause: Reason) -> Self {
        if let Self::Unavailable { reason, .. } = &mut self {
            *reason = cause;
        }
        self
    }

    /// The same, with what a human can do about it.
    #[must_use]
    pub fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Unavailable { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// The same, with what the other side says of when to try again.
    #[must_use]
    pub fn with_retry_after(mut self, asked: Option<Duration>) -> Self {
        if let Self::Unavailable { retry_after, .. } = &mut self {
            *retry_after = asked;
        }
        self
    }
}

/// The settings of a connection make no sense. Retrying does not help.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SettingsError {
    /// What is wrong.
    pub message: String,
    /// What the reader of the setting says.
    #[source]
    pub source: Option<BoxError>,
}

impl SettingsError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn caused(message: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self {
            message: message.into(),
            source: Some(source.into()),
        }
    }
}
