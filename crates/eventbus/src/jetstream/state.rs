//! State in a key-value bucket, laid out as NATS' clients do (ADR-8), so that they can read it.
//!
//! Writes are plain publishes, so that they can be pipelined with those of events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, LastRawMessageErrorKind, StorageType};
use async_trait::async_trait;
use bytes::Bytes;

use super::connect::{ApiError, Connection};
use super::publish::Publisher;
use super::read::Reader;
use super::stream::{self, Keeper};
use crate::name::{given_key, stored_key};
use crate::{Bucket, Error, PublishAck, State, StateEntry, Subject};

const OPERATION: &str = "KV-Operation";

/// How long a server from 2.11 on keeps the tombstone of a key: long enough for whoever
/// watches the bucket, and then it does not pile up.
const TOMBSTONE_TTL: &str = "3600s";

/// The state under one bucket.
pub(super) struct JetStreamState {
    connection: Arc<Connection>,
    publisher: Arc<Publisher>,
    keeper: Arc<Keeper>,
    bucket: Bucket,
    /// Tombstones may be given a time to live.
    tombstones_expire: bool,
}

/// Opens a bucket, and makes or mends it: Argo Events gives it one copy only, however many the
/// stream of events has.
pub(super) async fn open(
    connection: Arc<Connection>,
    publisher: Arc<Publisher>,
    bucket: &Bucket,
) -> Result<JetStreamState, ApiError> {
    let wanted = Config {
        name: format!("KV_{bucket}"),
        subjects: vec![format!("$KV.{bucket}.>")],
        storage: StorageType::File,
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        duplicate_window: Duration::from_mins(2),
        num_replicas: stream::replicas(&connection).await?,
        allow_message_ttl: connection.client.is_server_compatible(2, 11, 0),
        ..Config::default()
    };
    let mut config = match connection.stream_info(&wanted.name).await {
        Ok(info) => info.config,
        Err(err) if err.is_missing() => stream::create(&connection, &wanted).await?.config,
        Err(err) => return Err(err),
    };
    if config.num_replicas < wanted.num_replicas
        || wanted.allow_message_ttl && !config.allow_message_ttl
    {
        let mended = Config {
            num_replicas: config.num_replicas.max(wanted.num_replicas),
            allow_message_ttl: wanted.allow_message_ttl,
            ..config.clone()
        };
        match stream::update(&connection, &mended).await {
            Ok(info) => config = info.config,
            // The bucket works as it is.
            Err(ApiError::Refused(_, error)) => {
                tracing::warn!(%bucket, %error, "Could not bring the bucket up to date");
            }
            Err(err) => return Err(err),
        }
    }
    let tombstones_expire = config.allow_message_ttl;
    let keeper = Arc::new(Keeper::new(connection.clone(), &config.name));
    keeper.remember(config);
    Ok(JetStreamState {
        connection,
        publisher,
        keeper,
        bucket: bucket.clone(),
        tombstones_expire,
    })
}

impl std::fmt::Debug for JetStreamState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JetStreamState")
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

impl JetStreamState {
    fn subject(&self, key: &str) -> Result<String, Error> {
        Ok(format!("$KV.{}.{}", self.bucket, stored_key(key)?))
    }

    async fn write(
        &self,
        key: &str,
        headers: HeaderMap,
        value: Bytes,
    ) -> Result<PublishAck, Error> {
        let subject = Subject::from_wire(&self.subject(key)?);
        let bucket = self.bucket.clone();
        let failed = move |source| Error::State { bucket, source };
        let keeper = Some(self.keeper.clone());
        self.publisher
            .publish(&subject, headers, value, keeper, failed)
            .await
    }

    /// The newest message of a key, be it a tombstone.
    async fn last(&self, key: &str) -> Result<Option<StreamMessage>, Error> {
        let subject = self.subject(key)?;
        let stream = format!("KV_{}", self.bucket);
        match self.connection.last_message(&stream, &subject).await {
            Ok(message) => Ok(Some(message)),
            Err(err) if err.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(err) => Err(self.failed(err.into())),
        }
    }

    fn failed(&self, err: ApiError) -> Error {
        Error::State {
            bucket: self.bucket.clone(),
            source: err.into(),
        }
    }
}

fn has_value(message: &StreamMessage) -> bool {
    !is_removed(Some(&message.headers))
}

fn is_removed(headers: Option<&HeaderMap>) -> bool {
    let operation = headers.and_then(|headers| headers.get(OPERATION));
    operation.is_some_and(|operation| matches!(operation.as_str(), "DEL" | "PURGE"))
}

#[async_trait]
impl State for JetStreamState {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        let last = self.last(key).await?;
        Ok(last.filter(has_value).map(|message| message.payload))
    }

    async fn create(&self, key: &str, value: Bytes) -> Result<Bytes, Error> {
        let last = match self.last(key).await? {
            Some(message) if has_value(&message) => return Ok(message.payload),
            // The tombstone of a key that was removed is what must not change then.
            Some(tombstone) => tombstone.sequence,
            None => 0,
        };
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, last.to_string());
        let Err(error) = self.write(key, headers, value.clone()).await?.await else {
            return Ok(value);
        };
        // Another one was first, or the answer got lost.
        self.get(key).await?.ok_or(error)
    }

    async fn put(&self, key: &str, value: Bytes) -> Result<PublishAck, Error> {
        self.write(key, HeaderMap::new(), value).await
    }

    async fn delete(&self, key: &str) -> Result<PublishAck, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(OPERATION, "DEL");
        if self.tombstones_expire {
            headers.insert(async_nats::header::NATS_MESSAGE_TTL, TOMBSTONE_TTL);
        }
        self.write(key, headers, Bytes::new()).await
    }

    async fn entries(&self) -> Result<Vec<StateEntry>, Error> {
        let stream = format!("KV_{}", self.bucket);
        let prefix = format!("$KV.{}.", self.bucket);
        let subjects = format!("{prefix}>");
        let newest = DeliverPolicy::LastPerSubject;
        let reader = Reader::open(&self.connection, &stream, &subjects, newest, usize::MAX);
        let mut reader = reader.await.map_err(|err| self.failed(err))?;
        let mut entries = BTreeMap::new();
        while let Some((_, message)) = reader.next().await.map_err(|err| self.failed(err))? {
            let Some(key) = message.subject.strip_prefix(&prefix).map(given_key) else {
                continue;
            };
            if is_removed(message.headers.as_ref()) {
                entries.remove(&key);
            } else {
                entries.insert(key, message.payload.clone());
            }
        }
        Ok(entries
            .into_iter()
            .map(|(key, value)| StateEntry { key, value })
            .collect())
    }
}
