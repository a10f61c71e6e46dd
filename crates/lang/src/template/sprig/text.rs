//! Texts: cutting, trimming, searching, joining. Lengths and positions count bytes, as in sprig.

use std::collections::HashSet;

use memchr::memmem;

use super::super::format::{self, Printer};
use super::super::function::Param::{Any, Int, Text as TextParam};
use super::super::function::{Args, Function, fixed, variadic};
use super::super::limit::Outcome;
use super::super::unicode::{to_lower, to_upper};
use super::super::value::{Element, List, Map, Members, Text, Value};
use super::list::text_list;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("toString", &[Any], |args| {
        Ok(Value::Text(args.text_of(args.any(0))?))
    }),
    fixed("upper", &[TextParam], |args| {
        args.give(map_chars(&args.text(0), to_upper))
    }),
    fixed("lower", &[TextParam], |args| {
        args.give(map_chars(&args.text(0), to_lower))
    }),
    fixed("trim", &[TextParam], |args| args.give(args.text(0).trim())),
    fixed("trimAll", &[TextParam, TextParam], trim_all),
    fixed("trimall", &[TextParam, TextParam], trim_all),
    fixed("trimPrefix", &[TextParam, TextParam], |args| {
        let text = args.bytes(1);
        args.give(text.strip_prefix(args.bytes(0)).unwrap_or(text))
    }),
    fixed("trimSuffix", &[TextParam, TextParam], |args| {
        let text = args.bytes(1);
        args.give(text.strip_suffix(args.bytes(0)).unwrap_or(text))
    }),
    fixed("contains", &[TextParam, TextParam], |args| {
        Ok(Value::Bool(
            memmem::find(args.bytes(1), args.bytes(0)).is_some(),
        ))
    }),
    fixed("hasPrefix", &[TextParam, TextParam], |args| {
        Ok(Value::Bool(args.bytes(1).starts_with(args.bytes(0))))
    }),
    fixed("hasSuffix", &[TextParam, TextParam], |args| {
        Ok(Value::Bool(args.bytes(1).ends_with(args.bytes(0))))
    }),
    fixed("trunc", &[Int, TextParam], trunc),
    fixed("substr", &[Int, Int, TextParam], substr),
    fixed("repeat", &[Int, TextParam], repeat),
    fixed("replace", &[TextParam, TextParam, TextParam], replace),
    fixed("indent", &[Int, TextParam], |args| indent(args, "")),
    fixed("nindent", &[Int, TextParam], |args| indent(args, "\n")),
    variadic("quote", &[], Any, quote),
    variadic("squote", &[], Any, squote),
    variadic("cat", &[], Any, |args| spaced(args, format::write_plain)),
    fixed("plural", &[TextParam, TextParam, Int], |args| {
        Ok(args.any(usize::from(args.int(2) != 1)).clone())
    }),
    fixed("split", &[TextParam, TextParam], |args| {
        numbered(args, split(args, args.bytes(0), args.bytes(1), -1)?)
    }),
    fixed("splitn", &[TextParam, Int, TextParam], |args| {
        numbered(
            args,
            split(args, args.bytes(0), args.bytes(2), args.int(1))?,
        )
    }),
    fixed("splitList", &[TextParam, TextParam], |args| {
        text_list(args, split(args, args.bytes(0), args.bytes(1), -1)?)
    }),
];

/// Every character replaced by one other.
pub(super) fn map_chars(text: &str, map: fn(char) -> char) -> String {
    text.chars().map(map).collect()
}

fn trim_all(args: &Args<'_>) -> Outcome<Value> {
    let cut: HashSet<char> = args.text(0).chars().collect();
    args.give(args.text(1).trim_matches(|char| cut.contains(&char)))
}

/// The first bytes, or with a negative count the last ones.
fn trunc(args: &Args<'_>) -> Outcome<Value> {
    let (count, text) = (args.int(0), args.bytes(1));
    let length = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if length >= text.len() {
        return Ok(args.any(1).clone());
    }
    args.give(if count < 0 {
        &text[text.len() - length..]
    } else {
        &text[..length]
    })
}

/// The bytes from start to end; a negative start means from 0, an end outside to the end.
fn substr(args: &Args<'_>) -> Outcome<Value> {
    let (start, end, text) = (args.int(0), args.int(1), args.bytes(2));
    let part = if start < 0 {
        usize::try_from(end).ok().and_then(|end| text.get(..end))
    } else {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        match usize::try_from(end) {
            Ok(end) if end <= text.len() => text.get(start..end),
            _ => text.get(start..),
        }
    };
    args.give(part.ok_or("slice bounds out of range")?)
}

fn repeat(args: &Args<'_>) -> Outcome<Value> {
    let count = usize::try_from(args.int(0)).map_err(|_| "negative repeat count")?;
    let text = args.bytes(1);
    args.budget().take_text(count.saturating_mul(text.len()))?;
    Ok(Value::text(text.repeat(if text.is_empty() {
        0
    } else {
        count
    })))
}

fn replace(args: &Args<'_>) -> Outcome<Value> {
    let (old, new, text) = (args.bytes(0), args.bytes(1), args.bytes(2));
    let mut out = Printer::new(args.budget());
    if old.is_empty() {
        for piece in explode(args, text)? {
            out.push(new)?;
            out.push(piece)?;
        }
        out.push(new)?;
    } else {
        let mut done = 0;
        for found in memmem::find_iter(text, old) {
            out.push(&text[done..found])?;
            out.push(new)?;
            done = found + old.len();
        }
        out.push(&text[done..])?;
    }
    Ok(Value::text(out.into_bytes()))
}

/// The characters, each as its bytes; what is no character comes byte by byte.
fn explode<'t>(args: &Args<'_>, text: &'t [u8]) -> Outcome<Vec<&'t [u8]>> {
    args.budget()
        .take(text.len().saturating_mul(size_of::<&[u8]>()))?;
    let mut pieces = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        let mut valid = chunk.valid();
        while let Some(char) = valid.chars().next() {
            let (head, tail) = valid.split_at(char.len_utf8());
            pieces.push(head.as_bytes());
            valid = tail;
        }
        pieces.extend(chunk.invalid().chunks(1));
    }
    Ok(pieces)
}

/// The parts between separators: all for a negative `limit`, at most `limit` otherwise.
fn split(args: &Args<'_>, separator: &[u8], text: &[u8], limit: i64) -> Outcome<Vec<Text>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if limit == 0 {
        return Ok(Vec::new());
    }
    let mut parts: Vec<Text> = Vec::new();
    let mut add = |part: &[u8]| {
        args.budget().take(part.len() + 48)?;
        parts.push(part.into());
        Outcome::Ok(())
    };
    if separator.is_empty() {
        let pieces = explode(args, text)?;
        let single = pieces.len().min(limit);
        let mut done = 0;
        for (index, piece) in pieces.into_iter().take(single).enumerate() {
            let is_last = index + 1 == limit;
            add(if is_last { &text[done..] } else { piece })?;
            done += piece.len();
        }
        return Ok(parts);
    }
    let mut done = 0;
    for (index, found) in memmem::find_iter(text, separator).enumerate() {
        if index + 1 >= limit {
            break;
        }
        add(&text[done..found])?;
        done = found + separator.len();
    }
    add(&text[done..])?;
    Ok(parts)
}

/// The parts as a map with the keys `_0`, `_1`, …
fn numbered(args: &Args<'_>, parts: Vec<Text>) -> Outcome<Value> {
    let members = parts.into_iter().enumerate().map(|(index, part)| {
        (
            Text::from(format!("_{index}").as_bytes()),
            Value::Text(part),
        )
    });
    let members: Members = members.collect();
    Ok(Value::Map(Map::new(args.budget(), Element::Text, members)?))
}

/// Spaces in front of every line.
fn indent(args: &Args<'_>, before: &str) -> Outcome<Value> {
    let count = usize::try_from(args.int(0)).map_err(|_| "negative repeat count")?;
    let mut out = Printer::new(args.budget());
    out.push(before)?;
    out.push_repeated(b' ', count)?;
    for (index, line) in args.bytes(1).split(|byte| *byte == b'\n').enumerate() {
        if index > 0 {
            out.push(b"\n")?;
            out.push_repeated(b' ', count)?;
        }
        out.push(line)?;
    }
    Ok(Value::text(out.into_bytes()))
}

fn quote(args: &Args<'_>) -> Outcome<Value> {
    spaced(args, |out, value| {
        let text = args.text_of(value)?;
        args.budget().take_text(text.len().saturating_mul(4))?;
        out.push(format::quote(&text, '"', false))
    })
}

fn squote(args: &Args<'_>) -> Outcome<Value> {
    spaced(args, |out, value| {
        out.push(b"'")?;
        format::write_plain(out, value)?;
        out.push(b"'")
    })
}

/// All values but nil, each as `write` prints it, with spaces between them.
fn spaced(
    args: &Args<'_>,
    write: impl Fn(&mut Printer<'_>, &Value) -> Outcome<()>,
) -> Outcome<Value> {
    let mut out = Printer::new(args.budget());
    let values = args.values.iter().filter(|value| !value.is_nothing());
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(b" ")?;
        }
        write(&mut out, value)?;
    }
    Ok(Value::text(out.into_bytes()))
}

/// A nil list of texts: what Go gives where nothing was found.
pub(super) fn no_texts() -> Value {
    Value::List(List::nil(Element::Text))
}
