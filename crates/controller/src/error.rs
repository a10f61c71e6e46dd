//! Why a reconcile did not complete.

use std::error::Error as StdError;

use tiphys_api::message::with_causes;
use tiphys_base::Reason;

/// What an answer about a used up quota says: it has no code of its own.
pub(crate) const OVER_QUOTA: &str = "exceeded quota";

/// What could not be done. What a user has to mend is a condition instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The API server did not answer, or said no.
    #[error("{verb} {kind} {name}")]
    Request {
        /// What was asked: `apply`, `delete`, `patch`.
        verb: &'static str,
        /// Of which kind.
        kind: String,
        /// Of which name.
        name: String,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// An object with the name that is needed is there, and is not ours to change.
    #[error("{kind} {name} exists and belongs to somebody else: rename or delete it")]
    Foreign {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// Something cannot be written as JSON.
    #[error("write {what} as JSON")]
    Encode {
        /// What.
        what: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// Something could not be compressed.
    #[error("compress {what}")]
    Compress {
        /// What.
        what: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Keys or certificates could not be made.
    #[error("make {what}")]
    Make {
        /// What.
        what: String,
        /// Why not.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl Error {
    /// An answer of the API server that is not the hoped-for one.
    pub fn request(
        verb: &'static str,
        kind: impl Into<String>,
        name: impl Into<String>,
        source: kube::Error,
    ) -> Self {
        Self::Request {
            verb,
            kind: kind.into(),
            name: name.into(),
            source: Box::new(source),
        }
    }

    /// The cause in one word.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Request { .. } if self.is_over_quota() => Reason::QuotaExceeded,
            Self::Request { .. } => self.code().map_or(Reason::Unreachable, Reason::of_status),
            Self::Foreign { .. } => Reason::Foreign,
            Self::Encode { .. } | Self::Compress { .. } => Reason::Encode,
            Self::Make { .. } => Reason::Make,
        }
    }

    /// True if the same call can succeed later although nobody has changed the object.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Request { .. } => !matches!(self.code(), Some(400 | 422)),
            Self::Foreign { .. } | Self::Make { .. } => true,
            Self::Encode { .. } | Self::Compress { .. } => false,
        }
    }

    /// The HTTP status of the API server's answer, if it gave one.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Request { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            _ => None,
        }
    }

    /// What a condition or log line says: the error and its causes.
    pub fn message(&self) -> String {
        if let Self::Request { source, .. } = self
            && let kube::Error::Api(status) = source.as_ref()
        {
            return format!("{self}: {}", status.message);
        }
        with_causes(self)
    }

    /// A quota answers as a missing permission does: only the words differ.
    fn is_over_quota(&self) -> bool {
        match self {
            Self::Request { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => {
                    status.code == 403 && status.message.contains(OVER_QUOTA)
                }
                _ => false,
            },
            _ => false,
        }
    }
}
