//! What the controller counts.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of the buckets of durations, in seconds.
const SECONDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    kind: &'static str,
    category: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    kind: String,
    verb: &'static str,
}

/// The metrics of the controller. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    reconciles: Family<KindLabels, Counter>,
    failures: Family<FailureLabels, Counter>,
    duration: Family<KindLabels, Histogram>,
    writes: Family<WriteLabels, Counter>,
}

impl Metrics {
    /// Registers the metrics.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            reconciles: Family::default(),
            failures: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            writes: Family::default(),
        };
        registry.register(
            "tiphys_controller_reconciles",
            "Objects looked at, by kind",
            metrics.reconciles.clone(),
        );
        registry.register(
            "tiphys_controller_reconcile_failures",
            "Reconciles that failed and are tried again, by kind and reason",
            metrics.failures.clone(),
        );
        registry.register(
            "tiphys_controller_reconcile_duration_seconds",
            "How long a reconcile takes, by kind",
            metrics.duration.clone(),
        );
        registry.register(
            "tiphys_controller_writes",
            "Requests that change something in the cluster, by kind and verb",
            metrics.writes.clone(),
        );
        metrics
    }

    pub(crate) fn reconciled(&self, kind: &'static str, took: Duration) {
        let labels = KindLabels { kind };
        self.reconciles.get_or_create(&labels).inc();
        self.duration
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }

    pub(crate) fn failed(&self, kind: &'static str, category: &'static str) {
        self.failures
            .get_or_create(&FailureLabels { kind, category })
            .inc();
    }

    /// Counts a request that changes something.
    pub fn wrote(&self, kind: impl Into<String>, verb: &'static str) {
        let labels = WriteLabels {
            kind: kind.into(),
            verb,
        };
        self.writes.get_or_create(&labels).inc();
    }
}
