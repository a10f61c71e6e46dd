//! Kubernetes Events: what changed about an object, for `kubectl describe`.

use kube::Resource;
use kube::runtime::events::{Event, EventType};
use tiphys_api::{Condition, ConditionStatus};
use tiphys_base::Reason;

use crate::Context;
use crate::condition::{ASIDES, READY, says_for_what};

/// Says what the change of conditions means, if a human wants to know.
pub(crate) fn of_change(old: &[Condition], new: &[Condition]) -> Vec<Event> {
    let said = std::iter::once(READY).chain(ASIDES);
    let events = said.filter_map(|of| {
        let is = find(new, of)?;
        let type_ = weight(find(old, of), is)?;
        Some(Event {
            type_,
            reason: is.reason.to_string(),
            note: Some(is.message.chars().take(1000).collect()),
            action: "Reconcile".to_owned(),
            secondary: None,
        })
    });
    events.collect()
}

fn find<'c>(conditions: &'c [Condition], r#type: &str) -> Option<&'c Condition> {
    conditions
        .iter()
        .find(|condition| *condition.r#type == *r#type)
}

/// A fault is a warning. What is waited for, and that it has come, is none.
fn weight(was: Option<&Condition>, is: &Condition) -> Option<EventType> {
    let had = |status| was.is_some_and(|was| *was.status == status);
    let same_reason = was.is_some_and(|was| was.reason == is.reason);
    let same_message = was.is_some_and(|was| was.message == is.message);
    match *is.status {
        ConditionStatus::True if *is.r#type == *READY && !had(ConditionStatus::True) => {
            Some(EventType::Normal)
        }
        // Somebody wants it so.
        ConditionStatus::False if is_paused(is) => {
            (!was.is_some_and(is_paused)).then_some(EventType::Normal)
        }
        ConditionStatus::False if !had(ConditionStatus::False) || !same_reason || !same_message => {
            Some(EventType::Warning)
        }
        ConditionStatus::Unknown if says_for_what(&is.reason) && !same_reason => {
            Some(EventType::Normal)
        }
        _ => None,
    }
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
        let events = of_change(old, new);
        let event = events.first().map(|event| (event.type_, &*event.reason));
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
