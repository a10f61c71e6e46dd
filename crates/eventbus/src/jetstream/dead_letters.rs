//! Dead letters, in a stream of their own.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::stream::{Config, DeleteStatus, StorageType};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::connect::{ApiError, Connection};
use super::publish::Publisher;
use super::stream::{self, Keeper};
use crate::dead_letter::STREAM;
use crate::{Cause, DeadLetter, DeadLetterFilter, Error, Subject};

/// How long a dead letter is kept, and how many: time to notice and to mend, and then they give way.
const MAX_AGE: Duration = Duration::from_hours(30 * 24);
const MAX_MESSAGES: i64 = 100_000;

/// What the headers of a letter take.
const HEADERS_ROOM: usize = 128;

/// The dead letters of a bus. Their stream is made when the first of them comes.
pub(super) struct DeadLetters {
    connection: Arc<Connection>,
    publisher: Arc<Publisher>,
    keeper: OnceCell<Arc<Keeper>>,
}

impl DeadLetters {
    pub(super) fn new(connection: Arc<Connection>, publisher: Arc<Publisher>) -> Self {
        Self {
            connection,
            publisher,
            keeper: OnceCell::new(),
        }
    }

    pub(super) async fn dead_letter(&self, dead_letter: DeadLetter) -> Result<(), Error> {
        let keeper = self
            .keeper
            .get_or_try_init(|| self.ready())
            .await
            .map_err(failed)?;
        let subject = Subject::from_wire(&dead_letter.stored_subject());
        let limit = self.connection.max_payload().saturating_sub(HEADERS_ROOM);
        let encoded = dead_letter.encode(limit);
        let encoded = encoded.map_err(|err| Error::DeadLetters {
            source: Cause::Refused(err),
        })?;
        // The same letter sent twice, because its answer got lost, is stored once.
        let mut id = String::with_capacity(64);
        for byte in Sha256::digest(&encoded) {
            id.write_fmt(format_args!("{byte:02x}")).unwrap_or_default();
        }
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
            subjects: vec!["tiphys.dead-letters.*.*.*".to_owned()],
            storage: StorageType::File,
            max_age: MAX_AGE,
            max_messages: MAX_MESSAGES,
            num_replicas: stream::replicas(&self.connection).await?,
            ..Config::default()
        };
        let info = stream::create(&self.connection, &config).await?;
        let keeper = Keeper::new(self.connection.clone(), STREAM);
        keeper.remember(info.config);
        Ok(Arc::new(keeper))
    }

    pub(super) async fn list(
        &self,
        filter: &DeadLetterFilter,
    ) -> Result<Vec<(u64, DeadLetter)>, Error> {
        let start = DeliverPolicy::ByStartSequence {
            start_sequence: filter.after + 1,
        };
        let mut dead_letters = Vec::new();
        let take = |sequence, message: async_nats::jetstream::Message| match DeadLetter::decode(
            &message.payload,
        ) {
            Ok(dead_letter) => dead_letters.push((sequence, dead_letter)),
            Err(error) => tracing::warn!(sequence, %error, "This dead letter cannot be read"),
        };
        let subjects = filter.subjects();
        let page = filter.page();
        match super::read::messages(&self.connection, STREAM, &subjects, start, page, take).await {
            Err(err) if !err.is_missing() => Err(failed(err)),
            _ => Ok(dead_letters),
        }
    }

    pub(super) async fn remove(&self, sequence: u64) -> Result<bool, Error> {
        let request = serde_json::json!({ "seq": sequence, "no_erase": true });
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
}

fn failed(err: ApiError) -> Error {
    Error::DeadLetters { source: err.into() }
}
