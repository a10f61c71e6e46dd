//! What a sensor counts: Argo Events' metrics under their names, and where every event is.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::engine::{Outcome, Tally};

/// Upper bounds of the buckets of durations, in milliseconds.
const MILLISECONDS: [f64; 12] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 5_000.0, 30_000.0,
];

/// Names one trigger.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TriggerLabels {
    /// Namespace of the Sensor.
    pub namespace: String,
    /// Name of the Sensor.
    pub sensor_name: String,
    /// Name of the trigger.
    pub trigger_name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    namespace: String,
    sensor_name: String,
    trigger_name: String,
    outcome: Outcome,
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

/// The metrics of all sensors of a process. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    triggered: Family<TriggerLabels, Counter>,
    failed: Family<TriggerLabels, Counter>,
    retries_failed: Family<TriggerLabels, Counter>,
    duration: Family<TriggerLabels, Histogram>,
    events: Family<OutcomeLabels, Gauge>,
}

impl Metrics {
    /// Registers the metrics under the names of Argo Events.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            triggered: Family::default(),
            failed: Family::default(),
            retries_failed: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(MILLISECONDS)),
            events: Family::default(),
        };
        registry.register(
            "argo_events_action_triggered",
            "Actions performed",
            metrics.triggered.clone(),
        );
        registry.register(
            "argo_events_action_failed",
            "Attempts that failed",
            metrics.failed.clone(),
        );
        registry.register(
            "argo_events_action_retries_failed",
            "Actions given up after their last attempt",
            metrics.retries_failed.clone(),
        );
        registry.register(
            "argo_events_action_duration_milliseconds",
            "How long an attempt took",
            metrics.duration.clone(),
        );
        registry.register(
            "tiphys_sensor_events",
            "Events received by a trigger since the start of the process, by where they are",
            metrics.events.clone(),
        );
        metrics
    }

    /// The metrics of one trigger, starting at 0.
    pub fn trigger(&self, labels: &TriggerLabels) -> TriggerMetrics {
        let events = Outcome::ALL.map(|outcome| {
            let TriggerLabels {
                namespace,
                sensor_name,
                trigger_name,
            } = labels.clone();
            self.events
                .get_or_create(&OutcomeLabels {
                    namespace,
                    sensor_name,
                    trigger_name,
                    outcome,
                })
                .clone()
        });
        TriggerMetrics {
            triggered: self.triggered.get_or_create(labels).clone(),
            failed: self.failed.get_or_create(labels).clone(),
            retries_failed: self.retries_failed.get_or_create(labels).clone(),
            duration: self.duration.get_or_create(labels).clone(),
            events,
        }
    }
}

/// The metrics of one trigger.
#[derive(Debug, Clone)]
pub struct TriggerMetrics {
    triggered: Counter,
    failed: Counter,
    retries_failed: Counter,
    duration: Histogram,
    events: [Gauge; Outcome::ALL.len()],
}

impl TriggerMetrics {
    pub(crate) fn attempt(&self, took: std::time::Duration, succeeded: bool) {
        // Whole milliseconds, as Argo Events observes them.
        let millis = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        self.duration.observe(f64::from(millis));
        if succeeded {
            self.triggered.inc();
        } else {
            self.failed.inc();
        }
    }

    pub(crate) fn gave_up(&self) {
        self.retries_failed.inc();
    }

    pub(crate) fn show(&self, tally: &Tally) {
        for (outcome, gauge) in Outcome::ALL.into_iter().zip(&self.events) {
            gauge.set(i64::try_from(tally.count(outcome)).unwrap_or(i64::MAX));
        }
    }
}
