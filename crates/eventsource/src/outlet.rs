//! What every event goes through on its way out, whatever its kind: expression, envelope, dead letters,
//! and what is counted, logged and reported of it.

use std::error::Error as StdError;
use std::sync::Arc;

use bytes::Bytes;
use tiphys_base::{Failure, Reason};
use tiphys_eventbus::{
    Context, DeadLetter, DeadLetterReason, Error as BusError, Event, EventBus, EventId, Outgoing,
    Subject,
};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::compile::CompiledEvent;
use crate::metrics::EventMetrics;
use crate::status::{Reporter, chain};

/// Where the events of one event go.
#[derive(Debug, Clone)]
pub(crate) struct Outlet {
    pub(crate) event: Arc<CompiledEvent>,
    pub(crate) bus: EventBus,
    pub(crate) metrics: EventMetrics,
    pub(crate) reporter: Reporter,
    pub(crate) clock: Clock,
}

/// What the event's expression says about a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FilterResult {
    Passes,
    Rejected,
    /// It cannot be run on this payload.
    Failed(String),
}

/// Why a message goes to the dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: DeadLetterReason,
    pub(crate) error: Failure,
}

impl Fault {
    pub(crate) fn malformed(error: String) -> Self {
        Self {
            reason: DeadLetterReason::Malformed,
            error: Failure::with_values(error, "its payload cannot be read"),
        }
    }

    pub(crate) fn filter_failed(error: impl Into<String>) -> Self {
        Self {
            reason: DeadLetterReason::FilterFailed,
            error: Failure::with_values(error, "filter.expression cannot be run on it"),
        }
    }

    pub(crate) fn too_large(error: impl Into<String>) -> Self {
        Self {
            reason: DeadLetterReason::TooLarge,
            error: error.into().into(),
        }
    }
}

impl CompiledEvent {
    /// What `filter.expression` says; without one every payload passes.
    pub(crate) fn evaluate(&self, payload: &[u8]) -> FilterResult {
        match self.expression.passes(payload) {
            Ok(true) => FilterResult::Passes,
            Ok(false) => FilterResult::Rejected,
            Err(error) => FilterResult::Failed(format!("filter.expression: {error}")),
        }
    }

    /// The event, without a payload.
    pub(crate) fn envelope(&self, id: EventId, now: jiff::Timestamp) -> Event {
        Event {
            context: Context {
                id,
                source: self.source.to_string(),
                specversion: "1.0".to_owned(),
                r#type: self.kind.event_type().to_owned(),
                datacontenttype: "application/json".to_owned(),
                subject: self.name.to_string(),
                time: Some(now),
            }
            .into(),
            data: None,
        }
    }

    /// Where it is published.
    pub(crate) fn subject(&self) -> Subject {
        Subject::event(&self.source, &self.name)
    }
}

impl Outlet {
    /// The bus has stored an event.
    pub(crate) fn published(&self, id: &str, received: Instant) {
        self.metrics.published(received.elapsed());
        self.reporter.published(self.clock.now());
        tracing::info!(
            namespace = %self.event.namespace,
            eventSourceName = %self.event.source,
            eventName = %self.event.name,
            eventSourceType = self.event.kind.event_type(),
            eventID = id,
            "Succeeded to publish an event"
        );
    }

    /// The bus did not confirm an event: it is published again.
    pub(crate) fn publish_failed(&self, id: &str, error: &BusError) {
        self.metrics.publish_failed();
        self.reporter.failed(&chain(error));
        if error.reason() == Reason::BusFull {
            // Without the event's id: there is another one each time.
            self.reporter
                .bus_full(&error.source().map(chain).unwrap_or_default());
        }
        let error: &dyn StdError = error;
        tracing::warn!(
            namespace = %self.event.namespace,
            eventSourceName = %self.event.source,
            eventName = %self.event.name,
            eventSourceType = self.event.kind.event_type(),
            eventID = id,
            error,
            "Failed to publish an event"
        );
    }

    /// The expression rejected an event.
    pub(crate) fn filtered(&self) {
        self.metrics.filtered();
        tracing::debug!(
            namespace = %self.event.namespace,
            eventSourceName = %self.event.source,
            eventName = %self.event.name,
            eventSourceType = self.event.kind.event_type(),
            "Filter condition not met, skip dispatching"
        );
    }

    /// Puts a message that cannot be published with the dead letters.
    pub(crate) async fn dead_letter(
        &self,
        message: &Outgoing,
        fault: &Fault,
    ) -> Result<(), BusError> {
        let event = &self.event;
        self.bus
            .dead_letters
            .store(DeadLetter {
                namespace: event.namespace.to_string(),
                // No sensor has seen it.
                sensor: String::new(),
                trigger: String::new(),
                reason: fault.reason,
                error: fault.error.text().to_owned(),
                attempts: 0,
                dead_lettered_at: self.clock.now(),
                subject: message.subject.clone(),
                stored_at: None,
                dependencies: Vec::new(),
                may_be_done: false,
                payload: message.payload.clone(),
                cut_from: None,
                action: None,
            })
            .await?;
        self.metrics.processing_failed();
        self.reporter.dead_lettered(fault.error.public());
        let hint = match fault.reason {
            DeadLetterReason::TooLarge => {
                "raise max_payload of the bus to have such events delivered"
            }
            DeadLetterReason::FilterFailed => {
                "make filter.expression fit every payload, with `?.` and `??`"
            }
            _ => "",
        };
        tracing::error!(
            namespace = %event.namespace,
            eventSourceName = %event.source,
            eventName = %event.name,
            eventSourceType = event.kind.event_type(),
            eventID = %message.id,
            error = fault.error.public(),
            size = message.payload.len(),
            limit = self.bus.events.max_payload(),
            hint,
            "Failed to process an event: it is with the dead letters"
        );
        Ok(())
    }

    /// The message of an event, as it is published.
    pub(crate) fn outgoing(&self, id: EventId, payload: Bytes) -> Outgoing {
        Outgoing {
            subject: self.event.subject(),
            id,
            payload,
        }
    }
}
