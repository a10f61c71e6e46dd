//! Plain messages on any NATS server, for triggers: core NATS, no stream.
//!
//! A server acknowledges nothing by itself, but it works off one connection in order. So each message
//! is followed by one to an inbox of our own: when that comes back, or the inbox is refused, the first
//! one has been taken in.

use std::fmt;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::{Client, Event, HeaderMap};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::{Config, ConnectError, Place, connect, without_passwords};

/// How long a server may take to confirm a message.
const CONFIRM_WITHIN: Duration = Duration::from_secs(5);

/// What the headers take beside the id: `NATS/1.0\r\nNats-Msg-Id: …\r\n\r\n`.
const AROUND_ID: usize = 27;

/// How many refusals of a server are kept for those who wait for them.
const REFUSALS: usize = 64;

/// How often other tasks get their turn before a message counts as not refused.
const YIELDS: usize = 8;

/// Publishes messages over one connection, which heals itself.
pub struct Publisher {
    client: Client,
    url: String,
    /// What the server says against what was sent.
    refusals: broadcast::Sender<String>,
}

/// Why a message was not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// There is no connection: nothing was sent.
    #[error("there is no connection")]
    NotConnected,
    /// The user may not publish under the subject: the server dropped the message.
    #[error("{0}")]
    NotAllowed(String),
    /// The message is larger than the server takes: nothing was sent.
    #[error("the message has {size} bytes, the server takes {limit}")]
    TooLarge {
        /// The size of the message.
        size: usize,
        /// The server's limit.
        limit: usize,
    },
    /// The server did not confirm the message, which may have been published.
    #[error("the server did not confirm the message")]
    Unconfirmed,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Publisher {
    /// Connects once; from then on the connection heals itself.
    ///
    /// # Errors
    /// If the settings make no sense, or no server can be reached.
    pub async fn connect(config: &Config) -> Result<Self, ConnectError> {
        let (refusals, _) = broadcast::channel(REFUSALS);
        let told = refusals.clone();
        let client = connect(config, move |event| {
            if let Event::ServerError(error) = event {
                // Nobody may be waiting.
                told.send(error.to_string()).unwrap_or_default();
            }
        })
        .await?;
        Ok(Self {
            client,
            url: without_passwords(&config.url),
            refusals,
        })
    }

    /// The servers, without passwords.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the connection leads to.
    pub fn place(&self) -> Place {
        Place::of(&self.client)
    }

    /// Publishes a message that is known by `id`; returns when the server has taken it in. A stream that
    /// captures the subject keeps one of each id, within its duplicates window.
    ///
    /// # Errors
    /// If it was not published, or may have been. See [`PublishError`].
    ///
    /// # Cancellation
    /// The message may have been published or not.
    pub async fn publish(
        &self,
        subject: &str,
        id: &str,
        payload: Bytes,
    ) -> Result<(), PublishError> {
        // A message that is sent while the connection is away would be sent by whoever reconnects,
        // long after it was given up.
        if self.client.connection_state() != State::Connected {
            return Err(PublishError::NotConnected);
        }
        let limit = self.client.server_info().max_payload;
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, id);
        let size = payload.len() + AROUND_ID + id.len();
        if size > limit {
            return Err(PublishError::TooLarge { size, limit });
        }
        let refusals = self.refusals.subscribe();
        let confirmed = self.send(subject, headers, payload, refusals);
        tokio::time::timeout(CONFIRM_WITHIN, confirmed)
            .await
            .unwrap_or(Err(PublishError::Unconfirmed))
    }

    async fn send(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
        mut refusals: broadcast::Receiver<String>,
    ) -> Result<(), PublishError> {
        let inbox = self.client.new_inbox();
        self.client
            .publish_with_headers(subject.to_owned(), headers, payload)
            .await
            .map_err(|_| PublishError::NotConnected)?;
        let mut answers = self
            .client
            .subscribe(inbox.clone())
            .await
            .map_err(|_| PublishError::Unconfirmed)?;
        self.client
            .publish(inbox.clone(), Bytes::new())
            .await
            .map_err(|_| PublishError::Unconfirmed)?;
        self.client
            .flush()
            .await
            .map_err(|_| PublishError::Unconfirmed)?;
        let answer = tokio::select! {
            biased;
            refused = refusal(&mut refusals, subject, &inbox) => return refused,
            answer = answers.next() => answer,
        };
        if answer.is_none() {
            return Err(PublishError::Unconfirmed);
        }
        // The library tells refusals on a task of its own, which was woken before this one.
        for _ in 0..YIELDS {
            tokio::task::yield_now().await;
        }
        refusal(&mut refusals, subject, &inbox)
            .now_or_never()
            .unwrap_or(Ok(()))
    }
}

/// What the server says against the message or, which confirms the message, against the inbox.
async fn refusal(
    refusals: &mut broadcast::Receiver<String>,
    subject: &str,
    inbox: &str,
) -> Result<(), PublishError> {
    let of_subject = format!("publish to \"{}\"", subject.to_lowercase());
    let of_inbox = format!("\"{}\"", inbox.to_lowercase());
    loop {
        let refusal = match refusals.recv().await {
            Ok(refusal) => refusal.to_lowercase(),
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return Err(PublishError::Unconfirmed),
        };
        if refusal.contains(&of_subject) {
            return Err(PublishError::NotAllowed(refusal));
        }
        if refusal.contains(&of_inbox) {
            return Ok(());
        }
    }
}
