//! What an event source counts: Argo Events' metrics under their names, and the state of watches.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of the buckets of durations, in milliseconds.
const MILLISECONDS: [f64; 12] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 5_000.0, 30_000.0,
];

/// Names one event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EventLabels {
    /// Namespace of the `EventSource`.
    pub namespace: String,
    /// Name of the `EventSource`.
    pub eventsource_name: String,
    /// Name of the event.
    pub event_name: String,
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

/// The metrics of all event sources of a process. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    running: Family<SourceLabels, Gauge>,
    sent: Family<EventLabels, Counter>,
    sent_failed: Family<EventLabels, Counter>,
    processing_failed: Family<EventLabels, Counter>,
    duration: Family<EventLabels, Histogram>,
    filtered: Family<EventLabels, Counter>,
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
            synced: Family::default(),
            watch_failures: Family::default(),
        };
        registry.register(
            "argo_events_event_service_running_total",
            "Events of the event source that are watched",
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
            "Events that could not be published and became dead letters",
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
    pub fn event(&self, labels: EventLabels) -> EventMetrics {
        let source = SourceLabels {
            namespace: labels.namespace.clone(),
            eventsource_name: labels.eventsource_name.clone(),
        };
        EventMetrics {
            running: self.running.get_or_create(&source).clone(),
            sent: self.sent.get_or_create(&labels).clone(),
            sent_failed: self.sent_failed.get_or_create(&labels).clone(),
            processing_failed: self.processing_failed.get_or_create(&labels).clone(),
            duration: self.duration.get_or_create(&labels).clone(),
            filtered: self.filtered.get_or_create(&labels).clone(),
            synced: self.synced.get_or_create(&labels).clone(),
            watch_failures: self.watch_failures.clone(),
            labels,
        }
    }
}

/// The metrics of one event.
#[derive(Debug, Clone)]
pub struct EventMetrics {
    running: Gauge,
    sent: Counter,
    sent_failed: Counter,
    processing_failed: Counter,
    duration: Histogram,
    filtered: Counter,
    synced: Gauge,
    watch_failures: Family<FailureLabels, Counter>,
    labels: EventLabels,
}

impl EventMetrics {
    pub(crate) fn started(&self) {
        self.running.inc();
    }

    pub(crate) fn stopped(&self) {
        self.running.dec();
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

    pub(crate) fn dead_lettered(&self) {
        self.processing_failed.inc();
    }

    pub(crate) fn filtered(&self) {
        self.filtered.inc();
    }

    pub(crate) fn synced(&self, is_synced: bool) {
        self.synced.set(i64::from(is_synced));
    }

    pub(crate) fn watch_failed(&self, category: &'static str) {
        let EventLabels {
            namespace,
            eventsource_name,
            event_name,
        } = self.labels.clone();
        let labels = FailureLabels {
            namespace,
            eventsource_name,
            event_name,
            category,
        };
        self.watch_failures.get_or_create(&labels).inc();
    }
}
