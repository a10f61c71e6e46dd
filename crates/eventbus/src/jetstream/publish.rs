//! Publishing: messages are sent in the order of the calls, and their answers are waited for in the
//! background, so that a window is under way at any time.

use std::sync::Arc;

use async_nats::HeaderMap;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use super::connect::{Connection, NO_ROOM, unavailable};
use super::stream::Keeper;
use crate::{Cause, Error, MessageAck, Position, PublishAck, Subject};

/// How many bytes may be under way, and what even a small message counts as: so at most 512 messages
/// or 16 MiB. Argo Events has one message under way; 256 of 2 KB give 100,000 a second.
const WINDOW: u32 = 16 * 1024 * 1024;
const SMALLEST: u32 = 32 * 1024;

/// Sends messages and reports how that ended.
pub(super) struct Publisher {
    connection: Arc<Connection>,
    window: Arc<Semaphore>,
    sent: mpsc::Sender<Sent>,
    /// Waits for the answers; ends with the publisher.
    _answers: JoinSet<()>,
}

/// A message under way.
struct Sent {
    answer: PublishAckFuture,
    lost: BoxFuture<'static, ()>,
    window: OwnedSemaphorePermit,
    failed: Box<dyn FnOnce(Cause) -> Error + Send>,
    keeper: Option<Arc<Keeper>>,
    result: oneshot::Sender<Result<MessageAck, Error>>,
}

impl Publisher {
    pub(super) fn start(connection: Arc<Connection>) -> Self {
        // One place for each message that the window holds: sending to it never waits.
        let (sent, answers) = mpsc::channel((WINDOW / SMALLEST) as usize);
        let mut tasks = JoinSet::new();
        tasks.spawn(wait_for_answers(answers));
        Self {
            connection,
            window: Arc::new(Semaphore::new(WINDOW as usize)),
            sent,
            _answers: tasks,
        }
    }

    /// Sends a message once the window has room. `failed` makes the error; `keeper` is asked to look
    /// after the stream if nobody takes the message.
    pub(super) async fn publish(
        &self,
        subject: &Subject,
        headers: HeaderMap,
        payload: Bytes,
        keeper: Option<Arc<Keeper>>,
        failed: impl FnOnce(Cause) -> Error + Send + 'static,
    ) -> Result<PublishAck, Error> {
        self.connection.check_open()?;
        let size = payload.len() + wire_size(&headers);
        let limit = self.connection.max_payload();
        if size > limit {
            return Err(Error::TooLarge {
                subject: subject.clone(),
                size,
                limit,
            });
        }
        let cost = u32::try_from(size)
            .unwrap_or(WINDOW)
            .clamp(SMALLEST, WINDOW);
        let window = self.window.clone().acquire_many_owned(cost).await;
        let window = window.map_err(|_| Error::Closed)?;
        let lost = self.connection.lost().boxed();
        let message = PublishMessage::build().payload(payload).headers(headers);
        let sending = self
            .connection
            .context
            .send_publish(subject.to_string(), message)
            .await;
        let answer = match sending {
            Ok(answer) => answer,
            Err(err) => return Err(failed(unavailable(err))),
        };
        let (result, outcome) = oneshot::channel();
        let sent = Sent {
            answer,
            lost,
            window,
            failed: Box::new(failed),
            keeper,
            result,
        };
        self.sent.send(sent).await.map_err(|_| Error::Closed)?;
        Ok(PublishAck(Box::pin(async move {
            outcome.await.unwrap_or(Err(Error::Closed))
        })))
    }

    /// Returns when nothing is under way; nothing is sent after it.
    pub(super) async fn settled(&self) {
        if self.window.acquire_many(WINDOW).await.is_ok() {
            self.window.close();
        }
    }
}

async fn wait_for_answers(mut sent: mpsc::Receiver<Sent>) {
    let mut waiting = FuturesUnordered::new();
    loop {
        tokio::select! {
            next = sent.recv() => match next {
                Some(next) => waiting.push(next.settle()),
                None => break,
            },
            Some(()) = waiting.next() => {}
        }
    }
    while waiting.next().await.is_some() {}
}

impl Sent {
    async fn settle(self) {
        let Self {
            answer,
            lost,
            window,
            failed,
            keeper,
            result,
        } = self;
        let answer = tokio::select! {
            biased;
            answer = answer.into_future() => answer,
            () = lost => Err(PublishErrorKind::BrokenPipe.into()),
        };
        drop(window);
        let is_unclaimed =
            matches!(&answer, Err(err) if err.kind() == PublishErrorKind::StreamNotFound);
        let outcome = match answer {
            Ok(ack) => Ok(MessageAck {
                position: Position::from_wire(ack.sequence),
                duplicate: ack.duplicate,
            }),
            Err(err) if is_of_room(&err) => Err(failed(Cause::Full(err.into()))),
            // The server's other refusals are shortages: these pass.
            Err(err) => Err(failed(unavailable(err))),
        };
        // Whoever dropped the ack does not want to know.
        result.send(outcome).unwrap_or_default();
        if is_unclaimed && let Some(keeper) = keeper {
            keeper.restore().await;
        }
    }
}

/// True if the server says that a limit is reached or its disk is full.
fn is_of_room(err: &PublishError) -> bool {
    let source = std::error::Error::source(err);
    let answer = source.and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>());
    answer.is_some_and(|answer| NO_ROOM.contains(&answer.error_code()))
}

/// What headers take on the wire: a line of version, one for each value, and an empty one.
fn wire_size(headers: &HeaderMap) -> usize {
    if headers.is_empty() {
        return 0;
    }
    let values = headers
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |v| (name, v)));
    let lines = values.map(|(name, value)| {
        let name: &str = name.as_ref();
        name.len() + value.as_str().len() + 4
    });
    "NATS/1.0\r\n\r\n".len() + lines.sum::<usize>()
}
