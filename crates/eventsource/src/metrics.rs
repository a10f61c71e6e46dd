//! What an event source counts: Argo Events' metrics under their names, and the state of watches.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::error::Reason;

/// Upper bounds of the buckets of durations, in milliseconds.
const MILLISECONDS: [f64; 12] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 5_000.0, 30_000.0,
];

/// Names one event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct EventLabels {
    /// Namespace of the `EventSource`.
    pub(crate) namespace: String,
    /// Name of the `EventSource`.
    pub(crate) eventsource_name: String,
    /// Name of the event.
    pub(crate) event_name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    namespace: String,
    eventsource_name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    namespace: String,
    eventsource_name: String,
    event_name: String,
    category: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    namespace: String,
    eventsource_name: String,
    event_name: String,
    outcome: Outcome,
}

/// Where something is that an upstream said. All of it was received, and is in one of the other places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// It was received.
    Received,
    /// The bus has stored it.
    Published,
    /// The filter rejected it, or its type is not wanted.
    Filtered,
    /// It is with the dead letters.
    DeadLettered,
    /// It was left to the upstream to send it again.
    GivenBack,
    /// It is on its way.
    InHand,
}

impl Outcome {
    /// All of them, in the order of their values.
    pub(crate) const ALL: [Self; 6] = [
        Self::Received,
        Self::Published,
        Self::Filtered,
        Self::DeadLettered,
        Self::GivenBack,
        Self::InHand,
    ];

    /// Its name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Published => "published",
            Self::Filtered => "filtered",
            Self::DeadLettered => "dead-lettered",
            Self::GivenBack => "given-back",
            Self::InHand => "in-hand",
        }
    }
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

/// The metrics of all event sources of a process. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    running: Family<SourceLabels, Gauge>,
    sent: Family<EventLabels, Counter>,
    sent_failed: Family<EventLabels, Counter>,
    processing_failed: Family<EventLabels, Counter>,
    duration: Family<EventLabels, Histogram>,
    filtered: Family<EventLabels, Counter>,
    events: Family<OutcomeLabels, Gauge>,
    synced: Family<EventLabels, Gauge>,
    watch_failures: Family<FailureLabels, Counter>,
}

impl Metrics {
    /// Registers the metrics, those of Argo Events under its names.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            running: Family::default(),
            sent: Family::default(),
            sent_failed: Family::default(),
            processing_failed: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(MILLISECONDS)),
            filtered: Family::default(),
            events: Family::default(),
            synced: Family::default(),
            watch_failures: Family::default(),
        };
        registry.register(
            "argo_events_event_service_running_total",
            "Events of the event source that run in this pod",
            metrics.running.clone(),
        );
        registry.register(
            "argo_events_events_sent",
            "Events published",
            metrics.sent.clone(),
        );
        registry.register(
            "argo_events_events_sent_failed",
            "Attempts to publish an event that failed; each is repeated until it succeeds",
            metrics.sent_failed.clone(),
        );
        registry.register(
            "argo_events_events_processing_failed",
            "What could not be made an event on the bus: refused, given back or with the dead letters",
            metrics.processing_failed.clone(),
        );
        registry.register(
            "argo_events_event_processing_duration_milliseconds",
            "From receiving what happened to the bus having stored the event",
            metrics.duration.clone(),
        );
        registry.register(
            "tiphys_eventsource_filtered",
            "What happened and was rejected by the filter or is of no wanted type",
            metrics.filtered.clone(),
        );
        registry.register(
            "tiphys_eventsource_events",
            "What was received since the start of the process, by where it is",
            metrics.events.clone(),
        );
        registry.register(
            "tiphys_eventsource_watch_synced",
            "1 while the watch is open and complete",
            metrics.synced.clone(),
        );
        registry.register(
            "tiphys_eventsource_watch_failures",
            "Lists and watches that failed, by reason",
            metrics.watch_failures.clone(),
        );
        metrics
    }

    /// The metrics of one event, starting at 0.
    pub(crate) fn event(&self, labels: EventLabels) -> EventMetrics {
        let source = SourceLabels {
            namespace: labels.namespace.clone(),
            eventsource_name: labels.eventsource_name.clone(),
        };
        let events = Outcome::ALL.map(|outcome| {
            let EventLabels {
                namespace,
                eventsource_name,
                event_name,
            } = labels.clone();
            self.events
                .get_or_create(&OutcomeLabels {
                    namespace,
                    eventsource_name,
                    event_name,
                    outcome,
                })
                .clone()
        });
        EventMetrics {
            running: self.running.get_or_create(&source).clone(),
            sent: self.sent.get_or_create(&labels).clone(),
            sent_failed: self.sent_failed.get_or_create(&labels).clone(),
            processing_failed: self.processing_failed.get_or_create(&labels).clone(),
            duration: self.duration.get_or_create(&labels).clone(),
            filtered: self.filtered.get_or_create(&labels).clone(),
            events,
            synced: self.synced.clone(),
            watch_failures: self.watch_failures.clone(),
            labels,
        }
    }
}

/// The metrics of one event.
#[derive(Debug, Clone)]
pub(crate) struct EventMetrics {
    running: Gauge,
    sent: Counter,
    sent_failed: Counter,
    processing_failed: Counter,
    duration: Histogram,
    filtered: Counter,
    events: [Gauge; Outcome::ALL.len()],
    synced: Family<EventLabels, Gauge>,
    watch_failures: Family<FailureLabels, Counter>,
    labels: EventLabels,
}

/// Something received that is in hand; given back, unless it is settled otherwise. So the books
/// balance whatever ends.
#[derive(Debug)]
pub(crate) struct InHandGuard {
    events: [Gauge; Outcome::ALL.len()],
    outcome: Outcome,
}

impl InHandGuard {
    /// It has come to its end.
    pub(crate) fn settle(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for InHandGuard {
    fn drop(&mut self) {
        self.events[self.outcome as usize].inc();
        self.events[Outcome::InHand as usize].dec();
    }
}

/// An event that runs.
#[derive(Debug)]
pub(crate) struct RunningGuard(Gauge);

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl EventMetrics {
    /// The event runs until this is dropped.
    pub(crate) fn running(&self) -> RunningGuard {
        self.running.inc();
        RunningGuard(self.running.clone())
    }

    /// An upstream said something.
    pub(crate) fn receive(&self) -> InHandGuard {
        self.events[Outcome::Received as usize].inc();
        self.events[Outcome::InHand as usize].inc();
        InHandGuard {
            events: self.events.clone(),
            outcome: Outcome::GivenBack,
        }
    }

    pub(crate) fn published(&self, took: Duration) {
        // Whole milliseconds, as Argo Events observes them.
        let millis = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        self.duration.observe(f64::from(millis));
        self.sent.inc();
    }

    pub(crate) fn publish_failed(&self) {
        self.sent_failed.inc();
    }

    pub(crate) fn processing_failed(&self) {
        self.processing_failed.inc();
    }

    pub(crate) fn filtered(&self) {
        self.filtered.inc();
    }

    pub(crate) fn synced(&self, is_synced: bool) {
        self.synced
            .get_or_create(&self.labels)
            .set(i64::from(is_synced));
    }

    pub(crate) fn watch_failed(&self, reason: Reason) {
        let EventLabels {
            namespace,
            eventsource_name,
            event_name,
        } = self.labels.clone();
        let labels = FailureLabels {
            namespace,
            eventsource_name,
            event_name,
            category: reason.as_str(),
        };
        self.watch_failures.get_or_create(&labels).inc();
    }
}
