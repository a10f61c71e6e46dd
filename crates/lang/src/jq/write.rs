//! Values as JSON: gojq's own text (`tojson`, messages) and the text of an event's payload, which
//! is that of Go's `encoding/json`.

use std::fmt::Write as _;

use super::meter::{self, Charge, Spent};
use super::value::{Answer, Text, Val};
use crate::json;

/// A text that is made piece by piece and never grows over what the run may use.
pub(super) struct Builder {
    text: String,
    limit: usize,
    /// What it takes already, also while others are made.
    charge: Charge,
}

/// The room a text has when it is counted first.
const LEAST_ROOM: usize = 4096;

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            text: String::new(),
            limit: usize::MAX,
            charge: Charge::default(),
        }
    }

    /// Writes at most `limit` bytes; what is beyond is cut off with an error.
    fn limited(limit: usize) -> Self {
        Self {
            text: String::new(),
            limit,
            charge: Charge::default(),
        }
    }

    pub(super) fn push(&mut self, text: &str) -> Result<(), Spent> {
        meter::work(text.len())?;
        let length = self.text.len() + text.len();
        if length > self.text.capacity() && length > LEAST_ROOM {
            meter::step()?;
            let more = text.len().max(self.text.len());
            meter::reserve(more)?;
            self.text.reserve_exact(more);
            self.charge.set(self.text.capacity());
        }
        let room = self.limit - self.text.len();
        if text.len() > room {
            self.text.push_str(&text[..text.floor_char_boundary(room)]);
            return Err(Spent::Memory);
        }
        self.text.push_str(text);
        Ok(())
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// A value as gojq's `tojson` writes it: NaN is `null`, infinities are the largest numbers.
pub(super) fn to_json(value: &Val) -> Answer<String> {
    let mut out = Builder::new();
    write(value, &mut out)?;
    Ok(out.finish())
}

/// The start of a value, for messages: at most 30 bytes of its JSON text.
pub(super) fn preview(value: &Val) -> String {
    const WIDTH: usize = 30;
    let mut out = Builder::limited(WIDTH + 2);
    let complete = write(value, &mut out).is_ok();
    let mut text = out.finish();
    if complete && text.len() <= WIDTH {
        return text;
    }
    let end = match value {
        Val::Str(_) => " ...\"",
        Val::Array(_) => " ...]",
        Val::Object(_) => " ...}",
        _ => " ...",
    };
    text.truncate(text.floor_char_boundary(WIDTH - end.len()));
    text + end
}

fn write(value: &Val, out: &mut Builder) -> Result<(), Spent> {
    match value {
        Val::Null | Val::Gone => out.push("null"),
        Val::Bool(bool) => out.push(if *bool { "true" } else { "false" }),
        Val::Int(int) => out.push(&int.to_string()),
        Val::Big(big) => out.push(&big.to_string()),
        Val::Float(float) => out.push(&float_json(*float)),
        Val::Literal(text) => out.push(text),
        Val::Str(text) => write_text(text.as_str(), out),
        Val::Array(array) => {
            out.push("[")?;
            for (index, item) in array.items().iter().enumerate() {
                if index > 0 {
                    out.push(",")?;
                }
                write(item, out)?;
            }
            out.push("]")
        }
        Val::Object(object) => {
            out.push("{")?;
            for (index, (key, member)) in object.members().iter().enumerate() {
                if index > 0 {
                    out.push(",")?;
                }
                write_text(key.as_str(), out)?;
                out.push(":")?;
                write(member, out)?;
            }
            out.push("}")
        }
    }
}

fn float_json(float: f64) -> String {
    let mut out = String::new();
    if float.is_nan() {
        out.push_str("null");
    } else {
        json::write_float(float.clamp(f64::MIN, f64::MAX), &mut out);
    }
    out
}

fn write_text(text: &str, out: &mut Builder) -> Result<(), Spent> {
    out.push("\"")?;
    let mut done = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            8 => "\\b",
            12 => "\\f",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 | 0x7f => "",
            _ => continue,
        };
        out.push(&text[done..at])?;
        if escape.is_empty() {
            out.push(&format!("\\u{byte:04x}"))?;
        } else {
            out.push(escape)?;
        }
        done = at + 1;
    }
    out.push(&text[done..])?;
    out.push("\"")
}

/// Why a value cannot be a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// NaN or an infinity.
    NotANumber,
    /// The text would be too large.
    TooLarge,
}

/// How much of a text is written at a time.
const PIECE: usize = 4 << 10;

/// How many times as long a text may become.
const ESCAPED: usize = 6;

/// A payload that is longer grows by what the run has room for. A shorter one may double.
const LONG: usize = 1 << 20;

/// A value as Go's `json.Marshal` writes it; about `size` bytes.
pub(super) fn to_payload(value: &Val, size: usize) -> Result<Vec<u8>, Refusal> {
    let mut out = String::with_capacity(size);
    payload(value, &mut out)?;
    Ok(out.into_bytes())
}

/// A text for a payload, in pieces: it may become six times as long.
fn payload_text(text: &Text, out: &mut String) -> Result<(), Refusal> {
    if !text.is_lossy() && text.as_str().len() <= PIECE {
        json::write_string(text.as_str(), out);
        return Ok(());
    }
    let mut rest = text.as_str();
    let mut escaped = String::new();
    out.push('"');
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE));
        rest = after;
        escaped.clear();
        json::write_string(piece, &mut escaped);
        if text.is_lossy() {
            escaped = escaped.replace(char::REPLACEMENT_CHARACTER, "\\ufffd");
        }
        fits(out, escaped.len())?;
        out.push_str(&escaped[1..escaped.len() - 1]);
    }
    out.push('"');
    Ok(())
}

/// Whether there is room for so many more bytes; makes it if there is.
fn fits(out: &mut String, more: usize) -> Result<(), Refusal> {
    let length = out.len() + more;
    let fits = meter::step().and_then(|()| meter::reserve(length));
    fits.map_err(|_| Refusal::TooLarge)?;
    if length > LONG && length > out.capacity() {
        let room = length.saturating_mul(2).min(meter::left()).max(length);
        out.reserve_exact(room - out.len());
    }
    Ok(())
}

fn payload(value: &Val, out: &mut String) -> Result<(), Refusal> {
    fits(out, ESCAPED * PIECE)?;
    match value {
        Val::Null | Val::Gone => out.push_str("null"),
        Val::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
        // Writing to a String cannot fail.
        Val::Int(int) => write!(out, "{int}").unwrap_or_default(),
        Val::Big(big) => write!(out, "{big}").unwrap_or_default(),
        Val::Float(float) if !float.is_finite() => return Err(Refusal::NotANumber),
        Val::Float(float) => json::write_float(*float, out),
        Val::Literal(text) => out.push_str(text),
        Val::Str(text) => payload_text(text, out)?,
        Val::Object(object) if object.is_nil() => out.push_str("null"),
        Val::Array(array) => {
            out.push('[');
            for (index, item) in array.items().iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                payload(item, out)?;
            }
            out.push(']');
        }
        Val::Object(object) => {
            if let Some(text) = object.payload() {
                fits(out, text.len())?;
                out.push_str(text);
            } else {
                out.push('{');
                for (index, (key, member)) in object.members().iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    payload_text(key, out)?;
                    out.push(':');
                    payload(member, out)?;
                }
                out.push('}');
            }
        }
    }
    Ok(())
}
