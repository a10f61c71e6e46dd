//! When the result of a trigger counts as a success.

use tiphys_api::{self as api, Problem, RetryPolicy, TriggerPolicy};

use super::k8s::LabelPolicy;

/// A compiled policy; without one, any answer is a success.
#[derive(Debug, Default)]
pub(super) struct Policy {
    /// For actions on Kubernetes objects.
    pub(super) labels: Option<LabelPolicy>,
    /// For actions that are answered with a status code.
    pub(super) allowed_status: Vec<i32>,
}

impl Policy {
    /// Compiles a policy; `field` is its field path. Faults are added to `problems`.
    pub(super) fn compile(
        spec: Option<&TriggerPolicy>,
        field: &str,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let Some(spec) = spec else {
            return Self::default();
        };
        Self {
            labels: spec
                .k8s
                .as_ref()
                .filter(|k8s| !k8s.labels.is_empty())
                .map(|k8s| labels(k8s, &format!("{field}.k8s.backoff"), problems)),
            allowed_status: spec
                .status
                .as_ref()
                .map(|s| s.allow.to_vec())
                .unwrap_or_default(),
        }
    }
}

fn labels(spec: &api::K8sResourcePolicy, field: &str, problems: &mut Vec<Problem>) -> LabelPolicy {
    let backoff = spec
        .backoff
        .as_ref()
        .map_or_else(|| Ok(RetryPolicy::default()), api::Backoff::policy);
    let backoff = backoff.unwrap_or_else(|error| {
        problems.push(Problem::error(
            format!("{field}.{}", error.field()),
            error.to_string(),
        ));
        RetryPolicy::default()
    });
    LabelPolicy {
        labels: (*spec.labels).clone(),
        attempts: backoff.attempts,
        wait: backoff.duration,
        factor: backoff.factor,
        jitter: backoff.jitter,
        error_on_timeout: *spec.error_on_backoff_timeout,
    }
}
