//! Reads an event from the bus in one pass, with no tree of its payload in between.
//!
//! Messages are untrusted: nesting is bounded, and of duplicate attributes the last one counts, as
//! it does in Go.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use tiphys_lang::json::MAX_DEPTH;

use super::{Context, Event};

/// Why a message is not an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It is not a JSON object, or an attribute is no text.
    #[error("the message is not a JSON object of attributes")]
    Malformed(#[source] serde_json::Error),
    /// It is JSON but says of no known version what its attributes mean.
    #[error("specversion {0:?} is not one of 1.0, 0.3")]
    Version(String),
    /// The time is no time.
    #[error("attribute time is not an RFC 3339 time")]
    Time(#[source] jiff::Error),
    /// The payload is not what its attribute says.
    #[error("attribute data_base64 is not base64")]
    Base64(#[source] base64::DecodeError),
    /// The payload nests deeper than anything here reads.
    #[error("the payload nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

/// The attributes that mean something here.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Attribute {
    Specversion,
    Id,
    Source,
    Type,
    Subject,
    Datacontenttype,
    Time,
    Data,
    #[serde(rename = "data_base64")]
    DataBase64,
    #[serde(other)]
    Unknown,
}

/// A message taken apart; payloads still point into it.
#[derive(Default)]
struct Parts<'a> {
    context: Context,
    time: String,
    data: Option<&'a RawValue>,
    data_base64: Option<&'a RawValue>,
}

struct PartsVisitor;

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Parts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of CloudEvents attributes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut parts = Parts::default();
        while let Some(attribute) = map.next_key::<Attribute>()? {
            let text = match attribute {
                Attribute::Specversion => &mut parts.context.specversion,
                Attribute::Id => &mut parts.context.id,
                Attribute::Source => &mut parts.context.source,
                Attribute::Type => &mut parts.context.r#type,
                Attribute::Subject => &mut parts.context.subject,
                Attribute::Datacontenttype => &mut parts.context.datacontenttype,
                Attribute::Time => &mut parts.time,
                Attribute::Data => {
                    parts.data = Some(map.next_value()?);
                    continue;
                }
                Attribute::DataBase64 => {
                    parts.data_base64 = Some(map.next_value()?);
                    continue;
                }
                Attribute::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *text = map.next_value::<Option<String>>()?.unwrap_or_default();
        }
        Ok(parts)
    }
}

pub(super) fn event(encoded: &[u8]) -> Result<Event, DecodeError> {
    let mut reader = serde_json::Deserializer::from_slice(encoded);
    let parts = reader
        .deserialize_map(PartsVisitor)
        .map_err(DecodeError::Malformed)?;
    reader.end().map_err(DecodeError::Malformed)?;
    let Parts {
        mut context,
        time,
        data,
        data_base64,
    } = parts;
    if !matches!(context.specversion.as_str(), "1.0" | "0.3") {
        return Err(DecodeError::Version(context.specversion));
    }
    if !time.is_empty() {
        context.time = Some(time.parse().map_err(DecodeError::Time)?);
    }
    let data = match (data_base64.map(RawValue::get), data.map(RawValue::get)) {
        (Some(raw), _) if raw != "null" => Some(from_base64(raw)?),
        (_, Some(raw)) => Some(from_json(raw, &context.datacontenttype)?),
        _ => None,
    };
    Ok(Event {
        context: context.into(),
        data,
    })
}

fn from_base64(raw: &str) -> Result<Bytes, DecodeError> {
    let text = unquoted(raw).map_err(DecodeError::Malformed)?;
    STANDARD
        .decode(text.as_bytes())
        .map(Bytes::from)
        .map_err(DecodeError::Base64)
}

fn from_json(raw: &str, content_type: &str) -> Result<Bytes, DecodeError> {
    if nests_too_deep(raw) {
        return Err(DecodeError::TooDeep);
    }
    if raw.starts_with('"') && !is_json(content_type) {
        let text = unquoted(raw).map_err(DecodeError::Malformed)?;
        return Ok(Bytes::from(text.into_owned()));
    }
    Ok(Bytes::copy_from_slice(raw.as_bytes()))
}

/// The text of a JSON string, which needs no copy unless something in it is escaped.
fn unquoted(raw: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    let plain = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
    match plain {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        _ => serde_json::from_str(raw).map(Cow::Owned),
    }
}

fn is_json(content_type: &str) -> bool {
    let media = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    matches!(media.as_str(), "" | "application/json" | "text/json") || media.ends_with("+json")
}

/// Counts brackets outside of texts of a document that is known to be JSON.
fn nests_too_deep(json: &str) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    false
}
