//! Prints the events of `log` triggers.

use tiphys_runtime::logging::{Printer, Value};
use tiphys_sensor::trigger::Caller;
use tiphys_sensor::trigger::log::{Line as LogLine, Sink};

/// Standard output.
pub(crate) struct Stdout(pub(crate) Printer);

impl Sink for Stdout {
    fn print(&self, line: &LogLine, caller: Caller<'_>) {
        let fields = vec![
            ("namespace", Value::Text(caller.namespace.into())),
            ("sensorName", Value::Text(caller.sensor.into())),
            ("triggerName", Value::Text(caller.trigger.into())),
            ("triggerType", Value::Text("Log".into())),
            (
                "dependencyName",
                Value::Text((&*line.dependency_name).into()),
            ),
            ("eventContext", Value::Json(line.event_context().into())),
        ];
        self.0
            .print((caller.namespace, caller.sensor), &line.message(), fields);
    }
}
