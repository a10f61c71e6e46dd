//! Replays: the event of a dead letter is delivered again to the trigger that dead-lettered it, and to nobody
//! else, and its letter is removed.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;

use futures::StreamExt as _;
use serde_json::{Value, json};
use tiphys_api::message::with_causes;
use tiphys_base::text::one_line;
use tiphys_eventbus::{
    ConsumerReport, DeadLetter, Durable, Error, Event, EventBus, MessageAck, Position, Replay,
    StartAt, Subject,
};

use super::event_id;

/// Replays dead letters of one bus.
#[derive(Debug)]
pub struct Replayer<'b> {
    bus: &'b EventBus,
    is_forced: bool,
    triggers: HashMap<Durable, Trigger>,
}

/// What the bus knows of a trigger.
#[derive(Debug)]
struct Trigger {
    consumer: Option<ConsumerReport>,
    /// The letters whose replays are still stored.
    replayed: HashSet<String>,
}

/// What becomes of a letter, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its event is delivered again.
    Replayed {
        /// Somebody waits for it.
        is_listening: bool,
    },
    /// Its event had been delivered again already: the letter had only to be removed.
    Before,
    /// It stays as it is.
    Refused(Refusal),
}

/// Why a letter cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is of an event source.
    NoTrigger,
    /// Its event had so many bytes, and is not whole.
    Cut(usize),
    /// There is no event in it: why, if it is said.
    NoEvent(String),
    /// Its action may have been done, and nobody would recognise it.
    MayBeDone,
    /// Its trigger has no consumer.
    Gone,
    /// The consumer of its trigger does not ask for replays.
    NotAsked,
    /// With what is said of it, it is larger than the bus takes, in bytes.
    TooLarge(usize),
}

impl<'b> Replayer<'b> {
    /// With `is_forced`, an action is performed even if it can be recognised as done.
    pub fn new(bus: &'b EventBus, is_forced: bool) -> Self {
        Self {
            bus,
            is_forced,
            triggers: HashMap::new(),
        }
    }

    /// What [`Replayer::replay`] would do. Changes nothing.
    ///
    /// # Errors
    /// If the bus is out of reach.
    pub async fn look(
        &mut self,
        position: Position,
        letter: &DeadLetter,
    ) -> Result<Outcome, Error> {
        if let Some(refusal) = unfit(letter, self.is_forced) {
            return Ok(Outcome::Refused(refusal));
        }
        let durable = durable(letter);
        let replay = Replay::of(position, letter, self.is_forced);
        let is_forced = self.is_forced;
        let trigger = self.trigger(&durable).await?;
        Ok(trigger.outcome(&durable, &replay, is_forced))
    }

    /// Publishes the event of a letter for its trigger, and removes the letter when that is stored.
    ///
    /// # Errors
    /// If the bus is out of reach: the letter stays, and replaying it again delivers its event once.
    ///
    /// # Cancellation
    /// As after an error.
    pub async fn replay(
        &mut self,
        position: Position,
        letter: &DeadLetter,
    ) -> Result<Outcome, Error> {
        let mut outcome = self.look(position, letter).await?;
        if let Outcome::Replayed { .. } = outcome {
            match self.publish(position, letter).await {
                Ok(MessageAck { duplicate, .. }) if duplicate => outcome = Outcome::Before,
                Ok(_) => {}
                Err(Error::TooLarge { limit, .. }) => {
                    return Ok(Outcome::Refused(Refusal::TooLarge(limit)));
                }
                Err(error) => return Err(error),
            }
        }
        if !matches!(outcome, Outcome::Refused(_)) {
            self.bus.dead_letters.remove(position).await?;
        }
        Ok(outcome)
    }

    async fn publish(&self, position: Position, letter: &DeadLetter) -> Result<MessageAck, Error> {
        let replay = Replay::of(position, letter, self.is_forced);
        let message = replay.message(&durable(letter), &letter.payload);
        self.bus.events.publish(message).await?.await
    }

    async fn trigger(&mut self, durable: &Durable) -> Result<&Trigger, Error> {
        Ok(match self.triggers.entry(durable.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(Trigger::ask(self.bus, durable).await?),
        })
    }
}

impl Trigger {
    async fn ask(bus: &EventBus, durable: &Durable) -> Result<Self, Error> {
        let consumer = bus.events.consumer(durable).await?;
        let mut replayed = HashSet::new();
        if consumer.is_some() {
            let subject = Subject::replay(durable);
            let mut messages = bus.events.messages(&subject, StartAt::First).await?;
            while let Some(message) = messages.next().await {
                let replay = Replay::read(&message?.payload);
                replayed.extend(replay.map(|(replay, _)| replay.letter));
            }
        }
        Ok(Self { consumer, replayed })
    }

    fn outcome(&self, durable: &Durable, replay: &Replay, is_forced: bool) -> Outcome {
        let Some(consumer) = &self.consumer else {
            return Outcome::Refused(Refusal::Gone);
        };
        if !consumer.covers(&Subject::replay(durable)) {
            return Outcome::Refused(Refusal::NotAsked);
        }
        if !is_forced && self.replayed.contains(&replay.letter) {
            return Outcome::Before;
        }
        Outcome::Replayed {
            is_listening: consumer.is_listening,
        }
    }
}

/// The consumer of the trigger that dead-lettered an event.
fn durable(letter: &DeadLetter) -> Durable {
    Durable::trigger(&letter.namespace, &letter.sensor, &letter.trigger)
}

/// What of a letter itself forbids to replay it.
fn unfit(letter: &DeadLetter, is_forced: bool) -> Option<Refusal> {
    if letter.trigger.is_empty() {
        return Some(Refusal::NoTrigger);
    }
    if let Some(size) = letter.cut_from {
        return Some(Refusal::Cut(size));
    }
    if let Err(error) = Event::decode(&letter.payload) {
        return Some(Refusal::NoEvent(with_causes(&error)));
    }
    (letter.may_be_done && !is_forced).then_some(Refusal::MayBeDone)
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTrigger => f.write_str(
                "it is of an event source, which could not publish it: no trigger has seen it",
            ),
            Self::Cut(size) => {
                write!(f, "its event had {size} bytes and was cut to be kept")
            }
            Self::NoEvent(why) if why.is_empty() => f.write_str("it is no event"),
            Self::NoEvent(why) => write!(f, "it is no event: {why}"),
            Self::MayBeDone => f.write_str(
                "its action was under way when the process stopped, and may have been done: \
                 look there, then use --force",
            ),
            Self::Gone => f.write_str(
                "its trigger has no consumer on the bus: nobody would ever receive it (is the Sensor, \
                 or the trigger, still there?)",
            ),
            Self::NotAsked => f.write_str(
                "the consumer of its trigger does not ask for replays: its pods are of a former version, \
                 or the bus is older than NATS 2.10",
            ),
            Self::TooLarge(limit) => write!(
                f,
                "with what is said of its letter it is larger than the {limit} bytes that the bus takes"
            ),
        }
    }
}

impl Outcome {
    /// The same for who may not see values of events: why something is no event quotes it.
    #[must_use]
    pub fn without_values(self) -> Self {
        match self {
            Self::Refused(Refusal::NoEvent(_)) => Self::Refused(Refusal::NoEvent(String::new())),
            other => other,
        }
    }

    /// In one word, for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Replayed { .. } => "replayed",
            Self::Before => "replayed-before",
            Self::Refused(_) => "refused",
        }
    }

    /// The outcome on one line; of what would be if `is_dry`.
    pub fn line(&self, position: Position, letter: &DeadLetter, is_dry: bool) -> String {
        let what = match (self, is_dry) {
            (Self::Replayed { .. }, false) => "replayed".to_owned(),
            (Self::Replayed { .. }, true) => "would be replayed".to_owned(),
            (Self::Before, false) => "had been replayed before, its letter is removed".to_owned(),
            (Self::Before, true) => {
                "had been replayed before, its letter would be removed".to_owned()
            }
            (Self::Refused(refusal), _) => format!("refused: {refusal}"),
        };
        let waits = match self {
            Self::Replayed { is_listening } if !is_listening => {
                "; nobody is listening there: it waits on the bus until the Sensor runs, for as long as \
                 the bus keeps events"
            }
            _ => "",
        };
        let id = event_id(letter);
        let id = id.as_deref().unwrap_or("-");
        let dependencies = match &*letter.dependencies {
            [] => String::new(),
            names => format!(", {}", names.join(", ")),
        };
        let DeadLetter {
            namespace,
            sensor,
            trigger,
            ..
        } = letter;
        let to = if trigger.is_empty() {
            format!("event {id} of {}", letter.subject)
        } else {
            format!("event {id} to {namespace}/{sensor} {trigger}{dependencies}")
        };
        let to = one_line(&to);
        format!("{position}  {to}: {}{waits}\n", one_line(&what))
    }

    /// The outcome for programs; of what would be if `is_dry`.
    pub fn to_json(&self, position: Position, letter: &DeadLetter, is_dry: bool) -> Value {
        let is_listening = match self {
            Self::Replayed { is_listening } => Some(*is_listening),
            _ => None,
        };
        let why = match self {
            Self::Refused(refusal) => Some(refusal.to_string()),
            _ => None,
        };
        json!({
            "number": position.to_wire(),
            "namespace": letter.namespace,
            "sensor": letter.sensor,
            "trigger": letter.trigger,
            "dependencies": letter.dependencies,
            "eventId": event_id(letter),
            "outcome": self.name(),
            "isDryRun": is_dry,
            "isListening": is_listening,
            "why": why,
        })
    }
}

#[cfg(test)]
mod tests;
