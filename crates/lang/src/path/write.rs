//! Writes at a path as sjson does: only the bytes of the value change, the rest stays as it is.

use super::found::Origin;
use super::plain::{Plain, Skips};
use super::syntax::strip_escapes;
use super::work::Work;
use super::{Error, Found, Kind, Set, Write, lookup, scan};
use crate::json::{MAX_DEPTH, write_string};

/// How large a document may become by a query, which writes a value at many places at once: the largest
/// payload, and more than an object in a cluster may have.
const MAX_DOCUMENT: usize = 16 << 20;

/// How many `null`s one write may fill arrays up with.
pub(super) const MAX_PADDING: usize = 100_000;

/// A path as a place to write to.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// The empty path, which is none.
    Nowhere,
    Steps(Box<[Step]>),
    /// A query: only what it finds is written to.
    Query,
}

/// One component of a place.
#[derive(Debug, Clone)]
pub(super) struct Step {
    name: Box<[u8]>,
    /// A `:` in front makes even a number the name of a member.
    is_name: bool,
    /// The component as gjson reads it.
    lookup: Box<[u8]>,
    plain: Option<Plain>,
}

impl Place {
    pub(super) fn compile(path: &[u8]) -> Self {
        if path.is_empty() {
            return Self::Nowhere;
        }
        let mut steps = Vec::new();
        let mut rest = Some(path);
        while let Some(path) = rest {
            let (is_name, path) = match path.strip_prefix(b":") {
                Some(path) => (true, path),
                None => (false, path),
            };
            let mut end = 0;
            while let Some(byte) = path.get(end).filter(|byte| **byte != b'.') {
                match byte {
                    b'|' | b'#' | b'@' | b'*' | b'?' => return Self::Query,
                    b'\\' => end += 2,
                    _ => end += 1,
                }
            }
            let text = &path[..end.min(path.len())];
            steps.push(Step {
                name: strip_escapes(text).into(),
                is_name,
                lookup: text.into(),
                plain: Plain::compile(text),
            });
            rest = path.get(end + 1..).filter(|_| end < path.len());
        }
        Self::Steps(steps.into())
    }
}

impl Step {
    /// Where the value stands in `json`, if it does. A document as a whole is no place, and neither
    /// is the inside of a text that looks like a document.
    fn find(&self, json: &[u8]) -> Option<(usize, usize)> {
        if !matches!(scan::trim(json).first(), Some(b'{' | b'[')) {
            return None;
        }
        let span = if let Some(plain) = &self.plain {
            plain
                .find(json, &Skips::default())
                .map(|(_, start, end)| (start, end))
        } else {
            let found = lookup::get(json, &self.lookup, &mut Work::for_document(json));
            match found.origin {
                Origin::Slice if found.exists() => span(json, found.raw()),
                _ => None,
            }
        };
        span.filter(|(start, _)| *start > 0)
    }

    /// The index it means where an array is or may be made. Nothing at all counts as 0.
    fn index(&self) -> Option<usize> {
        if self.is_name || !self.name.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(super::syntax::index(&self.name).unwrap_or(0))
    }

    /// The name of a member or the text of an index, if it is nothing else and not empty.
    pub(super) fn plain_name(&self) -> Option<&str> {
        let is_plain = self.plain.is_some() && !self.is_name && !self.name.is_empty();
        std::str::from_utf8(&self.name).ok().filter(|_| is_plain)
    }

    /// The name of a member, of an object that it makes where there is nothing.
    pub(super) fn member_name(&self) -> Option<&str> {
        let makes_array = self.index().is_some() || self.appends();
        self.plain_name().filter(|_| !makes_array)
    }

    /// The element of an array that it names, written as an index is.
    pub(super) fn element(&self) -> Option<usize> {
        let is_padded = self.name.len() > 1 && self.name.starts_with(b"0");
        self.index().filter(|_| !is_padded)
    }

    fn appends(&self) -> bool {
        !self.is_name && *self.name == *b"-1"
    }
}

pub(super) fn set_steps(json: &[u8], steps: &[Step], value: Write<'_>) -> Result<Set, Error> {
    if steps.len() > MAX_DEPTH {
        return Err(Error::TooDeep { limit: MAX_DEPTH });
    }
    let (mut start, mut end) = (0, json.len());
    let mut left = steps;
    let mut inner = Vec::with_capacity(value.text().len() + 16);
    while let [step, rest @ ..] = left {
        let here = &json[start..end];
        let Some(span) = step.find(here) else {
            add(here, left, value, &mut inner)?;
            break;
        };
        (start, end) = (start + span.0, start + span.1);
        left = rest;
    }
    if left.is_empty() {
        value.append_to(&mut inner);
    }
    Ok(Set {
        json: [&json[..start], &inner, &json[end..]].concat(),
        matched: true,
    })
}

/// Writes `json`, which lacks the first of `steps`, with all of them.
fn add(json: &[u8], steps: &[Step], value: Write<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    let [step, ..] = steps else {
        return Ok(());
    };
    let found = Found::parse(json.into());
    // What is not an array or object gives way to one.
    let container = match (found.kind(), step.index()) {
        (Kind::Json, _) => found.raw(),
        (_, Some(_)) => b"[]",
        (_, None) => b"{}",
    };
    let mut padding = MAX_PADDING;
    if container.first() == Some(&b'{') {
        let end = container
            .iter()
            .rposition(|byte| *byte == b'}')
            .unwrap_or(container.len());
        out.extend_from_slice(&container[..end]);
        if !is_empty(container) {
            out.push(b',');
        }
        build(false, steps, value, &mut padding, out)?;
        out.push(b'}');
        return Ok(());
    }
    match step.index() {
        Some(index) => pad(container, index, &mut padding, out)?,
        None if step.appends() => {
            let open = scan::trim(container);
            out.extend_from_slice(open.strip_suffix(b"]").unwrap_or(open));
            if !is_empty(container) {
                out.push(b',');
            }
        }
        None => {
            let key = String::from_utf8_lossy(&step.name).into_owned();
            return Err(Error::NonNumericKey { key });
        }
    }
    build(true, steps, value, &mut padding, out)?;
    out.push(b']');
    Ok(())
}

/// Whether an array or object has no content.
fn is_empty(container: &[u8]) -> bool {
    let content = container[1..].iter().find(|byte| **byte > b' ');
    matches!(content, None | Some(b'}' | b']'))
}

/// Writes an array up to the place of an index it lacks.
fn pad(array: &[u8], index: usize, padding: &mut usize, out: &mut Vec<u8>) -> Result<(), Error> {
    out.push(b'[');
    let mut at = 1;
    let mut count = 0;
    while let scan::Item::Value(start) = scan::item(array, at) {
        let Some((_, end)) = scan::value_end(array, start) else {
            break;
        };
        out.extend_from_slice(&array[start..end]);
        out.push(b',');
        count += 1;
        at = end;
    }
    fill(index.saturating_sub(count), index, padding, out)
}

fn fill(count: usize, index: usize, padding: &mut usize, out: &mut Vec<u8>) -> Result<(), Error> {
    let limit = MAX_PADDING;
    *padding = padding
        .checked_sub(count)
        .ok_or(Error::IndexTooFar { index, limit })?;
    for _ in 0..count {
        out.extend_from_slice(b"null,");
    }
    Ok(())
}

/// Writes the member or element of the first step, with a new array or object for each further one.
fn build(
    in_array: bool,
    steps: &[Step],
    value: Write<'_>,
    padding: &mut usize,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut closing = Vec::new();
    for (position, step) in steps.iter().enumerate() {
        let array = match position {
            0 => in_array,
            _ => step.index().is_some() || step.appends(),
        };
        if position > 0 {
            out.push(if array { b'[' } else { b'{' });
            closing.push(if array { b']' } else { b'}' });
            if let Some(index) = step.index() {
                fill(index, index, padding, out)?;
            }
        }
        if !array {
            append_string(&String::from_utf8_lossy(&step.name), out);
            out.push(b':');
        }
    }
    value.append_to(out);
    out.extend(closing.iter().rev());
    Ok(())
}

/// Writes to all that a query finds.
pub(super) fn set_query(json: &[u8], path: &[u8], value: Write<'_>) -> Result<Set, Error> {
    let found = lookup::get(json, path, &mut Work::for_document(json));
    let spans: Option<Vec<_>> = match &found.origin {
        Origin::Slice if found.exists() => span(json, found.raw())
            .filter(|span| span.0 > 0)
            .map(|span| vec![span]),
        Origin::Leaves(leaves) => leaves.iter().map(|leaf| span(json, leaf)).collect(),
        _ => None,
    };
    let mut spans = spans.unwrap_or_default();
    spans.sort_unstable();
    let overlap = spans.windows(2).any(|pair| pair[0].1 > pair[1].0);
    if spans.is_empty() || overlap || any_inside_text(json, &spans) {
        return Ok(Set {
            json: json.to_vec(),
            matched: false,
        });
    }
    let size = spans.len().saturating_mul(value.text().len());
    let size = size.saturating_add(json.len());
    if size > MAX_DOCUMENT.max(json.len()) {
        return Err(Error::TooLarge {
            limit: MAX_DOCUMENT,
        });
    }
    let mut out = Vec::with_capacity(size);
    let mut done = 0;
    for (start, end) in spans {
        out.extend_from_slice(&json[done..start]);
        value.append_to(&mut out);
        done = end;
    }
    out.extend_from_slice(&json[done..]);
    Ok(Set {
        json: out,
        matched: true,
    })
}

/// Whether one of these values, in order, stands inside of a text that looks like a document.
fn any_inside_text(json: &[u8], spans: &[(usize, usize)]) -> bool {
    let mut at = 0;
    let mut spans = spans.iter().peekable();
    while let Some(skipped) = memchr::memchr(b'"', &json[at..]) {
        let open = at + skipped;
        let Some((close, _)) = scan::string_end(json, open + 1) else {
            return false;
        };
        while spans.next_if(|span| span.0 <= open).is_some() {}
        if spans.peek().is_some_and(|span| span.0 <= close) {
            return true;
        }
        at = close + 1;
    }
    false
}

/// Where `part` stands in `json`, if it is a part of it and not a copy.
fn span(json: &[u8], part: &[u8]) -> Option<(usize, usize)> {
    let start = part.as_ptr().addr().checked_sub(json.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= json.len()).then_some((start, end))
}

impl Write<'_> {
    fn text(&self) -> &[u8] {
        match self {
            Self::Raw(json) => json,
            Self::Text(text) => text.as_bytes(),
        }
    }

    fn append_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw(json) => out.extend_from_slice(json),
            Self::Text(text) => append_string(text, out),
        }
    }
}

/// As sjson, which leaves `<`, `>` and `&` alone in a text that has nothing else to escape.
fn append_string(text: &str, out: &mut Vec<u8>) {
    let is_plain = |byte: u8| matches!(byte, b' '..=0x7f) && byte != b'"' && byte != b'\\';
    let mut quoted = String::with_capacity(text.len() + 2);
    if text.bytes().all(is_plain) {
        quoted.push('"');
        quoted.push_str(text);
        quoted.push('"');
    } else {
        write_string(text, &mut quoted);
    }
    out.extend_from_slice(quoted.as_bytes());
}
