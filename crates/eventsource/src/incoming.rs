//! What an upstream said, on its way into an event, and what became of it.

use std::sync::Arc;

use bytes::Bytes;

/// Something that an upstream said, to be published.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) payload: Payload,
    pub(crate) id: Identity,
    /// What has the same key is published, and settled, in the order of arrival.
    pub(crate) ordering_key: Option<Arc<str>>,
}

/// What an upstream said.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    /// JSON, in the shape that Argo Events gives it.
    Json(Bytes),
    /// What cannot be made into a payload, and why: it goes to the dead letters.
    Unreadable { raw: Bytes, error: String },
}

/// What the event is known by: the bus drops a repeated id within its duplicates window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// These parts, hashed together with the event source and the event: the same whenever the
    /// upstream says the same again.
    Parts(Vec<String>),
    /// This id as it is, which Argo Events gives it, too: who takes over from it publishes nothing twice.
    #[cfg(feature = "kafka")]
    Whole(String),
    /// Like no other: the upstream gives nothing to know it by.
    Fresh,
}

/// What became of something that was handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The bus has stored it: acknowledge it upstream.
    Stored,
    /// The filter rejected it: acknowledge it upstream.
    Filtered,
    /// It is with the dead letters, because it cannot be published: acknowledge it upstream.
    DeadLettered,
    /// It may not be stored: leave it to the upstream to send it again. What comes later under the
    /// same ordering key may be stored all the same.
    GivenBack(GiveBack),
}

/// Why something is given back to its upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GiveBack {
    /// The bus did not confirm it for as long as the kind may hold it.
    BusUnavailable,
    /// The event ends.
    Stopping,
}

impl Incoming {
    /// A payload of JSON, without an identity and without an order.
    pub(crate) fn new(payload: impl Into<Bytes>) -> Self {
        Self {
            payload: Payload::Json(payload.into()),
            id: Identity::Fresh,
            ordering_key: None,
        }
    }

    /// What cannot be made into a payload.
    pub(crate) fn unreadable(raw: impl Into<Bytes>, error: impl Into<String>) -> Self {
        Self {
            payload: Payload::Unreadable {
                raw: raw.into(),
                error: error.into(),
            },
            id: Identity::Fresh,
            ordering_key: None,
        }
    }

    /// Known by what the upstream knows it by.
    #[must_use]
    pub(crate) fn identified_by<T: Into<String>>(
        mut self,
        parts: impl IntoIterator<Item = T>,
    ) -> Self {
        self.id = Identity::Parts(parts.into_iter().map(Into::into).collect());
        self
    }

    /// In the order of arrival among all with the same key.
    #[must_use]
    pub(crate) fn in_order(mut self, key: impl Into<Arc<str>>) -> Self {
        self.ordering_key = Some(key.into());
        self
    }

    /// How much of the window it takes.
    pub(crate) fn size(&self) -> usize {
        match &self.payload {
            Payload::Json(payload) => payload.len(),
            Payload::Unreadable { raw, .. } => raw.len(),
        }
    }
}
