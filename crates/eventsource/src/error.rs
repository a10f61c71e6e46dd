//! Why an event does not run: the act that failed, a reason of a closed set, and what a human can do.

use std::error::Error as StdError;
use std::fmt;

pub use tiphys_base::Reason;
use tiphys_eventbus::BoxError;

/// An act of an event source that failed. The supervisor starts the event again.
#[derive(Debug)]
pub struct SourceError {
    reason: Reason,
    act: String,
    hint: String,
    source: Option<BoxError>,
}

impl SourceError {
    /// The act that failed with its object, such as `subscribe to topic orders`.
    pub fn new(reason: Reason, act: impl Into<String>) -> Self {
        Self {
            reason,
            act: act.into(),
            hint: String::new(),
            source: None,
        }
    }

    /// With what failed below.
    #[must_use]
    pub fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// With what a human can do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The same, of another act.
    #[must_use]
    pub(crate) fn with_act(mut self, act: impl Into<String>) -> Self {
        self.act = act.into();
        self
    }

    /// Why, in one word.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// What a human can do; may be empty.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.act)
    }
}

impl StdError for SourceError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
