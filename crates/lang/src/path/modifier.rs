//! The modifiers of gjson: `@name`, `@name:argument`.

use std::borrow::Cow;
use std::collections::HashMap;

use super::found::{content, quote};
use super::work::Work;
use super::{Found, Kind, lookup, pretty, scan};

/// A built-in modifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Modifier {
    Dig,
    Flatten,
    FromStr,
    Group,
    Join,
    Keys,
    Pretty,
    Reverse,
    This,
    ToStr,
    Ugly,
    Valid,
    Values,
}

impl Modifier {
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"dig" => Self::Dig,
            b"flatten" => Self::Flatten,
            b"fromstr" => Self::FromStr,
            b"group" => Self::Group,
            b"join" => Self::Join,
            b"keys" => Self::Keys,
            b"pretty" => Self::Pretty,
            b"reverse" => Self::Reverse,
            b"this" => Self::This,
            b"tostr" => Self::ToStr,
            b"ugly" => Self::Ugly,
            b"valid" => Self::Valid,
            b"values" => Self::Values,
            _ => return None,
        })
    }
}

/// Runs the modifier `path` starts with; its result and what stands behind it.
pub(super) fn apply<'a, 'p>(
    json: &'a [u8],
    path: &'p [u8],
    work: &mut Work,
) -> Option<(Cow<'a, [u8]>, &'p [u8])> {
    let text = &path[1..];
    let end = text
        .iter()
        .position(|byte| matches!(byte, b':' | b'|' | b'.'));
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    let modifier = Modifier::named(name)?;
    let (argument, rest) = match rest {
        [b':', rest @ ..] => split_argument(rest),
        _ => (&rest[..0], rest),
    };
    let out = run(modifier, json, argument, work);
    if let Cow::Owned(out) = &out {
        work.spend(out.len());
    }
    Some((out, rest))
}

/// An argument is JSON, or goes up to the next pipe.
fn split_argument(text: &[u8]) -> (&[u8], &[u8]) {
    if matches!(text.first(), Some(b'{' | b'[' | b'"')) {
        return text.split_at(scan::balanced_end(text));
    }
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'|' => break,
            b'{' | b'[' | b'"' | b'(' => at += scan::balanced_end(&text[at..]),
            _ => at += 1,
        }
    }
    text.split_at(at)
}

fn run<'a>(modifier: Modifier, json: &'a [u8], argument: &[u8], work: &mut Work) -> Cow<'a, [u8]> {
    let value = || Found::parse(Cow::Borrowed(json));
    match modifier {
        Modifier::Valid if crate::json::is_valid(json) => Cow::Borrowed(json),
        Modifier::FromStr if crate::json::is_valid(json) => from_str(json),
        Modifier::Valid | Modifier::FromStr => Cow::Borrowed(b""),
        Modifier::ToStr => {
            let mut out = Vec::with_capacity(json.len() + 2);
            quote(json, &mut out);
            Cow::Owned(out)
        }
        Modifier::Ugly => Cow::Owned(pretty::ugly(json)),
        Modifier::Pretty => Cow::Owned(pretty::pretty(json, argument, work)),
        Modifier::Reverse => reverse(json, &value()),
        Modifier::Flatten if value().is_array() => {
            let deep = option(argument, b"deep");
            Cow::Owned(flatten(json, deep, work))
        }
        Modifier::Join if value().is_array() => {
            Cow::Owned(join(json, option(argument, b"preserve")))
        }
        Modifier::This | Modifier::Flatten | Modifier::Join => Cow::Borrowed(json),
        Modifier::Keys => Cow::Owned(keys(&value())),
        Modifier::Values if value().is_array() => Cow::Borrowed(json),
        Modifier::Values => Cow::Owned(list(members(&value()).map(|member| member.value))),
        Modifier::Group => group(&value()),
        Modifier::Dig => Cow::Owned(dig(&value(), argument, work)),
    }
}

/// A member of an object, or an element of an array.
pub(super) struct Entry<'a> {
    /// With its quotes; empty in an array.
    pub(super) key: &'a [u8],
    pub(super) kind: Kind,
    pub(super) value: &'a [u8],
}

/// The members of an object or elements of an array; any other value is its own only element.
pub(super) fn members<'f>(found: &'f Found<'_>) -> impl Iterator<Item = Entry<'f>> {
    entries(found.kind, found.raw())
}

/// [`members`] of a text.
///
/// Brackets that close do not end it, as in gjson: of several documents in one text, all are read.
/// The byte behind a value, a comma normally, is not looked at.
fn entries(kind: Kind, json: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let is_object = kind == Kind::Json && json.first() == Some(&b'{');
    let is_scalar = kind != Kind::Json;
    let mut single = (is_scalar && !json.is_empty()).then_some(Entry {
        key: b"",
        kind,
        value: json,
    });
    let mut at = if is_scalar { json.len() } else { 1 };
    std::iter::from_fn(move || {
        if single.is_some() || is_scalar {
            return single.take();
        }
        let mut key: &[u8] = b"";
        if is_object {
            let start = at + memchr::memchr(b'"', json.get(at..)?)?;
            at = scan::string_end(json, start + 1)?.0 + 1;
            key = &json[start..at];
        }
        let start = scan::value_start(json, at)?;
        let (kind, end) = scan::value_end(json, start)?;
        at = end + 1;
        Some(Entry {
            key,
            kind,
            value: &json[start..end],
        })
    })
}

/// Whether the argument, an object, has a true member of this name.
fn option(argument: &[u8], name: &[u8]) -> bool {
    let argument = Found::parse(Cow::Borrowed(argument));
    members(&argument)
        .filter(|entry| !entry.key.is_empty() && *content(entry.key) == *name)
        .last()
        .is_some_and(|entry| Found::slice(entry.kind, entry.value).as_bool())
}

fn list<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = vec![b'['];
    for value in values {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(value);
    }
    out.push(b']');
    out
}

fn from_str(json: &[u8]) -> Cow<'_, [u8]> {
    Cow::Owned(Found::parse(Cow::Borrowed(json)).bytes().into_owned())
}

fn reverse<'a>(json: &'a [u8], value: &Found<'a>) -> Cow<'a, [u8]> {
    if value.kind != Kind::Json {
        return Cow::Borrowed(json);
    }
    let mut entries: Vec<_> = members(value).collect();
    entries.reverse();
    if value.is_array() {
        return Cow::Owned(list(entries.iter().map(|entry| entry.value)));
    }
    let mut out = vec![b'{'];
    for entry in entries {
        push_member(entry.key, entry.value, &mut out);
    }
    out.push(b'}');
    Cow::Owned(out)
}

fn push_member(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    if out.len() > 1 {
        out.push(b',');
    }
    out.extend_from_slice(key);
    out.push(b':');
    out.extend_from_slice(value);
}

fn keys(value: &Found<'_>) -> Vec<u8> {
    let is_object = value.is_object();
    list(members(value).map(|entry| if is_object { entry.key } else { b"null" }))
}

/// Puts the elements of arrays in an array into it; with `deep` also those of arrays in them.
fn flatten(json: &[u8], deep: bool, work: &mut Work) -> Vec<u8> {
    let mut out = vec![b'['];
    let array = Found::parse(Cow::Borrowed(json));
    if work.down() {
        for entry in members(&array) {
            let is_array = entry.value.first() == Some(&b'[');
            let value = match (is_array, deep) {
                (true, true) => Cow::Owned(flatten(entry.value, deep, work)),
                _ => Cow::Borrowed(entry.value),
            };
            let value = if is_array { unwrap(&value) } else { &value };
            let value = value.trim_ascii();
            if value.is_empty() {
                continue;
            }
            if out.len() > 1 {
                out.push(b',');
            }
            work.spend(value.len());
            out.extend_from_slice(value);
        }
        work.up();
    }
    out.push(b']');
    out
}

/// Takes the brackets off an array or object.
fn unwrap(json: &[u8]) -> &[u8] {
    match scan::trim(json) {
        [b'[' | b'{', inner @ .., _] => inner,
        other => other,
    }
}

/// Makes one object of those in an array. Of equal keys the first place and the last value stay,
/// unless all are to be preserved.
fn join(json: &[u8], preserve: bool) -> Vec<u8> {
    let array = Found::parse(Cow::Borrowed(json));
    let objects = members(&array).filter(|entry| entry.value.first() == Some(&b'{'));
    let mut out = vec![b'{'];
    if preserve {
        for (index, object) in objects.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(unwrap(object.value));
        }
    } else {
        let mut joined: Vec<(&[u8], &[u8])> = Vec::new();
        let mut places = HashMap::new();
        for entry in objects.flat_map(|object| entries(Kind::Json, object.value)) {
            let place = *places.entry(content(entry.key)).or_insert(joined.len());
            match joined.get_mut(place) {
                Some(member) => member.1 = entry.value,
                None => joined.push((entry.key, entry.value)),
            }
        }
        for (key, value) in joined {
            push_member(key, value, &mut out);
        }
    }
    out.push(b'}');
    out
}

/// Turns an object of arrays into an array of objects.
fn group<'a>(value: &Found<'_>) -> Cow<'a, [u8]> {
    if !value.is_object() {
        return Cow::Borrowed(b"");
    }
    let mut groups: Vec<Vec<u8>> = Vec::new();
    for entry in members(value).filter(|entry| entry.value.first() == Some(&b'[')) {
        for (index, item) in entries(Kind::Json, entry.value).enumerate() {
            if index == groups.len() {
                groups.push(vec![b'{']);
            }
            push_member(entry.key, item.value, &mut groups[index]);
        }
    }
    for group in &mut groups {
        group.push(b'}');
    }
    Cow::Owned(list(groups.iter().map(Vec::as_slice)))
}

/// What a path finds in a value and in everything inside of it, outermost first.
fn dig(value: &Found<'_>, path: &[u8], work: &mut Work) -> Vec<u8> {
    let mut out = vec![b'['];
    let mut waiting = vec![value.raw()];
    let mut first = true;
    while let Some(json) = waiting.pop() {
        let found = lookup::get(json, path, work);
        if found.exists() {
            if !first {
                out.push(b',');
            }
            first = false;
            work.spend(found.raw.len());
            out.extend_from_slice(&found.raw);
        }
        if work.is_spent() {
            break;
        }
        if matches!(json.first(), Some(b'{' | b'[')) {
            let mut inside: Vec<_> = entries(Kind::Json, json).map(|entry| entry.value).collect();
            inside.reverse();
            waiting.append(&mut inside);
        }
    }
    out.push(b']');
    out
}
