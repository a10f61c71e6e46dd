//! What a cluster of brokers did not do, and in one word why.

use krafka::KrafkaError;
use krafka::error::ErrorCode;

use crate::tls::certificate_fault;

/// Why an act failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: Kind,
    message: String,
    ends_client: bool,
}

/// In one word why an act failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The settings make no sense. Retrying does not help.
    Settings,
    /// No broker answers.
    Unreachable,
    /// Who answers is not who is trusted, or does not trust us.
    Tls,
    /// The brokers accept no credentials of ours.
    Unauthorized,
    /// The credentials are good, the permission is missing.
    Forbidden,
    /// The topic, or its partition, is not there.
    NotFound,
    /// Larger than what the brokers take.
    TooLarge,
    /// It is not known whether the brokers have it.
    Unconfirmed,
    /// Any other answer that is a no.
    Refused,
}

impl Error {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            kind,
            message,
            ends_client: false,
        }
    }

    /// In one word why.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the client that it happened to can do nothing any more.
    pub fn ends_client(&self) -> bool {
        self.ends_client
    }
}

impl From<KrafkaError> for Error {
    fn from(error: KrafkaError) -> Self {
        if let Some(ours) = causes(&error).find_map(|cause| cause.downcast_ref::<Self>()) {
            return ours.clone();
        }
        if let Some(fault) = tls_fault(&error) {
            return Self::new(Kind::Tls, fault);
        }
        let kind = match &error {
            KrafkaError::Auth { .. } => Kind::Unauthorized,
            KrafkaError::Config { .. } => Kind::Settings,
            KrafkaError::UnknownTopic { .. } => Kind::NotFound,
            KrafkaError::DeliveryTimeout {
                possibly_written: true,
                ..
            } => Kind::Unconfirmed,
            KrafkaError::DeliveryTimeout { .. } => Kind::Unreachable,
            KrafkaError::Broker { code, .. } => kind_of(*code),
            error if error.is_retriable() => Kind::Unreachable,
            _ => Kind::Refused,
        };
        Self {
            ends_client: error.is_fatal(),
            ..Self::new(kind, error.to_string())
        }
    }
}

fn kind_of(code: ErrorCode) -> Kind {
    match code {
        ErrorCode::SaslAuthenticationFailed
        | ErrorCode::UnsupportedSaslMechanism
        | ErrorCode::IllegalSaslState => Kind::Unauthorized,
        ErrorCode::TopicAuthorizationFailed
        | ErrorCode::GroupAuthorizationFailed
        | ErrorCode::ClusterAuthorizationFailed => Kind::Forbidden,
        ErrorCode::UnknownTopicOrPartition | ErrorCode::InvalidTopic => Kind::NotFound,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge => Kind::TooLarge,
        code if code.is_retriable() => Kind::Unreachable,
        _ => Kind::Refused,
    }
}

fn causes(error: &KrafkaError) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source())
}

/// What is wrong with the encryption, if that is it.
fn tls_fault(error: &KrafkaError) -> Option<String> {
    causes(error).find_map(|cause| {
        let inner = cause.downcast_ref::<std::io::Error>();
        let inner = inner.and_then(std::io::Error::get_ref);
        let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let fault = inner.or_else(|| cause.downcast_ref())?;
        Some(certificate_fault(fault).unwrap_or_else(|| format!("encrypt the connection: {fault}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_found_in_what_the_library_says() {
        let broker = |code| KrafkaError::broker(code, "no");
        for (error, expected) in [
            (KrafkaError::auth("no"), Kind::Unauthorized),
            (
                broker(ErrorCode::SaslAuthenticationFailed),
                Kind::Unauthorized,
            ),
            (broker(ErrorCode::TopicAuthorizationFailed), Kind::Forbidden),
            (broker(ErrorCode::MessageTooLarge), Kind::TooLarge),
            (broker(ErrorCode::NotEnoughReplicas), Kind::Unreachable),
            (broker(ErrorCode::InvalidSessionTimeout), Kind::Refused),
            (KrafkaError::unknown_topic("t"), Kind::NotFound),
            (KrafkaError::timeout("x"), Kind::Unreachable),
            (KrafkaError::delivery_timeout(false, "x"), Kind::Unreachable),
            (KrafkaError::delivery_timeout(true, "x"), Kind::Unconfirmed),
        ] {
            assert_eq!(Error::from(error.clone()).kind(), expected, "{error}");
        }
        let rustls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let io = std::io::Error::new(std::io::ErrorKind::InvalidData, rustls);
        let error = Error::from(KrafkaError::auth_with_source("TLS handshake failed", io));
        assert_eq!(error.kind(), Kind::Tls);
        assert_eq!(
            error.to_string(),
            "the server's certificate is not of an authority that is trusted"
        );
    }
}
