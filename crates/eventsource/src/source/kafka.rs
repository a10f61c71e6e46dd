//! Records of a Kafka topic as a source: of the partitions that a consumer group gives to each pod, or of one
//! partition. An offset is committed after the bus has everything before it.

mod decode;
mod offsets;
mod pace;
mod settings;
mod work;

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tiphys_api::{KafkaEventSource, Problem};
use tiphys_clients::kafka::{Consumer, Record, Start};

use self::settings::{Read, Settings};
use self::work::{Keeper, Position, Work};
use super::broker::{Members, NotJson, incoming};
use super::go_time::go_milliseconds;
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::event::{Draft, Input, SimulateError};
use crate::incoming::{Identity, Incoming};
use crate::served::payload::metadata;
use crate::status::Condition;

/// How many bytes the members take beside key, headers and body, in most records.
const AROUND: usize = 128;

/// Records of one topic.
#[derive(Debug)]
pub(crate) struct Kafka {
    settings: Settings,
    is_json: bool,
    /// Most events in a second. `None`: all that come.
    limit: Option<u64>,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
}

impl SourceKind for Kafka {
    type Spec = KafkaEventSource;

    fn compile(path: &str, spec: &KafkaEventSource) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            settings: Settings::compile(path, spec)?,
            is_json: *spec.json_body,
            limit: u64::try_from(*spec.limit_events_per_second)
                .ok()
                .filter(|limit| *limit > 0),
            metadata: metadata(&spec.metadata),
        })
    }
}

#[async_trait]
impl Source for Kafka {
    fn placement(&self) -> Placement {
        match self.settings.read {
            Read::Group(_) => Placement::AllPods,
            Read::Partition(_) => Placement::LeaseHolder,
        }
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        let config = self.settings.config(context).await?;
        let Settings { topic, limits, .. } = &self.settings;
        let failed = |error| {
            let act = format!("read the topic {topic}");
            self.settings.failed(act, error)
        };
        match &self.settings.read {
            Read::Group(group) => {
                let joining = Consumer::join(&config, topic, group, limits);
                let (consumer, changes) = joining.await.map_err(failed)?;
                let work = Work::new(self, context, consumer, Keeper::Group);
                work.run(Some(changes)).await
            }
            Read::Partition(partition) => {
                let cursor = context.cursor().await?;
                let position = Position::load(&cursor).await?;
                let start = position
                    .filter(|position| position.is_of(topic, *partition))
                    .map_or(Start::Newest, |position| Start::At(position.offset));
                let reading = Consumer::read(&config, topic, *partition, start, limits);
                let (consumer, offset) = reading.await.map_err(failed)?;
                let mut work = Work::new(self, context, consumer, Keeper::Cursor(cursor));
                work.begin(*partition, offset);
                context.condition(Condition::Working);
                work.run(None).await
            }
        }
    }

    fn draft(&self, input: &Input<'_>, now: Timestamp) -> Result<Draft, SimulateError> {
        let body = match input {
            Input::Example => br#"{"message":"hello"}"#,
            Input::Body { body, .. } => *body,
            _ => return Err(input.unfit("kafka")),
        };
        let record = Record {
            partition: match self.settings.read {
                Read::Group(_) => 0,
                Read::Partition(partition) => partition,
            },
            offset: 0,
            timestamp: now.as_millisecond(),
            key: None,
            value: Some(Bytes::copy_from_slice(body)),
            headers: Vec::new(),
        };
        let payload = self.payload(&record);
        let payload = payload.map_err(|error| SimulateError::Refused(error.to_string()))?;
        Ok(Draft::of(payload))
    }
}

impl Kafka {
    /// A record, which `fault` may keep from becoming a payload.
    fn incoming(
        &self,
        source: &str,
        event: &str,
        record: &Record,
        fault: Option<String>,
    ) -> Incoming {
        let body = record.value.clone().unwrap_or_default();
        let made = match fault {
            None => incoming(self.payload(record), &body),
            Some(fault) => Incoming::unreadable(body, fault),
        };
        Incoming {
            id: self.identity(source, event, record),
            ..made
        }
        .in_order(record.partition.to_string())
    }

    /// What Argo Events knows a record by.
    fn identity(&self, source: &str, event: &str, record: &Record) -> Identity {
        let Settings { servers, topic, .. } = &self.settings;
        let first = servers.split(',').next().unwrap_or_default();
        let Record {
            partition, offset, ..
        } = record;
        Identity::Whole(format!(
            "{source}:{event}:{first}:{topic}:{partition}:{offset}"
        ))
    }

    fn payload(&self, record: &Record) -> Result<Bytes, NotJson> {
        // The last of several headers with one name stays, as in Argo Events.
        let headers: BTreeMap<&[u8], &[u8]> = record
            .headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_deref().unwrap_or_default()))
            .collect();
        let key = record.key.as_deref().unwrap_or_default();
        let body = record.value.as_deref();
        let sizes = headers.iter().map(|(name, value)| name.len() + value.len());
        let size = sizes.sum::<usize>() + key.len() + body.map_or(0, <[u8]>::len) * 4 / 3;
        let members = Members::with_room_for(size + AROUND)
            .text("topic", self.settings.topic.as_bytes())
            .text("key", key)
            .json("partition", record.partition.to_string().as_bytes());
        let members = match body {
            Some(body) => members.body(body, self.is_json)?,
            None => members.json("body", b"null"),
        };
        Ok(members
            .text("timestamp", go_milliseconds(record.timestamp).as_bytes())
            .texts("headers", headers)
            .finish(&self.metadata))
    }
}

#[cfg(test)]
mod tests;
