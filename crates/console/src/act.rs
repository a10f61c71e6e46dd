//! What somebody does: each act says first what it would do, and leaves a trace of who did it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tiphys_eventbus::{DeadLetter, Event, Outgoing, Position};
use tiphys_http::StatusCode;
use tiphys_live::access::Right;
use tiphys_live::dead_letters::{self, Outcome, Query as Letters, Replayer, without_values};
use tiphys_live::pause::{Act, Kind, Objects, Target};

use crate::fail::Failure;
use crate::site::{Key, State};
use crate::visitor::Caller;
use crate::{audit, events, letters};

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
    /// None with a larger number is meant.
    to: Option<u64>,
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
    /// All errors are meant if there is none.
    error: Option<String>,
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
    /// The number of the newest letter that is meant: whoever confirms a dry run means none that came later.
    to: Option<u64>,
}

impl Answer {
    fn up_to(found: &[(Position, DeadLetter)]) -> Self {
        let numbers = found.iter().map(|(position, _)| position.to_wire());
        Self {
            to: numbers.max(),
            ..Self::default()
        }
    }

    /// The bus has failed. What was done before is said all the same.
    fn stopped(&mut self, at: Position, error: &tiphys_eventbus::Error) {
        let failure = Failure::away(error);
        self.refused.push(format!("{at}: {}", failure.error()));
    }

    fn into_json(self) -> Value {
        let mut answer = json!({ "done": self.done, "refused": self.refused });
        if let Some(to) = self.to {
            answer["to"] = to.into();
        }
        answer
    }
}

/// Delivers the events of dead letters again.
pub(crate) async fn replay(state: &State, caller: &Caller, meant: Meant) -> Result<Value, Failure> {
    let reached = state.bus().await?;
    // Found before anything is done: what fails again is a letter again, and not meant.
    let found = find(state, caller, &meant).await?;
    let mut replayer = Replayer::new(&reached.bus, false);
    let (mut answer, mut touched) = (Answer::up_to(&found), Touched::default());
    for (position, letter) in &found {
        let outcome = if meant.dry_run {
            replayer.look(*position, letter).await
        } else {
            replayer.replay(*position, letter).await
        };
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                answer.stopped(*position, &error);
                break;
            }
        };
        // The log is for more people than values of events are.
        let public = outcome.clone().without_values();
        if !meant.dry_run {
            let line = public.line(*position, &without_values(letter.clone()), false);
            audit::log(caller, "replay", line.trim_end());
        }
        let seen = if caller.may(Right::Payload) {
            outcome
        } else {
            public
        };
        let line = seen.line(*position, letter, meant.dry_run);
        let line = line.trim_end().to_owned();
        match seen {
            Outcome::Refused(_) => answer.refused.push(line),
            Outcome::Replayed { .. } | Outcome::Before => {
                touched.add(letter);
                answer.done.push(line);
            }
        }
    }
    if !meant.dry_run {
        touched
            .record(state, caller, ("Replayed", "replayed"))
            .await;
    }
    Ok(answer.into_json())
}

/// Deletes dead letters.
pub(crate) async fn discard(
    state: &State,
    caller: &Caller,
    meant: Meant,
) -> Result<Value, Failure> {
    let reached = state.bus().await?;
    let found = find(state, caller, &meant).await?;
    let (mut answer, mut touched) = (Answer::up_to(&found), Touched::default());
    for (position, letter) in found {
        let line = dead_letters::line(position, &letters::seen_by(caller, letter.clone()));
        let line = line.trim_end();
        if meant.dry_run {
            answer.done.push(format!("would be dropped: {line}"));
            continue;
        }
        match reached.bus.dead_letters.remove(position).await {
            Ok(true) => {
                touched.add(&letter);
                let public = dead_letters::line(position, &without_values(letter));
                audit::log(caller, "drop", public.trim_end());
                answer.done.push(format!("dropped: {line}"));
            }
            Ok(false) => answer.refused.push(format!("it is gone already: {line}")),
            Err(error) => {
                answer.stopped(position, &error);
                break;
            }
        }
    }
    touched.record(state, caller, ("Dropped", "dropped")).await;
    Ok(answer.into_json())
}

/// How many letters of each Sensor were touched.
#[derive(Default)]
struct Touched(BTreeMap<(String, String), u64>);

impl Touched {
    fn add(&mut self, letter: &DeadLetter) {
        let sensor = (letter.namespace.clone(), letter.sensor.clone());
        *self.0.entry(sensor).or_default() += 1;
    }

    async fn record(self, state: &State, caller: &Caller, (reason, done): (&str, &str)) {
        for ((namespace, sensor), count) in self.0 {
            let letters = if count == 1 { "letter" } else { "letters" };
            let what = format!("{count} dead {letters} {done}");
            let key = ("Sensor".to_owned(), namespace, sensor);
            audit::record(state, caller, (reason, &key), &what).await;
        }
    }
}

async fn find(
    state: &State,
    caller: &Caller,
    meant: &Meant,
) -> Result<Vec<(Position, DeadLetter)>, Failure> {
    let mut found = Vec::new();
    for number in &meant.numbers {
        found.push(letters::find(state, *number).await?);
    }
    let query = match (&meant.group, meant.all) {
        (Some(group), _) => Letters {
            namespace: state.within(Some(&group.namespace))?,
            sensor: Some(group.sensor.clone()),
            trigger: Some(group.trigger.clone()),
            reason: Some(letters::reason(&group.reason)?),
            ..Letters::default()
        },
        (None, true) => Letters {
            namespace: state.within(meant.namespace.as_deref())?,
            sensor: meant.sensor.clone(),
            trigger: meant.trigger.clone(),
            reason: meant.reason.as_deref().map(letters::reason).transpose()?,
            ..Letters::default()
        },
        (None, false) if meant.numbers.is_empty() => {
            return Err(Failure::bad("nothing says which dead letters are meant"));
        }
        (None, false) => return Ok(found),
    };
    let reached = state.bus().await?;
    let error = meant.group.as_ref().and_then(|group| group.error.as_ref());
    if error.is_some() && !caller.may(Right::Payload) {
        // Without it more would be meant than was shown.
        let why = "the groups are others for who may not see values: read them again";
        return Err(Failure::new(StatusCode::CONFLICT, why));
    }
    let to = meant.to.unwrap_or(u64::MAX);
    let each = |position: Position, letter: DeadLetter| {
        let is_meant = position.to_wire() <= to
            && error.is_none_or(|error| dead_letters::error_in_short(&letter) == *error);
        if is_meant {
            found.push((position, letter));
        }
    };
    query.each(&*reached.bus.dead_letters, each).await?;
    Ok(found)
}

/// Pauses a sensor or an event source, or lets it go on.
pub(crate) async fn pause(
    state: &State,
    caller: &Caller,
    act: Act,
    thing: Thing,
) -> Result<Value, Failure> {
    let client = state.site.client.clone();
    let client = client.ok_or_else(|| Failure::forbidden("there is no cluster here"))?;
    let kind = match &*thing.kind {
        "Sensor" => Kind::Sensor,
        "EventSource" => Kind::EventSource,
        other => return Err(Failure::bad(format!("kind: {other:?} cannot be paused"))),
    };
    state.within(Some(&thing.namespace))?;
    let target = Target::new(kind, &thing.name);
    let target = target.map_err(|why| Failure::bad(format!("name: {why}")))?;
    let objects = Objects {
        client,
        namespace: thing.namespace.clone(),
        is_dry: thing.dry_run,
    };
    let mut answer = Answer::default();
    match objects.set(&target, act).await {
        Ok(outcome) => {
            let line = act.said(&target, &objects.namespace, outcome, thing.dry_run);
            if !thing.dry_run {
                audit::log(caller, "pause", &line);
                let reason = match act {
                    Act::Pause => "Paused",
                    Act::Resume => "Resumed",
                };
                let key: Key = (thing.kind, thing.namespace, thing.name);
                audit::record(state, caller, (reason, &key), &line).await;
            }
            answer.done.push(line);
        }
        Err(error) => answer.refused.push(error.to_string()),
    }
    Ok(answer.into_json())
}

/// Publishes an event again: it is another one, with an id of its own.
pub(crate) async fn send_again(
    state: &State,
    caller: &Caller,
    asked: Numbered,
) -> Result<Value, Failure> {
    let seen = events::find(state, asked.number).await?;
    if let Some(replay) = &seen.replay {
        let letter = &replay.letter;
        let why =
            format!("it is the event of dead letter {letter}, delivered again to one trigger");
        return Err(Failure::bad(why).hint("send the event itself again"));
    }
    let event = seen.event.as_ref();
    let event = event.map_err(|why| {
        // Why quotes what is there.
        Failure::bad(if caller.may(Right::Payload) {
            format!("it is no event: {why}")
        } else {
            "it is no event".to_owned()
        })
    })?;
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
    audit::log(caller, "send", &line);
    let namespace = state.site.namespace.clone().unwrap_or_default();
    let source = event.context.source.clone();
    let key: Key = ("EventSource".to_owned(), namespace, source);
    audit::record(state, caller, ("SentAgain", &key), &line).await;
    answer.done.push(line);
    Ok(answer.into_json())
}

/// Reads what is asked for.
pub(crate) fn asked<'b, T: Deserialize<'b>>(body: &'b Bytes) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::bad(format!("the request: {error}")))
}
