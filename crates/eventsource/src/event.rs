//! What an event source would say about an object, without a cluster and without a bus.

use jiff::Timestamp;
use tiphys_api::ResourceEventType;
use tiphys_eventbus::{Context, Event};

use crate::compile::{CompiledEvent, Config};

/// One condition of an event source, and whether an object meets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The condition in words, such as `metadata.name == ^a`.
    pub condition: String,
    /// Whether it is met.
    pub is_met: bool,
}

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulated {
    /// All conditions.
    pub checks: Vec<Check>,
    /// The event, if all are met.
    pub event: Option<Event>,
}

impl CompiledEvent {
    /// The event that `object` makes, as if the event source had been started long ago.
    ///
    /// # Errors
    /// If `object` or `old` is no JSON object.
    pub fn event_for(
        &self,
        kind: ResourceEventType,
        object: &[u8],
        old: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Simulated, serde_json::Error> {
        let Config::Resource(resource) = &self.config;
        resource.simulate(self, kind, object, old, now)
    }

    /// The event around a payload.
    pub(crate) fn event(&self, kind: &str, id: String, now: Timestamp) -> Event {
        Event {
            context: Context {
                id,
                source: self.source.to_string(),
                specversion: "1.0".to_owned(),
                r#type: kind.to_owned(),
                datacontenttype: "application/json".to_owned(),
                subject: self.name.to_string(),
                time: Some(now),
            },
            data: None,
        }
    }
}
