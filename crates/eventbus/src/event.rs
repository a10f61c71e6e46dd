//! An event, and its form on the wire: CloudEvents 1.0 structured JSON with `data_base64`.

use bytes::Bytes;
use jiff::Timestamp;

/// The id of an event: 32 hex digits from most sources.
pub type EventId = String;

/// What happened: attributes, and a payload of JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The attributes.
    pub context: Context,
    /// The payload, as the source wrote it; `None` if the event has none.
    pub data: Option<Bytes>,
}

/// The attributes of an event, named as in CloudEvents 1.0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context {
    /// Identifies the event among those of its source and subject.
    pub id: EventId,
    /// Name of the EventSource object.
    pub source: String,
    /// `1.0`
    pub specversion: String,
    /// Kind of event source, such as `resource`.
    pub r#type: String,
    /// Content type of the payload: `application/json`.
    pub datacontenttype: String,
    /// Name of the event in its EventSource.
    pub subject: String,
    /// When it happened.
    pub time: Option<Timestamp>,
}
