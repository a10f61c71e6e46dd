//! Texts, and what becomes a text or comes out of one.

use super::{Fun, native};
use crate::jq::meter;
use crate::jq::operate::split;
use crate::jq::parse::lex::is_number;
use crate::jq::value::{Answer, Reader, Val};
use crate::jq::write::{Builder, to_json};
use crate::jq::{fault, number};
use crate::json;

/// What a byte of JSON text may become in memory.
const VALUE_BYTES_PER_BYTE: usize = 16;

pub(super) fn natives() -> Vec<Fun> {
    vec![
        native!("type", 0, |value: &Val| Ok(Val::str(value.type_name()))),
        native!("tostring", 0, |value: &Val| value.to_text().map(Val::Str)),
        native!("tojson", 0, |value: &Val| to_json(value).map(Val::str)),
        native!("fromjson", 0, from_json),
        native!("tonumber", 0, to_number),
        native!("toboolean", 0, to_boolean),
        native!("utf8bytelength", 0, |value: &Val| {
            text_of("utf8bytelength", value).map(|text| Val::count(text.len()))
        }),
        native!("explode", 0, explode),
        native!("implode", 0, implode),
        native!("ascii_downcase", 0, |value: &Val| {
            let text = text_of("ascii_downcase", value)?;
            reserve(text)?;
            Ok(Val::str(text.to_ascii_lowercase()))
        }),
        native!("ascii_upcase", 0, |value: &Val| {
            let text = text_of("ascii_upcase", value)?;
            reserve(text)?;
            Ok(Val::str(text.to_ascii_uppercase()))
        }),
        native!("ltrim", 0, |value: &Val| copy(
            text_of("ltrim", value)?.trim_start()
        )),
        native!("rtrim", 0, |value: &Val| copy(
            text_of("rtrim", value)?.trim_end()
        )),
        native!("trim", 0, |value: &Val| copy(
            text_of("trim", value)?.trim()
        )),
        native!("startswith", 1, |value: &Val, part: &Val| {
            let (text, part) = texts_of("startswith", value, part)?;
            Ok(Val::Bool(text.starts_with(part)))
        }),
        native!("endswith", 1, |value: &Val, part: &Val| {
            let (text, part) = texts_of("endswith", value, part)?;
            Ok(Val::Bool(text.ends_with(part)))
        }),
        native!("ltrimstr", 1, |value: &Val, part: &Val| {
            let (text, part) = texts_of("ltrimstr", value, part)?;
            copy(text.strip_prefix(part).unwrap_or(text))
        }),
        native!("rtrimstr", 1, |value: &Val, part: &Val| {
            let (text, part) = texts_of("rtrimstr", value, part)?;
            copy(text.strip_suffix(part).unwrap_or(text))
        }),
        native!("trimstr", 1, |value: &Val, part: &Val| {
            let (text, part) = texts_of("trimstr", value, part)?;
            let text = text.strip_prefix(part).unwrap_or(text);
            copy(text.strip_suffix(part).unwrap_or(text))
        }),
        native!("split", 1, |value: &Val, separator: &Val| {
            split(text_of("split", value)?, text_of("split", separator)?)
        }),
        native!("join", 1, join),
    ]
}

/// Room for another text as long as this one.
fn reserve(text: &str) -> Answer<()> {
    meter::work(text.len())?;
    Ok(meter::reserve(text.len())?)
}

fn copy(text: &str) -> Answer {
    reserve(text)?;
    Ok(Val::str(text))
}

pub(super) fn text_of<'v>(name: &str, value: &'v Val) -> Answer<&'v str> {
    value
        .as_text()
        .ok_or_else(|| fault::not_applicable(name, value))
}

fn texts_of<'v>(name: &str, value: &'v Val, arg: &'v Val) -> Answer<(&'v str, &'v str)> {
    match (value.as_text(), arg.as_text()) {
        (Some(text), Some(arg)) => Ok((text, arg)),
        _ => Err(fault::not_applicable1(name, value, arg)),
    }
}

fn from_json(value: &Val) -> Answer {
    let text = text_of("fromjson", value)?;
    meter::reserve(text.len() * VALUE_BYTES_PER_BYTE)?;
    json::parse_with(text.as_bytes(), &Reader::literal())
        .map_err(|why| fault::failed("fromjson", value, why))
}

fn to_number(value: &Val) -> Answer {
    match value {
        Val::Str(text) if is_number(text.as_str()) => Ok(number::parse(text.as_str())),
        Val::Str(_) => Err(fault::failed("tonumber", value, "invalid number")),
        number if number.is_number() => Ok(number.clone()),
        other => Err(fault::not_applicable("tonumber", other)),
    }
}

fn to_boolean(value: &Val) -> Answer {
    match value {
        Val::Bool(_) => Ok(value.clone()),
        Val::Str(text) => match text.as_str() {
            "true" => Ok(Val::Bool(true)),
            "false" => Ok(Val::Bool(false)),
            _ => Err(fault::failed("toboolean", value, "invalid boolean")),
        },
        other => Err(fault::not_applicable("toboolean", other)),
    }
}

fn explode(value: &Val) -> Answer {
    let text = text_of("explode", value)?;
    Ok(text
        .chars()
        .map(|char| Val::Int(u32::from(char).into()))
        .collect())
}

fn implode(value: &Val) -> Answer {
    let Some(items) = value.as_items() else {
        return Err(fault::not_applicable("implode", value));
    };
    meter::reserve(2 * char::MAX.len_utf8() * items.len())?;
    let chars = items.iter().map(|item| {
        let code = number::to_int(item).ok_or_else(|| fault::not_applicable("implode", value))?;
        let char = u32::try_from(code).ok().and_then(char::from_u32);
        Ok(char.unwrap_or(char::REPLACEMENT_CHARACTER))
    });
    Ok(Val::str(chars.collect::<Answer<String>>()?))
}

/// The sum of the elements with the separator between them; numbers and booleans are texts first.
fn join(value: &Val, separator: &Val) -> Answer {
    let Some(items) = value.elements() else {
        return Err(fault::not_applicable1("join", value, separator));
    };
    let mut parts = Vec::new();
    for (index, item) in items.iter().enumerate() {
        parts.push(if index == 0 {
            Val::str("")
        } else {
            separator.clone()
        });
        parts.push(match item {
            Val::Bool(_) => Val::Str(item.to_text()?),
            number if number.is_number() => Val::Str(number.to_text()?),
            other => other.clone(),
        });
    }
    if parts.is_empty() {
        Ok(Val::str(""))
    } else {
        add(&parts)
    }
}

/// The sum of values, `null` if there are none.
pub(super) fn add(items: &[Val]) -> Answer {
    let mut sum = Val::Null;
    let mut items = items.iter().peekable();
    while let Some(item) = items.next() {
        meter::step()?;
        let text_follows = matches!(items.peek(), Some(Val::Str(_)));
        match (&sum, item) {
            (Val::Null | Val::Str(_), Val::Str(first)) if text_follows => {
                let mut text = Builder::new();
                text.push(sum.as_text().unwrap_or(""))?;
                text.push(first.as_str())?;
                while let Some(Val::Str(next)) = items.peek() {
                    text.push(next.as_str())?;
                    items.next();
                }
                sum = Val::str(text.finish());
            }
            _ => sum = (sum + item.clone())?,
        }
    }
    Ok(sum)
}
