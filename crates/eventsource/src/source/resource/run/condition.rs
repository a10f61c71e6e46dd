//! The condition of the watch: logged and reported once when it fails, with a hint, and again when it works.

use std::error::Error as StdError;
use std::sync::Arc;

use crate::error::Reason;
use crate::metrics::EventMetrics;
use crate::outlet::Outlet;
use crate::source::resource::Endpoint;
use crate::source::resource::error::Error;
use crate::status::{Condition, Reporter, chain};

/// The condition of a watch, with the failure that was logged last.
pub(super) struct WatchCondition {
    namespace: Arc<str>,
    source: Arc<str>,
    event: Arc<str>,
    metrics: EventMetrics,
    reporter: Reporter,
    identity: String,
    logged: Option<Reason>,
    is_known: bool,
}

impl WatchCondition {
    pub(super) fn new(outlet: &Outlet, identity: String) -> Self {
        Self {
            namespace: outlet.event.namespace.clone(),
            source: outlet.event.source.clone(),
            event: outlet.event.name.clone(),
            metrics: outlet.metrics.clone(),
            reporter: outlet.reporter.clone(),
            identity,
            logged: None,
            is_known: false,
        }
    }

    /// The watch is not open.
    pub(super) fn interrupted(&self) {
        self.metrics.synced(false);
    }

    /// The watch is open, and the objects are known.
    pub(super) fn synced(&mut self, target: &str, objects: usize) {
        self.metrics.synced(true);
        self.reporter.condition(Condition::Working);
        if self.logged.take().is_some() || !self.is_known {
            self.is_known = true;
            tracing::info!(
                namespace = %self.namespace,
                eventSourceName = %self.source,
                eventName = %self.event,
                eventSourceType = "resource",
                objects,
                "Watching {target}"
            );
        }
    }

    /// The watch could not be opened, or broke.
    pub(super) fn failed(&mut self, error: &Error, endpoint: &Endpoint) {
        let reason = error.reason();
        self.metrics.watch_failed(reason);
        let hint = hint(reason, endpoint, &self.identity);
        self.reporter.condition(Condition::Failed {
            reason,
            message: chain(error),
            hint: hint.clone(),
        });
        let error: &dyn StdError = error;
        if self.logged == Some(reason) {
            tracing::debug!(
                namespace = %self.namespace,
                eventSourceName = %self.source,
                eventName = %self.event,
                error,
                "Still not watching"
            );
            return;
        }
        self.logged = Some(reason);
        tracing::warn!(
            namespace = %self.namespace,
            eventSourceName = %self.source,
            eventName = %self.event,
            eventSourceType = "resource",
            reason = reason.as_str(),
            error,
            hint,
            "Could not list and watch objects, trying again"
        );
    }
}

fn hint(reason: Reason, endpoint: &Endpoint, identity: &str) -> String {
    let name = endpoint.kubectl_name();
    let scope = match &endpoint.namespace {
        Some(namespace) => format!("-n {namespace}"),
        None => "--all-namespaces".to_owned(),
    };
    let identity = if identity.is_empty() {
        String::new()
    } else {
        format!(" --as={identity}")
    };
    match reason {
        Reason::Forbidden => format!(
            "grant list and watch; check with `kubectl auth can-i list {name} {scope}{identity}` and \
             `kubectl auth can-i watch {name} {scope}{identity}`"
        ),
        Reason::Unauthorized => {
            "the API server does not accept the credentials: check the service account's \
                           token"
                .to_owned()
        }
        Reason::NotFound => format!(
            "the API server does not serve {name} in version {}; compare with `kubectl api-resources \
             --api-group={:?}`, a CustomResourceDefinition may be missing",
            endpoint.version, endpoint.group
        ),
        Reason::Unreachable => "check that the API server can be reached".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::hint;
    use crate::error::Reason;
    use crate::source::resource::Endpoint;

    #[test]
    fn a_missing_permission_is_published_as_a_command_to_check_it() {
        let endpoint = Endpoint {
            group: String::new(),
            version: "v1".to_owned(),
            resource: "services".to_owned(),
            namespace: Some("playground".to_owned()),
        };
        assert_eq!(
            hint(Reason::Forbidden, &endpoint, "system:serviceaccount:a:b"),
            "grant list and watch; check with `kubectl auth can-i list services -n playground \
             --as=system:serviceaccount:a:b` and `kubectl auth can-i watch services -n playground \
             --as=system:serviceaccount:a:b`"
        );
    }
}
