//! Everything that a bus holds, read back: what looks at a bus needs no consumer that stays.

use std::fmt;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::{Error, Replay, StartAt, StoredMessage, Subject};

/// The events of a bus, whoever waits for them.
#[async_trait]
pub trait History: fmt::Debug + Send + Sync {
    /// The messages of the stream from `start` on, in its order, under all subjects.
    ///
    /// Reading changes nothing, and leaves nothing behind: dropping the stream ends it. It takes a bounded
    /// number of bytes, whatever the bus holds.
    ///
    /// # Errors
    /// If the bus is closed. While it is out of reach, an item is an error: the last one if it is read
    /// [`Until::Now`]; otherwise it goes on when the bus is back.
    async fn read(
        &self,
        start: StartAt,
        until: Until,
    ) -> Result<BoxStream<'static, Result<Past, Error>>, Error>;
}

/// Where reading ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// With what is stored when it begins.
    Now,
    /// When the bus is closed: it waits for what comes.
    Closed,
}

/// A message that is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Where it was published.
    pub subject: Subject,
    /// The message. Where it delivers the event of a dead letter again, that event is its payload.
    pub message: StoredMessage,
    /// The dead letter whose event is delivered again, to one trigger alone.
    pub replay: Option<Replay>,
    /// How many are stored behind it.
    pub left: u64,
}

impl Past {
    /// A message as it is stored.
    pub(crate) fn of(subject: Subject, message: StoredMessage, left: u64) -> Self {
        let read = subject.is_replay().then(|| Replay::read(&message.payload));
        match read.flatten() {
            Some((replay, payload)) => Self {
                subject,
                left,
                replay: Some(replay),
                message: StoredMessage { payload, ..message },
            },
            None => Self {
                subject,
                message,
                replay: None,
                left,
            },
        }
    }
}
