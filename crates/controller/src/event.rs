//! Kubernetes Events: what changed about an object, for `kubectl describe`.

use kube::Resource;
use kube::runtime::events::{Event, EventType};
use tiphys_api::{Condition, ConditionStatus};
use tiphys_base::Reason;

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
    let was_paused = was.as_ref().is_some_and(is_paused);
    let same_reason = was.is_some_and(|was| was.reason == is.reason && was.message == is.message);
    let type_ = match *is.status {
        ConditionStatus::True if !was_ready => EventType::Normal,
        // Somebody wants it so.
        ConditionStatus::False if is_paused(&is) && !was_paused => EventType::Normal,
        _ if is_paused(&is) => return None,
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

fn is_paused(condition: &Condition) -> bool {
    condition.reason == Reason::Paused.as_str()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(status: ConditionStatus, reason: &str, message: &str) -> Vec<Condition> {
        vec![Condition {
            r#type: READY.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            ..Condition::default()
        }]
    }

    #[track_caller]
    fn check(old: &[Condition], new: &[Condition], expected: Option<(EventType, &str)>) {
        let event = of_change(old, new);
        let event = event.as_ref().map(|event| (event.type_, &*event.reason));
        assert_eq!(event, expected);
    }

    #[test]
    fn a_pause_is_no_warning_and_said_once() {
        use ConditionStatus::{False, True};
        let runs = ready(True, "Running", "");
        let paused = ready(False, "Paused", "paused");
        let faulty = ready(False, "InvalidTriggers", "no");
        check(&runs, &paused, Some((EventType::Normal, "Paused")));
        check(&faulty, &paused, Some((EventType::Normal, "Paused")));
        check(&paused, &ready(False, "Paused", "otherwise"), None);
        check(&paused, &runs, Some((EventType::Normal, "Running")));
        check(
            &paused,
            &faulty,
            Some((EventType::Warning, "InvalidTriggers")),
        );
    }
}
