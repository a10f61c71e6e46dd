//! Log lines: JSON with Argo Events' field names, or lines for people on a terminal.

mod extra;
mod line;
mod sample;

use std::cell::RefCell;
use std::fmt;
use std::io::{IsTerminal, Write};

use jiff::Timestamp;
use tiphys_api::message::with_causes;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::Error;
pub use extra::LoggingFields;
use line::Line;
pub use line::Value;
use sample::Sampler;

/// Most memory that a thread keeps for the lines it writes.
const KEPT: usize = 16 << 10;

/// What is logged, and how.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The least important lines that are logged.
    pub level: Level,
    /// How lines are written: by default for people on a terminal, JSON elsewhere.
    pub format: Option<Format>,
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line, with Argo Events' field names.
    Json,
    /// Lines for people.
    Text,
}

/// Logging that was started.
#[derive(Debug)]
pub struct Logging {
    /// Where `log` triggers print.
    pub printer: Printer,
    /// What sensors add to their lines.
    pub fields: LoggingFields,
}

/// Starts logging to standard error; `log` triggers print to standard output.
///
/// # Errors
/// If somebody else logs already.
pub fn start(settings: Settings) -> Result<Logging, Error> {
    let Settings { level, format } = settings;
    let fields = LoggingFields::default();
    let format = |is_terminal: bool| {
        format.unwrap_or(if is_terminal {
            Format::Text
        } else {
            Format::Json
        })
    };
    let stderr = std::io::stderr();
    let lines = Lines {
        format: format(stderr.is_terminal()),
        sampler: Sampler::default(),
        extra: fields.clone(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(own(LevelFilter::from_level(level))))
        .try_init()
        .map_err(Error::Logging)?;
    let printer = Printer {
        format: format(std::io::stdout().is_terminal()),
        extra: fields.clone(),
    };
    Ok(Logging { printer, fields })
}

/// Our own lines from `level` up; those of libraries only if a human should know.
fn own(level: LevelFilter) -> tracing_subscriber::filter::Targets {
    let libraries = level.min(LevelFilter::WARN);
    [
        "tiphys",
        "tiphys_controller",
        "tiphys_eventbus",
        "tiphys_eventsource",
        "tiphys_runtime",
        "tiphys_sensor",
        "tiphys_worker",
    ]
    .into_iter()
    .fold(
        tracing_subscriber::filter::Targets::new(),
        |targets, name| targets.with_target(name, level),
    )
    .with_default(libraries)
    // Their lines about lost connections come through our own, once and with what to do.
    .with_target("async_nats", LevelFilter::ERROR)
    .with_target("krafka", LevelFilter::ERROR)
}

/// Writes events of `tracing` as lines.
struct Lines {
    format: Format,
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
        drop(write(&line, self.format, std::io::stderr().lock()));
    }
}

/// Writes a line at once, out of memory that each thread keeps for that.
fn write(line: &Line<'_>, format: Format, mut to: impl Write) -> std::io::Result<()> {
    thread_local! {
        static BUFFER: RefCell<String> = const { RefCell::new(String::new()) };
    }
    BUFFER.with_borrow_mut(|buffer| {
        buffer.clear();
        line.render(format, buffer);
        let written = to.write_all(buffer.as_bytes());
        buffer.shrink_to(KEPT);
        written
    })
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
    fields: Vec<(&'f str, Value<'f>)>,
}

/// Adds a sensor's fields to those of a line, which count where both name one.
fn with_extra<'f>(fields: &mut Vec<(&'f str, Value<'f>)>, extra: Option<&'f [(String, String)]>) {
    for (name, text) in extra.unwrap_or_default() {
        if !fields.iter().any(|(known, _)| known == name) {
            fields.push((name, Value::Text(text.into())));
        }
    }
}

impl Fields<'_> {
    /// The namespace and name of the sensor that the line is about.
    fn sensor(&self) -> Option<(&str, &str)> {
        Some((self.text("namespace")?, self.text("sensorName")?))
    }

    fn text(&self, field: &str) -> Option<&str> {
        match self.fields.iter().find(|(name, _)| *name == field)? {
            (_, Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn push(&mut self, field: &Field, value: Value<'static>) {
        self.fields.push((field.name(), value));
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.push(field, Value::Text(text.into()));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.push(field, Value::Text(value.to_owned().into()));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, Value::Json(value.to_string().into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, Value::Json(value.to_string().into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, Value::Json(value.to_string().into()));
    }

    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        self.push(field, Value::Text(with_causes(error).into()));
    }
}

/// Prints the lines of `log` triggers to standard output.
#[derive(Debug, Clone)]
pub struct Printer {
    format: Format,
    extra: LoggingFields,
}

impl Printer {
    /// Prints a line of the sensor with this namespace and name.
    pub fn print(&self, sensor: (&str, &str), message: &str, fields: Vec<(&str, Value<'_>)>) {
        let extra = self.extra.of(sensor);
        let mut fields = fields;
        with_extra(&mut fields, extra.as_deref());
        let line = Line {
            level: "info",
            time: Timestamp::now(),
            logger: "argo-events.sensor",
            caller: None,
            message,
            fields: &fields,
        };
        if let Err(error) = write(&line, self.format, std::io::stdout().lock()) {
            tracing::warn!(%error, "Standard output takes no events");
        }
    }
}
