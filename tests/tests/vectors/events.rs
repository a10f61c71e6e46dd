//! Recorded events as our own.

use bytes::Bytes;
use serde_json::{Value, json};
use tiphys_eventbus::{Context, Event};

use super::line::{recorded, text};

/// The event under `line`: `{context, data}`.
pub(crate) fn event(recorded: &Value) -> Event {
    let context = &recorded["context"];
    let text_of = |key: &str| context[key].as_str().unwrap_or_default().to_owned();
    Event {
        context: Context {
            id: text_of("id"),
            source: text_of("source"),
            specversion: text_of("specversion"),
            r#type: text_of("type"),
            datacontenttype: text_of("datacontenttype"),
            subject: text_of("subject"),
            time: context["time"].as_str().and_then(|time| time.parse().ok()),
        }
        .into(),
        data: text(recorded, "data").map(Bytes::from),
    }
}

/// The events of a line, by their dependencies.
pub(crate) fn events(line: &Value) -> Vec<(String, Event)> {
    let events = line["events"].as_object().into_iter().flatten();
    events
        .map(|(name, recorded)| (name.clone(), event(recorded)))
        .collect()
}

/// An event in the form in which it is recorded: Go's structures, whose zero time is year 1.
pub(crate) fn describe(event: &Event) -> Value {
    let mut context: Value =
        serde_json::from_str(&event.context.to_json()).expect("a context is JSON");
    let time = event.context.time.map(|time| time.to_string());
    context["time"] = json!(time.unwrap_or_else(|| "0001-01-01T00:00:00Z".to_owned()));
    json!({ "context": context, "data": event.data.as_ref().map(|data| recorded(data.to_vec())) })
}
