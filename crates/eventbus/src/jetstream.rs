//! The bus on a NATS server with JetStream, 2.10 or later, as Argo Events lays it out: stream
//! `default`, subjects `default.<event source>.<event>`, one bucket of state per sensor.
//!
//! What differs from Argo Events' client is what its users suffer from: the connection heals itself,
//! settings of the stream are applied when they change, publishing is pipelined, and one consumer
//! per trigger fetches in batches.

mod config;
mod connect;
mod consume;
mod dead_letters;
mod history;
mod overview;
mod publish;
mod read;
mod state;
mod stream;
mod tracker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_trait::async_trait;
use futures::stream::BoxStream;

pub(crate) use self::config::{read, shown};
use self::connect::{ApiError, Connection, timestamp};
use self::dead_letters::DeadLetterStream;
use self::publish::Publisher;
use self::stream::Keeper;
use crate::name::STREAM;
use crate::{
    Bucket, Bus, Cause, ConsumerReport, DeadLetter, DeadLetterFilter, DeadLetters, Durable, Error,
    EventBus, History, Look, Outgoing, Overview, Past, Position, PublishAck, StartAt, State,
    StateStore, StoredMessage, StreamReport, Subject, Subscription, SubscriptionConfig, Until,
    Usage,
};
use tiphys_base::Reason;
use tiphys_clients::nats::Place;
pub use tiphys_clients::nats::{Auth, Config};
pub use tiphys_clients::tls::{Identity, Tls};

/// What the headers of an event take at most, its id included; [`Bus::max_payload`] leaves
/// room for them.
const HEADERS_ROOM: usize = 512;

/// How long closing waits for what is under way: longer than a publish waits for its answer.
const CLOSE_WITHIN: Duration = Duration::from_secs(6);

/// Connects to a bus on a NATS server.
pub(crate) async fn connect(config: &Config) -> Result<EventBus, Error> {
    JetStream::connect(config).await.map(EventBus::from)
}

/// A bus on a NATS server. All of it goes over one connection.
pub struct JetStream {
    connection: Arc<Connection>,
    publisher: Arc<Publisher>,
    keeper: Arc<Keeper>,
    dead_letters: DeadLetterStream,
}

impl JetStream {
    /// Connects once; from then on the connection heals itself for as long as it is in use.
    ///
    /// # Errors
    /// If the settings make no sense, or no server can be reached: that is transient, try again.
    pub async fn connect(config: &Config) -> Result<Self, Error> {
        let connection = Arc::new(Connection::open(config).await?);
        let publisher = Arc::new(Publisher::start(connection.clone()));
        let keeper = Arc::new(Keeper::new(connection.clone(), STREAM));
        let dead_letters = DeadLetterStream::new(connection.clone(), publisher.clone());
        Ok(Self {
            connection,
            publisher,
            keeper,
            dead_letters,
        })
    }
}

impl fmt::Debug for JetStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JetStream")
            .field("url", &self.connection.url)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Bus for JetStream {
    async fn ensure_stream(&self, settings: Option<&str>) -> Result<StreamReport, Error> {
        self.connection.check_open()?;
        stream::ensure(&self.keeper, settings).await
    }

    async fn publish(&self, message: Outgoing) -> Result<PublishAck, Error> {
        let Outgoing {
            subject,
            id,
            payload,
        } = message;
        let mut headers = HeaderMap::new();
        headers.insert(async_nats::header::NATS_MESSAGE_ID, id.as_str());
        let failed = {
            let subject = subject.clone();
            move |source| Error::Publish {
                subject,
                id,
                source,
            }
        };
        self.publisher
            .publish(
                &subject,
                headers,
                payload,
                Some(self.keeper.clone()),
                failed,
            )
            .await
    }

    async fn last_message(&self, subject: &Subject) -> Result<Option<StoredMessage>, Error> {
        self.connection.check_open()?;
        let failed = |source| Error::LastMessage {
            subject: subject.clone(),
            source,
        };
        let last = self.connection.last_message(STREAM, subject.as_str()).await;
        let message = match last {
            Ok(message) => message,
            Err(err) if err.kind() == LastRawMessageErrorKind::NoMessageFound => return Ok(None),
            Err(err) => return Err(failed(ApiError::from(err).into())),
        };
        Ok(Some(StoredMessage {
            position: Position::from_wire(message.sequence),
            stored_at: timestamp(message.time),
            payload: message.payload,
        }))
    }

    async fn messages(
        &self,
        subject: &Subject,
        start: StartAt,
    ) -> Result<BoxStream<'static, Result<StoredMessage, Error>>, Error> {
        self.connection.check_open()?;
        read::stored(&self.connection, STREAM, subject, start).await
    }

    async fn subscribe(&self, config: SubscriptionConfig) -> Result<Subscription, Error> {
        self.connection.check_open()?;
        consume::open(self.connection.clone(), self.keeper.clone(), config).await
    }

    async fn unsubscribe(&self, durable: &Durable) -> Result<bool, Error> {
        self.connection.check_open()?;
        let context = &self.connection.context;
        match context
            .delete_consumer_from_stream(durable.as_str(), STREAM)
            .await
        {
            Ok(status) => Ok(status.success),
            Err(err) => match ApiError::from(err) {
                err if err.is_missing() => Ok(false),
                err => Err(Error::Consumer {
                    durable: durable.clone(),
                    source: err.into(),
                }),
            },
        }
    }

    async fn consumer(&self, durable: &Durable) -> Result<Option<ConsumerReport>, Error> {
        self.connection.check_open()?;
        consume::report(&self.connection, durable).await
    }

    fn max_payload(&self) -> usize {
        self.connection.max_payload().saturating_sub(HEADERS_ROOM)
    }

    fn is_connected(&self) -> bool {
        self.connection.is_connected()
    }

    fn place(&self) -> Option<Place> {
        Some(Place::of(&self.connection.client))
    }

    fn is_safe(&self) -> bool {
        true
    }

    async fn close(&self) -> Result<(), Error> {
        let unsent = |source| Error::Connect {
            url: self.connection.url.clone(),
            reason: Reason::Connect,
            source,
        };
        let settled = tokio::time::timeout(CLOSE_WITHIN, self.publisher.settled()).await;
        let flushed = tokio::time::timeout(CLOSE_WITHIN, self.connection.client.flush()).await;
        self.connection.close().await;
        settled.map_err(|err| unsent(Cause::Unavailable(err.into())))?;
        flushed
            .map_err(|err| unsent(Cause::Unavailable(err.into())))?
            .map_err(|err| unsent(Cause::Unavailable(err.into())))
    }
}

#[async_trait]
impl History for JetStream {
    async fn read(
        &self,
        start: StartAt,
        until: Until,
    ) -> Result<BoxStream<'static, Result<Past, Error>>, Error> {
        self.connection.check_open()?;
        Ok(history::read(self.connection.clone(), start, until))
    }
}

#[async_trait]
impl Overview for JetStream {
    async fn look(&self) -> Result<Look, Error> {
        self.connection.check_open()?;
        let look = overview::look(&self.connection).await;
        look.map_err(|source| Error::Stream {
            stream: STREAM.to_owned(),
            source: source.into(),
        })
    }
}

#[async_trait]
impl StateStore for JetStream {
    async fn open(&self, bucket: &Bucket) -> Result<Arc<dyn State>, Error> {
        self.connection.check_open()?;
        let state = state::open(self.connection.clone(), self.publisher.clone(), bucket).await;
        let state = state.map_err(|err| Error::State {
            bucket: bucket.clone(),
            source: err.into(),
        })?;
        Ok(Arc::new(state))
    }
}

#[async_trait]
impl DeadLetters for JetStream {
    async fn store(&self, letter: DeadLetter) -> Result<(), Error> {
        self.connection.check_open()?;
        self.dead_letters.store(letter).await
    }

    async fn list(&self, filter: &DeadLetterFilter) -> Result<Vec<(Position, DeadLetter)>, Error> {
        self.connection.check_open()?;
        self.dead_letters.list(filter).await
    }

    async fn remove(&self, position: Position) -> Result<bool, Error> {
        self.connection.check_open()?;
        self.dead_letters.remove(position).await
    }

    async fn usage(&self) -> Result<Usage, Error> {
        self.connection.check_open()?;
        self.dead_letters.usage().await
    }
}
