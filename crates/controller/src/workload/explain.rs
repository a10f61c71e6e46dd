//! What conditions mean together: what follows from something else says so, what is about to come is
//! waited for, and a fault says what to do.

use std::sync::Arc;
use std::time::Duration;

use tiphys_api::{ConditionStatus, EventSource};
use tiphys_base::Reason;
use tiphys_check::link::{Place, Publisher};

use super::bus::Named;
use super::rollout::{AVAILABLE, BUS_CONNECTED, DEPLOYED};
use super::{Workload, publishers};
use crate::condition::{Conditions, EVENTS_PUBLISHED, Subject, Verdict};
use crate::{Context, name};

/// Completes the conditions of an object; returns when they are to be looked at again though nothing has
/// changed.
pub(super) fn explain<K: Workload>(
    object: &K,
    bus: Named<'_>,
    context: &Context,
    conditions: &mut Conditions,
) -> Option<Duration> {
    let deployed = conditions.get(DEPLOYED).map(|verdict| verdict.status);
    if !bus.has_pods && deployed != Some(ConditionStatus::True) {
        for condition in [AVAILABLE, BUS_CONNECTED, K::parts_condition().condition] {
            let message = "there are no pods yet: see the condition Deployed";
            conditions.set(condition, Verdict::unknown(Reason::NotDeployed, message));
        }
    } else if let Some(said) = conditions.get(BUS_CONNECTED) {
        let connection = bus.connection(said);
        conditions.set(BUS_CONNECTED, connection);
    }
    if let Some(published) = published(object, bus, context) {
        conditions.set(EVENTS_PUBLISHED, published);
    }
    let meta = object.meta();
    let uid = meta.uid.as_deref().unwrap_or_default();
    let old = object.status().map(|status| &**status.conditions);
    let now = (context.now)();
    let next = context.memory.wait(uid, |waits| {
        waits.judge(conditions, old.unwrap_or_default(), now)
    });
    let owner = name::label_value(meta.name.as_deref().unwrap_or_default());
    conditions.advise(&Subject {
        namespace: bus.namespace,
        selector: &format!("{}={owner}", K::NAME_LABEL),
        template: "spec.template",
    });
    next
}

/// Whether somebody publishes what the object waits for; `None` if it waits for nothing.
fn published<K: Workload>(object: &K, bus: Named<'_>, context: &Context) -> Option<Verdict> {
    let awaited = object.awaited();
    if awaited.is_empty() {
        return None;
    }
    let namespace = bus.namespace;
    let sources: Vec<Arc<EventSource>> = context
        .event_sources
        .state_filter(|source| source.metadata.namespace.as_deref() == Some(namespace));
    let publishers: Vec<Publisher<'_>> = sources
        .iter()
        .map(|source| {
            let name = source.metadata.name.as_deref().unwrap_or_default();
            Publisher::new(namespace, name, &source.spec)
        })
        .collect();
    let listener = Place {
        namespace,
        bus: bus.name,
    };
    Some(publishers::verdict(listener, &awaited, &publishers))
}
