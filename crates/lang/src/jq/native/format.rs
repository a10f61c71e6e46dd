//! The formats: `@html`, `@csv` and the like.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Fun, native};
use crate::jq::value::{Answer, Text, Val};
use crate::jq::write::{Builder, to_json};
use crate::jq::{fault, meter};

/// As Go's raw decoder: no padding, and what is left of the last character does not matter.
const UNPADDED: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

pub(super) fn natives() -> Vec<Fun> {
    vec![
        native!("!text", 0, text),
        native!("!json", 0, json),
        native!("!html", 0, html),
        native!("!uri", 0, uri),
        native!("!urid", 0, from_uri),
        native!("!csv", 0, csv),
        native!("!tsv", 0, tsv),
        native!("!sh", 0, shell),
        native!("!base64", 0, base64),
        native!("!base64d", 0, from_base64),
        native!("!format", 1, format),
        native!("format", 1, format),
    ]
}

fn format(value: &Val, name: &Val) -> Answer {
    match name.as_text() {
        Some("text") => text(value),
        Some("json") => json(value),
        Some("html") => html(value),
        Some("uri") => uri(value),
        Some("urid") => from_uri(value),
        Some("csv") => csv(value),
        Some("tsv") => tsv(value),
        Some("sh") => shell(value),
        Some("base64") => base64(value),
        Some("base64d") => from_base64(value),
        Some(other) => Err(fault::message(format!("format not defined: @{other}"))),
        None => Err(fault::not_applicable("format", name)),
    }
}

fn text(value: &Val) -> Answer {
    value.to_text().map(Val::Str)
}

fn json(value: &Val) -> Answer {
    to_json(value).map(Val::str)
}

/// Writes `text` with some characters replaced.
fn escape(
    text: &str,
    out: &mut Builder,
    replace: impl Fn(char) -> Option<&'static str>,
) -> Answer<()> {
    let mut done = 0;
    for (at, char) in text.char_indices() {
        if let Some(replacement) = replace(char) {
            out.push(&text[done..at])?;
            out.push(replacement)?;
            done = at + char.len_utf8();
        }
    }
    Ok(out.push(&text[done..])?)
}

fn html(value: &Val) -> Answer {
    let text = value.to_text()?;
    let mut out = Builder::new();
    escape(text.as_str(), &mut out, |char| match char {
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '&' => Some("&amp;"),
        '\'' => Some("&apos;"),
        '"' => Some("&quot;"),
        _ => None,
    })?;
    Ok(Val::str(out.finish()))
}

/// Everything that RFC 3986 does not call unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

fn uri(value: &Val) -> Answer {
    let text = value.to_text()?;
    meter::reserve(3 * text.as_str().len())?;
    Ok(Val::str(
        utf8_percent_encode(text.as_str(), RESERVED).to_string(),
    ))
}

fn from_uri(value: &Val) -> Answer {
    let text = value.to_text()?;
    reserve_bytes(text.as_str())?;
    let mut bytes = Vec::with_capacity(text.as_str().len());
    let mut rest = text.as_str().as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let code = rest
            .get(..2)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        let Some(code) = code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            let shown = String::from_utf8_lossy(&rest[..rest.len().min(2)]);
            let why = format!("invalid URL escape \"%{shown}\"");
            return Err(fault::failed("@urid", value, why));
        };
        bytes.push(code);
        rest = &rest[2..];
    }
    Ok(Val::Str(Text::from_bytes(&bytes)))
}

/// Room for the bytes that a text stands for, and for the text that they are: one that is not UTF-8 becomes
/// three.
fn reserve_bytes(text: &str) -> Answer<()> {
    meter::work(text.len())?;
    Ok(meter::reserve(5 * text.len())?)
}

fn csv(value: &Val) -> Answer {
    row("csv", value, ",", |text, out| {
        out.push("\"")?;
        escape(text, out, |char| match char {
            '"' => Some("\"\""),
            '\0' => Some("\\0"),
            _ => None,
        })?;
        Ok(out.push("\"")?)
    })
}

fn tsv(value: &Val) -> Answer {
    row("tsv", value, "\t", |text, out| {
        escape(text, out, |char| match char {
            '\t' => Some("\\t"),
            '\r' => Some("\\r"),
            '\n' => Some("\\n"),
            '\\' => Some("\\\\"),
            '\0' => Some("\\0"),
            _ => None,
        })
    })
}

fn shell(value: &Val) -> Answer {
    let words = match value {
        Val::Array(_) => value.clone(),
        other => Val::array(vec![other.clone()]),
    };
    row("sh", &words, " ", |text, out| {
        out.push("'")?;
        escape(text, out, |char| match char {
            '\'' => Some("'\\''"),
            '\0' => Some("\\0"),
            _ => None,
        })?;
        Ok(out.push("'")?)
    })
}

fn row(
    name: &str,
    value: &Val,
    separator: &str,
    quote: impl Fn(&str, &mut Builder) -> Answer<()>,
) -> Answer {
    let Some(items) = value.as_items() else {
        return Err(fault::not_applicable(&format!("@{name}"), value));
    };
    let mut out = Builder::new();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(separator)?;
        }
        match item {
            Val::Array(_) | Val::Object(_) => {
                let shown = fault::typed(item);
                let text = format!("@{name} cannot format an array including: {shown}");
                return Err(fault::message(text));
            }
            Val::Str(text) => quote(text.as_str(), &mut out)?,
            scalar => {
                let text = to_json(scalar)?;
                if text != "null" || name == "sh" {
                    out.push(&text)?;
                }
            }
        }
    }
    Ok(Val::str(out.finish()))
}

fn base64(value: &Val) -> Answer {
    let text = value.to_text()?;
    meter::reserve(2 * text.as_str().len())?;
    Ok(Val::str(STANDARD.encode(text.as_str())))
}

fn from_base64(value: &Val) -> Answer {
    let text = value.to_text()?;
    reserve_bytes(text.as_str())?;
    let unpadded = text.as_str().split('=').next().unwrap_or_default();
    let digits: Vec<u8> = unpadded
        .bytes()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect();
    match UNPADDED.decode(digits) {
        Ok(bytes) => Ok(Val::Str(Text::from_bytes(&bytes))),
        Err(_) => Err(fault::failed("@base64d", value, "illegal base64 data")),
    }
}
