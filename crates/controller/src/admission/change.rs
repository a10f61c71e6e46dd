//! Which changes of an `EventBus` are refused when they are applied.
//!
//! Argo Events' rules, except that `streamConfig` may change, which reaches the running stream. Then
//! what the reconciler would refuse because it would lose events.

use tiphys_api::{BusKind, EventBusSpec, Problem};

/// What is wrong with changing the spec of a bus.
pub(super) fn refused(old: &EventBusSpec, new: &EventBusSpec) -> Vec<Problem> {
    let (Some(before), Some(after)) = (old.kind(), new.kind()) else {
        return Vec::new();
    };
    let problem = match (before, after) {
        (BusKind::NatsNative(_), BusKind::NatsExotic(_)) => Some(Problem::error(
            "spec.nats",
            "Can not change NATS event bus implementation from native to exotic",
        )),
        (BusKind::NatsExotic(_), BusKind::NatsNative(_)) => Some(Problem::error(
            "spec.nats",
            "Can not change NATS event bus implementation from exotic to native",
        )),
        (BusKind::NatsNative(before), BusKind::NatsNative(after)) => {
            immutable("spec.nats.native.auth", &before.auth, &after.auth)
        }
        (BusKind::NatsExotic(before), BusKind::NatsExotic(after)) => {
            immutable("spec.nats.exotic.auth", &before.auth, &after.auth)
        }
        (BusKind::JetStream(_), BusKind::JetStream(_))
        | (BusKind::JetStreamExotic(_), BusKind::JetStreamExotic(_))
        | (BusKind::Kafka(_), BusKind::Kafka(_)) => None,
        // A Kafka may take the place of what holds no events itself.
        (BusKind::NatsExotic(_) | BusKind::JetStreamExotic(_), BusKind::Kafka(_)) => None,
        _ => Some(
            Problem::error("spec", "Can not change event bus implementation")
                .with_hint("create another EventBus and move EventSources and Sensors to it"),
        ),
    };
    problem.into_iter().collect()
}

fn immutable(field: &str, before: &Option<String>, after: &Option<String>) -> Option<Problem> {
    // Without a word there is no authentication.
    let name = |auth: &Option<String>| auth.clone().unwrap_or_else(|| "none".to_owned());
    (name(before) != name(after)).then(|| {
        let message = format!("\"{field}\" is immutable, can not be updated");
        Problem::error(field, message)
    })
}
