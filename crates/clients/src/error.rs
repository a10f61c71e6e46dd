//! Why another program did not do what it was asked for.

use std::time::Duration;

/// An error of a library below.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why another program did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is unavailable, busy, or does not allow it yet: not an answer, so the same is tried again
    /// without counting.
    #[error("{message}")]
    Unavailable {
        /// What was attempted, and what is wrong.
        message: String,
        /// What a human can do, if it does not pass by itself.
        hint: Option<String>,
        /// When to try again, if the other side said so.
        retry_after: Option<Duration>,
    },
    /// It refused: an answer, counted as a failed attempt.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// Unavailable, and there is nothing more to say about it.
    pub fn unavailable(message: String) -> Self {
        Self::Unavailable {
            message,
            hint: None,
            retry_after: None,
        }
    }

    /// The same, with what a human can do about it.
    #[must_use]
    pub fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Unavailable { hint, .. } = &mut self {
            *hint = Some(text.into());
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
