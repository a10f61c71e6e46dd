//! The stream of events as the rest of the program sees it: publish, subscribe, read back.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;
use tiphys_clients::nats::Place;

use crate::{Durable, Error, Position, Replay, Subject};

/// A bus with one stream of events, named `default` as in Argo Events.
///
/// # Cancellation
/// Dropping the future of a call leaves the call either done or not done; nothing is half done. A
/// message whose publish was dropped may have been stored: publish it again under the same id.
#[async_trait]
pub trait Bus: fmt::Debug + Send + Sync {
    /// Makes sure that the stream of events exists and has the wanted settings.
    ///
    /// Settings are those of an EventBus' `streamConfig`, as YAML with keys in any case (spec of
    /// Argo Events' stream config: `maxMsgs maxAge maxBytes replicas duplicates retention discard`);
    /// `None` leaves an existing stream as it is and creates a missing one with Argo's defaults.
    ///
    /// # Errors
    /// If the settings cannot be read or the server is out of reach.
    async fn ensure_stream(&self, settings: Option<&str>) -> Result<StreamReport, Error>;

    /// Hands a message to the bus and returns at once what resolves when it is stored.
    ///
    /// Messages are stored in the order of these calls. At most a bounded number is in flight:
    /// beyond that, this call waits, which is how a slow bus slows its sources down.
    ///
    /// # Errors
    /// If the message is larger than the bus takes ([`Error::TooLarge`]), or the bus is closed. While
    /// the server is unavailable the message waits in the client; its [`PublishAck`] then reports a
    /// transient error after a time-out, and the message may still be stored later: publish it again
    /// with the same id, the server drops the duplicate.
    async fn publish(&self, message: Outgoing) -> Result<PublishAck, Error>;

    /// The newest message that is still stored under exactly this subject.
    ///
    /// # Errors
    /// If the server is out of reach.
    async fn last_message(&self, subject: &Subject) -> Result<Option<StoredMessage>, Error>;

    /// The messages that are stored under exactly this subject from `start` on, in the order of the
    /// stream. It ends with what was stored when it was called, and leaves nothing behind.
    ///
    /// # Errors
    /// If the server is out of reach, now or later: an error is the last item.
    async fn messages(
        &self,
        subject: &Subject,
        start: StartAt,
    ) -> Result<BoxStream<'static, Result<StoredMessage, Error>>, Error>;

    /// Opens the durable consumer `config.durable`, creating it if it is missing.
    ///
    /// An existing consumer keeps its position, whatever else changed; its subjects are brought up to
    /// date. If the consumer is deleted on the server while the subscription is open, it is created
    /// again after the last acknowledged message.
    ///
    /// # Errors
    /// If the server is out of reach or refuses the consumer.
    async fn subscribe(&self, config: SubscriptionConfig) -> Result<Subscription, Error>;

    /// Deletes the durable consumer; true if it existed.
    ///
    /// # Errors
    /// If the server is out of reach.
    async fn unsubscribe(&self, durable: &Durable) -> Result<bool, Error>;

    /// What a durable consumer asks for; `None` if it does not exist.
    ///
    /// # Errors
    /// If the server is out of reach.
    async fn consumer(&self, durable: &Durable) -> Result<Option<ConsumerReport>, Error>;

    /// The largest payload that the bus takes, in bytes.
    fn max_payload(&self) -> usize;

    /// The NATS server that it is on, where other programs can reach it; `None`: it is in this process.
    fn place(&self) -> Option<Place> {
        None
    }

    /// Whether the bus can be reached now.
    fn is_connected(&self) -> bool;

    /// Whether nothing that is on the bus would be lost with this process: always true of a bus that
    /// outlives it.
    fn is_safe(&self) -> bool;

    /// Finishes what was handed over and closes the connection.
    ///
    /// # Errors
    /// If something handed over could not be sent in time.
    async fn close(&self) -> Result<(), Error>;
}

/// A message to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where.
    pub subject: Subject,
    /// Its id: within the stream's duplicates window, a second message with the same id is dropped.
    pub id: String,
    /// The encoded event.
    pub payload: Bytes,
}

/// Resolves when a published message is stored.
///
/// Dropping it does not take the message back.
pub struct PublishAck(pub(crate) Pin<Box<dyn Future<Output = Result<MessageAck, Error>> + Send>>);

impl fmt::Debug for PublishAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublishAck")
    }
}

impl Future for PublishAck {
    type Output = Result<MessageAck, Error>;

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

/// Where a message was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageAck {
    /// Where it lies; where the first one lies if it is a duplicate.
    pub position: Position,
    /// The stream had a message with this id already.
    pub duplicate: bool,
}

/// A message read back from the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Where it lies.
    pub position: Position,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// The encoded event.
    pub payload: Bytes,
}

/// What became of the stream's settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamReport {
    /// The stream was created.
    pub created: bool,
    /// Settings that were changed on an existing stream, by their names in `streamConfig`.
    pub changed: Vec<String>,
    /// Settings that the server cannot change on an existing stream, by their names in
    /// `streamConfig`, with what it says.
    pub refused: Vec<(String, String)>,
}

/// Where reading begins: that of a consumer that did not exist before, or of messages read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// With the first message stored at or after this moment.
    Time(Timestamp),
    /// With everything that is stored.
    First,
    /// With the first message behind this one.
    After(Position),
}

/// What a durable consumer asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerReport {
    /// What it filters for, which may be more than is wanted; none is everything.
    pub subjects: Vec<Subject>,
    /// Somebody waits for its deliveries. Nobody seems to, either, while all who do are busy.
    pub is_listening: bool,
}

impl ConsumerReport {
    /// Whether messages on `subject` reach it.
    pub fn covers(&self, subject: &Subject) -> bool {
        let mut subjects = self.subjects.iter();
        self.subjects.is_empty() || subjects.any(|wanted| wanted.overlaps(subject))
    }
}

/// What is wanted of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionConfig {
    /// The consumer's name: its position is kept under it.
    pub durable: Durable,
    /// Exactly these subjects are delivered, in the order of the stream.
    pub subjects: Vec<Subject>,
    /// Where a new consumer begins.
    pub start: StartAt,
    /// How long a delivery may stay unacknowledged before it is delivered again.
    pub ack_wait: Duration,
    /// How many deliveries may be unacknowledged at a time: beyond that the bus sends none.
    pub max_in_flight: usize,
}

/// The deliveries of one consumer, in the order of the stream; redeliveries come as they fall due.
///
/// Connection losses are healed inside: the stream goes on after the bus is back. An item is an
/// error only to be logged and counted; the stream ends only when the bus is closed.
pub struct Subscription {
    /// The deliveries.
    pub deliveries: BoxStream<'static, Result<Delivery, Error>>,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}

/// One message in the hands of a consumer, until it is acknowledged.
///
/// Dropping a delivery without acknowledging it lets the bus deliver it again after `ack_wait`.
#[derive(Debug)]
pub struct Delivery {
    /// Where the event was published.
    pub subject: Subject,
    /// The encoded event.
    pub payload: Bytes,
    /// The dead letter whose event is delivered again, if it is one.
    pub replay: Option<Arc<Replay>>,
    /// Where it lies.
    pub position: Position,
    /// How often it has been delivered, this time included.
    pub attempt: u64,
    /// When the bus stored it.
    pub stored_at: Timestamp,
    /// How many messages were still to be delivered to this consumer after this one.
    pub pending: u64,
    pub(crate) acker: Box<dyn Acker>,
}

impl Delivery {
    /// When the bus stored the event: before it became a dead letter, if it did.
    pub fn event_stored_at(&self) -> Timestamp {
        let replay = self.replay.as_ref();
        replay.map_or(self.stored_at, |replay| replay.stored_at)
    }

    /// Takes the event out, if it is one that is delivered again.
    pub(crate) fn opened(self) -> Self {
        let read = self
            .subject
            .is_replay()
            .then(|| Replay::read(&self.payload));
        let Some((replay, payload)) = read.flatten() else {
            return self;
        };
        Self {
            subject: replay.subject.clone(),
            payload,
            replay: Some(Arc::new(replay)),
            ..self
        }
    }

    /// What is needed to answer it.
    #[must_use]
    pub fn without_payload(self) -> Self {
        Self {
            payload: Bytes::new(),
            ..self
        }
    }

    /// Acknowledges without waiting for the server: if this gets lost, it is delivered again.
    ///
    /// # Errors
    /// If the bus is closed.
    pub async fn ack(&self) -> Result<(), Error> {
        self.acker.ack().await
    }

    /// Acknowledges and returns when the server has confirmed: it will not be delivered again.
    ///
    /// # Errors
    /// If no confirmation came: it may be delivered again.
    pub async fn ack_confirmed(&self) -> Result<(), Error> {
        self.acker.ack_confirmed().await
    }

    /// Gives the message back, to be delivered again after `delay`.
    ///
    /// # Errors
    /// If the bus is closed.
    pub async fn retry_after(&self, delay: Duration) -> Result<(), Error> {
        self.acker.retry_after(delay).await
    }

    /// Sends a heartbeat: the message is still being worked on, and its `ack_wait` starts again.
    ///
    /// # Errors
    /// If the bus is closed.
    pub async fn in_progress(&self) -> Result<(), Error> {
        self.acker.in_progress().await
    }
}

/// The bus' side of a delivery.
#[async_trait]
pub(crate) trait Acker: fmt::Debug + Send + Sync {
    async fn ack(&self) -> Result<(), Error>;
    async fn ack_confirmed(&self) -> Result<(), Error>;
    async fn retry_after(&self, delay: Duration) -> Result<(), Error>;
    async fn in_progress(&self) -> Result<(), Error>;
}
