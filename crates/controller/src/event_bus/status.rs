//! Writes what was found about a bus, if that is news.

use kube::ResourceExt;
use serde_json::{Map, Value};
use tiphys_api::{BusConfig, EventBus, EventBusStatus};

use crate::condition::Conditions;
use crate::{Context, Error, event, patch};

/// Writes the status, if it differs.
///
/// # Errors
/// If the API server refuses.
pub(super) async fn write(
    context: &Context,
    bus: &EventBus,
    conditions: &Conditions,
    config: Option<BusConfig>,
) -> Result<(), Error> {
    let old = bus.status.clone().unwrap_or_default();
    let generation = bus.metadata.generation;
    let now = (context.now)();
    let new = EventBusStatus {
        conditions: conditions.written(&old.conditions, generation, now).into(),
        config: config.map(Into::into).unwrap_or_default(),
        observed_generation: generation,
    };
    if new == old {
        return Ok(());
    }
    send(context, bus, &old, &new).await?;
    for event in event::of_change(&old.conditions, &new.conditions) {
        event::record(context, bus, &event).await;
    }
    Ok(())
}

async fn send(
    context: &Context,
    bus: &EventBus,
    old: &EventBusStatus,
    new: &EventBusStatus,
) -> Result<(), Error> {
    let name = bus.name_any();
    let as_json = |status: &EventBusStatus| {
        serde_json::to_value(status).map_err(|source| Error::Encode {
            what: format!("the status of EventBus {name}"),
            source,
        })
    };
    let change = merge_patch(&as_json(old)?, as_json(new)?);
    patch::status(context, bus, change).await
}

/// What turns `old` into `new`, by RFC 7386: members that are gone become null.
fn merge_patch(old: &Value, new: Value) -> Value {
    let Value::Object(mut new) = new else {
        return new;
    };
    let none = Map::new();
    let old = old.as_object().unwrap_or(&none);
    for (key, value) in &mut new {
        if let Some(old) = old.get(key) {
            *value = merge_patch(old, value.take());
        }
    }
    for key in old.keys() {
        new.entry(key.clone()).or_insert(Value::Null);
    }
    Value::Object(new)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::merge_patch;

    #[test]
    fn what_is_gone_is_removed_at_every_depth() {
        let old = json!({"config": {"jetstream": {"url": "a", "tls": {}}, "kafka": {}}, "n": 1});
        let new = json!({"config": {"jetstream": {"url": "b"}}, "n": 1});
        assert_eq!(
            merge_patch(&old, new),
            json!({"config": {"jetstream": {"url": "b", "tls": null}, "kafka": null}, "n": 1})
        );
    }
}
