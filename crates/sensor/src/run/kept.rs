//! Keeps a trigger's rounds on the bus, in Argo Events' form: one key per trigger and dependency.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tiphys_eventbus::{Error, Event, Replay, State, open_rounds};

use crate::engine::{Member, object_key};
use crate::trigger::Trigger;

use super::Runner;

/// The kept events of one trigger on the bus.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    state: Arc<dyn State>,
    trigger: Arc<str>,
    names: Arc<[Arc<str>]>,
}

/// What is stored under a key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    stream_seq: u64,
    consumer_seq: u64,
    timestamp: Timestamp,
    /// The dead letter whose event it is. Argo Events skips it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replay: Option<Replay>,
    event: Box<RawValue>,
}

impl Kept {
    /// Opens the sensor's bucket; returns what it holds as well, by its dependency.
    pub(super) async fn open(
        runner: &Runner,
        trigger: &Trigger,
    ) -> Result<(Self, Vec<(usize, Member)>), Error> {
        let sensor = &runner.sensor;
        let state = open_rounds(&*runner.bus.state, &sensor.namespace, &sensor.name).await?;
        let names = trigger.dependency_names().into();
        let kept = Self {
            state,
            trigger: Arc::clone(trigger.name()),
            names,
        };
        let mut members = Vec::new();
        for &index in trigger.dependencies() {
            if let Some(value) = kept.state.get(&kept.key(index)).await? {
                if let Some(member) = read(&value) {
                    members.push((index, member));
                } else {
                    tracing::warn!(
                        triggerName = %kept.trigger,
                        key = kept.key(index),
                        "Ignoring a kept event that cannot be read"
                    );
                }
            }
        }
        Ok((kept, members))
    }

    fn key(&self, dependency: usize) -> String {
        format!("{}/{}", self.trigger, self.names[dependency])
    }

    /// Stores an event; returns when it is stored.
    pub(super) async fn keep(&self, dependency: usize, member: &Member) -> Result<(), Error> {
        let text = String::from_utf8_lossy(&member.event.encode()).into_owned();
        let Ok(event) = RawValue::from_string(text) else {
            return Ok(());
        };
        let record = Record {
            stream_seq: member.sequence,
            consumer_seq: 0,
            timestamp: member.stored_at,
            replay: member.replay.as_deref().cloned(),
            event,
        };
        let value = serde_json::to_vec(&record).unwrap_or_default();
        self.state
            .put(&self.key(dependency), Bytes::from(value))
            .await?
            .await?;
        Ok(())
    }

    /// Forgets events; returns when they are gone.
    pub(super) async fn forget(&self, dependencies: &[usize]) -> Result<(), Error> {
        let mut acks = Vec::with_capacity(dependencies.len());
        for &dependency in dependencies {
            acks.push(self.state.delete(&self.key(dependency)).await?);
        }
        for ack in acks {
            ack.await?;
        }
        Ok(())
    }
}

fn read(value: &[u8]) -> Option<Member> {
    let record: Record = serde_json::from_slice(value).ok()?;
    let event = Event::decode(record.event.get().as_bytes()).ok()?;
    let object = object_key(&event);
    Some(Member {
        event: Arc::new(event),
        sequence: record.stream_seq,
        stored_at: record.timestamp,
        object,
        replay: record.replay.map(Arc::new),
    })
}
