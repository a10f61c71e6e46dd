//! Values as text: as Go prints them, and as indented JSON.

use super::arithmetic::MAX_TEXT;
use super::value::Value;
use crate::gotime::duration;
use crate::json;

/// The value as Go prints it with `%v`.
pub(super) fn text(value: &Value<'_>) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// Ends early once it is too long for a text.
fn write(value: &Value<'_>, out: &mut String) {
    if out.len() > MAX_TEXT {
        return;
    }
    match value {
        Value::Nil => out.push_str("<nil>"),
        Value::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
        Value::Int(int) => out.push_str(&int.to_string()),
        Value::Float(float) => out.push_str(&json::float_shortest(*float)),
        Value::Text(text) => out.push_str(text),
        Value::Time(time) => out.push_str(&time.to_string()),
        Value::Duration(nanoseconds) => out.push_str(&duration::text(*nanoseconds)),
        Value::Function(name) | Value::Method(_, name) => out.push_str(name),
        Value::Library => out.push_str("map[]"),
        Value::Groups(groups) => {
            let members = groups.iter().map(|(key, list)| (text(key), list));
            write_map(members, out);
        }
        Value::List(_) | Value::Map(_) | Value::Json(_) | Value::Document(_) => {
            if let Some(list) = value.elements() {
                out.push('[');
                for (index, item) in list.items.iter().enumerate() {
                    if index > 0 {
                        out.push(' ');
                    }
                    write(item, out);
                }
                out.push(']');
            } else if let Some(map) = value.members() {
                let members = map
                    .members
                    .iter()
                    .map(|(key, value)| (key.to_string(), value));
                write_map(members, out);
            }
        }
    }
}

fn write_map<'v, 'a: 'v>(members: impl Iterator<Item = (String, &'v Value<'a>)>, out: &mut String) {
    out.push_str("map[");
    for (index, (key, value)) in members.enumerate() {
        if index > 0 {
            out.push(' ');
        }
        out.push_str(&key);
        out.push(':');
        write(value, out);
    }
    out.push(']');
}

/// JSON as Go's `MarshalIndent` with two spaces.
pub(super) fn indented(document: &json::Value) -> String {
    let mut out = String::new();
    indent(document, 0, &mut out);
    out
}

/// Ends early once it is too long for a text.
fn indent(document: &json::Value, level: usize, out: &mut String) {
    if out.len() > MAX_TEXT {
        return;
    }
    let line = |level: usize, out: &mut String| {
        out.push('\n');
        out.push_str(&"  ".repeat(level));
    };
    match document {
        json::Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(level + 1, out);
                indent(item, level + 1, out);
            }
            line(level, out);
            out.push(']');
        }
        json::Value::Object(map) if !map.is_empty() => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, member)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(level + 1, out);
                json::write_string(key, out);
                out.push_str(": ");
                indent(member, level + 1, out);
            }
            line(level, out);
            out.push('}');
        }
        other => out.push_str(&other.to_go_json()),
    }
}
