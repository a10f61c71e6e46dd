//! The body of a request as JSON: as it came, or made of a form or a query.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use serde::de::IgnoredAny;
use tiphys_lang::json;

use super::{Refusal, Request};

/// Why a body is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    #[error("the form cannot be read: {0}")]
    Form(&'static str),
    #[error("a body of type {0} is not supported: send JSON or a form")]
    Type(String),
    #[error("a body in {0} is not supported: send it as it is")]
    Encoding(String),
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        Self::new(error.status(), error.to_string())
    }
}

impl BodyError {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotJson(_) | Self::Form(_) => StatusCode::BAD_REQUEST,
            Self::Type(_) | Self::Encoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}

/// What an event has as its body.
///
/// # Errors
/// If it is no JSON and cannot be made into some.
pub(crate) fn body(request: &Request) -> Result<Bytes, BodyError> {
    let head = &request.head;
    if matches!(head.method, Method::GET | Method::HEAD) {
        // As in Argo Events, what cannot be read in a query is left out.
        let (fields, _) = fields(head.uri.query().unwrap_or_default().as_bytes());
        return Ok(as_json(&fields));
    }
    let encoding = head.headers.get(CONTENT_ENCODING).map(lower);
    if let Some(encoding) = encoding.filter(|name| !matches!(name.trim(), "" | "identity")) {
        return Err(BodyError::Encoding(encoding));
    }
    if is_form(&head.headers) {
        return Ok(as_json(&form(&request.body)?));
    }
    let media_type = media_type(&head.headers);
    if is_something_else(&media_type) && !json::is_valid(&request.body) {
        return Err(BodyError::Type(media_type));
    }
    json_body(&request.body)
}

/// A body that has to be JSON, as it came.
///
/// # Errors
/// If it is none.
pub(crate) fn json_body(body: &Bytes) -> Result<Bytes, BodyError> {
    if json::is_valid(body) {
        return Ok(body.clone());
    }
    let why = serde_json::from_slice::<IgnoredAny>(body);
    let why = why.err().map_or_else(
        || "it is nested too deeply".to_owned(),
        |why| why.to_string(),
    );
    Err(BodyError::NotJson(why))
}

/// Whether a body is a form by its type.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    media_type(headers) == "application/x-www-form-urlencoded"
}

/// The values of a form by their names.
///
/// # Errors
/// If a part of it cannot be read.
pub(crate) fn form(body: &[u8]) -> Result<Fields<'_>, BodyError> {
    match fields(body) {
        (fields, None) => Ok(fields),
        (_, Some(malformed)) => Err(BodyError::Form(malformed)),
    }
}

/// The type of a body in small letters, without its parameters.
fn media_type(headers: &HeaderMap) -> String {
    let content_type = headers.get(CONTENT_TYPE).map(lower).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().to_owned()
}

fn lower(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase()
}

/// Types that say themselves that they are not JSON.
fn is_something_else(media_type: &str) -> bool {
    media_type.starts_with("multipart/")
        || media_type.ends_with("/xml")
        || media_type.ends_with("+xml")
}

/// Values by name, those of one name in their order.
pub(crate) type Fields<'a> = BTreeMap<Cow<'a, str>, Vec<Cow<'a, str>>>;

/// Reads `name=value` pairs; also what is wrong with the first one that cannot be read. As Go reads them: pairs are
/// separated by `&` alone, `+` is a space.
fn fields(text: &[u8]) -> (Fields<'_>, Option<&'static str>) {
    let mut fields = Fields::new();
    let mut malformed = None;
    for pair in text.split(|byte| *byte == b'&') {
        let wrong = if pair.contains(&b';') {
            Some("there is a semicolon in it")
        } else if is_escaped(pair) {
            None
        } else {
            Some("a percent sign stands without two digits")
        };
        if wrong.is_some() {
            malformed = malformed.or(wrong);
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
