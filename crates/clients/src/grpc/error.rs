//! What a server did not do, and in one word why.

use std::error::Error as StdError;

use tiphys_api::message::{shortened, with_causes};
use tonic::{Code, Status};

use crate::socket::SocketError;
use crate::tls::certificate_fault;

/// How much of what a server says of a failure is shown, in bytes.
const EXCERPT: usize = 256;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: Kind,
    message: String,
    said: String,
}

/// In one word why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The settings make no sense. Retrying does not help.
    Settings,
    /// Nobody answers, or the server says that it is unavailable.
    Unreachable,
    /// Who answers is not who is trusted, or speaks without encryption.
    Tls,
    /// The server accepts no credentials of ours.
    Unauthorized,
    /// The credentials are good, the permission is missing.
    Forbidden,
    /// What was asked for is not there.
    NotFound,
    /// What was to be made is there already.
    Exists,
    /// The server asks for fewer calls.
    Busy,
    /// The connection broke, or no answer came in time: what was asked for may have been done.
    Unconfirmed,
    /// Any other answer that is a no.
    Refused,
}

impl Error {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            said: String::new(),
        }
    }

    pub(super) fn settings(message: String) -> Self {
        Self::new(Kind::Settings, message)
    }

    /// The same, of settings.
    pub(super) fn with_settings(mut self) -> Self {
        self.kind = Kind::Settings;
        self
    }

    /// Of a connection that could not be opened, or broke.
    pub(super) fn of(error: &(dyn StdError + 'static)) -> Self {
        let Some(failed) = connecting(error) else {
            return Self::new(Kind::Unconfirmed, with_causes(error));
        };
        match failed {
            SocketError::Settings { .. } => Self::new(Kind::Settings, with_causes(failed)),
            SocketError::Unreachable { .. } => Self::new(Kind::Unreachable, with_causes(failed)),
            SocketError::Tls { source, .. } => {
                let inner = source.downcast_ref::<std::io::Error>();
                let inner = inner.and_then(std::io::Error::get_ref);
                let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
                let fault = inner.and_then(certificate_fault);
                Self::new(Kind::Tls, fault.unwrap_or_else(|| with_causes(failed)))
            }
        }
    }

    /// In one word why.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What the server says, if it has answered: it may hold values of an event.
    pub fn said(&self) -> &str {
        &self.said
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let code = status.code();
        // A status with a cause was made here, not by the server.
        if let Some(cause) = status.source() {
            let error = Self::of(cause);
            return match (error.kind, code) {
                // The connection was gone before the call was sent.
                (Kind::Unconfirmed, Code::Cancelled) => Self {
                    kind: Kind::Unreachable,
                    ..error
                },
                _ => error,
            };
        }
        let kind = match code {
            Code::Unavailable => Kind::Unreachable,
            Code::Unauthenticated => Kind::Unauthorized,
            Code::PermissionDenied => Kind::Forbidden,
            Code::NotFound => Kind::NotFound,
            Code::AlreadyExists => Kind::Exists,
            Code::ResourceExhausted => Kind::Busy,
            _ => Kind::Refused,
        };
        Self {
            kind,
            message: format!("the server answers {code:?}"),
            said: shortened(status.message().trim(), EXCERPT),
        }
    }
}

/// What failed while a connection was opened, if that is the cause.
fn connecting<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e SocketError> {
    match error.downcast_ref() {
        Some(failed) => Some(failed),
        None => connecting(error.source()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_answers_decides() {
        for (code, expected) in [
            (Code::Unavailable, Kind::Unreachable),
            (Code::Unauthenticated, Kind::Unauthorized),
            (Code::PermissionDenied, Kind::Forbidden),
            (Code::NotFound, Kind::NotFound),
            (Code::AlreadyExists, Kind::Exists),
            (Code::ResourceExhausted, Kind::Busy),
            (Code::InvalidArgument, Kind::Refused),
            (Code::Unimplemented, Kind::Refused),
        ] {
            let error = Error::from(Status::new(code, " order 7 \n"));
            assert_eq!(error.kind(), expected, "{error}");
            assert_eq!(error.to_string(), format!("the server answers {code:?}"));
            assert_eq!(error.said(), "order 7");
        }
    }

    #[test]
    fn what_breaks_below_is_no_answer() {
        let broken = || std::io::Error::other("broken");
        let unreachable = SocketError::Unreachable {
            address: "a:1".to_owned(),
            source: broken().into(),
        };
        for (status, expected, message) in [
            (
                Status::from_error(Box::new(broken())),
                Kind::Unconfirmed,
                "broken",
            ),
            (
                Status::from_error(Box::new(unreachable)),
                Kind::Unreachable,
                "connect to a:1: broken",
            ),
        ] {
            let error = Error::from(status);
            assert_eq!(error.kind(), expected);
            assert_eq!(error.to_string(), message);
        }
    }
}
