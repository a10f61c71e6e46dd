//! The body of a request as JSON: as it came, or made of a form or a query.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use serde::de::IgnoredAny;
use tiphys_lang::json;

use crate::served::Request;

/// Why a body is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    #[error("the form cannot be read: {0:?}")]
    Form(String),
    #[error("a body of type {0} is not supported: send JSON or a form")]
    Type(String),
    #[error("a body in {0} is not supported: send it as it is")]
    Encoding(String),
}

impl BodyError {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NotJson(_) | Self::Form(_) => StatusCode::BAD_REQUEST,
            Self::Type(_) | Self::Encoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}

/// What an event has as its body.
pub(super) fn body(request: &Request) -> Result<Bytes, BodyError> {
    let head = &request.head;
    if matches!(head.method, Method::GET | Method::HEAD) {
        // As in Argo Events, what cannot be read in a query is left out.
        let (fields, _) = fields(head.uri.query().unwrap_or_default().as_bytes());
        return Ok(as_json(&fields));
    }
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    let encoding = head.headers.get(CONTENT_ENCODING).map(text);
    if let Some(encoding) = encoding.filter(|name| !matches!(name.trim(), "" | "identity")) {
        return Err(BodyError::Encoding(encoding));
    }
    let content_type = head.headers.get(CONTENT_TYPE).map(text).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type == "application/x-www-form-urlencoded" {
        return match fields(&request.body) {
            (fields, None) => Ok(as_json(&fields)),
            (_, Some(malformed)) => Err(BodyError::Form(malformed)),
        };
    }
    if json::is_valid(&request.body) {
        return Ok(request.body.clone());
    }
    if is_something_else(media_type) {
        return Err(BodyError::Type(media_type.to_owned()));
    }
    let why = serde_json::from_slice::<IgnoredAny>(&request.body);
    let why = why.err().map_or_else(
        || "it is nested too deeply".to_owned(),
        |why| why.to_string(),
    );
    Err(BodyError::NotJson(why))
}

/// Types that say themselves that they are not JSON.
fn is_something_else(media_type: &str) -> bool {
    media_type.starts_with("multipart/")
        || media_type.ends_with("/xml")
        || media_type.ends_with("+xml")
}

/// Values by name, those of one name in their order.
type Fields<'a> = BTreeMap<Cow<'a, str>, Vec<Cow<'a, str>>>;

/// Reads `name=value` pairs; also the first one that cannot be read. As Go reads them: pairs are
/// separated by `&` alone, `+` is a space.
fn fields(text: &[u8]) -> (Fields<'_>, Option<String>) {
    let mut fields = Fields::new();
    let mut malformed = None;
    for pair in text.split(|byte| *byte == b'&') {
        if pair.contains(&b';') || !is_escaped(pair) {
            malformed.get_or_insert_with(|| String::from_utf8_lossy(pair).into_owned());
            continue;
        }
        for (name, value) in form_urlencoded::parse(pair) {
            fields.entry(name).or_default().push(value);
        }
    }
    (fields, malformed)
}

/// Whether each percent sign stands before two hex digits.
fn is_escaped(text: &[u8]) -> bool {
    let mut rest = text.split(|byte| *byte == b'%');
    rest.next();
    rest.all(|part| part.len() >= 2 && part[..2].iter().all(u8::is_ascii_hexdigit))
}

fn as_json(fields: &Fields<'_>) -> Bytes {
    // Lists of texts under texts can be written as JSON.
    serde_json::to_vec(fields).unwrap_or_default().into()
}
