//! The functions that `text/template` itself has: comparison, indexing, printing, escaping.

use std::cmp::Ordering;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::format;
use super::function::Param::{Any, Raw};
use super::function::{Args, Function, fixed, variadic};
use super::limit::Outcome;
use super::unicode::is_print;
use super::value::{Element, List, Text, Value, float_equal};

/// All of them, except `slice`, which sprig replaces.
pub(super) const FUNCTIONS: &[Function] = &[
    // The engine evaluates these two itself, because they may leave arguments alone.
    variadic("and", &[Raw], Raw, |args| Ok(args.any(0).clone())),
    variadic("or", &[Raw], Raw, |args| Ok(args.any(0).clone())),
    fixed("not", &[Raw], |args| {
        Ok(Value::Bool(!args.any(0).is_true()))
    }),
    variadic("eq", &[Raw], Raw, |args| Ok(Value::Bool(equals_any(args)?))),
    fixed("ne", &[Raw, Raw], |args| {
        Ok(Value::Bool(!equals(args.any(0), args.any(1))?))
    }),
    fixed("lt", &[Raw, Raw], |args| Ok(Value::Bool(is_less(args)?))),
    fixed("le", &[Raw, Raw], |args| {
        Ok(Value::Bool(is_less_or_equal(args)?))
    }),
    fixed("gt", &[Raw, Raw], |args| {
        Ok(Value::Bool(!is_less_or_equal(args)?))
    }),
    fixed("ge", &[Raw, Raw], |args| Ok(Value::Bool(!is_less(args)?))),
    variadic("index", &[Raw], Raw, index),
    fixed("len", &[Raw], length),
    variadic("call", &[Raw], Raw, |args| match args.any(0) {
        value if value.is_nothing() => Err("call of nil".into()),
        value => Err(format!("non-function of type {}", value.type_name()).into()),
    }),
    variadic("print", &[], Any, |args| {
        give(args, format::sprint(args.budget(), &args.values)?)
    }),
    variadic("println", &[], Any, |args| {
        give(args, format::sprintln(args.budget(), &args.values)?)
    }),
    variadic("printf", &[super::function::Param::Text], Any, |args| {
        give(
            args,
            format::sprintf(args.budget(), args.bytes(0), args.rest(1))?,
        )
    }),
    variadic("html", &[], Any, |args| escape(args, html)),
    variadic("js", &[], Any, |args| escape(args, javascript)),
    variadic("urlquery", &[], Any, |args| escape(args, query)),
];

fn give(args: &Args<'_>, text: Vec<u8>) -> Outcome<Value> {
    args.give(text)
}

/// What values can be compared as.
#[derive(Clone, Copy, PartialEq)]
enum Comparable<'a> {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(&'a Text),
    Other,
}

fn comparable(value: &Value) -> Comparable<'_> {
    match value {
        Value::Bool(bool) => Comparable::Bool(*bool),
        Value::Text(text) => Comparable::Text(text),
        value => {
            if let Some(int) = value.as_int() {
                Comparable::Int(int)
            } else if let Some(uint) = value.as_uint() {
                Comparable::Uint(uint)
            } else {
                value
                    .as_float()
                    .map_or(Comparable::Other, Comparable::Float)
            }
        }
    }
}

fn equals_any(args: &Args<'_>) -> Outcome<bool> {
    if args.len() < 2 {
        return Err("missing argument for comparison".into());
    }
    for other in args.rest(1) {
        args.budget().step()?;
        if equals(args.any(0), other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equals(one: &Value, other: &Value) -> Outcome<bool> {
    Ok(match (comparable(one), comparable(other)) {
        (Comparable::Bool(one), Comparable::Bool(other)) => one == other,
        (Comparable::Int(one), Comparable::Int(other)) => one == other,
        (Comparable::Uint(one), Comparable::Uint(other)) => one == other,
        (Comparable::Int(int), Comparable::Uint(uint))
        | (Comparable::Uint(uint), Comparable::Int(int)) => u64::try_from(int) == Ok(uint),
        (Comparable::Float(_), Comparable::Float(_)) => floats_equal(one, other),
        (Comparable::Text(one), Comparable::Text(other)) => one == other,
        (Comparable::Other, Comparable::Other) => return others_equal(one, other),
        _ if one.is_nothing() || other.is_nothing() => false,
        _ => {
            let (one, other) = (one.type_name(), other.type_name());
            return Err(format!("incompatible types for comparison: {one} and {other}").into());
        }
    })
}

fn floats_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Exact(one), Value::Exact(other)) => one == other,
        _ => match (one.as_float(), other.as_float()) {
            (Some(one), Some(other)) => float_equal(one, other),
            _ => false,
        },
    }
}

/// Values that are no plain ones: nil, lists, maps, times, versions.
fn others_equal(one: &Value, other: &Value) -> Outcome<bool> {
    let is_nil = |value: &Value| match value {
        Value::List(list) => list.is_nil(),
        Value::Map(map) => map.is_nil(),
        value => value.is_nothing(),
    };
    if one.kind() != other.kind() && !one.is_nothing() && !other.is_nothing() {
        return Err("non-comparable types".into());
    }
    if is_nil(one) || is_nil(other) {
        return Ok(is_nil(one) && is_nil(other));
    }
    match (one, other) {
        (Value::Time(one), Value::Time(other)) => Ok(one == other),
        (Value::Version(one), Value::Version(other)) => Ok(std::rc::Rc::ptr_eq(one, other)),
        _ => Err(format!("non-comparable type {}", other.type_name()).into()),
    }
}

fn is_less(args: &Args<'_>) -> Outcome<bool> {
    let (one, other) = (args.any(0), args.any(1));
    let order = match (comparable(one), comparable(other)) {
        (Comparable::Other | Comparable::Bool(_), Comparable::Other | Comparable::Bool(_))
        | (Comparable::Other, _)
        | (_, Comparable::Other) => return Err("invalid type for comparison".into()),
        (Comparable::Int(one), Comparable::Int(other)) => one.cmp(&other),
        (Comparable::Uint(one), Comparable::Uint(other)) => one.cmp(&other),
        (Comparable::Int(int), Comparable::Uint(uint)) => i128::from(int).cmp(&i128::from(uint)),
        (Comparable::Uint(uint), Comparable::Int(int)) => i128::from(uint).cmp(&i128::from(int)),
        (Comparable::Float(one), Comparable::Float(other)) => {
            return Ok(one.partial_cmp(&other) == Some(Ordering::Less));
        }
        (Comparable::Text(one), Comparable::Text(other)) => one.cmp(other),
        _ => {
            let (one, other) = (one.type_name(), other.type_name());
            return Err(format!("incompatible types for comparison: {one} and {other}").into());
        }
    };
    Ok(order == Ordering::Less)
}

fn is_less_or_equal(args: &Args<'_>) -> Outcome<bool> {
    Ok(is_less(args)? || equals(args.any(0), args.any(1))?)
}

/// `index x 1 "a"` is `x[1]["a"]`. A missing key gives the zero value of the map's elements.
fn index(args: &Args<'_>) -> Outcome<Value> {
    let mut item = args.any(0).clone();
    if item.is_nothing() {
        return Err("index of untyped nil".into());
    }
    for key in args.rest(1) {
        item = match &item {
            Value::Missing | Value::Nil => return Err("index of nil pointer".into()),
            Value::List(list) => {
                let at = position(key, list.items().len())?;
                list.items()
                    .get(at)
                    .cloned()
                    .ok_or("reflect: slice index out of range")?
            }
            Value::Text(text) => {
                let at = position(key, text.len())?;
                Value::Uint8(*text.get(at).ok_or("reflect: string index out of range")?)
            }
            Value::Map(map) => {
                let Value::Text(key) = key else {
                    let found = if key.is_nothing() {
                        "nil".into()
                    } else {
                        key.type_name()
                    };
                    return Err(format!("value has type {found}; should be string").into());
                };
                map.get(key).unwrap_or_else(|| match map.element {
                    Element::Text => Value::text(""),
                    _ => Value::Nil,
                })
            }
            other => return Err(format!("can't index item of type {}", other.type_name()).into()),
        };
    }
    Ok(item)
}

fn position(key: &Value, length: usize) -> Outcome<usize> {
    let unsigned = key.as_uint().and_then(|uint| i64::try_from(uint).ok());
    match key.as_int().or(unsigned) {
        Some(at) => match usize::try_from(at) {
            Ok(at) if at <= length => Ok(at),
            _ => Err(format!("index out of range: {at}").into()),
        },
        None if key.is_nothing() => Err("cannot index slice/array with nil".into()),
        None => Err(format!("cannot index slice/array with type {}", key.type_name()).into()),
    }
}

fn length(args: &Args<'_>) -> Outcome<Value> {
    let length = match args.any(0) {
        Value::Text(text) => text.len(),
        Value::List(list) => List::items(list).len(),
        Value::Map(map) => map.len(),
        value if value.is_nothing() => return Err("len of nil pointer".into()),
        value => return Err(format!("len of type {}", value.type_name()).into()),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// Escapes what printing the arguments gives.
fn escape(args: &Args<'_>, escape: fn(&[u8]) -> Vec<u8>) -> Outcome<Value> {
    let printed: Vec<Value> = args
        .values
        .iter()
        // Unlike with print, nil is no value here.
        .map(|value| {
            if value.is_nothing() {
                Value::text("<no value>")
            } else {
                value.clone()
            }
        })
        .collect();
    let text = format::sprint(args.budget(), &printed)?;
    args.budget().take_text(text.len().saturating_mul(2))?;
    args.give(escape(&text))
}

fn html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            other => out.push(*other),
        }
    }
    out
}

fn javascript(text: &[u8]) -> Vec<u8> {
    let mut out = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        let invalid = chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER);
        for char in chunk.valid().chars().chain(invalid) {
            match char {
                '\\' => out.push_str("\\\\"),
                '\'' => out.push_str("\\'"),
                '"' => out.push_str("\\\""),
                '<' | '>' | '&' | '=' | '\0'..='\u{1f}' => {
                    format::append(&mut out, format_args!("\\u{:04X}", u32::from(char)));
                }
                ' '..='\u{7f}' => out.push(char),
                _ if is_print(char) => out.push(char),
                _ => format::append(&mut out, format_args!("\\u{:04X}", u32::from(char))),
            }
        }
    }
    out.into_bytes()
}

fn query(text: &[u8]) -> Vec<u8> {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    // A percent sign is encoded itself, so this is a blank.
    let encoded = percent_encode(text, RESERVED).to_string();
    encoded.replace("%20", "+").into_bytes()
}
