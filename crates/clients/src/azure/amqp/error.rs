//! What a namespace did not do, and in one word why.

use fe2o3_amqp::connection::{ConnectionStopReason, OpenError};
use fe2o3_amqp::link::{
    DetachError, IllegalLinkStateError, LinkStateError, ReceiverAttachError, RecvError, SendError,
    SenderAttachError, SessionStopReason,
};
use fe2o3_amqp::session::BeginError;
use fe2o3_amqp::types::definitions::{self, ErrorCondition};
use fe2o3_amqp::types::primitives::Symbol;
use tiphys_base::Reason;

use crate::BoxError;
use crate::azure::entra;
use crate::socket::SocketError;

/// Why an act failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: Kind,
    message: String,
    hint: String,
}

/// In one word why an act failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The settings make no sense. Retrying does not help.
    Settings,
    /// Nobody answers, or the connection was lost.
    Unreachable,
    /// Who answers is not who is trusted.
    Tls,
    /// The namespace does not know who asks.
    Unauthorized,
    /// It does, and a right is missing.
    Forbidden,
    /// The queue, topic, subscription or hub is not there.
    NotFound,
    /// The queue or subscription hands out its messages by sessions.
    Sessions,
    /// Larger than what is taken.
    TooLarge,
    /// The namespace takes nothing now: it is busy, full or switched off.
    Busy,
    /// It is not known whether it was taken.
    Unconfirmed,
    /// Any other answer that is a no.
    Refused,
}

impl Error {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        let hint = String::new();
        Self {
            kind,
            message,
            hint,
        }
    }

    pub(super) fn lost(message: impl Into<String>) -> Self {
        Self::new(Kind::Unreachable, message)
    }

    /// In one word why.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What a human can do, beyond what the kind says; may be empty.
    pub fn hint(&self) -> &str {
        &self.hint
    }

    /// What a request was answered with, which is not what was hoped for.
    pub(super) fn of_status(status: i32, description: &str) -> Self {
        let kind = match status {
            401 => Kind::Unauthorized,
            403 => Kind::Forbidden,
            404 => Kind::NotFound,
            408 | 429 | 500..=599 => Kind::Busy,
            _ => Kind::Refused,
        };
        Self::new(kind, format!("{status} {description}").trim_end())
    }
}

/// What the other side says, by its name and its text.
fn kind_of(condition: &str, description: &str) -> Kind {
    match condition {
        "amqp:unauthorized-access" => Kind::Forbidden,
        "amqp:not-found" => Kind::NotFound,
        "amqp:not-allowed" if description.to_ascii_lowercase().contains("session") => {
            Kind::Sessions
        }
        "amqp:link:message-size-exceeded" => Kind::TooLarge,
        "amqp:resource-limit-exceeded"
        | "com.microsoft:server-busy"
        | "com.microsoft:entity-disabled" => Kind::Busy,
        "amqp:internal-error"
        | "amqp:connection:forced"
        | "amqp:link:detach-forced"
        | "com.microsoft:container-close"
        | "com.microsoft:operation-cancelled"
        | "com.microsoft:timeout" => Kind::Unreachable,
        _ => Kind::Refused,
    }
}

impl From<definitions::Error> for Error {
    fn from(error: definitions::Error) -> Self {
        let condition = match &error.condition {
            ErrorCondition::AmqpError(condition) => Symbol::from(condition),
            ErrorCondition::ConnectionError(condition) => Symbol::from(condition),
            ErrorCondition::SessionError(condition) => Symbol::from(condition),
            ErrorCondition::LinkError(condition) => Symbol::from(condition),
            ErrorCondition::Custom(condition) => condition.clone(),
            #[expect(unreachable_patterns, reason = "a feature of the library adds one")]
            _ => Symbol::from("unknown"),
        };
        let description = error.description.unwrap_or_default();
        // Further lines and what follows are about the request: an id, the time.
        let text = description.lines().next().unwrap_or_default();
        let text = text
            .split(" TrackingId:")
            .next()
            .unwrap_or_default()
            .trim_end();
        let kind = kind_of(condition.as_str(), &description);
        let message = format!("{}: {text}", condition.as_str());
        Self::new(kind, message.trim_end_matches(": "))
    }
}

impl From<entra::Error> for Error {
    fn from(error: entra::Error) -> Self {
        let kind = match error.reason {
            Reason::Configuration => Kind::Settings,
            Reason::Unreachable | Reason::TooManyRequests => Kind::Unreachable,
            _ => Kind::Unauthorized,
        };
        Self {
            hint: error.hint,
            ..Self::new(kind, error.message)
        }
    }
}

impl From<SocketError> for Error {
    fn from(error: SocketError) -> Self {
        let kind = match &error {
            SocketError::Settings { .. } => Kind::Settings,
            SocketError::Unreachable { .. } => Kind::Unreachable,
            SocketError::Tls { .. } => Kind::Tls,
        };
        let fault: BoxError = error.into();
        Self::new(kind, tiphys_api::message::with_causes(&*fault))
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::RemoteClosedWithError(error) => error.into(),
            OpenError::SaslError { .. } => Self::new(Kind::Unauthorized, error.to_string()),
            error => Self::lost(error.to_string()),
        }
    }
}

impl From<BeginError> for Error {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::RemoteEndedWithError(error) => error.into(),
            BeginError::ConnectionStopped(reason) => reason.into(),
            error => Self::lost(error.to_string()),
        }
    }
}

impl From<ConnectionStopReason> for Error {
    fn from(reason: ConnectionStopReason) -> Self {
        match reason {
            ConnectionStopReason::RemoteClosedWithError(error) => error.into(),
            ConnectionStopReason::ClosedWithError(error) => {
                let why = Self::from(error).message;
                Self::lost(format!("the connection was lost: {why}"))
            }
            _ => Self::lost("the connection was closed"),
        }
    }
}

impl From<SessionStopReason> for Error {
    fn from(reason: SessionStopReason) -> Self {
        match reason {
            SessionStopReason::RemoteEndedWithError(error) => error.into(),
            SessionStopReason::ConnectionStopped(reason) => reason.into(),
            _ => Self::lost("the session has ended"),
        }
    }
}

impl From<SenderAttachError> for Error {
    fn from(error: SenderAttachError) -> Self {
        match error {
            SenderAttachError::RemoteClosedWithError(error) => error.into(),
            SenderAttachError::SessionStopped(reason) => reason.into(),
            error => Self::new(Kind::Refused, error.to_string()),
        }
    }
}

impl From<ReceiverAttachError> for Error {
    fn from(error: ReceiverAttachError) -> Self {
        match error {
            ReceiverAttachError::RemoteClosedWithError(error) => error.into(),
            ReceiverAttachError::SessionStopped(reason) => reason.into(),
            error => Self::new(Kind::Refused, error.to_string()),
        }
    }
}

impl From<LinkStateError> for Error {
    fn from(error: LinkStateError) -> Self {
        match error {
            LinkStateError::RemoteDetachedWithError(error)
            | LinkStateError::RemoteClosedWithError(error) => error.into(),
            LinkStateError::SessionStopped(reason) => reason.into(),
            error => Self::lost(error.to_string()),
        }
    }
}

impl From<DetachError> for Error {
    fn from(error: DetachError) -> Self {
        LinkStateError::from(error).into()
    }
}

impl From<IllegalLinkStateError> for Error {
    fn from(error: IllegalLinkStateError) -> Self {
        LinkStateError::from(error).into()
    }
}

impl From<RecvError> for Error {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::LinkStateError(error) => error.into(),
            error => Self::new(Kind::Refused, tiphys_api::message::with_causes(&error)),
        }
    }
}

impl Error {
    /// A message was not sent.
    pub(super) fn unsent(error: SendError) -> Self {
        match error {
            SendError::MessageSizeExceeded(error) => Self::new(Kind::TooLarge, error.to_string()),
            SendError::LinkStateError(error) => error.into(),
            SendError::Detached(error) => error.into(),
            error => Self::new(Kind::Refused, error.to_string()),
        }
    }

    /// A message was sent: if the connection was lost then, it may have been taken.
    pub(super) fn sent(error: SendError) -> Self {
        let error = Self::unsent(error);
        match error.kind {
            Kind::Unreachable => Self::new(Kind::Unconfirmed, error.message),
            _ => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use fe2o3_amqp::types::definitions::{AmqpError, LinkError};

    use super::*;

    #[test]
    fn a_reason_is_found_in_what_the_other_side_says() {
        let said = |condition: ErrorCondition, description: &str| {
            let error = definitions::Error::new(condition, description.to_owned(), None);
            let error = Error::from(error);
            (error.kind(), error.to_string())
        };
        let custom = |name: &str| ErrorCondition::Custom(Symbol::from(name));
        for (condition, description, kind, message) in [
            (
                AmqpError::UnauthorizedAccess.into(),
                "Unauthorized access. 'Listen' claim(s) are required to perform this operation. \
                 Resource: 'sb://shop/orders'. TrackingId:1, Timestamp:2",
                Kind::Forbidden,
                "amqp:unauthorized-access: Unauthorized access. 'Listen' claim(s) are required to \
                 perform this operation. Resource: 'sb://shop/orders'.",
            ),
            (
                AmqpError::NotAllowed.into(),
                "It is not possible for an entity that requires sessions to create a non-sessionful \
                 message receiver.",
                Kind::Sessions,
                "amqp:not-allowed: It is not possible for an entity that requires sessions to create \
                 a non-sessionful message receiver.",
            ),
            (
                AmqpError::NotFound.into(),
                "",
                Kind::NotFound,
                "amqp:not-found",
            ),
            (
                AmqpError::NotAllowed.into(),
                "no",
                Kind::Refused,
                "amqp:not-allowed: no",
            ),
            (
                LinkError::MessageSizeExceeded.into(),
                "",
                Kind::TooLarge,
                "amqp:link:message-size-exceeded",
            ),
            (
                custom("com.microsoft:server-busy"),
                "later",
                Kind::Busy,
                "com.microsoft:server-busy: later",
            ),
            (
                custom("com.microsoft:timeout"),
                "",
                Kind::Unreachable,
                "com.microsoft:timeout",
            ),
        ] {
            assert_eq!(said(condition, description), (kind, message.to_owned()));
        }
    }

    #[test]
    fn an_answer_has_a_status_as_in_http() {
        for (status, kind) in [
            (401, Kind::Unauthorized),
            (403, Kind::Forbidden),
            (404, Kind::NotFound),
            (503, Kind::Busy),
            (400, Kind::Refused),
        ] {
            assert_eq!(Error::of_status(status, "no").kind(), kind, "{status}");
        }
        assert_eq!(Error::of_status(410, "").to_string(), "410");
    }
}
