//! Dead letters, in a stream of their own.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::stream::{Config, DeleteStatus, Info, StorageType};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::connect::{ApiError, Connection};
use super::consume::starting_at;
use super::publish::Publisher;
use super::read::Reader;
use super::stream::{self, Keeper};
use crate::dead_letter::STREAM;
use crate::{Cause, DeadLetter, DeadLetterFilter, Error, Position, StartAt, Subject, Usage};

/// How long a dead letter is kept, and how many: time to notice and to mend, and then they give way.
const MAX_AGE: Duration = Duration::from_hours(30 * 24);
const MAX_MESSAGES: i64 = 100_000;

/// How many bytes of them are kept: the most that the server has room for. It sets them apart, so that
/// letters never take the room of events.
const MAX_BYTES: [i64; 3] = [256 << 20, 64 << 20, 16 << 20];

/// What a server says that has not so much room.
const NO_ROOM: [ErrorCode; 2] = [
    ErrorCode::INSUFFICIENT_RESOURCES,
    ErrorCode::STORAGE_RESOURCES_EXCEEDED,
];

/// What the headers of a letter take.
const HEADERS_ROOM: usize = 128;

/// The dead letters of a bus. Their stream is made when the first of them comes.
pub(super) struct DeadLetterStream {
    connection: Arc<Connection>,
    publisher: Arc<Publisher>,
    keeper: OnceCell<Arc<Keeper>>,
}

impl DeadLetterStream {
    pub(super) fn new(connection: Arc<Connection>, publisher: Arc<Publisher>) -> Self {
        Self {
            connection,
            publisher,
            keeper: OnceCell::new(),
        }
    }

    pub(super) async fn store(&self, letter: DeadLetter) -> Result<(), Error> {
        let keeper = self
            .keeper
            .get_or_try_init(|| self.ready())
            .await
            .map_err(failed)?;
        let subject = Subject::from_wire(&letter.stored_subject());
        let limit = self.connection.max_payload().saturating_sub(HEADERS_ROOM);
        let encoded = letter.encode(limit);
        let encoded = encoded.map_err(|err| Error::DeadLetters {
            source: Cause::Refused(err),
        })?;
        // The same letter sent twice, because its answer got lost, is stored once.
        let id = HEXLOWER.encode(&Sha256::digest(&encoded));
        let mut headers = HeaderMap::new();
        headers.insert(async_nats::header::NATS_MESSAGE_ID, id);
        let failed = |source| Error::DeadLetters { source };
        let keeper = Some(keeper.clone());
        self.publisher
            .publish(&subject, headers, encoded, keeper, failed)
            .await?
            .await?;
        Ok(())
    }

    async fn ready(&self) -> Result<Arc<Keeper>, ApiError> {
        let config = Config {
            name: STREAM.to_owned(),
            subjects: vec![DeadLetterFilter::default().subjects()],
            storage: StorageType::File,
            max_age: MAX_AGE,
            max_messages: MAX_MESSAGES,
            num_replicas: stream::replicas(&self.connection).await?,
            ..Config::default()
        };
        let made = self.within_room(&config, stream::create).await?;
        let info = if made.config.max_bytes > 0 {
            made
        } else {
            // It is from a time when there was no limit.
            self.within_room(&made.config, stream::update).await?
        };
        let keeper = Keeper::new(self.connection.clone(), STREAM);
        keeper.remember(info.config);
        Ok(Arc::new(keeper))
    }

    /// Makes or changes the stream, with the largest limit that the server has room for.
    async fn within_room(
        &self,
        config: &Config,
        write: impl AsyncFn(&Connection, &Config) -> Result<Info, ApiError>,
    ) -> Result<Info, ApiError> {
        let mut sizes = MAX_BYTES.into_iter();
        loop {
            let config = Config {
                max_bytes: sizes.next().unwrap_or(MAX_BYTES[0]),
                ..config.clone()
            };
            match write(&self.connection, &config).await {
                Err(error) if error.has_code(&NO_ROOM) && sizes.len() > 0 => {}
                result => return result,
            }
        }
    }

    pub(super) async fn list(
        &self,
        filter: &DeadLetterFilter,
    ) -> Result<Vec<(Position, DeadLetter)>, Error> {
        let start = match (filter.after, filter.since) {
            (Some(after), _) => StartAt::After(after),
            (None, Some(since)) => StartAt::Time(since),
            (None, None) => StartAt::First,
        };
        let start = starting_at(start).map_err(failed)?;
        let (subjects, page) = (filter.subjects(), filter.page());
        let reader = Reader::open(&self.connection, STREAM, &subjects, start, page).await;
        let mut reader = match reader {
            Ok(reader) => reader,
            Err(err) if err.is_missing() => return Ok(Vec::new()),
            Err(err) => return Err(failed(err)),
        };
        let mut letters = Vec::new();
        while let Some((sequence, message)) = reader.next().await.map_err(failed)? {
            match DeadLetter::decode(&message.payload) {
                Ok(letter) => letters.push((Position::from_wire(sequence), letter)),
                Err(error) => tracing::warn!(sequence, %error, "This dead letter cannot be read"),
            }
        }
        Ok(letters)
    }

    pub(super) async fn remove(&self, position: Position) -> Result<bool, Error> {
        let request = serde_json::json!({ "seq": position.to_wire(), "no_erase": true });
        let deleted: Result<DeleteStatus, _> = self
            .connection
            .api(format!("STREAM.MSG.DELETE.{STREAM}"), &request)
            .await;
        match deleted {
            Ok(status) => Ok(status.success),
            Err(err) if err.is_missing() => Ok(false),
            Err(err) if err.has_code(&[ErrorCode::STREAM_MESSAGE_DELETE_FAILED]) => Ok(false),
            Err(err) => Err(failed(err)),
        }
    }

    pub(super) async fn usage(&self) -> Result<Usage, Error> {
        let info = match self.connection.stream_info(STREAM).await {
            Ok(info) => info,
            Err(err) if err.is_missing() => return Ok(Usage::default()),
            Err(err) => return Err(failed(err)),
        };
        // A server says -1 where there is no limit.
        let limit = |limit: i64| u64::try_from(limit).unwrap_or(0);
        Ok(Usage {
            letters: info.state.messages,
            max_letters: limit(info.config.max_messages),
            bytes: info.state.bytes,
            max_bytes: limit(info.config.max_bytes),
            newest: match info.state.last_sequence {
                0 => None,
                last => Some(Position::from_wire(last)),
            },
        })
    }
}

fn failed(err: ApiError) -> Error {
    Error::DeadLetters { source: err.into() }
}
