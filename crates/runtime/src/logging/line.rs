//! One log line, as JSON or for people.

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::Timestamp;
use tiphys_base::text::{harmless, one_line};

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
        let start = out.len();
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
        escape_hidden(out, start);
    }

    fn text(&self, out: &mut String) {
        let time = self.time.strftime("%H:%M:%S%.3f");
        let level = self.level.to_uppercase();
        // Writing to a String cannot fail.
        write!(out, "{time} {level:5} {}", one_line(self.message)).unwrap_or_default();
        for (name, value) in self.fields {
            out.push_str("  ");
            out.push_str(name);
            out.push('=');
            match value {
                Value::Text(text) | Value::Json(text) => out.push_str(&one_line(text)),
            }
        }
        out.push('\n');
    }
}

fn quote(text: &str, out: &mut String) {
    tiphys_lang::json::write_string_plain(text, out);
}

/// Escapes what JSON leaves as it is and a terminal does not: lines of JSON are looked at on one, too.
fn escape_hidden(out: &mut String, start: usize) {
    let is_hidden = |c: char| c >= '\u{7f}' && harmless(c) != c;
    let line = &out[start..];
    // Nearly all lines are plain, which their bytes tell the fastest.
    if line.bytes().all(|byte| byte < 0x7f) || !line.contains(is_hidden) {
        return;
    }
    let line = out.split_off(start);
    for c in line.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").unwrap_or_default();
            }
        } else {
            out.push(c);
        }
    }
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

    /// Terminals take one-character controls (C1) and marks of direction; JSON leaves them as they are.
    #[test]
    fn nothing_hidden_is_in_a_line() {
        let fields = [
            ("a", Value::Text("\u{9b}2J\u{7f}é".into())),
            ("b", Value::Json("{\"id\":\"\u{202e}\u{e0041}\"}".into())),
        ];
        let json = line(&fields, Format::Json);
        assert!(
            json.ends_with(
                "\"a\":\"\\u009b2J\\u007fé\",\"b\":{\"id\":\"\\u202e\\udb40\\udc41\"}}\n"
            ),
            "{json}"
        );
        let text = line(&fields, Format::Text);
        assert!(
            text.ends_with("a=\u{fffd}2J\u{fffd}é  b={\"id\":\"\u{fffd}\u{fffd}\"}\n"),
            "{text}"
        );
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
