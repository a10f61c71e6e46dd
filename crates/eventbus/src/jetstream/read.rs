//! Reads what a stream holds, once, in few round trips.

use std::collections::HashSet;
use std::time::Duration;

use async_nats::jetstream::consumer::pull::Batch;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::message::Message;
use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};

use super::connect::{ANSWER_WITHIN, ApiError, Connection, timestamp};
use super::consume::{BATCH_BYTES, starting_at};
use crate::{Error, Position, StartAt, StoredMessage, Subject};

/// How many messages a request asks for.
const BATCH: usize = 500;

/// How long a request of a reader that waits for more is good for.
const WAIT: Duration = Duration::from_secs(10);

/// When the server forgets a reader that does not read.
const FORGET_AFTER: Duration = Duration::from_secs(20);

/// Reads the messages that were there when it was opened, in the order of the stream.
pub(super) struct Reader {
    consumer: PullConsumer,
    /// How many are still to be read.
    left: usize,
    /// What was asked for and has not arrived, with how many have.
    batch: Option<(Batch, usize)>,
    /// How many the server has sent.
    delivered: u64,
    /// Of the newest of each subject, what is overwritten meanwhile comes again: it must not count twice.
    seen: Option<HashSet<u64>>,
    /// It waits for what is stored later.
    is_endless: bool,
    /// The most bytes that a request asks for.
    bytes: usize,
}

impl Reader {
    /// Opens at most `limit` messages under `subjects`.
    pub(super) async fn open(
        connection: &Connection,
        stream: &str,
        subjects: &str,
        deliver: DeliverPolicy,
        limit: usize,
    ) -> Result<Self, ApiError> {
        let is_newest = deliver == DeliverPolicy::LastPerSubject;
        let config = pull::Config {
            deliver_policy: deliver,
            ack_policy: AckPolicy::None,
            filter_subject: subjects.to_owned(),
            inactive_threshold: FORGET_AFTER,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let consumer = connection
            .context
            .create_consumer_on_stream(config, stream)
            .await?;
        let pending = usize::try_from(consumer.cached_info().num_pending).unwrap_or(usize::MAX);
        Ok(Self {
            consumer,
            left: pending.min(limit),
            batch: None,
            delivered: 0,
            seen: is_newest.then(HashSet::new),
            is_endless: false,
            bytes: BATCH_BYTES.max(connection.max_payload() * 2),
        })
    }

    /// Goes on with what is stored later, and has no end.
    pub(super) fn endless(self) -> Self {
        Self {
            is_endless: true,
            ..self
        }
    }

    /// The next message with its number; `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<(u64, Message)>, ApiError> {
        while self.left > 0 || self.is_endless {
            let (batch, arrived) = match &mut self.batch {
                Some(batch) => batch,
                None => self.batch.insert((self.ask().await?, 0)),
            };
            let message = match batch.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) if *arrived == 0 => return Err(ApiError::Unavailable(error)),
                None if *arrived == 0 && !self.is_endless => {
                    return Err(ApiError::Unavailable("the stream stopped sending".into()));
                }
                // A request ends with an error, too, when the next message would be too many bytes.
                Some(Err(_)) | None => {
                    self.batch = None;
                    continue;
                }
            };
            let info = message.info().map_err(ApiError::Unavailable)?;
            let sequence = info.stream_sequence;
            // What was on its way when the connection was lost is not sent again.
            self.delivered += 1;
            if info.consumer_sequence != self.delivered {
                return Err(ApiError::Unavailable("a message got lost".into()));
            }
            *arrived += 1;
            self.left = if info.pending == 0 {
                0
            } else {
                self.left.saturating_sub(1)
            };
            let is_new = self.seen.as_mut().is_none_or(|seen| seen.insert(sequence));
            if is_new {
                return Ok(Some((sequence, message)));
            }
        }
        Ok(None)
    }

    async fn ask(&self) -> Result<Batch, ApiError> {
        let (messages, expires) = if self.is_endless {
            (BATCH, WAIT)
        } else {
            (self.left.min(BATCH), ANSWER_WITHIN)
        };
        self.consumer
            .batch()
            .max_messages(messages)
            .max_bytes(self.bytes)
            .expires(expires)
            .messages()
            .await
            .map_err(|err| ApiError::Unavailable(err.into()))
    }
}

/// What a stream holds under a subject, from `start` on.
pub(super) async fn stored(
    connection: &Connection,
    stream: &str,
    subject: &Subject,
    start: StartAt,
) -> Result<BoxStream<'static, Result<StoredMessage, Error>>, Error> {
    let failed = {
        let subject = subject.clone();
        move |err: ApiError| Error::Messages {
            subject: subject.clone(),
            source: err.into(),
        }
    };
    let deliver = starting_at(start).map_err(&failed)?;
    let filter = subject.as_str();
    let reader = match Reader::open(connection, stream, filter, deliver, usize::MAX).await {
        Ok(reader) => reader,
        Err(err) if err.is_missing() => return Ok(stream::empty().boxed()),
        Err(err) => return Err(failed(err)),
    };
    let messages = stream::try_unfold((reader, failed), |(mut reader, failed)| async move {
        let Some((sequence, message)) = reader.next().await.map_err(&failed)? else {
            return Ok(None);
        };
        let info = message.info();
        let info = info.map_err(|err| failed(ApiError::Unavailable(err)))?;
        let stored_at = timestamp(info.published);
        let message = StoredMessage {
            position: Position::from_wire(sequence),
            stored_at,
            payload: message.payload.clone(),
        };
        Ok(Some((message, (reader, failed))))
    });
    Ok(messages.boxed())
}
