//! An event, and its form on the wire: CloudEvents 1.0 structured JSON with `data_base64`.
//!
//! Written byte for byte as Argo Events' event sources write it; read as liberally as its sensors
//! read, so that either side may be the other program.

mod read;

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::{Timestamp, Unit};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tiphys_lang::json::{write_string, write_string_plain};

pub use read::DecodeError;

/// The id of an event: 32 hex digits from most sources.
pub type EventId = String;

/// What happened: attributes, and a payload of JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The attributes. Clones of the event share them.
    pub context: Arc<Context>,
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

impl Event {
    /// An id like no other: the 32 hex digits of a random UUID.
    ///
    /// # Panics
    /// If the operating system has no random numbers.
    pub fn new_id() -> EventId {
        let mut bytes = [0; 16];
        #[expect(
            clippy::expect_used,
            reason = "a machine without random numbers cannot do TLS either"
        )]
        getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
        // Version 4, variant 1 of RFC 9562.
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        format!("{:032x}", u128::from_be_bytes(bytes))
    }

    /// The event as it travels: attributes in the order of the Go producer, payload in base64.
    pub fn encode(&self) -> Bytes {
        let payload = self
            .data
            .as_ref()
            .map_or(0, |data| data.len().div_ceil(3) * 4);
        let context = &self.context;
        let mut out =
            String::with_capacity(payload + 320 + context.id.len() + context.source.len());
        out.push_str("{\"specversion\":");
        write_string_plain(&context.specversion, &mut out);
        out.push_str(",\"id\":");
        write_string_plain(&context.id, &mut out);
        out.push_str(",\"source\":");
        let source: Cow<'_, str> = utf8_percent_encode(&context.source, NOT_IN_URI).into();
        write_string_plain(&source, &mut out);
        out.push_str(",\"type\":");
        write_string_plain(&context.r#type, &mut out);
        for (name, value) in [
            ("subject", &context.subject),
            ("datacontenttype", &context.datacontenttype),
        ] {
            if !value.is_empty() {
                out.extend([",\"", name, "\":"]);
                write_string_plain(value, &mut out);
            }
        }
        if let Some(time) = context.time {
            // RFC 3339 in UTC, and no more digits of a second than there are.
            out.extend([",\"time\":\"", &time.to_string(), "\""]);
        }
        if let Some(data) = &self.data {
            out.push_str(",\"data_base64\":\"");
            STANDARD.encode_string(data, &mut out);
            out.push('"');
        }
        out.push('}');
        out.into()
    }

    /// Reads an event of any CloudEvents producer: attributes in any order, unknown ones skipped,
    /// the payload in `data` or `data_base64`.
    ///
    /// # Errors
    /// If this is no JSON object with a known `specversion`, an attribute is no text, or the payload
    /// cannot be read.
    pub fn decode(encoded: &[u8]) -> Result<Self, DecodeError> {
        read::event(encoded)
    }

    /// The event as sensors render it whole: `{"context":{…},"data":"<base64>"}`.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{\"context\":");
        self.context.write_json(&mut out);
        out.push_str(",\"data\":");
        match &self.data {
            Some(data) => {
                out.push('"');
                STANDARD.encode_string(data, &mut out);
                out.push('"');
            }
            None => out.push_str("null"),
        }
        out.push('}');
        out
    }
}

impl Context {
    /// The attributes as a document, as `contextKey` and context filters see them: every attribute,
    /// in this order, the time in whole seconds.
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(256);
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        let attributes = [
            ("{\"id\":", &self.id),
            (",\"source\":", &self.source),
            (",\"specversion\":", &self.specversion),
            (",\"type\":", &self.r#type),
            (",\"datacontenttype\":", &self.datacontenttype),
            (",\"subject\":", &self.subject),
        ];
        for (name, value) in attributes {
            out.push_str(name);
            write_string(value, out);
        }
        out.push_str(",\"time\":");
        match self.time.and_then(whole_seconds) {
            Some(time) => out.extend(["\"", &time.to_string(), "\""]),
            None => out.push_str("null"),
        }
        out.push('}');
    }
}

fn whole_seconds(time: Timestamp) -> Option<Timestamp> {
    let round = jiff::TimestampRound::new()
        .smallest(Unit::Second)
        .mode(jiff::RoundMode::Floor);
    time.round(round).ok()
}

/// What may not stand in a URI reference (RFC 3986), as the Go producer renders a source after
/// reading it as one. Names of Kubernetes objects are not touched.
const NOT_IN_URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

#[cfg(test)]
mod tests;
