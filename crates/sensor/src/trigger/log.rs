//! The `log` trigger: prints the events of a firing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use tiphys_api::LogTrigger;

use super::FireError;
use crate::action::{Action, LogAction, LogLine};
use crate::view::{JSON, View, Views};

/// A compiled `log` template.
#[derive(Debug)]
pub(super) struct Template {
    interval_seconds: u64,
}

impl Template {
    pub(super) fn compile(spec: &LogTrigger) -> Self {
        Self {
            interval_seconds: *spec.interval_seconds,
        }
    }

    pub(super) fn render(&self, views: &Views<'_>) -> Result<Action, FireError> {
        let lines = views
            .iter()
            .map(|(name, view)| line(name, view))
            .collect::<Result<_, _>>()?;
        Ok(Action::Log(LogAction {
            lines,
            interval_seconds: self.interval_seconds,
        }))
    }
}

fn line(dependency: &str, view: &View<'_>) -> Result<LogLine, FireError> {
    let event = view.event();
    let payload = event.data.as_deref().unwrap_or_default();
    let message = match event.context.datacontenttype.as_str() {
        JSON | "text/plain" => String::from_utf8_lossy(payload).into_owned(),
        _ => STANDARD.encode(payload),
    };
    let context = event.context.to_json();
    Ok(LogLine {
        message,
        dependency_name: dependency.to_owned(),
        event_context: RawValue::from_string(context)
            .map_err(|error| FireError::Object(error.to_string()))?,
    })
}
