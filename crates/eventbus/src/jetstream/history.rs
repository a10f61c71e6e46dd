//! Reads the whole stream of events, and goes on where a connection was lost.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{self, BoxFuture};
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _, stream};

use super::connect::{ApiError, Connection, timestamp};
use super::consume::starting_at;
use super::read::Reader;
use crate::name::STREAM;
use crate::{Error, Past, Position, StartAt, StoredMessage, Subject, Until};

/// How long is waited before a bus is asked again that was out of reach.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) fn read(
    connection: Arc<Connection>,
    start: StartAt,
    until: Until,
) -> BoxStream<'static, Result<Past, Error>> {
    let cursor = Cursor {
        connection,
        next: start,
        until,
        reader: None,
        has_failed: false,
        is_done: false,
    };
    let items = stream::unfold(cursor, |mut cursor| async move {
        let item = cursor.item().await?;
        Some((item, cursor))
    });
    items.boxed()
}

/// Those of all events.
fn subjects() -> String {
    format!("{STREAM}.*.*")
}

/// Resolves when the connection is lost under a reader that waits: the server has forgotten what it was asked
/// for, and a client that is out of reach does not say so by itself.
type Lost = BoxFuture<'static, ()>;

/// How far a stream was read.
struct Cursor {
    connection: Arc<Connection>,
    next: StartAt,
    until: Until,
    reader: Option<(Reader, Lost)>,
    /// Nothing was read since something failed.
    has_failed: bool,
    is_done: bool,
}

impl Cursor {
    async fn item(&mut self) -> Option<Result<Past, Error>> {
        let closed = self.connection.closed.clone();
        while !self.is_done {
            let read = tokio::select! {
                biased;
                () = closed.cancelled() => return None,
                read = self.read() => read,
            };
            match read {
                Ok(Some(past)) => {
                    self.next = StartAt::After(past.message.position);
                    self.has_failed = false;
                    return Some(Ok(past));
                }
                Ok(None) => self.is_done = true,
                Err(error) => {
                    self.reader = None;
                    let has_failed_before = std::mem::replace(&mut self.has_failed, true);
                    if self.until == Until::Now {
                        // Whoever reads slowly loses its reader: it is opened again.
                        if !has_failed_before {
                            continue;
                        }
                        self.is_done = true;
                    }
                    return Some(Err(Error::Messages {
                        subject: Subject::from_wire(&subjects()),
                        source: error.into(),
                    }));
                }
            }
        }
        None
    }

    /// The next message; `None` behind the last one.
    async fn read(&mut self) -> Result<Option<Past>, ApiError> {
        let (reader, lost) = match &mut self.reader {
            Some(open) => open,
            None => match self.open().await {
                Ok(open) => self.reader.insert(open),
                Err(error) if error.is_missing() && self.until == Until::Now => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        let next = tokio::select! {
            biased;
            next = reader.next() => next?,
            () = lost => return Err(ApiError::Unavailable("the connection was lost".into())),
        };
        let Some((sequence, message)) = next else {
            return Ok(None);
        };
        let info = message.info().map_err(ApiError::Unavailable)?;
        let stored = StoredMessage {
            position: Position::from_wire(sequence),
            stored_at: timestamp(info.published),
            payload: message.payload.clone(),
        };
        let subject = Subject::from_wire(&message.subject);
        Ok(Some(Past::of(subject, stored, info.pending)))
    }

    async fn open(&mut self) -> Result<(Reader, Lost), ApiError> {
        if self.has_failed {
            tokio::time::sleep(PAUSE).await;
        }
        let (connection, start) = (&self.connection, starting_at(self.next)?);
        let lost = connection.lost();
        let reader = Reader::open(connection, STREAM, &subjects(), start, usize::MAX).await?;
        Ok(match self.until {
            // What it has asked for comes, or fails soon.
            Until::Now => (reader, future::pending().boxed()),
            Until::Closed => (reader.endless(), lost.boxed()),
        })
    }
}
