//! Why an event source does not run.

use std::io;
use std::sync::Arc;

use tiphys_base::Reason;

/// What a running event source could not do. Each is tried again by the event source itself; what
/// reaches the caller needs a human.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What has been told could not be read from the bus.
    #[error("read the position of event {event}")]
    State {
        /// Name of the event.
        event: Arc<str>,
        /// Why not.
        #[source]
        source: tiphys_eventbus::Error,
    },
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
    /// The task of an event ended by itself.
    #[error("task of an event")]
    Task(#[from] tokio::task::JoinError),
}

impl Error {
    /// The cause in one word.
    pub fn reason(&self) -> Reason {
        match self {
            Self::State { .. } => Reason::State,
            Self::Request { .. } | Self::Ended { .. } => {
                self.code().map_or(Reason::Unreachable, Reason::of_status)
            }
            Self::Silent { .. } | Self::Broken { .. } => Reason::Unreachable,
            Self::Malformed { .. } | Self::TooLong { .. } => Reason::Malformed,
            Self::Task(_) => Reason::Task,
        }
    }

    /// The HTTP status of the API server's answer, if it gave one.
    pub fn code(&self) -> Option<u16> {
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
    pub(crate) fn is_gone(&self) -> bool {
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
