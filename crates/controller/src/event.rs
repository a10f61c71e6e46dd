//! Kubernetes Events: what changed about an object, for `kubectl describe`.

use kube::Resource;
use kube::runtime::events::{Event, EventType};
use tiphys_api::{Condition, ConditionStatus};

use crate::Context;
use crate::condition::READY;

/// Says what the change of conditions means, if a human wants to know.
pub(crate) fn of_change(old: &[Condition], new: &[Condition]) -> Option<Event> {
    let ready = |conditions: &[Condition]| {
        conditions
            .iter()
            .find(|condition| condition.r#type == READY)
            .cloned()
    };
    let is = ready(new)?;
    let was = ready(old);
    let was_ready = was
        .as_ref()
        .is_some_and(|was| *was.status == ConditionStatus::True);
    let same_reason = was.is_some_and(|was| was.reason == is.reason && was.message == is.message);
    let type_ = match *is.status {
        ConditionStatus::True if !was_ready => EventType::Normal,
        ConditionStatus::False if was_ready || !same_reason => EventType::Warning,
        _ => return None,
    };
    Some(Event {
        type_,
        reason: is.reason.to_string(),
        note: Some(is.message.chars().take(1000).collect()),
        action: "Reconcile".to_owned(),
        secondary: None,
    })
}

/// Records an event; that it cannot be recorded changes nothing else.
pub(crate) async fn record<K>(context: &Context, object: &K, event: &Event)
where
    K: Resource<DynamicType = ()>,
{
    let reference = object.object_ref(&());
    context.metrics.wrote("Event", "create");
    if let Err(error) = context.recorder.publish(event, &reference).await {
        let error: &dyn std::error::Error = &error;
        tracing::debug!(error, "An event could not be recorded");
    }
}
