//! What a server did not do, and in one word why.

use tiphys_api::message::{shortened, with_causes};

use crate::socket::SocketError;
use crate::tls::certificate_fault;

/// How much of what a server says of a failure is shown, in bytes.
const EXCERPT: usize = 256;

/// Why an act failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: Kind,
    message: String,
}

/// In one word why an act failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The settings make no sense. Retrying does not help.
    Settings,
    /// Nobody answers, or the broker is not ready yet.
    Unreachable,
    /// Who answers is not who is trusted, or does not trust us.
    Tls,
    /// The server accepts no credentials of ours.
    Unauthorized,
    /// The credentials are good, the permission is missing.
    Forbidden,
    /// The topic, or its namespace, is not there.
    NotFound,
    /// Somebody else has the subscription for himself.
    Conflict,
    /// A quota is used up, or there are too many requests.
    Busy,
    /// The topic goes to another broker.
    Moved,
    /// Larger than what the broker takes.
    TooLarge,
    /// It is not known whether the broker has it.
    Unconfirmed,
    /// What came is not of the protocol.
    Malformed,
    /// Any other answer that is a no.
    Refused,
}

impl Error {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message }
    }

    /// What a server says under a number of its own.
    pub(super) fn said(error: i32, message: &str) -> Self {
        let message = message.trim();
        let message = if message.is_empty() {
            format!("error {error}")
        } else {
            shortened(message, EXCERPT)
        };
        Self::new(kind_of(error, &message), message)
    }

    /// In one word why.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The same, of another kind.
    #[must_use]
    pub(super) fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }
}

/// The kind of a number of the protocol.
fn kind_of(error: i32, message: &str) -> Kind {
    match error {
        // Metadata: of what is not there, too.
        1 | 11 | 12 if message.contains("not found") || message.contains("not exist") => {
            Kind::NotFound
        }
        // Metadata, persistence, not ready.
        1 | 2 | 6 => Kind::Unreachable,
        3 => Kind::Unauthorized,
        4 => Kind::Forbidden,
        // Consumer or producer busy.
        5 | 16 => Kind::Conflict,
        // Quotas, too many requests.
        7 | 8 | 14 => Kind::Busy,
        11 | 12 => Kind::NotFound,
        _ => Kind::Refused,
    }
}

impl From<SocketError> for Error {
    fn from(error: SocketError) -> Self {
        let kind = match &error {
            SocketError::Settings { .. } => Kind::Settings,
            SocketError::Unreachable { .. } => Kind::Unreachable,
            SocketError::Tls { .. } => Kind::Tls,
        };
        match tls_fault(&error) {
            Some(fault) => Self::new(Kind::Tls, format!("{error}: {fault}")),
            None => Self::new(kind, with_causes(&error)),
        }
    }
}

/// What is wrong with the encryption, if that is it.
pub(super) fn tls_fault(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.find_map(|cause| {
        let inner = cause.downcast_ref::<std::io::Error>();
        let inner = inner.and_then(std::io::Error::get_ref);
        let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let fault = inner.or_else(|| cause.downcast_ref())?;
        Some(certificate_fault(fault).unwrap_or_else(|| fault.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_a_kind() {
        for (error, message, expected) in [
            (0, "unknown", Kind::Refused),
            (1, "Namespace not found", Kind::NotFound),
            (1, "ZooKeeper is away", Kind::Unreachable),
            (3, "Unable to authenticate", Kind::Unauthorized),
            (4, "not authorized", Kind::Forbidden),
            (5, "Exclusive consumer is already connected", Kind::Conflict),
            (6, "not served by this instance", Kind::Unreachable),
            (7, "", Kind::Busy),
            (11, "Topic not found", Kind::NotFound),
            (15, "terminated", Kind::Refused),
        ] {
            assert_eq!(Error::said(error, message).kind(), expected, "{error}");
        }
        assert_eq!(Error::said(7, " ").to_string(), "error 7");
    }
}
