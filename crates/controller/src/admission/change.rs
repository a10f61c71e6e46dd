//! Which changes of an `EventBus` are refused when they are applied.
//!
//! Argo Events' rules, except that `streamConfig` may change, which reaches the running stream. Then
//! what the reconciler would refuse because it would lose events.

use tiphys_api::{BusKind, ConditionStatus, EventBus, EventBusSpec, Problem};

use crate::event_bus::edit;

/// What is wrong with changing a bus.
pub(super) fn refused(old: &EventBus, new: &EventBusSpec) -> Vec<Problem> {
    let (Some(before), Some(after)) = (old.spec.kind(), new.kind()) else {
        return Vec::new();
    };
    if is_refused(old) {
        return Vec::new();
    }
    let problem = match (before, after) {
        (BusKind::NatsNative(_), BusKind::NatsExotic(_)) => Some(Problem::error(
            "spec.nats",
            "Can not change NATS event bus implementation from native to exotic",
        )),
        (BusKind::NatsExotic(_), BusKind::NatsNative(_)) => Some(Problem::error(
            "spec.nats",
            "Can not change NATS event bus implementation from exotic to native",
        )),
        (BusKind::NatsNative(before), BusKind::NatsNative(after)) => immutable(
            "spec.nats.native.auth",
            before.auth.as_deref(),
            after.auth.as_deref(),
        ),
        (BusKind::NatsExotic(before), BusKind::NatsExotic(after)) => immutable(
            "spec.nats.exotic.auth",
            before.auth.as_deref(),
            after.auth.as_deref(),
        ),
        (BusKind::JetStream(before), BusKind::JetStream(after)) => edit::refused(before, after),
        // A Kafka may take the place of what holds no events itself.
        (
            BusKind::NatsExotic(_) | BusKind::JetStreamExotic(_) | BusKind::Kafka(_),
            BusKind::Kafka(_),
        )
        | (BusKind::JetStreamExotic(_), BusKind::JetStreamExotic(_)) => None,
        _ => Some(
            Problem::error("spec", "Can not change event bus implementation")
                .with_hint("create another EventBus and move EventSources and Sensors to it"),
        ),
    };
    problem.into_iter().collect()
}

/// The servers are not what the old spec says: the way back to what they are has to be open.
fn is_refused(bus: &EventBus) -> bool {
    let conditions = bus
        .status
        .iter()
        .flat_map(|status| status.conditions.iter());
    conditions
        .filter(|condition| *condition.status == ConditionStatus::False)
        .any(|condition| {
            edit::REFUSED
                .iter()
                .any(|reason| condition.reason == reason.as_str())
        })
}

fn immutable(field: &str, before: Option<&str>, after: Option<&str>) -> Option<Problem> {
    // Without a word there is no authentication.
    const NONE: &str = "none";
    (before.unwrap_or(NONE) != after.unwrap_or(NONE)).then(|| {
        let message = format!("\"{field}\" is immutable, can not be updated");
        Problem::error(field, message)
    })
}
