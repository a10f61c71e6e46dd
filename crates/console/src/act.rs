//! What somebody does: each act says first what it would do, and leaves a line in the log.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tiphys_eventbus::{DeadLetter, Event, Outgoing, Position};
use tiphys_live::dead_letters::{self, Outcome, Query as Letters, Replayer};
use tiphys_live::pause::{Act, Kind, Objects, Target};
use tracing::info;

use crate::events;
use crate::fail::Failure;
use crate::letters;
use crate::site::State;

/// Which dead letters.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Meant {
    #[serde(default)]
    numbers: Vec<u64>,
    group: Option<Group>,
    #[serde(default)]
    all: bool,
    namespace: Option<String>,
    sensor: Option<String>,
    trigger: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

/// What letters have in common.
#[derive(Debug, Deserialize)]
struct Group {
    namespace: String,
    sensor: String,
    trigger: String,
    reason: String,
    error: String,
}

/// An object.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Thing {
    kind: String,
    namespace: String,
    name: String,
    #[serde(default)]
    dry_run: bool,
}

/// An event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Numbered {
    pub(crate) number: u64,
    #[serde(default)]
    dry_run: bool,
}

/// What an act has come to.
#[derive(Debug, Default)]
struct Answer {
    done: Vec<String>,
    refused: Vec<String>,
}

impl Answer {
    fn into_json(self) -> Value {
        json!({ "done": self.done, "refused": self.refused })
    }
}

/// Delivers the events of dead letters again.
pub(crate) async fn replay(state: &Arc<State>, meant: Meant) -> Result<Value, Failure> {
    let reached = state.bus().await?;
    // Found before anything is done: what fails again is a letter again, and not meant.
    let found = find(state, &meant).await?;
    let mut replayer = Replayer::new(&reached.bus, false);
    let mut answer = Answer::default();
    for (position, letter) in &found {
        let outcome = if meant.dry_run {
            replayer.look(*position, letter).await
        } else {
            replayer.replay(*position, letter).await
        };
        let outcome = match outcome {
            Ok(outcome) => outcome,
            // What was done is said all the same.
            Err(error) => {
                let failure = Failure::away(&error);
                answer
                    .refused
                    .push(format!("{position}: {}", failure.error()));
                break;
            }
        };
        let line = outcome.line(*position, letter, meant.dry_run);
        let line = line.trim_end().to_owned();
        audit(state, "replay", &line, meant.dry_run);
        match outcome {
            Outcome::Refused(_) => answer.refused.push(line),
            Outcome::Replayed { .. } | Outcome::Before => answer.done.push(line),
        }
    }
    Ok(answer.into_json())
}

/// Deletes dead letters.
pub(crate) async fn discard(state: &Arc<State>, meant: Meant) -> Result<Value, Failure> {
    let reached = state.bus().await?;
    let mut answer = Answer::default();
    for (position, letter) in find(state, &meant).await? {
        let line = dead_letters::line(position, &letter);
        let line = line.trim_end();
        if meant.dry_run {
            answer.done.push(format!("would be dropped: {line}"));
        } else if reached.bus.dead_letters.remove(position).await? {
            audit(state, "drop", line, false);
            answer.done.push(format!("dropped: {line}"));
        } else {
            answer.refused.push(format!("it is gone already: {line}"));
        }
    }
    Ok(answer.into_json())
}

async fn find(state: &State, meant: &Meant) -> Result<Vec<(Position, DeadLetter)>, Failure> {
    let mut found = Vec::new();
    for number in &meant.numbers {
        found.push(letters::find(state, *number).await?);
    }
    let query = match (&meant.group, meant.all) {
        (Some(group), _) => Letters {
            namespace: Some(group.namespace.clone()),
            sensor: Some(group.sensor.clone()),
            trigger: Some(group.trigger.clone()),
            reason: Some(letters::reason(&group.reason)?),
            since: None,
        },
        (None, true) => Letters {
            namespace: meant.namespace.clone(),
            sensor: meant.sensor.clone(),
            trigger: meant.trigger.clone(),
            reason: meant.reason.as_deref().map(letters::reason).transpose()?,
            since: None,
        },
        (None, false) if meant.numbers.is_empty() => {
            return Err(Failure::bad("nothing says which dead letters are meant"));
        }
        (None, false) => return Ok(found),
    };
    let reached = state.bus().await?;
    let each = |position, letter: DeadLetter| {
        let is_meant = meant
            .group
            .as_ref()
            .is_none_or(|group| dead_letters::error_in_short(&letter) == group.error);
        if is_meant {
            found.push((position, letter));
        }
    };
    query.each(&*reached.bus.dead_letters, each).await?;
    Ok(found)
}

/// Pauses a sensor or an event source, or lets it go on.
pub(crate) async fn pause(state: &Arc<State>, act: Act, thing: Thing) -> Result<Value, Failure> {
    if let Err(why) = &state.site.pausing {
        return Err(Failure::forbidden(why.as_str()));
    }
    let client = state.site.client.clone();
    let client = client.ok_or_else(|| Failure::forbidden("there is no cluster here"))?;
    let kind = match &*thing.kind {
        "Sensor" => Kind::Sensor,
        "EventSource" => Kind::EventSource,
        other => return Err(Failure::bad(format!("kind: {other:?} cannot be paused"))),
    };
    let target = Target {
        kind,
        name: thing.name,
    };
    let objects = Objects {
        client,
        namespace: thing.namespace,
        is_dry: thing.dry_run,
    };
    let mut answer = Answer::default();
    match objects.set(&target, act).await {
        Ok(outcome) => {
            let line = act.said(&target, &objects.namespace, outcome, thing.dry_run);
            audit(state, "pause", &line, thing.dry_run);
            answer.done.push(line);
        }
        Err(error) => answer.refused.push(error.to_string()),
    }
    Ok(answer.into_json())
}

/// Publishes an event again: it is another one, with an id of its own.
pub(crate) async fn send_again(state: &Arc<State>, asked: Numbered) -> Result<Value, Failure> {
    let seen = events::find(state, asked.number).await?;
    let event = seen.event.as_ref();
    let event = event.map_err(|why| Failure::bad(format!("it is no event: {why}")))?;
    let subject = seen.subject.as_str();
    let mut answer = Answer::default();
    if asked.dry_run {
        let line = format!("it would be published again on {subject}, with a new id");
        answer.done.push(line);
        return Ok(answer.into_json());
    }
    let mut context = (*event.context).clone();
    context.id = Event::new_id();
    let event = Event {
        context: context.into(),
        data: event.data.clone(),
    };
    let outgoing = Outgoing {
        subject: seen.subject.clone(),
        id: event.context.id.clone(),
        payload: event.encode(),
    };
    let reached = state.bus().await?;
    let ack = reached.bus.events.publish(outgoing).await?.await?;
    let (id, number) = (&event.context.id, ack.position);
    let line = format!("event {id} published on {subject}, number {number}");
    audit(state, "send", &line, false);
    answer.done.push(line);
    Ok(answer.into_json())
}

/// Reads what is asked for.
pub(crate) fn asked<'b, T: Deserialize<'b>>(body: &'b Bytes) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::bad(format!("the request: {error}")))
}

/// Who did what: an act that only says what it would do is none.
fn audit(state: &State, act: &str, what: &str, is_dry: bool) {
    if !is_dry {
        let user = state.site.user.as_deref().unwrap_or("whoever started it");
        info!(act, user, "Acted by the console: {what}");
    }
}
