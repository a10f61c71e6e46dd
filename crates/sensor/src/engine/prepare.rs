//! What is done to a delivery before order matters: decode, transform, filter. Run on all cores.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use jiff::Timestamp;
use tiphys_api::message::with_causes;
use tiphys_base::Failure;
use tiphys_eventbus::{DeadLetterReason, Event, Replay};
use tiphys_lang::{Memory, deadline};

use super::wake::{Arrival, Arrived, Content};
use super::{Admission, Dependency, Member, object_key, weight};

/// A message of the stream, as it came.
#[derive(Debug, Clone, Copy)]
pub struct Message<'m> {
    /// The encoded event.
    pub payload: &'m [u8],
    /// Its number in the stream.
    pub sequence: u64,
    /// When the stream took it in.
    pub stored_at: Timestamp,
    /// The dead letter whose event is delivered again, if it is one.
    pub replay: Option<&'m Arc<Replay>>,
}

/// Prepares one delivery for a trigger that waits for `waiting`, which are places in `dependencies`.
/// Each program has so much of its `memory`; if that was short, nothing is said.
pub fn prepare(
    message: Message<'_>,
    dependencies: &[Dependency],
    waiting: &[usize],
    memory: &Memory,
) -> Option<Arrived> {
    let prepare = || match Event::decode(message.payload) {
        // All programs of an event have one deadline.
        Ok(event) => deadline::within(|| admit(event, message, dependencies, waiting, memory)),
        Err(error) => {
            let text = with_causes(&error);
            let failure = Failure::with_values(text, "it is no event");
            Content::Unusable(DeadLetterReason::Malformed, failure)
        }
    };
    // A defect costs this delivery and no other.
    let content = catch_unwind(AssertUnwindSafe(prepare)).unwrap_or_else(|panic| {
        Content::Unusable(
            DeadLetterReason::Panicked,
            panicked(&panic_message(&*panic)),
        )
    });
    (!memory.was_short()).then_some(Arrived {
        sequence: message.sequence,
        weight: weight(message.payload.len()),
        content,
    })
}

/// A failure by a panic, which may say anything.
pub(super) fn panicked(message: &str) -> Failure {
    Failure::with_values(format!("panicked: {message}"), "panicked")
}

/// What a panic said.
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

fn admit(
    event: Event,
    message: Message<'_>,
    dependencies: &[Dependency],
    waiting: &[usize],
    memory: &Memory,
) -> Content {
    let Message {
        sequence,
        stored_at,
        replay,
        ..
    } = message;
    // The object is looked up in the event as it came: a transform may drop its name.
    let object = object_key(&event);
    let concerned = waiting
        .iter()
        .filter_map(|index| Some((*index, dependencies.get(*index)?)))
        .filter(|(_, dependency)| dependency.matches(&event.context));
    // The others had what they wanted of it. If the Sensor has none of these names any more, it is a new event
    // for those that it has.
    let names = replay.map_or(&[][..], |replay| &replay.dependencies);
    let is_named = |dependency: &Dependency| names.iter().any(|name| **name == **dependency.name());
    let is_for_all = names.is_empty()
        || !concerned
            .clone()
            .any(|(_, dependency)| is_named(dependency));
    let arrivals = concerned
        .filter(|(_, dependency)| is_for_all || is_named(dependency))
        .map(|(index, dependency)| {
            let arrival = match dependency.admit_within(event.clone(), memory) {
                Admission::Taken(event) => Arrival::Taken(Member {
                    event: Arc::new(event),
                    sequence,
                    stored_at,
                    object,
                    replay: replay.cloned(),
                }),
                Admission::Filtered(verdict) => Arrival::Filtered(verdict),
                Admission::Failed(error) => Arrival::Failed(error.failure()),
            };
            (index, arrival)
        })
        .collect();
    Content::Event {
        context: event.context,
        replay: replay.cloned(),
        arrivals,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiphys_eventbus::{Context, Position, Subject};

    /// What an event of a replay for these dependencies comes to, by the names of those that take it.
    fn taken(names: &[&str]) -> Vec<&'static str> {
        const NAMES: [&str; 3] = ["a", "b", "elsewhere"];
        let dependencies: Vec<Dependency> = [("a", "ev"), ("b", "*"), ("elsewhere", "other")]
            .into_iter()
            .map(|(name, event)| {
                let spec = serde_json::json!({
                    "name": name, "eventSourceName": "es", "eventName": event,
                });
                let spec = serde_json::from_value(spec).unwrap();
                Dependency::compile(&spec, "d", &mut Vec::new())
            })
            .collect();
        let event = Event {
            context: Arc::new(Context {
                id: "e".to_owned(),
                source: "es".to_owned(),
                specversion: "1.0".to_owned(),
                subject: "ev".to_owned(),
                ..Context::default()
            }),
            data: None,
        };
        let replay = Arc::new(Replay {
            letter: "7@2026-01-02T03:04:05Z".to_owned(),
            subject: Subject::event("es", "ev"),
            stored_at: Timestamp::UNIX_EPOCH,
            dependencies: names.iter().map(|name| (*name).to_owned()).collect(),
            is_forced: false,
        });
        let message = Message {
            payload: &event.encode(),
            sequence: Position::from_wire(9).to_wire(),
            stored_at: Timestamp::UNIX_EPOCH,
            replay: Some(&replay),
        };
        let arrived = prepare(message, &dependencies, &[0, 1, 2], &Memory::whole()).unwrap();
        let Content::Event { arrivals, .. } = arrived.content else {
            panic!("{arrived:?}");
        };
        arrivals.iter().map(|(index, _)| NAMES[*index]).collect()
    }

    #[test]
    fn an_event_that_is_delivered_again_is_for_the_dependencies_of_its_letter() {
        assert_eq!(taken(&["b"]), ["b"]);
        assert_eq!(taken(&["a", "b"]), ["a", "b"]);
        assert_eq!(taken(&["elsewhere"]), ["a", "b"]);
    }

    #[test]
    fn an_event_whose_dependency_has_another_name_is_for_all_that_wait_for_it() {
        assert_eq!(taken(&["renamed"]), ["a", "b"]);
        assert_eq!(taken(&[]), ["a", "b"]);
    }
}
