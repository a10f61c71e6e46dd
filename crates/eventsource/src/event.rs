//! What an event source would make of an input, without a cluster, a server or a bus.

use bytes::Bytes;
use jiff::Timestamp;
use tiphys_api::ResourceEventType;
use tiphys_eventbus::Event;

use crate::compile::CompiledEvent;
use crate::id::event_id;
use crate::incoming::Identity;

/// Something that an upstream might say.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Input<'a> {
    /// A Kubernetes object came, changed or went, as if the event source had been started long ago.
    Object {
        /// What happened to it.
        kind: ResourceEventType,
        /// The object as JSON.
        object: &'a [u8],
        /// What it was before.
        old: Option<&'a [u8]>,
    },
    /// Whatever makes this payload.
    Payload(&'a [u8]),
    /// What an upstream says or sends, as the kind gets it: the body of a request or a message.
    Body {
        /// The body.
        body: &'a [u8],
        /// Headers that matter, by name.
        headers: &'a [(String, String)],
    },
    /// Something that is typical of the kind.
    Example,
}

/// Why an input cannot be simulated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulateError {
    /// It is no JSON of the wanted shape.
    #[error("read the input")]
    Unreadable(#[from] serde_json::Error),
    /// This kind of event source never receives it.
    #[error("an event source of type {kind} does not take {what}")]
    Unfit {
        /// The kind.
        kind: &'static str,
        /// What was given.
        what: &'static str,
    },
    /// The kind would refuse it.
    #[error("it would be refused: {0}")]
    Refused(String),
}

/// One condition of an event source, and whether an input meets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The condition in words, such as `metadata.name == ^a`.
    pub condition: String,
    /// Whether it is met.
    pub is_met: bool,
    /// What the condition was given, such as `"b"`; empty if there is no more to say.
    pub saw: String,
    /// Why it is not met, in a sentence; empty if it is.
    pub why: String,
}

impl Check {
    /// A condition that is met, or not for the reason `why`.
    pub(crate) fn new(condition: impl Into<String>, is_met: bool, why: impl Into<String>) -> Self {
        Self {
            condition: condition.into(),
            is_met,
            saw: String::new(),
            why: if is_met { String::new() } else { why.into() },
        }
    }

    /// The same, with what the condition was given.
    pub(crate) fn with_saw(self, saw: impl Into<String>) -> Self {
        Self {
            saw: saw.into(),
            ..self
        }
    }
}

/// What became of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulated {
    /// All conditions.
    pub checks: Vec<Check>,
    /// The event, if all are met.
    pub event: Option<Event>,
}

/// What a kind makes of an input.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) checks: Vec<Check>,
    pub(crate) payload: Bytes,
    pub(crate) identity: Identity,
}

impl Draft {
    /// An event with this payload and nothing to know it by, on no condition.
    pub(crate) fn of(payload: Bytes) -> Self {
        Self {
            checks: Vec::new(),
            payload,
            identity: Identity::Fresh,
        }
    }
}

impl Input<'_> {
    /// An event source of type `kind` has no use for it.
    pub(crate) fn unfit(&self, kind: &'static str) -> SimulateError {
        let what = match self {
            Self::Object { .. } => "a Kubernetes object",
            Self::Payload(_) => "a payload",
            Self::Body { .. } => "a body",
            Self::Example => "an example",
        };
        SimulateError::Unfit { kind, what }
    }
}

impl CompiledEvent {
    /// What `input` makes of an event: the conditions of the kind, then `filter.expression`.
    ///
    /// # Errors
    /// If this kind has no use for such an input, or it cannot be read.
    pub fn simulate(&self, input: &Input<'_>, now: Timestamp) -> Result<Simulated, SimulateError> {
        let Draft {
            mut checks,
            payload,
            identity,
        } = match input {
            Input::Payload(payload) => {
                let _: &serde_json::value::RawValue = serde_json::from_slice(payload)?;
                Draft::of(Bytes::copy_from_slice(payload))
            }
            input => self.config.draft(input, now)?,
        };
        checks.extend(self.expression.check(&payload));
        let passes = checks.iter().all(|check| check.is_met);
        let event = passes.then(|| Event {
            data: Some(payload),
            ..self.envelope(event_id(self, &identity), now)
        });
        Ok(Simulated { checks, event })
    }

    /// The event that `object` makes, as if the event source had been started long ago.
    ///
    /// # Errors
    /// If `object` or `old` is no JSON object, or no objects are watched.
    pub fn event_for(
        &self,
        kind: ResourceEventType,
        object: &[u8],
        old: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Simulated, SimulateError> {
        self.simulate(&Input::Object { kind, object, old }, now)
    }
}
