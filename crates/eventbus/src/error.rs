//! What can go wrong on the bus: one variant for each act, and what became of it.

use std::error::Error as StdError;

use tiphys_base::Reason;
use tiphys_clients::SettingsError;
use tiphys_clients::nats::ConnectError;

use crate::{Bucket, Durable, Position, Subject};

/// An error of a library below.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Why an act on the bus did not complete.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The settings of the connection do not make sense. Retrying does not help.
    #[error("bus connection settings: {message}")]
    Configuration {
        /// What is wrong.
        message: String,
        /// What the reader of the setting says.
        #[source]
        source: Option<BoxError>,
    },
    /// The first connection could not be made.
    #[error("connect to {url}")]
    Connect {
        /// The server, without its password.
        url: String,
        /// The cause in one word: the login, the certificate, or anything else.
        reason: Reason,
        /// What failed.
        #[source]
        source: Cause,
    },
    /// The settings of the stream cannot be read. Retrying does not help.
    #[error("stream setting {setting}: {message}")]
    Settings {
        /// Its name in `streamConfig`.
        setting: String,
        /// What is wrong.
        message: String,
    },
    /// A stream could not be looked at, created or changed.
    #[error("set up stream {stream}")]
    Stream {
        /// Its name.
        stream: String,
        /// What failed.
        #[source]
        source: Cause,
    },
    /// The bus has fewer servers than the stream is to have copies. Retrying does not help.
    #[error(
        "stream {stream} cannot have {replicas} replicas on this bus: \
         set streamConfig.replicas to at most the number of its servers"
    )]
    Replicas {
        /// Its name.
        stream: String,
        /// How many were asked for.
        replicas: usize,
        /// What the server says.
        #[source]
        source: Cause,
    },
    /// No acknowledgement arrived. The message may be stored: publish it again with the same id.
    #[error("publish {id} on {subject}")]
    Publish {
        /// Where to.
        subject: Subject,
        /// The message's id.
        id: String,
        /// What failed.
        #[source]
        source: Cause,
    },
    /// The message is larger than the bus takes. Retrying does not help.
    #[error("message of {size} bytes on {subject} exceeds the {limit} bytes that the bus takes")]
    TooLarge {
        /// Where to.
        subject: Subject,
        /// Its size, headers included.
        size: usize,
        /// The bus' limit.
        limit: usize,
    },
    /// The last message of a subject could not be read.
    #[error("read the last message on {subject}")]
    LastMessage {
        /// Which subject.
        subject: Subject,
        /// What failed.
        #[source]
        source: Cause,
    },
    /// The messages of a subject could not be read back.
    #[error("read the messages on {subject}")]
    Messages {
        /// Which subject.
        subject: Subject,
        /// What failed.
        #[source]
        source: Cause,
    },
    /// A consumer could not be opened, or was interrupted; the subscription goes on by itself.
    #[error("consumer {durable}")]
    Consumer {
        /// Its name.
        durable: Durable,
        /// What failed.
        #[source]
        source: Cause,
    },
    /// An acknowledgement did not get through: the message may be delivered again.
    #[error("acknowledge message {position}")]
    Acknowledge {
        /// Where it lies.
        position: Position,
        /// What failed.
        #[source]
        source: Cause,
    },
    /// State could not be read or written.
    #[error("state in bucket {bucket}")]
    State {
        /// Where.
        bucket: Bucket,
        /// What failed.
        #[source]
        source: Cause,
    },
    /// A key cannot be stored. Retrying does not help.
    #[error("key of {length} bytes is longer than the {limit} bytes that the bus takes")]
    KeyTooLong {
        /// Its length as stored.
        length: usize,
        /// The longest.
        limit: usize,
    },
    /// The dead letters could not be written, read or removed.
    #[error("dead letters")]
    DeadLetters {
        /// What failed.
        #[source]
        source: Cause,
    },
    /// The bus was closed.
    #[error("the bus is closed")]
    Closed,
}

/// What kept the bus from doing it.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// It cannot be reached, is not ready, or is full: this passes.
    #[error("the bus is not available")]
    Unavailable(#[source] BoxError),
    /// It was asked, and has no room. Room may come by itself, when what it keeps gets too old.
    #[error("the bus has no room")]
    Full(#[source] BoxError),
    /// It was asked and said no: somebody has to change something.
    #[error("the bus refused")]
    Refused(#[source] BoxError),
}

impl Cause {
    /// True if it passes without a human.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_))
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        if let Some(fault) = error.certificate_fault()
            && let ConnectError::Unreachable { url, .. } = error
        {
            return Self::Connect {
                url,
                reason: Reason::InvalidCertificate,
                source: Cause::Refused(fault.into()),
            };
        }
        let reason = if error.is_of_login() {
            Reason::Unauthorized
        } else {
            Reason::Connect
        };
        match error {
            ConnectError::Settings(SettingsError { message, source }) => {
                Self::Configuration { message, source }
            }
            ConnectError::Unreachable {
                url,
                refused,
                source,
            } => {
                let cause = if refused {
                    Cause::Refused
                } else {
                    Cause::Unavailable
                };
                Self::Connect {
                    url,
                    reason,
                    source: cause(source),
                }
            }
        }
    }
}

impl Error {
    /// The cause in one word.
    pub fn reason(&self) -> Reason {
        match self {
            _ if matches!(self.cause(), Some(Cause::Full(_))) => Reason::BusFull,
            Self::Configuration { .. } => Reason::Configuration,
            Self::Connect { reason, .. } => *reason,
            Self::Settings { .. } => Reason::StreamSettings,
            Self::Stream { .. } => Reason::Stream,
            Self::Replicas { .. } => Reason::Replicas,
            Self::Publish { .. } => Reason::Publish,
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::LastMessage { .. } => Reason::LastMessage,
            Self::Messages { .. } => Reason::Messages,
            Self::Consumer { .. } => Reason::Consumer,
            Self::Acknowledge { .. } => Reason::Acknowledge,
            Self::State { .. } => Reason::State,
            Self::KeyTooLong { .. } => Reason::KeyTooLong,
            Self::DeadLetters { .. } => Reason::DeadLetters,
            Self::Closed => Reason::Closed,
        }
    }

    /// True if the same call can succeed later without a human.
    pub fn is_transient(&self) -> bool {
        self.cause().is_some_and(Cause::is_transient)
    }

    /// What kept the bus from doing it, if it was asked.
    fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Connect { source, .. }
            | Self::Stream { source, .. }
            | Self::Publish { source, .. }
            | Self::LastMessage { source, .. }
            | Self::Messages { source, .. }
            | Self::Consumer { source, .. }
            | Self::Acknowledge { source, .. }
            | Self::State { source, .. }
            | Self::DeadLetters { source } => Some(source),
            Self::Configuration { .. }
            | Self::Settings { .. }
            | Self::Replicas { .. }
            | Self::TooLarge { .. }
            | Self::KeyTooLong { .. }
            | Self::Closed => None,
        }
    }
}
