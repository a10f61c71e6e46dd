//! Prints the events of `log` triggers.

use tiphys_runtime::logging::{Printer, Value};
use tiphys_sensor::trigger::Caller;
use tiphys_sensor::trigger::log::{Line as LogLine, Sink};

/// Standard output.
pub(crate) struct Stdout(pub(crate) Printer);

impl Sink for Stdout {
    fn print(&self, line: &LogLine, caller: Caller<'_>) {
        let text = |text: &str| Value::Text(text.to_owned());
        let fields = vec![
            ("namespace", text(caller.namespace)),
            ("sensorName", text(caller.sensor)),
            ("triggerName", text(caller.trigger)),
            ("triggerType", text("Log")),
            ("dependencyName", text(&line.dependency_name)),
            (
                "eventContext",
                Value::Json(line.event_context.get().to_owned()),
            ),
        ];
        self.0
            .print((caller.namespace, caller.sensor), &line.message, fields);
    }
}
