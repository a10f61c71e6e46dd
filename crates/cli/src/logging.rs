//! Log lines: JSON with Argo Events' field names, or lines for people on a terminal.

mod extra;
mod line;
mod sample;

use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::Arc;

use jiff::Timestamp;
use tiphys_api::message::with_causes;
use tiphys_sensor::action::LogLine;
use tiphys_sensor::execute::Caller;
use tiphys_sensor::execute::log::Sink;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::{LogArgs, LogFormat, LogLevel};
pub(crate) use extra::LoggingFields;
use line::{Line, Value};
use sample::Sampler;

/// Logging that was started.
pub(crate) struct Logging {
    /// Where `log` triggers print.
    pub(crate) sink: Arc<dyn Sink>,
    /// What sensors add to their lines.
    pub(crate) fields: LoggingFields,
}

/// Starts logging to standard error; `log` triggers print to standard output.
pub(crate) fn start(args: &LogArgs) -> anyhow::Result<Logging> {
    let fields = LoggingFields::default();
    let level = match args.log_level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    let format = |is_terminal: bool| {
        args.log_format.unwrap_or(if is_terminal {
            LogFormat::Text
        } else {
            LogFormat::Json
        })
    };
    let stderr = std::io::stderr();
    let lines = Lines {
        format: format(stderr.is_terminal()),
        sampler: Sampler::default(),
        extra: fields.clone(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(own(level)))
        .try_init()?;
    let sink = Arc::new(Stdout {
        format: format(std::io::stdout().is_terminal()),
        extra: fields.clone(),
    });
    Ok(Logging { sink, fields })
}

/// Our own lines from `level` up; those of libraries only if a human should know.
fn own(level: LevelFilter) -> tracing_subscriber::filter::Targets {
    let libraries = level.min(LevelFilter::WARN);
    [
        "tiphys",
        "tiphys_controller",
        "tiphys_eventbus",
        "tiphys_eventsource",
        "tiphys_sensor",
    ]
    .into_iter()
    .fold(
        tracing_subscriber::filter::Targets::new(),
        |targets, name| targets.with_target(name, level),
    )
    .with_default(libraries)
    // Its lines about lost connections come through our own, once and with what to do.
    .with_target("async_nats", LevelFilter::ERROR)
}

/// Writes events of `tracing` as lines.
struct Lines {
    format: LogFormat,
    sampler: Sampler,
    extra: LoggingFields,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let now = Timestamp::now();
        if !self.sampler.takes(metadata.callsite(), now) {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let extra = fields.sensor().and_then(|sensor| self.extra.of(sensor));
        with_extra(&mut fields.fields, extra.as_deref());
        let line = Line {
            level: level_name(*metadata.level()),
            time: now,
            logger: logger(metadata.target()),
            caller: metadata.file().zip(metadata.line()),
            message: &fields.message,
            fields: &fields.fields,
        };
        // Nothing can be said where nothing can be written.
        drop(
            std::io::stderr()
                .lock()
                .write_all(line.render(self.format).as_bytes()),
        );
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        _ => "debug",
    }
}

/// The logger's name in Argo Events.
fn logger(target: &str) -> &'static str {
    if target.starts_with("tiphys_controller::admission") {
        return "argo-events.webhook";
    }
    match target.split("::").next() {
        Some("tiphys_sensor") => "argo-events.sensor",
        Some("tiphys_eventsource") => "argo-events.eventsource",
        Some("tiphys_eventbus") => "argo-events.eventbus",
        // The name that all three reconcilers of Argo Events log under.
        Some("tiphys_controller") => "argo-events.eventbus-controller",
        _ => "argo-events",
    }
}

/// The fields of an event of `tracing`, in order.
#[derive(Default)]
struct Fields<'f> {
    message: String,
    fields: Vec<(&'f str, Value)>,
}

/// Adds a sensor's fields to those of a line, which count where both name one.
fn with_extra<'f>(fields: &mut Vec<(&'f str, Value)>, extra: Option<&'f [(String, String)]>) {
    for (name, text) in extra.unwrap_or_default() {
        if !fields.iter().any(|(known, _)| known == name) {
            fields.push((name, Value::Text(text.clone())));
        }
    }
}

impl Fields<'_> {
    /// The sensor that the line is about.
    fn sensor(&self) -> Option<&str> {
        let sensor = self.fields.iter().find(|(name, _)| *name == "sensorName");
        match sensor {
            Some((_, Value::Text(name))) => Some(name),
            _ => None,
        }
    }

    fn push(&mut self, field: &Field, value: Value) {
        self.fields.push((field.name(), value));
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.push(field, Value::Text(text));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.push(field, Value::Text(value.to_owned()));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, Value::Json(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, Value::Json(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, Value::Json(value.to_string()));
    }

    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        self.push(field, Value::Text(with_causes(error)));
    }
}

/// Prints the events of `log` triggers.
struct Stdout {
    format: LogFormat,
    extra: LoggingFields,
}

impl Sink for Stdout {
    fn print(&self, line: &LogLine, caller: Caller<'_>) {
        let text = |text: &str| Value::Text(text.to_owned());
        let mut fields = vec![
            ("sensorName", text(caller.sensor)),
            ("triggerName", text(caller.trigger)),
            ("triggerType", text("Log")),
            ("dependencyName", text(&line.dependency_name)),
            (
                "eventContext",
                Value::Json(line.event_context.get().to_owned()),
            ),
        ];
        let extra = self.extra.of(caller.sensor);
        with_extra(&mut fields, extra.as_deref());
        let line = Line {
            level: "info",
            time: Timestamp::now(),
            logger: "argo-events.sensor",
            caller: None,
            message: &line.message,
            fields: &fields,
        };
        let printed = std::io::stdout()
            .lock()
            .write_all(line.render(self.format).as_bytes());
        if let Err(error) = printed {
            tracing::warn!(%error, "Standard output takes no events");
        }
    }
}
