//! Why objects are not listed and watched.

use std::io;
use std::sync::Arc;

use crate::error::Reason;

/// What a watch could not do. All of it is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The API server did not answer, or said no.
    #[error("{verb} {target}")]
    Request {
        /// `list` or `watch`.
        verb: &'static str,
        /// What was asked for.
        target: Arc<str>,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("{verb} {target}: no answer")]
    Silent {
        /// `list` or `watch`.
        verb: &'static str,
        /// What was asked for.
        target: Arc<str>,
    },
    /// The connection of a watch broke.
    #[error("read the watch of {target}")]
    Broken {
        /// What was watched.
        target: Arc<str>,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The API server ended a watch with a status.
    #[error("watch {target}: {message} ({reason}, {code})")]
    Ended {
        /// What was watched.
        target: Arc<str>,
        /// HTTP status code.
        code: u16,
        /// Its name.
        reason: String,
        /// What the API server says.
        message: String,
    },
    /// An answer is not what the API of Kubernetes gives.
    #[error("read the answer about {target}")]
    Malformed {
        /// What was asked for.
        target: Arc<str>,
        /// Why it cannot be read.
        #[source]
        source: serde_json::Error,
    },
    /// A line of a watch is longer than any object.
    #[error("an object of {target} is larger than {limit} bytes")]
    TooLong {
        /// What was watched.
        target: Arc<str>,
        /// The most that is read.
        limit: usize,
    },
}

impl Error {
    /// Why, in one word.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Request { .. } | Self::Ended { .. } => {
                self.code().map_or(Reason::Unreachable, Reason::of_status)
            }
            Self::Silent { .. } | Self::Broken { .. } => Reason::Unreachable,
            Self::Malformed { .. } | Self::TooLong { .. } => Reason::Malformed,
        }
    }

    /// The HTTP status of the API server's answer, if it gave one.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Self::Request { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            Self::Ended { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// True if the API server no longer knows what happened since the given resourceVersion, or
    /// never heard of it: only a list helps.
    pub(super) fn is_gone(&self) -> bool {
        const UNKNOWN: &str = "Too large resource version";
        match self {
            Self::Request { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => status.code == 410 || status.message.contains(UNKNOWN),
                _ => false,
            },
            Self::Ended { code, message, .. } => *code == 410 || message.contains(UNKNOWN),
            _ => false,
        }
    }
}
