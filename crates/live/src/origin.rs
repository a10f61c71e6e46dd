//! Who made an object: triggers leave their names on what they make.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;
use tiphys_base::text::one_line;
use tiphys_sensor::trigger::k8s::Ownership;
use tiphys_simulate::Decision;

use crate::events::Seen;
use crate::object::Identity;

/// Who made an object, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The name of the sensor.
    pub sensor: String,
    /// The name of the trigger.
    pub trigger: String,
    /// When.
    pub at: Option<Timestamp>,
    /// The id of the event; Argo Events leaves none.
    pub event: Option<String>,
}

impl Origin {
    /// What an object says; `None` if no trigger made it.
    pub fn of(object: &Value) -> Option<Self> {
        let metadata = object.get("metadata")?;
        let text = |part: &str, key: &str| {
            let value = metadata.get(part)?.get(key)?.as_str()?;
            Some(value.to_owned())
        };
        let at = text("labels", Ownership::TIMESTAMP_LABEL).and_then(|millis| millis.parse().ok());
        Some(Self {
            sensor: text("labels", Ownership::SENSOR_LABEL)?,
            trigger: text("labels", Ownership::TRIGGER_LABEL)?,
            at: at.and_then(|millis| Timestamp::from_millisecond(millis).ok()),
            event: text("annotations", Ownership::EVENT_ANNOTATION),
        })
    }
}

/// The Kubernetes objects that a decision acts on, each after what is done to it.
fn acts(decision: &Decision<'_>) -> impl Iterator<Item = (String, Identity)> {
    let actions = decision.actions();
    actions.filter_map(|action| {
        let action = serde_json::to_value(action).ok()?;
        let action = action.get("k8s")?;
        let operation = action.get("operation")?.as_str()?.to_owned();
        Some((operation, Identity::read(action.get("object")?)?))
    })
}

/// Says what a decision about an event does to an object, in two lines; `None` if nothing.
pub fn act(seen: &Seen, decision: &Decision<'_>, object: &Identity) -> Option<String> {
    let (operation, _) = acts(decision).find(|(_, other)| object.is_same(other))?;
    let event = seen.event.as_ref().ok()?;
    let about = Identity::of_event(event);
    let about = about.map_or_else(String::new, |about| format!(", about {about}"));
    let context = &event.context;
    let lines = [
        format!("{}  {operation} by {decision}", seen.stored_at),
        format!(
            "    event {} {}/{} ({}){about}, number {} on the bus",
            context.id, context.source, context.subject, context.r#type, seen.position
        ),
    ];
    Some(lines.iter().map(|line| one_line(line) + "\n").collect())
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sensor,
            trigger,
            at,
            event,
        } = self;
        let at = at.map_or_else(String::new, |at| format!(", {at}"));
        let line = match event {
            Some(event) => format!("by sensor {sensor}, trigger {trigger}{at}, for event {event}"),
            None => format!("by sensor {sensor}, trigger {trigger}{at}"),
        };
        writeln!(f, "{}", one_line(&line))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_says_who_made_it() {
        let object = json!({"metadata": {
            "labels": {
                "events.argoproj.io/sensor": "ingress-sn",
                "events.argoproj.io/trigger": "create",
                "events.argoproj.io/action-timestamp": "1772357400000",
            },
            "annotations": {"events.argoproj.io/event-id": "4f"},
        }});
        let origin = Origin::of(&object).unwrap();
        assert_eq!(
            origin.to_string(),
            "by sensor ingress-sn, trigger create, 2026-03-01T09:30:00Z, for event 4f\n"
        );
        assert_eq!(Origin::of(&json!({"metadata": {"labels": {}}})), None);
    }
}
