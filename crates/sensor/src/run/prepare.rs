//! What is done to a delivery before order matters: decode, transform, filter. Pure, and run on all
//! cores.

use std::sync::Arc;

use tiphys_api::message::with_causes;
use tiphys_eventbus::{Context, DecodeError, Delivery, Event};

use crate::engine::{Admission, Dependency, Member, object_key};
use crate::filter::Verdict;
use crate::trigger::Trigger;

/// A delivery with what the trigger's dependencies make of it.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) delivery: Arc<Delivery>,
    pub(super) content: Content,
}

/// What a delivery holds.
#[derive(Debug)]
pub(super) enum Content {
    /// No event.
    Unreadable(DecodeError),
    /// An event.
    Event {
        /// Its attributes as they came.
        context: Context,
        /// What each dependency that waits for it makes of it, by its place in the spec.
        arrivals: Vec<(usize, Arrival)>,
    },
}

/// What a dependency makes of an event.
#[derive(Debug)]
pub(super) enum Arrival {
    Taken(Member),
    Filtered(Verdict),
    /// The transform failed: the whole chain of causes, in one line.
    Failed(String),
}

/// Prepares one delivery for a trigger.
pub(super) fn prepare(
    delivery: Delivery,
    dependencies: &[Dependency],
    trigger: &Trigger,
) -> Prepared {
    let content = match Event::decode(&delivery.payload) {
        Ok(event) => admit(event, &delivery, dependencies, trigger),
        Err(error) => Content::Unreadable(error),
    };
    Prepared {
        delivery: Arc::new(delivery),
        content,
    }
}

fn admit(
    event: Event,
    delivery: &Delivery,
    dependencies: &[Dependency],
    trigger: &Trigger,
) -> Content {
    let (sequence, stored_at) = (delivery.sequence, delivery.stored_at);
    // The object is looked up in the event as it came: a transform may drop its name.
    let object = object_key(&event);
    let waiting = trigger
        .dependencies()
        .iter()
        .copied()
        .filter(|index| dependencies[*index].matches(&event.context));
    let arrivals = waiting
        .map(|index| {
            let arrival = match dependencies[index].admit(event.clone()) {
                Admission::Taken(event) => Arrival::Taken(Member {
                    event: Arc::new(event),
                    sequence,
                    stored_at,
                    object,
                }),
                Admission::Filtered(verdict) => Arrival::Filtered(verdict),
                Admission::Failed(error) => Arrival::Failed(with_causes(&error)),
            };
            (index, arrival)
        })
        .collect();
    Content::Event {
        context: event.context,
        arrivals,
    }
}
