//! The `EventSource`: pods, and a Service for those that are called.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::runtime::controller::Action;
use tiphys_api::{
    EventSource, EventSourceKind, EventSourceSpec, KeyRef, KeyRefs, Problem, Service, Status,
    Template,
};
use tiphys_base::Reason;

use crate::workload::{self, Aspect, Awaited, Parts, Workload};
use crate::{Context, Error};

impl Workload for EventSource {
    const KIND: &'static str = "EventSource";
    const CONTROLLER: &'static str = "eventsource-controller";
    const NAME_LABEL: &'static str = "eventsource-name";
    const SUFFIX: &'static str = "-eventsource";
    const ARGUMENT: &'static str = "eventsource";
    const WHILE_PAUSED: &'static str = "it receives and publishes nothing";
    const FINALIZER: &'static str = "eventsource-controller";

    type Spec = EventSourceSpec;

    fn spec(&self) -> &EventSourceSpec {
        &self.spec
    }

    fn template(&self) -> Option<&Template> {
        self.spec.template.as_ref()
    }

    fn replica_count(&self) -> i32 {
        self.spec.replica_count()
    }

    fn bus_name(&self) -> &str {
        self.spec.bus_name()
    }

    fn revision_history_limit(&self) -> Option<i32> {
        None
    }

    fn service(&self) -> Option<&Service> {
        let service = self.spec.service.as_ref();
        service.filter(|service| !service.ports.is_empty())
    }

    fn called_ports(&self) -> BTreeSet<u16> {
        self.spec.called_ports()
    }

    /// What is only called, in all pods, watches nothing, and no lease decides who works; but one pod
    /// keeps the hooks at whoever calls.
    fn needs_token(&self) -> bool {
        let mut events = self.spec.events();
        !events.all(|event| match event.config.webhook_context() {
            Some(context) => event.kind == EventSourceKind::Webhook || context.url.is_empty(),
            None => false,
        })
    }

    fn key_refs(&self) -> Vec<KeyRef<'_>> {
        self.spec.key_refs()
    }

    fn awaited(&self) -> Vec<Awaited<'_>> {
        Vec::new()
    }

    fn status(&self) -> Option<&Status> {
        self.status.as_ref()
    }

    fn problems(&self) -> Vec<Problem> {
        tiphys_check::event_source(self).problems
    }

    fn aspects() -> &'static [Aspect] {
        &[Aspect {
            condition: "SourcesProvided",
            reason: Reason::InvalidEventSource,
            field: "spec",
        }]
    }

    fn parts_condition() -> Parts {
        Parts {
            condition: "WatchSynced",
            part: "event",
            unreported_is_well: false,
        }
    }
}

/// Brings about what the object asks for, and writes its status.
///
/// # Errors
/// What may pass by itself: it is tried again.
pub(crate) async fn reconcile(
    object: Arc<EventSource>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    Box::pin(workload::reconcile(&*object, &context)).await
}

#[cfg(test)]
mod tests;
