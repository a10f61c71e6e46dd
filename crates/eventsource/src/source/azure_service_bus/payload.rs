//! What a message of Service Bus becomes.

use std::collections::BTreeMap;

use bytes::Bytes;
use data_encoding::BASE64;
use jiff::Timestamp;
use tiphys_clients::azure::amqp::{Message, Value};
use tiphys_lang::json;

use crate::source::broker::{Members, NotJson};

/// How many bytes the members take beside the body and what the sender says of it, in most messages.
const AROUND: usize = 256;

/// The payload of a message, as that of Argo Events.
///
/// # Errors
/// If its body is to be JSON, and is not.
pub(super) fn payload(message: &Message, is_json: bool, metadata: &str) -> Result<Bytes, NotJson> {
    let properties = properties(message.properties.as_ref());
    let body = message.body.as_deref();
    let size = body.map_or(0, <[u8]>::len) * 4 / 3 + properties.len();
    let members = Members::with_room_for(size + AROUND);
    let members = members.json("applicationProperties", properties.as_bytes());
    let members = match body {
        Some(body) => members.body(body, is_json)?,
        None => members.json("body", b"null"),
    };
    let enqueued = message.enqueued.map(|time| time.to_string());
    let sequence = message.sequence.map(|number| number.to_string());
    let members = text(members, "contentType", message.content_type.as_deref());
    let members = text(members, "correlationID", message.correlation_id.as_deref());
    let members = text(members, "enqueuedTime", enqueued.as_deref());
    let id = message.id.as_deref().unwrap_or_default();
    let members = members.text("messageID", id.as_bytes());
    let members = text(members, "replyTo", message.reply_to.as_deref());
    let sequence = sequence.as_deref().unwrap_or("null");
    let members = members.json("sequenceNumber", sequence.as_bytes());
    let members = text(members, "subject", message.subject.as_deref());
    Ok(members.finish(metadata))
}

/// A text, or null.
fn text(members: Members, name: &str, value: Option<&str>) -> Members {
    match value {
        Some(value) => members.text(name, value.as_bytes()),
        None => members.json(name, b"null"),
    }
}

/// What the sender says of a message, in the order of the names, as Go writes a map.
fn properties(properties: Option<&BTreeMap<String, Value>>) -> String {
    let Some(properties) = properties else {
        return "null".to_owned();
    };
    let mut out = String::from("{");
    for (name, value) in properties {
        if out.len() > 1 {
            out.push(',');
        }
        json::write_string(name, &mut out);
        out.push(':');
        write(value, &mut out);
    }
    out.push('}');
    out
}

/// A value as Go writes what Argo Events' client reads.
fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Uint(number) => out.push_str(&number.to_string()),
        // As many digits as 32 bits need.
        Value::Float(number) => float(number.to_string().parse().unwrap_or_default(), out),
        Value::Double(number) => float(*number, out),
        Value::Time(time) => match Timestamp::from_millisecond(*time) {
            Ok(time) => json::write_string(&time.to_string(), out),
            Err(_) => out.push_str("null"),
        },
        // Go has an array of 16 numbers there.
        Value::Uuid(uuid) => {
            let numbers = uuid.map(|byte| byte.to_string());
            out.extend(["[", &numbers.join(","), "]"]);
        }
        Value::Bytes(bytes) => json::write_string(&BASE64.encode(bytes), out),
        Value::Text(text) => json::write_string(text, out),
    }
}

/// JSON has neither infinity nor what is no number.
fn float(number: f64, out: &mut String) {
    if number.is_finite() {
        json::write_float(number, out);
    } else {
        out.push_str("null");
    }
}
