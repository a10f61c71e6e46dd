//! What an event source keeps on the bus to go on after a restart: one value an event, beside others
//! under keys of the event's own.

use std::sync::Arc;

use bytes::Bytes;
use tiphys_eventbus::{Bucket, Error as BusError, EventBus, State};

use crate::compile::CompiledEvent;
use crate::error::{Reason, SourceError};

/// The keys of one event in the bucket of its event source.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    event: String,
}

impl Keys {
    /// The keys of `event`.
    pub(crate) fn new(event: &str) -> Self {
        // A slash in the name must not look like one between the parts.
        Self {
            event: event.replace('%', "%25").replace('/', "%2F"),
        }
    }

    /// The key of what is named `name`.
    pub(crate) fn of(&self, name: &str) -> String {
        format!("{}/{name}", self.event)
    }

    /// The name behind `key`, if it is one of the event's.
    pub(crate) fn name<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&self.event)?.strip_prefix('/')
    }
}

/// The state that an event source keeps on the bus.
pub(crate) async fn state(
    bus: &EventBus,
    event: &CompiledEvent,
) -> Result<Arc<dyn State>, BusError> {
    bus.state
        .open(&Bucket::event_source(&event.namespace, &event.source))
        .await
}

/// Up to where an event has come with its upstream. It moves after the bus has the event.
#[derive(Debug)]
pub(crate) struct Cursor {
    state: Arc<dyn State>,
    key: String,
    event: Arc<str>,
}

impl Cursor {
    pub(crate) async fn open(bus: &EventBus, event: &CompiledEvent) -> Result<Self, SourceError> {
        let state = state(bus, event)
            .await
            .map_err(|error| failed("open", &event.name).because(error))?;
        Ok(Self {
            state,
            key: Keys::new(&event.name).of("cursor"),
            event: event.name.clone(),
        })
    }

    /// What was stored last.
    pub(crate) async fn load(&self) -> Result<Option<Bytes>, SourceError> {
        let stored = self.state.get(&self.key).await;
        stored.map_err(|error| failed("read", &self.event).because(error))
    }

    /// Stores a value, and returns when the bus has it.
    pub(crate) async fn store(&self, value: Bytes) -> Result<(), SourceError> {
        let stored = async { self.state.put(&self.key, value).await?.await };
        let stored = stored.await;
        stored
            .map(drop)
            .map_err(|error| failed("store", &self.event).because(error))
    }
}

fn failed(verb: &str, event: &str) -> SourceError {
    SourceError::new(Reason::State, format!("{verb} the cursor of event {event}"))
}
