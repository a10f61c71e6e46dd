//! What a handler is asked, and why it is not asked.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::response::{Response, text, with_retry_after};

/// The line and the headers of a request.
pub type Head = http::request::Parts;

/// A request that has come whole.
#[derive(Debug)]
pub struct Request {
    /// Its line and headers.
    pub head: Head,
    /// Its body; empty if it has none.
    pub body: Bytes,
}

/// Why a request does not reach its handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its body is larger than the handler takes.
    TooLarge {
        /// The most bytes that the handler takes.
        limit: usize,
    },
    /// Its body did not come in time, or made room for others.
    TooSlow,
    /// Its body broke off, or is not what its headers say.
    Broken,
    /// Too many requests are being answered.
    Busy,
}

/// How long a client that found the port busy may wait: requests are answered in milliseconds.
const BUSY_WAIT: Duration = Duration::from_secs(1);

impl Refusal {
    /// The status that tells it.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What it says.
    pub fn message(self) -> String {
        match self {
            Self::TooLarge { limit } => format!("the request is larger than {limit} bytes"),
            Self::TooSlow => "the request did not come in time".to_owned(),
            Self::Broken => "the request broke off".to_owned(),
            Self::Busy => "too many requests at a time".to_owned(),
        }
    }

    /// The usual answer.
    pub fn response(self) -> Response {
        let response = text(self.status(), self.message());
        match self {
            Self::Busy => with_retry_after(response, BUSY_WAIT),
            _ => response,
        }
    }
}
