//! The one connection to the servers, and requests to JetStream's API over it.

use async_nats::connection::State;
use async_nats::error::Error as NatsError;
use async_nats::jetstream::context::{ContextBuilder, RequestErrorKind};
use async_nats::jetstream::{self, Context, ErrorCode};

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{
    self, ConsumerError, ConsumerErrorKind, LastRawMessageError, LastRawMessageErrorKind,
};
use async_nats::{Client, Event, datetime::DateTime};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
pub(super) use tiphys_clients::nats::ANSWER_WITHIN;
use tiphys_clients::nats::{Config, connect, without_passwords};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{BoxError, Cause, Error};

/// Most unacknowledged publishes that the library lets through; more than the publisher's window,
/// which is what bounds them.
const LIBRARY_IN_FLIGHT: usize = 4096;

/// How the server says that a limit is reached, or its disk is full.
pub(super) const NO_ROOM: [ErrorCode; 5] = [
    ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
    ErrorCode::INSUFFICIENT_RESOURCES,
    ErrorCode::MEMORY_RESOURCES_EXCEEDED,
    ErrorCode::STORAGE_RESOURCES_EXCEEDED,
    ErrorCode::STREAM_STORE_FAILED,
];

/// A connection that heals itself.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) context: Context,
    /// The servers, without passwords.
    pub(super) url: String,
    /// Changes with each loss of the connection and with each return.
    pub(super) link: watch::Receiver<Link>,
    pub(super) closed: CancellationToken,
}

/// How the connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    /// How often it has been lost.
    pub(super) losses: u64,
    /// It stands.
    pub(super) is_up: bool,
}

/// Why a request to JetStream's API has no result.
#[derive(Debug)]
pub(super) enum ApiError {
    /// No answer.
    Unavailable(BoxError),
    /// An answer, and it is no.
    Refused(ErrorCode, BoxError),
}

impl Connection {
    pub(super) async fn open(config: &Config) -> Result<Self, Error> {
        let url = without_passwords(&config.url);
        let (changes, link) = watch::channel(Link {
            losses: 0,
            is_up: true,
        });
        let client = connect(config, move |event| note(&changes, &event)).await?;
        let context = ContextBuilder::new()
            .timeout(ANSWER_WITHIN)
            .ack_timeout(ANSWER_WITHIN)
            .max_ack_inflight(LIBRARY_IN_FLIGHT)
            .backpressure_on_inflight(true)
            .build(client.clone());
        Ok(Self {
            client,
            context,
            url,
            link,
            closed: CancellationToken::new(),
        })
    }

    pub(super) fn check_open(&self) -> Result<(), Error> {
        if self.closed.is_cancelled() {
            Err(Error::Closed)
        } else {
            Ok(())
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        !self.closed.is_cancelled() && self.client.connection_state() == State::Connected
    }

    /// Resolves when the connection is lost after this call: answers that are on their way then
    /// never come.
    pub(super) fn lost(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut link = self.link.clone();
        let losses = link.borrow_and_update().losses;
        async move {
            if link.wait_for(|link| link.losses != losses).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The largest message, headers included.
    pub(super) fn max_payload(&self) -> usize {
        self.client.server_info().max_payload
    }

    pub(super) async fn close(&self) {
        self.closed.cancel();
        if let Err(error) = self.client.drain().await {
            tracing::debug!(%error, "The connection was gone before it was closed");
        }
    }

    /// Asks JetStream's API.
    pub(super) async fn api<T: DeserializeOwned>(
        &self,
        subject: String,
        request: &impl Serialize,
    ) -> Result<T, ApiError> {
        match self.context.request(subject, request).await {
            Ok(Response::Ok(answer)) => Ok(answer),
            Ok(Response::Err { error }) => Err(error.into()),
            Err(err) if err.kind() == RequestErrorKind::InvalidSubject => {
                Err(ApiError::Refused(ErrorCode::BAD_REQUEST, err.into()))
            }
            Err(err) => Err(ApiError::Unavailable(err.into())),
        }
    }

    pub(super) async fn stream_info(&self, stream: &str) -> Result<stream::Info, ApiError> {
        self.api(format!("STREAM.INFO.{stream}"), &serde_json::json!({}))
            .await
    }

    /// The newest message under a subject, as the stream's leader knows it.
    pub(super) async fn last_message(
        &self,
        stream: &str,
        subject: &str,
    ) -> Result<StreamMessage, LastRawMessageError> {
        let stream = self
            .context
            .get_stream_no_info(stream)
            .await
            .map_err(|err| LastRawMessageError::with_source(LastRawMessageErrorKind::Other, err))?;
        stream.get_last_raw_message_by_subject(subject).await
    }
}

fn note(changes: &watch::Sender<Link>, event: &Event) {
    match event {
        Event::Connected => {
            tracing::info!("Connected to the bus");
            changes.send_modify(|link| link.is_up = true);
        }
        Event::Disconnected => {
            tracing::warn!("Lost the connection to the bus");
            changes.send_modify(|link| {
                link.is_up = false;
                link.losses += 1;
            });
        }
        Event::LameDuckMode => tracing::info!("The server is about to stop"),
        Event::ServerError(error) => tracing::warn!(%error, "The server reports an error"),
        Event::ClientError(error) => tracing::warn!(%error, "The connection reports an error"),
        Event::SlowConsumer(_) => tracing::warn!("Messages came faster than they were taken"),
        Event::Draining | Event::Closed => {}
    }
}

/// A moment as JetStream writes it. Its clocks stay within what a timestamp can hold.
pub(super) fn timestamp(time: DateTime) -> Timestamp {
    Timestamp::from_nanosecond(time.unix_timestamp_nanos()).unwrap_or_default()
}

impl ApiError {
    /// What was asked for does not exist.
    pub(super) fn is_missing(&self) -> bool {
        self.has_code(&[
            ErrorCode::STREAM_NOT_FOUND,
            ErrorCode::CONSUMER_NOT_FOUND,
            ErrorCode::CONSUMER_DOES_NOT_EXIST,
            ErrorCode::NO_MESSAGE_FOUND,
            ErrorCode::SEQUENCE_NOT_FOUND,
        ])
    }

    pub(super) fn has_code(&self, codes: &[ErrorCode]) -> bool {
        matches!(self, Self::Refused(code, _) if codes.contains(code))
    }
}

impl From<ApiError> for Cause {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Unavailable(source) => Self::Unavailable(source),
            ApiError::Refused(code, source) if NO_ROOM.contains(&code) => Self::Full(source),
            ApiError::Refused(_, source) => Self::Refused(source),
        }
    }
}

impl From<jetstream::Error> for ApiError {
    fn from(error: jetstream::Error) -> Self {
        // A cluster without leader or a server that is starting says 503.
        if error.code() == 503 {
            return Self::Unavailable(error.into());
        }
        Self::Refused(error.error_code(), error.into())
    }
}

impl From<ConsumerError> for ApiError {
    fn from(error: ConsumerError) -> Self {
        match error.kind() {
            ConsumerErrorKind::JetStream(answer) => answer.clone().into(),
            ConsumerErrorKind::TimedOut | ConsumerErrorKind::Request | ConsumerErrorKind::Other => {
                Self::Unavailable(error.into())
            }
            ConsumerErrorKind::InvalidConsumerType | ConsumerErrorKind::InvalidName => {
                Self::Refused(ErrorCode::BAD_REQUEST, error.into())
            }
        }
    }
}

impl From<LastRawMessageError> for ApiError {
    fn from(error: LastRawMessageError) -> Self {
        match error.kind() {
            LastRawMessageErrorKind::JetStream(answer) => answer.clone().into(),
            LastRawMessageErrorKind::NoMessageFound => {
                Self::Refused(ErrorCode::NO_MESSAGE_FOUND, error.into())
            }
            LastRawMessageErrorKind::InvalidSubject => {
                Self::Refused(ErrorCode::BAD_REQUEST, error.into())
            }
            LastRawMessageErrorKind::Other => Self::Unavailable(error.into()),
        }
    }
}

/// An error of the library that says nothing about whose fault it is: the connection's.
pub(super) fn unavailable<K>(error: NatsError<K>) -> Cause
where
    K: Clone + std::fmt::Debug + std::fmt::Display + PartialEq + Send + Sync + 'static,
{
    Cause::Unavailable(error.into())
}
