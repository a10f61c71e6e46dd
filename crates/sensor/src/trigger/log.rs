//! The `log` trigger: prints the events of a firing.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hasher;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Error as _, SerializeStruct as _};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use tiphys_api::{LogTrigger, Problem, TriggerKind, TriggerTemplate};
use tiphys_base::text::lossy;
use tiphys_eventbus::Event;

use super::fire::Input;
use super::perform::Context;
use super::{Caller, FireError, Kind, Part, PerformError};
use crate::view::JSON;

/// How much of a payload is shown to people.
const SHOWN: usize = 160;

/// Events to be printed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// One line an event.
    pub lines: Vec<Line>,
    /// At most one firing's lines are printed within this many seconds; 0: all.
    pub interval_seconds: u64,
}

/// A line to be printed.
#[derive(Debug, Clone)]
pub struct Line {
    /// Name of the dependency.
    pub dependency_name: String,
    event: Event,
}

impl Line {
    /// The payload: as it is if it is JSON or plain text, base64 otherwise.
    pub fn message(&self) -> Cow<'_, str> {
        let payload = self.event.data.as_deref().unwrap_or_default();
        match self.event.context.datacontenttype.as_str() {
            JSON | "text/plain" => lossy(payload),
            _ => STANDARD.encode(payload).into(),
        }
    }

    /// The event's attributes, as JSON.
    pub fn event_context(&self) -> String {
        self.event.context.to_json()
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let context = RawValue::from_string(self.event_context()).map_err(S::Error::custom)?;
        let mut line = serializer.serialize_struct("Line", 3)?;
        line.serialize_field("message", &self.message())?;
        line.serialize_field("dependencyName", &self.dependency_name)?;
        line.serialize_field("eventContext", &context)?;
        line.end()
    }
}

/// A compiled `log` template.
#[derive(Debug)]
pub(super) struct Template {
    interval_seconds: u64,
}

impl Kind for Template {
    type Spec = LogTrigger;
    type Action = Action;
    const KIND: TriggerKind = TriggerKind::Log;
    const REPEATABLE: bool = false;
    const IMMEDIATE: bool = true;

    fn spec(template: &TriggerTemplate) -> Option<&LogTrigger> {
        template.log.as_deref()
    }

    fn compile(spec: &LogTrigger, _: &str, _: &mut Vec<Problem>) -> Option<Self> {
        Some(Self {
            interval_seconds: *spec.interval_seconds,
        })
    }

    fn render(&self, input: &mut Input<'_, '_>) -> Result<Action, FireError> {
        let lines = input.views.iter().map(|(name, view)| Line {
            dependency_name: name.to_owned(),
            event: view.event().clone(),
        });
        Ok(Action {
            lines: lines.collect(),
            interval_seconds: self.interval_seconds,
        })
    }

    fn target(_: &Action, _: &mut impl Hasher) {}

    fn describe(action: &Action) -> Vec<Part> {
        let line = |line: &Line| {
            let message = line.message();
            let mut text: String = message.chars().take(SHOWN).collect();
            if text.len() < message.len() {
                text.push('…');
            }
            Part::Act(format!("log {}: {text}", line.dependency_name))
        };
        action.lines.iter().map(line).collect()
    }

    async fn perform(
        action: &Action,
        context: &Context,
        caller: Caller<'_>,
    ) -> Result<(), PerformError> {
        context.printer.print(action, caller);
        Ok(())
    }
}

/// Where lines go.
pub trait Sink: Send + Sync {
    /// Prints one line.
    fn print(&self, line: &Line, caller: Caller<'_>);
}

/// Prints lines, and keeps to the interval of each trigger.
pub(super) struct Printer {
    sink: Arc<dyn Sink>,
    /// When each trigger printed last, by its namespace, sensor and name.
    printed: Mutex<HashMap<[String; 3], Instant>>,
}

impl fmt::Debug for Printer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Printer")
    }
}

impl Printer {
    /// Prints to `sink`.
    pub(super) fn new(sink: Arc<dyn Sink>) -> Self {
        Self {
            sink,
            printed: Mutex::default(),
        }
    }

    fn print(&self, action: &Action, caller: Caller<'_>) {
        if !self.is_due(
            Duration::from_secs(action.interval_seconds),
            caller,
            Instant::now(),
        ) {
            return;
        }
        for line in &action.lines {
            self.sink.print(line, caller);
        }
    }

    /// Whether a firing at `now` prints: the first one of each interval does.
    fn is_due(&self, interval: Duration, caller: Caller<'_>, now: Instant) -> bool {
        if interval.is_zero() {
            return true;
        }
        let key = [caller.namespace, caller.sensor, caller.trigger].map(str::to_owned);
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        match printed.get(&key) {
            Some(last) if now.duration_since(*last) < interval => false,
            _ => {
                printed.insert(key, now);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere;

    impl Sink for Nowhere {
        fn print(&self, _: &Line, _: Caller<'_>) {}
    }

    #[test]
    fn one_firing_an_interval_prints() {
        let printer = Printer::new(Arc::new(Nowhere));
        let caller = Caller {
            bus: None,
            namespace: "n",
            sensor: "s",
            trigger: "t",
        };
        let other = Caller {
            namespace: "m",
            ..caller
        };
        let start = Instant::now();
        let due = |caller, seconds| {
            let at = start + Duration::from_secs(seconds);
            printer.is_due(Duration::from_secs(10), caller, at)
        };
        assert!(due(caller, 0));
        assert!(!due(caller, 9));
        assert!(due(other, 9));
        assert!(due(caller, 10));
        assert!(!due(caller, 19));
    }
}
