//! Writes what was found, if that is news.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde_json::json;
use tiphys_api::{Condition, Status};
use tokio::time::Instant;

use super::Workload;
use super::rollout::Counts;
use crate::condition::Conditions;
use crate::{Context, Error, event, patch};

/// The wait between two writes for one object.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// The same, if only counts and times have changed.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// Writes the status, if it differs. Returns the wait until it may be written, if that is later.
pub(super) async fn write<K: Workload>(
    context: &Context,
    object: &K,
    conditions: &Conditions,
    counts: Option<Counts>,
) -> Result<Option<Duration>, Error> {
    let empty = Status::default();
    let old = object.status().unwrap_or(&empty);
    let generation = object.meta().generation;
    let new = Status {
        conditions: conditions
            .written(&old.conditions, generation, (context.now)())
            .into(),
        observed_generation: generation,
        ..with_counts(old, counts)
    };
    if new == *old {
        return Ok(None);
    }
    let uid = object.uid().unwrap_or_default();
    let every = if is_news(old, &new) {
        WRITE_EVERY
    } else {
        COUNT_EVERY
    };
    if let Some(written) = context.memory.written(&uid) {
        let wait = every.saturating_sub(written.elapsed());
        if !wait.is_zero() {
            return Ok(Some(wait));
        }
    }
    send(context, object, &new).await?;
    context.memory.note_written(&uid, Instant::now());
    for event in event::of_change(&old.conditions, &new.conditions) {
        event::record(context, object, &event).await;
    }
    Ok(None)
}

/// The numbers of the pods; without reports, the last ones stay.
fn with_counts(old: &Status, counts: Option<Counts>) -> Status {
    let Some(counts) = counts else {
        return old.clone();
    };
    let last = counts
        .last_event_time
        .and_then(|time| time.parse::<Timestamp>().ok());
    let last = last.and_then(|time| Timestamp::from_second(time.as_second()).ok());
    Status {
        last_event_time: last.map(Time).or_else(|| old.last_event_time.clone()),
        lag: Some(counts.lag),
        dead_lettered: Some(counts.dead_lettered),
        last_error: counts.last_error,
        ..Status::default()
    }
}

/// True if more than counts, times and the text of an error have changed.
fn is_news(old: &Status, new: &Status) -> bool {
    let plain = |status: &Status| Status {
        lag: None,
        last_event_time: None,
        dead_lettered: status.dead_lettered.map(|count| count.min(1)),
        last_error: status.last_error.as_ref().map(|_| String::new()),
        ..status.clone()
    };
    plain(old) != plain(new)
}

async fn send<K: Workload>(context: &Context, object: &K, status: &Status) -> Result<(), Error> {
    let conditions: &[Condition] = &status.conditions;
    let written = json!({
        "conditions": conditions,
        "observedGeneration": status.observed_generation,
        "lastEventTime": status.last_event_time,
        "lag": status.lag,
        "deadLettered": status.dead_lettered,
        "lastError": status.last_error,
    });
    patch::status(context, object, written).await
}
