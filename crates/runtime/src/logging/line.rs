//! One log line, as JSON or for people.

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::Format;

/// A log line.
pub(super) struct Line<'l> {
    pub(super) level: &'static str,
    pub(super) time: Timestamp,
    pub(super) logger: &'static str,
    pub(super) caller: Option<(&'l str, u32)>,
    pub(super) message: &'l str,
    pub(super) fields: &'l [(&'l str, Value<'l>)],
}

/// The value of a field.
pub enum Value<'v> {
    /// A text.
    Text(Cow<'v, str>),
    /// JSON, as it is.
    Json(Cow<'v, str>),
}

impl Line<'_> {
    /// Appends the line.
    pub(super) fn render(&self, format: Format, out: &mut String) {
        match format {
            Format::Json => self.json(out),
            Format::Text => self.text(out),
        }
    }

    fn json(&self, out: &mut String) {
        out.push_str("{\"level\":\"");
        out.push_str(self.level);
        out.push_str("\",\"ts\":\"");
        write!(out, "{}", self.time).unwrap_or_default();
        out.push_str("\",\"logger\":\"");
        out.push_str(self.logger);
        out.push('"');
        if let Some((file, line)) = self.caller {
            out.push_str(",\"caller\":");
            quote(&format!("{}:{line}", short(file)), out);
        }
        out.push_str(",\"msg\":");
        quote(self.message, out);
        for (name, value) in self.fields {
            out.push(',');
            quote(name, out);
            out.push(':');
            match value {
                Value::Text(text) => quote(text, out),
                Value::Json(json) => out.push_str(json),
            }
        }
        out.push_str("}\n");
    }

    fn text(&self, out: &mut String) {
        let time = self.time.strftime("%H:%M:%S%.3f");
        let level = self.level.to_uppercase();
        // Writing to a String cannot fail.
        write!(out, "{time} {level:5} {}", printable(self.message)).unwrap_or_default();
        for (name, value) in self.fields {
            out.push_str("  ");
            out.push_str(name);
            out.push('=');
            match value {
                Value::Text(text) => out.push_str(&printable(text)),
                Value::Json(json) => out.push_str(json),
            }
        }
        out.push('\n');
    }
}

fn quote(text: &str, out: &mut String) {
    tiphys_lang::json::write_string_plain(text, out);
}

/// Control characters of an event must not reach a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// A file with its folder: `run/work.rs`.
fn short(file: &str) -> &str {
    let cut = file
        .rmatch_indices(['/', '\\'])
        .nth(1)
        .map_or(0, |(at, _)| at + 1);
    &file[cut..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(fields: &[(&'static str, Value<'_>)], format: Format) -> String {
        let line = Line {
            level: "info",
            time: "2026-01-02T03:04:05.000000006Z".parse().unwrap(),
            logger: "argo-events.sensor",
            caller: Some(("crates/sensor/src/run/work.rs", 7)),
            message: "Successfully processed trigger 'a'",
            fields,
        };
        let mut out = String::new();
        line.render(format, &mut out);
        out
    }

    #[test]
    fn json_lines_have_argo_events_names() {
        let fields = [
            ("triggerName", Value::Text("a\n".into())),
            ("eventContext", Value::Json(r#"{"id":"1"}"#.into())),
        ];
        assert_eq!(
            line(&fields, Format::Json),
            concat!(
                r#"{"level":"info","ts":"2026-01-02T03:04:05.000000006Z","logger":"argo-events.sensor","#,
                r#""caller":"run/work.rs:7","msg":"Successfully processed trigger 'a'","#,
                r#""triggerName":"a\n","eventContext":{"id":"1"}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn text_lines_cannot_control_a_terminal() {
        let fields = [("a", Value::Text("\u{1b}[31mred".into()))];
        assert_eq!(
            line(&fields, Format::Text),
            "03:04:05.000 INFO  Successfully processed trigger 'a'  a=\u{fffd}[31mred\n"
        );
    }
}
