//! Events of Azure Event Hubs as a source: of all partitions of a hub, each from where it was read last. How far a
//! partition is done is kept on the bus, after the bus has its events.

mod position;
mod reader;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use tiphys_api::{AzureEventsHubEventSource, Problem};
use tiphys_clients::azure::amqp::{Connection, Error, Message, Receiver};
use tokio::time::{MissedTickBehavior, interval, timeout};

use self::position::{Position, Progress};
use self::reader::Reader;
use self::settings::Settings;
use super::broker::Members;
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::cursor::Cursor;
use crate::error::SourceError;
use crate::event::{Draft, Input, SimulateError};
use crate::incoming::Incoming;
use crate::served::payload::metadata;
use crate::status::{Condition, chain};

/// How often it is kept how far the partitions are done.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// How long that may take: it is tried again.
const KEEP_WITHIN: Duration = Duration::from_secs(2);

/// How many bytes the members take beside the body, in most events.
const AROUND: usize = 128;

/// Events of a hub.
#[derive(Debug)]
pub(crate) struct AzureEventsHub {
    settings: Settings,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
}

impl SourceKind for AzureEventsHub {
    type Spec = AzureEventsHubEventSource;

    fn compile(path: &str, spec: &AzureEventsHubEventSource) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            settings: Settings::compile(path, spec)?,
            metadata: metadata(&spec.metadata),
        })
    }
}

#[async_trait]
impl Source for AzureEventsHub {
    fn placement(&self) -> Placement {
        Placement::LeaseHolder
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        let config = self.settings.config(context).await?;
        let hub = &self.settings.hub;
        let failed = |error| self.settings.failed(format!("read the hub {hub}"), error);
        let cursor = context.cursor().await?;
        let known = Position::load(&cursor, &self.settings.place()).await?;
        let opened = Connection::open(context.clients(), &config, hub).await;
        let mut connection = opened.map_err(failed)?;
        let attached = self.attach(&mut connection, &known).await;
        let (receivers, begin) = attached.map_err(failed)?;
        // Whatever comes now is read, whoever reads it.
        Position::new(self.settings.place(), begin.clone())
            .store(&cursor)
            .await?;
        context.condition(Condition::Working);
        let progress = Mutex::new(Progress::new(begin));
        let lost = connection.keep(context.clients());
        let ended = self
            .read(context, receivers, &progress, &cursor, lost)
            .await;
        if ended.is_ok() {
            connection.close().await;
        }
        self.keep(context, &progress, &cursor).await;
        ended.map_err(failed)
    }

    fn draft(&self, input: &Input<'_>, _now: Timestamp) -> Result<Draft, SimulateError> {
        let body = match input {
            Input::Example => br#"{"message":"hello"}"#,
            Input::Body { body, .. } => *body,
            _ => return Err(input.unfit("azureEventsHub")),
        };
        let message = Message {
            body: Some(Bytes::copy_from_slice(body)),
            sequence: Some(0),
            ..Message::default()
        };
        Ok(Draft::of(self.payload("0", &message)))
    }
}

impl AzureEventsHub {
    /// Attaches to all partitions. From which sequence number on each of them is read.
    async fn attach(
        &self,
        connection: &mut Connection,
        known: &BTreeMap<String, i64>,
    ) -> Result<(Vec<(String, Receiver)>, BTreeMap<String, i64>), Error> {
        let hub = &self.settings.hub;
        let mut management = connection.manage("$management").await?;
        let mut receivers = Vec::new();
        let mut begin = BTreeMap::new();
        for partition in management.partitions(hub).await? {
            let last = management.last_event(hub, &partition).await?;
            let after = position::begin(known.get(&partition).copied(), last);
            let source = format!("{hub}/ConsumerGroups/$Default/Partitions/{partition}");
            let receiver = connection.read(&source, after).await?;
            begin.insert(partition.clone(), after);
            receivers.push((partition, receiver));
        }
        Ok((receivers, begin))
    }

    /// Reads all partitions until the context's `shutdown`, or until the connection is `lost`.
    async fn read(
        &self,
        context: &SourceContext,
        receivers: Vec<(String, Receiver)>,
        progress: &Mutex<Progress>,
        cursor: &Cursor,
        lost: impl Future<Output = Error>,
    ) -> Result<(), Error> {
        let mut lost = std::pin::pin!(lost);
        let count = receivers.len();
        let reader = |(partition, receiver)| {
            let reader = Reader::new(self, context, progress, partition, receiver, count);
            reader.run()
        };
        let mut readers: FuturesUnordered<_> = receivers.into_iter().map(reader).collect();
        let mut keep = interval(KEEP_EVERY);
        keep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                error = &mut lost => return Err(error),
                ended = readers.next() => match ended {
                    Some(ended) => ended?,
                    None => return Ok(()),
                },
                _ = keep.tick() => self.keep(context, progress, cursor).await,
            }
        }
    }

    /// Keeps how far the partitions are done. What fails is tried again.
    async fn keep(&self, context: &SourceContext, progress: &Mutex<Progress>, cursor: &Cursor) {
        let due = position::locked(progress).due();
        let Some(due) = due else {
            return;
        };
        let position = Position::new(self.settings.place(), due.clone());
        match timeout(KEEP_WITHIN, position.store(cursor)).await {
            Ok(Ok(())) => position::locked(progress).kept(due),
            Ok(Err(error)) => context.failed(&chain(&error)),
            Err(_) => {
                let seconds = KEEP_WITHIN.as_secs();
                context.failed(&format!("store the cursor: no answer in {seconds} s"));
            }
        }
    }

    fn incoming(&self, partition: &str, message: &Message) -> Incoming {
        // A hub that was made anew counts from the beginning.
        let since = message.enqueued.map_or(0, Timestamp::as_millisecond);
        let sequence = message.sequence.unwrap_or_default();
        let parts = [
            self.settings.place(),
            partition.to_owned(),
            sequence.to_string(),
            since.to_string(),
        ];
        Incoming::new(self.payload(partition, message))
            .identified_by(parts)
            .in_order(partition)
    }

    /// The payload of an event, as that of Argo Events.
    fn payload(&self, partition: &str, message: &Message) -> Bytes {
        let sequence = message.sequence.unwrap_or_default();
        let id = message.id.clone();
        let id = id.unwrap_or_else(|| format!("{partition}/{sequence}"));
        let key = message.partition_key.as_deref().unwrap_or_default();
        let body = message.body.as_deref();
        let size = body.map_or(0, <[u8]>::len) * 4 / 3;
        let members = Members::with_room_for(size + AROUND)
            .text("id", id.as_bytes())
            .text("partitionKey", key.as_bytes());
        let members = match body {
            Some(body) => members.encoded_body(body),
            None => members.json("body", b"null"),
        };
        members.finish(&self.metadata)
    }
}
