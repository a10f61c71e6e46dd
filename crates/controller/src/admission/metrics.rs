//! What the webhook counts.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// How a review ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum Outcome {
    Allowed,
    Denied,
    /// Allowed because it could not be decided in time.
    Late,
    /// The request was no review.
    Unreadable,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReviewLabels {
    outcome: Outcome,
}

/// The metrics of the webhook.
#[derive(Clone, Debug)]
pub struct Metrics {
    reviews: Family<ReviewLabels, Counter>,
    seconds: Histogram,
    renew_after: Gauge,
}

impl Metrics {
    /// Makes them part of a registry.
    pub fn register(registry: &mut Registry) -> Self {
        // From a bad name to the largest object on a loaded machine.
        let buckets = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0];
        let metrics = Self {
            reviews: Family::default(),
            seconds: Histogram::new(buckets),
            renew_after: Gauge::default(),
        };
        registry.register(
            "tiphys_webhook_reviews",
            "Reviews by how they ended",
            metrics.reviews.clone(),
        );
        registry.register_with_unit(
            "tiphys_webhook_review_duration",
            "Time from a request to its answer",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register(
            "tiphys_webhook_certificate_renewal_timestamp_seconds",
            "When the certificate is renewed, in Unix time",
            metrics.renew_after.clone(),
        );
        metrics
    }

    pub(super) fn reviewed(&self, outcome: Outcome, duration: Duration) {
        self.reviews.get_or_create(&ReviewLabels { outcome }).inc();
        self.seconds.observe(duration.as_secs_f64());
    }

    pub(super) fn renewed(&self, next: jiff::Timestamp) {
        self.renew_after.set(next.as_second());
    }
}
