//! What is kept on the bus, so that a restart is no gap: per object what was published of it last, and
//! beside them the resourceVersion up to which everything is published.
//!
//! A record is a line of JSON and, after it, the compressed object.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::object::Version;
use super::packed::Packed;
use crate::cursor;

/// What was published of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// It is there.
    Known(KnownRecord),
    /// It went; everything up to this version is published.
    Gone(Version),
}

/// What was published of an object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRecord {
    /// Its resourceVersion.
    pub version: Version,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether its deletion is to be published.
    pub passes: bool,
    /// The object.
    pub body: Option<Packed>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    resource_version: Version,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    namespace: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    passes: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    gone: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    length: Option<usize>,
}

impl Record {
    /// The record as it is stored.
    pub fn encode(&self) -> Bytes {
        let (head, body) = match self {
            Self::Known(known) => (
                Head {
                    resource_version: known.version.clone(),
                    namespace: known.namespace.clone(),
                    name: known.name.clone(),
                    passes: known.passes,
                    gone: false,
                    length: known.body.as_ref().map(|body| body.length),
                },
                known.body.as_ref(),
            ),
            Self::Gone(version) => (
                Head {
                    resource_version: version.clone(),
                    namespace: String::new(),
                    name: String::new(),
                    passes: false,
                    gone: true,
                    length: None,
                },
                None,
            ),
        };
        // Texts, numbers and truths can always be written.
        let mut out = serde_json::to_vec(&head).unwrap_or_default();
        if let Some(body) = body {
            out.push(b'\n');
            out.extend_from_slice(&body.bytes);
        }
        out.into()
    }

    /// Reads a record; `None` if it is none.
    pub fn decode(stored: &Bytes) -> Option<Self> {
        let end = memchr::memchr(b'\n', stored).unwrap_or(stored.len());
        let head: Head = serde_json::from_slice(&stored[..end]).ok()?;
        if head.gone {
            return Some(Self::Gone(head.resource_version));
        }
        let bytes = stored.slice((end + 1).min(stored.len())..);
        Some(Self::Known(KnownRecord {
            version: head.resource_version,
            namespace: head.namespace,
            name: head.name,
            passes: head.passes,
            body: head.length.map(|length| Packed { bytes, length }),
        }))
    }
}

/// Where an event stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// Everything up to this is published; none before the first list is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<Version>,
    /// The type of the objects: records of another type say nothing.
    pub scope: String,
    /// A digest of which objects are selected: if it changes, all are looked at again.
    pub selection: String,
    /// Uid of the event source.
    pub uid: String,
    /// When the event source first started.
    pub started_at: Timestamp,
    /// When this was written.
    #[serde(default, rename = "toldAt", skip_serializing_if = "Option::is_none")]
    pub stored_at: Option<Timestamp>,
}

impl Position {
    /// The position as it is stored.
    pub fn encode(&self) -> Bytes {
        // Texts can always be written.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Reads a position; `None` if it is none.
    pub fn decode(stored: &[u8]) -> Option<Self> {
        serde_json::from_slice(stored).ok()
    }
}

/// The keys of one event in the bucket of its event source.
#[derive(Debug, Clone)]
pub(super) struct Keys(cursor::Keys);

impl Keys {
    /// The keys of `event`.
    pub(super) fn new(event: &str) -> Self {
        Self(cursor::Keys::new(event))
    }

    /// Where the position is.
    pub(super) fn position(&self) -> String {
        self.0.of("position")
    }

    /// Where the record of an object is.
    pub(super) fn object(&self, uid: &str) -> String {
        self.0.of(&format!("objects/{uid}"))
    }

    /// The uid of the object whose record is under `key`.
    pub(super) fn uid<'a>(&self, key: &'a str) -> Option<&'a str> {
        self.0.name(key)?.strip_prefix("objects/")
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Keys, KnownRecord, Packed, Position, Record};

    #[test]
    fn records_are_read_as_they_were_written() {
        let body = Packed {
            bytes: Bytes::from_static(b"\n\xff{"),
            length: 9,
        };
        let known = |body| {
            Record::Known(KnownRecord {
                version: "7".into(),
                namespace: "ns".to_owned(),
                name: "a\nb".to_owned(),
                passes: true,
                body,
            })
        };
        for record in [known(Some(body)), known(None), Record::Gone("8".into())] {
            assert_eq!(Record::decode(&record.encode()).unwrap(), record);
        }
        assert_eq!(
            Record::Gone("8".into()).encode(),
            r#"{"resourceVersion":"8","gone":true}"#
        );
        assert!(Record::decode(&Bytes::from_static(b"x\ny")).is_none());
    }

    #[test]
    fn a_position_is_readable_by_people() {
        let stored = br#"{"resourceVersion":"7","scope":"/pods","selection":"ab","uid":"u","startedAt":"2026-01-02T03:04:05Z"}"#;
        let position = Position::decode(stored).unwrap();
        assert_eq!(position.encode().as_ref(), stored);
    }

    #[test]
    fn keys_of_events_do_not_mix() {
        let keys = Keys::new("a");
        assert_eq!(keys.object("u/v"), "a/objects/u/v");
        assert_eq!(keys.uid("a/objects/u/v"), Some("u/v"));
        assert_eq!(keys.uid("ab/objects/u"), None);
        assert_eq!(keys.uid("a/position"), None);
        assert_eq!(Keys::new("a/objects").position(), "a%2Fobjects/position");
    }
}
