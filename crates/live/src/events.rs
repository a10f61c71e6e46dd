//! The events that a bus holds, or gets.

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde_json::{Value, json};
use tiphys_api::message::with_causes;
use tiphys_eventbus::{
    Error, Event, EventBus, History, Past, Position, Replay, StartAt, Subject, Until,
};

use crate::mask;

/// An event where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Where.
    pub position: Position,
    /// When the bus stored it.
    pub stored_at: Timestamp,
    /// Where it was published.
    pub subject: Subject,
    /// As it was published.
    pub payload: Bytes,
    /// What it says, or why it cannot be read.
    pub event: Result<Event, String>,
    /// The dead letter whose event it is, delivered again to one trigger.
    pub replay: Option<Replay>,
    /// How many are stored behind it.
    pub left: u64,
}

/// Which events are meant, beside from when on.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Only of event sources of this name.
    pub event_source: Option<String>,
    /// Only of events of this name.
    pub event: Option<String>,
}

/// The events from a moment on, in the order of the bus; from the first one if there is none.
///
/// # Errors
/// If the bus is out of reach; see [`History::read`].
pub async fn read(
    history: &dyn History,
    since: Option<Timestamp>,
    until: Until,
) -> Result<BoxStream<'static, Result<Seen, Error>>, Error> {
    read_from(history, since.map_or(StartAt::First, StartAt::Time), until).await
}

/// The events from a place on, in the order of the bus.
///
/// # Errors
/// If the bus is out of reach; see [`History::read`].
pub async fn read_from(
    history: &dyn History,
    start: StartAt,
    until: Until,
) -> Result<BoxStream<'static, Result<Seen, Error>>, Error> {
    let stored = history.read(start, until).await?;
    Ok(stored.map_ok(Seen::of).boxed())
}

/// The events that are stored from now on: by the order of the bus, whose clock may be another one.
///
/// # Errors
/// If the bus is out of reach; see [`History::read`].
pub async fn coming(bus: &EventBus) -> Result<BoxStream<'static, Result<Seen, Error>>, Error> {
    let start = StartAt::After(newest(bus).await?);
    read_from(&*bus.history, start, Until::Closed).await
}

/// The place of the newest event.
///
/// # Errors
/// If the bus is out of reach.
pub async fn newest(bus: &EventBus) -> Result<Position, Error> {
    Ok(Position::from_wire(bus.overview.look().await?.published))
}

impl Seen {
    fn of(past: Past) -> Self {
        let Past {
            subject,
            message,
            replay,
            left,
        } = past;
        Self {
            event: Event::decode(&message.payload).map_err(|error| with_causes(&error)),
            position: message.position,
            stored_at: message.stored_at,
            payload: message.payload,
            subject,
            replay,
            left,
        }
    }

    /// The id of the event, if it can be read.
    pub fn id(&self) -> Option<&str> {
        let event = self.event.as_ref().ok()?;
        Some(&event.context.id)
    }

    /// The event as a line of JSON, as it was published. The values of Secrets are hidden unless
    /// `is_revealed`.
    pub fn line(&self, is_revealed: bool) -> Vec<u8> {
        let mut line = match &self.event {
            Ok(event) if !is_revealed => match masked(event) {
                Some(masked) => masked.encode().to_vec(),
                None => self.payload.to_vec(),
            },
            _ => self.payload.to_vec(),
        };
        // Where JSON is written on several lines, they are between values.
        line.retain(|byte| *byte != b'\n' && *byte != b'\r');
        line.push(b'\n');
        line
    }

    /// The event, if it can be read. The values of Secrets are hidden unless `is_revealed`.
    pub fn shown_event(&self, is_revealed: bool) -> Option<Event> {
        let event = self.event.as_ref().ok()?;
        let hidden = masked(event).filter(|_| !is_revealed);
        Some(hidden.unwrap_or_else(|| event.clone()))
    }

    /// The payload for people. The values of Secrets are hidden unless `is_revealed`.
    pub fn data(&self, is_revealed: bool) -> Value {
        match &self.event {
            Ok(_) => {
                let event = self.shown_event(is_revealed);
                let data = event.and_then(|event| event.data);
                data.as_deref().map_or(Value::Null, document)
            }
            Err(_) => document(&self.payload),
        }
    }

    /// What is known of it without its payload.
    pub fn to_json(&self) -> Value {
        let event = self.event.as_ref().ok();
        json!({
            "number": self.position.to_wire(),
            "storedAt": self.stored_at.to_string(),
            "subject": self.subject.as_str(),
            "event": event.map(|event| serde_json::from_str::<Value>(&event.context.to_json()).ok()),
            "unreadable": self.event.as_ref().err(),
            "replay": self.replay.as_ref().map(|replay| &replay.letter),
        })
    }
}

impl Query {
    /// Whether an event is meant.
    pub fn wants(&self, event: &Event) -> bool {
        let is = |wanted: &Option<String>, name: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == name)
        };
        is(&self.event_source, &event.context.source) && is(&self.event, &event.context.subject)
    }
}

/// The event without the values of Secrets, if it has some.
fn masked(event: &Event) -> Option<Event> {
    let data = event
        .data
        .as_deref()
        .filter(|data| mask::may_hold_secrets(data))?;
    let before: Value = serde_json::from_slice(data).ok()?;
    let mut after = before.clone();
    mask::secrets(&mut after);
    (after != before).then(|| Event {
        context: event.context.clone(),
        data: Some(after.to_string().into()),
    })
}

/// JSON, or the text that is none.
fn document(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::SignedDuration;
    use tiphys_eventbus::{Outgoing, embedded};

    use super::*;

    async fn bus(payloads: &[&str]) -> EventBus {
        let bus = EventBus::from(embedded::Embedded::new());
        bus.events.ensure_stream(None).await.unwrap();
        for (number, payload) in payloads.iter().enumerate() {
            let outgoing = Outgoing {
                subject: Subject::event("berths", "taken"),
                id: number.to_string(),
                payload: Bytes::copy_from_slice(payload.as_bytes()),
            };
            bus.events.publish(outgoing).await.unwrap().await.unwrap();
        }
        bus
    }

    /// The clock of this desk was asked for the moment: events of a server whose clock is behind were left out.
    #[tokio::test]
    async fn what_comes_is_known_by_its_place() {
        let now = Timestamp::now();
        let bus = EventBus::from(embedded::Embedded::with_clock(Arc::new(move || {
            now - SignedDuration::from_mins(10)
        })));
        let publish = async |id: &str| {
            let outgoing = Outgoing {
                subject: Subject::event("berths", "taken"),
                id: id.to_owned(),
                payload: Bytes::copy_from_slice(id.as_bytes()),
            };
            bus.events.publish(outgoing).await.unwrap().await.unwrap();
        };
        bus.events.ensure_stream(None).await.unwrap();
        publish("before").await;
        let mut coming = coming(&bus).await.unwrap();
        publish("after").await;
        let first = coming.next().await.unwrap().unwrap();
        assert_eq!(first.payload, "after");
    }

    async fn seen(payload: &str) -> Seen {
        let bus = bus(&[payload]).await;
        let mut all = read(&*bus.history, None, Until::Now).await.unwrap();
        all.next().await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn what_is_recorded_is_what_was_published() {
        let written = "{\"specversion\": \"1.0\",\n \"id\": \"a\", \"source\": \"berths\", \"type\": \"webhook\",\n \
                       \"subject\": \"taken\", \"data\": {\"ship\": \"argo\"}}";
        let seen = seen(written).await;
        assert_eq!(seen.id(), Some("a"));
        assert_eq!(
            String::from_utf8(seen.line(false)).unwrap(),
            "{\"specversion\": \"1.0\", \"id\": \"a\", \"source\": \"berths\", \"type\": \"webhook\", \
             \"subject\": \"taken\", \"data\": {\"ship\": \"argo\"}}\n"
        );
        assert_eq!(seen.data(false), json!({"ship": "argo"}));
    }

    #[tokio::test]
    async fn secrets_are_hidden_unless_somebody_wants_them() {
        let event = |key: &str| {
            format!(
                "{{\"specversion\":\"1.0\",\"id\":\"a\",\"source\":\"b\",\"type\":\"resource\",\"subject\":\"c\",\
                 \"data\":{{\"kind\":\"Secret\",\"data\":{{\"key\":\"{key}\"}}}}}}"
            )
        };
        let seen = seen(&event("c2VhbA==")).await;
        assert_eq!(seen.data(false)["data"]["key"], "***");
        assert_eq!(seen.data(true)["data"]["key"], "c2VhbA==");
        let line = String::from_utf8(seen.line(true)).unwrap();
        assert_eq!(line, event("c2VhbA==") + "\n");
        let hidden = Event::decode(&seen.line(false)).unwrap();
        let data: Value = serde_json::from_slice(&hidden.data.unwrap()).unwrap();
        assert_eq!(data, json!({"kind": "Secret", "data": {"key": "***"}}));
    }

    #[tokio::test]
    async fn what_is_no_event_is_seen_too() {
        let seen = seen("ahoy").await;
        assert_eq!(seen.id(), None);
        assert_eq!(seen.data(false), json!("ahoy"));
        assert!(seen.event.is_err());
    }
}
