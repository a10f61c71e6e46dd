//! What is done to a delivery before order matters: decode, transform, filter. Run on all cores.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use jiff::Timestamp;
use tiphys_api::message::with_causes;
use tiphys_base::Failure;
use tiphys_eventbus::{DeadLetterReason, Event};
use tiphys_lang::{Memory, deadline};

use super::wake::{Arrival, Arrived, Content};
use super::{Admission, Dependency, Member, object_key, weight};

/// Prepares one delivery for a trigger that waits for `waiting`, which are places in `dependencies`.
/// Each program has so much of its `memory`; if that was short, nothing is said.
pub fn prepare(
    payload: &[u8],
    sequence: u64,
    stored_at: Timestamp,
    dependencies: &[Dependency],
    waiting: &[usize],
    memory: &Memory,
) -> Option<Arrived> {
    let prepare = || match Event::decode(payload) {
        // All programs of an event have one deadline.
        Ok(event) => {
            deadline::within(|| admit(event, sequence, stored_at, dependencies, waiting, memory))
        }
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
        sequence,
        weight: weight(payload.len()),
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
    sequence: u64,
    stored_at: Timestamp,
    dependencies: &[Dependency],
    waiting: &[usize],
    memory: &Memory,
) -> Content {
    // The object is looked up in the event as it came: a transform may drop its name.
    let object = object_key(&event);
    let concerned = waiting
        .iter()
        .filter_map(|index| Some((*index, dependencies.get(*index)?)))
        .filter(|(_, dependency)| dependency.matches(&event.context));
    let arrivals = concerned
        .map(|(index, dependency)| {
            let arrival = match dependency.admit_within(event.clone(), memory) {
                Admission::Taken(event) => Arrival::Taken(Member {
                    event: Arc::new(event),
                    sequence,
                    stored_at,
                    object,
                }),
                Admission::Filtered(verdict) => Arrival::Filtered(verdict),
                Admission::Failed(error) => Arrival::Failed(error.failure()),
            };
            (index, arrival)
        })
        .collect();
    Content::Event {
        context: event.context,
        arrivals,
    }
}
