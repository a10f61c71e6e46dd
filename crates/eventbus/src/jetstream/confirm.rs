//! Acknowledgements that the server confirms, many at a time.
//!
//! The server works off the acknowledgements of a consumer in the order in which a connection brings
//! them. So of those that wait, all but the last are sent plainly, and the answer to the last one
//! confirms them all: a message costs no round trip and no answer of its own.

use std::sync::Arc;

use async_nats::{Request, Subject};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::connect::{ANSWER_WITHIN, Connection};
use crate::BoxError;

/// The acknowledgement of the protocol.
pub(super) const ACK: Bytes = Bytes::from_static(b"+ACK");

/// How many acknowledgements one answer confirms at most, and how many may wait beside them.
const BATCH: usize = 256;

/// Confirms the acknowledgements of one consumer.
pub(super) struct Confirmer {
    waiting: mpsc::Sender<Waiting>,
    /// Sends them; ends with the confirmer.
    _sender: JoinSet<()>,
}

/// An acknowledgement that is to be confirmed.
struct Waiting {
    reply: Subject,
    confirmed: oneshot::Sender<Result<(), BoxError>>,
}

impl Confirmer {
    pub(super) fn start(connection: Arc<Connection>) -> Self {
        let (waiting, queue) = mpsc::channel(BATCH);
        let mut sender = JoinSet::new();
        sender.spawn(send(connection, queue));
        Self {
            waiting,
            _sender: sender,
        }
    }

    /// Acknowledges the message with this reply subject; returns when the server has confirmed it.
    pub(super) async fn confirm(&self, reply: Subject) -> Result<(), BoxError> {
        let (confirmed, answer) = oneshot::channel();
        self.waiting.send(Waiting { reply, confirmed }).await?;
        answer.await?
    }
}

async fn send(connection: Arc<Connection>, mut queue: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let failure = confirm(&connection, &batch).await.err();
        for waiting in batch.drain(..) {
            let result = match &failure {
                None => Ok(()),
                Some(error) => Err(error.to_string().into()),
            };
            // Whoever stopped waiting does not want to know.
            waiting.confirmed.send(result).unwrap_or_default();
        }
    }
}

async fn confirm(connection: &Connection, batch: &[Waiting]) -> Result<(), BoxError> {
    let Some((last, others)) = batch.split_last() else {
        return Ok(());
    };
    // From before anything is sent.
    let interruption = connection.lost();
    let answered = async {
        for waiting in others {
            connection
                .client
                .publish(waiting.reply.clone(), ACK)
                .await?;
        }
        let request = Request::new().payload(ACK).timeout(Some(ANSWER_WITHIN));
        let answer = connection.client.send_request(last.reply.clone(), request);
        answer.await?;
        Ok(())
    };
    // The loss comes first: an answer over the next connection says nothing about what was sent before.
    tokio::select! {
        biased;
        () = interruption => Err("the connection was lost".into()),
        answer = answered => answer,
    }
}
