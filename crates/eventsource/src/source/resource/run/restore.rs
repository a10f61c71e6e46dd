//! Reads what was published before: records, position, and the last message.

use std::collections::HashMap;

use bytes::Bytes;
use futures::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use tiphys_api::ResourceEventType;
use tiphys_eventbus::{Error as BusError, Event, StartAt, Subject};

use crate::source::resource::ledger::{Ledger, Step};
use crate::source::resource::object::{Object, Uid, Version};
use crate::source::resource::publish::Target;
use crate::source::resource::record::{Position, Record};
use crate::source::resource::{Evaluation, Resource};

/// For how long a message may have been published and its record not be written when a position is:
/// a publish waits five seconds for its answer; the rest is for clocks that differ.
const UNRECORDED: SignedDuration = SignedDuration::from_secs(60);

/// Where to go on.
pub(super) struct Restored {
    pub(super) ledger: Ledger,
    pub(super) position: Position,
    /// Where the watch goes on; a list is needed if there is none.
    pub(super) cursor: Option<Version>,
    pub(super) tombstones: HashMap<Uid, Version>,
    /// What was published without a record.
    pub(super) adopted: Vec<Step>,
}

/// Reads what the bus knows of an event.
pub(super) async fn restore(target: &Target, resource: &Resource) -> Result<Restored, BusError> {
    let now = target.outlet.clock.now();
    let entries = target.state.entries().await?;
    let position_key = target.keys.position();
    let stored = entries.iter().find(|entry| entry.key == position_key);
    let stored = stored.and_then(|entry| Position::decode(&entry.value));

    let scope = resource.endpoint.scope();
    let stored = stored.filter(|stored| stored.scope == scope);
    let is_same_source = stored
        .as_ref()
        .is_some_and(|stored| *stored.uid == *target.outlet.event.uid);
    let is_same_selection = stored
        .as_ref()
        .is_some_and(|stored| stored.selection == resource.selection);
    let cursor = stored
        .as_ref()
        .filter(|_| is_same_source && is_same_selection)
        .and_then(|stored| stored.resource_version.clone());
    let position = Position {
        resource_version: cursor.clone(),
        scope,
        selection: resource.selection.clone(),
        uid: target.outlet.event.uid.to_string(),
        started_at: stored
            .as_ref()
            .filter(|_| is_same_source)
            .map_or(now, |stored| stored.started_at),
        stored_at: None,
    };
    let evaluation = Evaluation {
        resource,
        started_at: position.started_at,
        now,
    };
    let mut ledger = Ledger::new(&evaluation);
    let mut tombstones = HashMap::new();
    let mut foreign = Vec::new();
    for entry in &entries {
        let Some(uid) = target.keys.uid(&entry.key) else {
            continue;
        };
        match Record::decode(&entry.value) {
            Some(record) if stored.is_some() && is_of(&record, resource, is_same_selection) => {
                let uid = Uid::from(uid);
                if let Record::Gone(version) = &record {
                    tombstones.insert(uid.clone(), version.clone());
                }
                ledger.restore(uid, record);
            }
            _ => foreign.push(entry.key.as_str()),
        }
    }
    for key in foreign {
        target.state.delete(key).await?.await?;
    }
    if cursor.is_none() {
        ledger.reevaluate();
    }
    let stored_at = stored.as_ref().and_then(|stored| stored.stored_at);
    let adopted = if is_same_source {
        adopt(target, &mut ledger, stored_at).await?
    } else {
        Vec::new()
    };
    // Before anything is published, so that the moment of the first start is not lost.
    target.store(&position).await?;
    Ok(Restored {
        ledger,
        position,
        cursor,
        tombstones,
        adopted,
    })
}

/// Whether a record still says something. Under another selection, what did not pass is looked at as
/// if it had never been seen, and what is elsewhere is none of its business.
fn is_of(record: &Record, resource: &Resource, is_same_selection: bool) -> bool {
    if is_same_selection {
        return true;
    }
    match record {
        Record::Gone(_) => false,
        Record::Known(known) => {
            let namespace = resource.endpoint.namespace.as_ref();
            let is_here = known.namespace.is_empty()
                || namespace.is_none_or(|namespace| *namespace == known.namespace);
            known.passes && is_here
        }
    }
}

/// Reads the messages since the position was last written: publishes that got through before their
/// records did. They are not published again, whatever has become of their objects meanwhile.
async fn adopt(
    target: &Target,
    ledger: &mut Ledger,
    stored_at: Option<Timestamp>,
) -> Result<Vec<Step>, BusError> {
    let event = &target.outlet.event;
    let subject = Subject::event(&event.source, &event.name);
    let Some(last) = target.outlet.bus.events.last_message(&subject).await? else {
        return Ok(Vec::new());
    };
    let since = stored_at.and_then(|stored_at| stored_at.checked_sub(UNRECORDED).ok());
    if since.is_some_and(|since| last.stored_at < since) {
        return Ok(published(&last.payload)
            .and_then(|(kind, object)| ledger.adopt(kind, object))
            .into_iter()
            .collect());
    }
    let start = since.map_or(StartAt::First, StartAt::Time);
    let mut messages = target.outlet.bus.events.messages(&subject, start).await?;
    let mut steps = Vec::new();
    while let Some(message) = messages.try_next().await? {
        steps.extend(
            published(&message.payload).and_then(|(kind, object)| ledger.adopt(kind, object)),
        );
    }
    Ok(steps)
}

fn published(message: &[u8]) -> Option<(ResourceEventType, Object)> {
    #[derive(Deserialize)]
    struct Payload<'a> {
        r#type: &'a str,
        #[serde(borrow)]
        body: &'a RawValue,
    }
    let data = Event::decode(message).ok()?.data?;
    let payload: Payload<'_> = serde_json::from_slice(&data).ok()?;
    let kind = ResourceEventType::from_name(payload.r#type)?;
    let object = Object::parse(Bytes::copy_from_slice(payload.body.get().as_bytes())).ok()?;
    Some((kind, object))
}
