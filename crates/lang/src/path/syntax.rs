//! Takes gjson paths apart: components and multipaths.
//!
//! A component reads differently over an object than over an array, so that a path which is more
//! than names and indexes is taken apart while the document is read.

use std::borrow::Cow;

use super::found::unescape;
use super::modifier::Modifier;
use super::query::Query;
use super::scan;
use super::wildcard::Pattern;
use super::work::Work;

/// What comes behind a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest<'p> {
    /// Nothing: the component is the last one.
    Nothing,
    /// More components, applied to what this one finds.
    Path(&'p [u8]),
    /// A path of its own, applied to what the whole path up to here finds.
    Pipe(&'p [u8]),
}

/// A component as an object reads it.
pub(super) struct ObjectPart<'p> {
    name: Name<'p>,
    pub(super) rest: Rest<'p>,
}

enum Name<'p> {
    Exact(Cow<'p, [u8]>),
    Wild(Pattern),
}

impl<'p> ObjectPart<'p> {
    pub(super) fn parse(path: &'p [u8]) -> Self {
        let mut at = 0;
        let mut escapes = false;
        let mut wild = false;
        let rest = loop {
            match path.get(at) {
                None => break Rest::Nothing,
                Some(b'|') => break Rest::Pipe(&path[at + 1..]),
                Some(b'.') => break after_dot(&path[at + 1..]),
                Some(b'\\') => {
                    escapes = true;
                    at += 1;
                }
                Some(b'*' | b'?') => wild = true,
                Some(_) => {}
            }
            at += 1;
        };
        let name = &path[..at.min(path.len())];
        let name = if escapes {
            Cow::Owned(strip_escapes(name))
        } else {
            Cow::Borrowed(name)
        };
        let name = if wild {
            Name::Wild(Pattern::new(&name))
        } else {
            Name::Exact(name)
        };
        Self { name, rest }
    }

    pub(super) fn matches(&self, json: &[u8], key: &scan::Key, work: &mut Work) -> bool {
        let text = &json[key.start..key.end];
        let text = if key.escaped {
            unescape(text)
        } else {
            Cow::Borrowed(text)
        };
        match &self.name {
            Name::Exact(name) => *name == text,
            Name::Wild(pattern) => pattern.matches(&text, work),
        }
    }
}

fn after_dot(rest: &[u8]) -> Rest<'_> {
    if starts_pipe(rest) {
        Rest::Pipe(rest)
    } else {
        Rest::Path(rest)
    }
}

/// Whether what follows a dot is not a component but a modifier or a multipath.
fn starts_pipe(rest: &[u8]) -> bool {
    match rest.first() {
        Some(b'[' | b'{') => true,
        Some(b'@') => {
            let name = rest[1..]
                .split(|byte| matches!(byte, b'.' | b'|' | b':'))
                .next();
            name.and_then(Modifier::named).is_some()
        }
        _ => false,
    }
}

/// Drops the backslash of each escape.
pub(super) fn strip_escapes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        let byte = if *byte == b'\\' {
            bytes.next()
        } else {
            Some(byte)
        };
        out.extend(byte);
    }
    out
}

/// A component as an array reads it.
pub(super) struct ArrayPart<'p> {
    pub(super) select: Select<'p>,
    pub(super) rest: Rest<'p>,
}

/// Which elements of an array a component means.
pub(super) enum Select<'p> {
    Index(usize),
    /// `#`: how many there are.
    Count,
    /// `#.path`: what the path finds in each of them.
    Each(&'p [u8]),
    /// `#(…)`, `#(…)#`
    Query(Query<'p>),
    /// None, such as a name.
    Nothing,
}

impl<'p> ArrayPart<'p> {
    pub(super) fn parse(path: &'p [u8]) -> Self {
        let mut at = 0;
        let mut query = None;
        let mut has_hash = false;
        let rest = loop {
            match path.get(at) {
                None => break Rest::Nothing,
                Some(b'|') => break Rest::Pipe(&path[at + 1..]),
                Some(b'.') if has_hash => break Rest::Path(&path[at + 1..]),
                Some(b'.') => break after_dot(&path[at + 1..]),
                Some(b'#') => {
                    has_hash = true;
                    if at == 0 && matches!(path.get(1), Some(b'[' | b'(')) {
                        let Some((parsed, end)) = Query::parse(path) else {
                            query = Some(Query::of_anything());
                            at = path.len();
                            continue;
                        };
                        query = Some(parsed);
                        at = end;
                        continue;
                    }
                }
                Some(_) => {}
            }
            at += 1;
        };
        let part = &path[..at];
        let select = match (query, rest) {
            (Some(query), _) => Select::Query(query),
            (None, Rest::Path(each)) if part == b"#" => Select::Each(each),
            (None, _) if part == b"#" => Select::Count,
            _ => index(part).map_or(Select::Nothing, Select::Index),
        };
        Self { select, rest }
    }
}

/// The number a component of digits stands for; one too large for any array stays too large.
pub(super) fn index(part: &[u8]) -> Option<usize> {
    if part.is_empty() || !part.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = part.iter().map(|digit| usize::from(digit - b'0'));
    Some(digits.fold(0, |sum, digit| sum.saturating_mul(10).saturating_add(digit)))
}

/// Cuts `path` before its first pipe, if that stands outside of queries; only then, and only
/// behind a dot, are queries recognised.
pub(super) fn split_pipe(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if !path.contains(&b'|') {
        return None;
    }
    if path.first() == Some(&b'{') {
        let end = 1 + scan::balanced_end(path.get(1..).filter(|rest| !rest.is_empty())?);
        return (path.get(end) == Some(&b'|')).then(|| (&path[..end], &path[end + 1..]));
    }
    let mut at = 0;
    while let Some(byte) = path.get(at) {
        match byte {
            b'\\' => at += 1,
            b'|' => return Some((&path[..at], &path[at + 1..])),
            b'.' => match (path.get(at + 1), path.get(at + 2)) {
                (None, _) | (Some(b'#'), None) => return None,
                (Some(b'#'), Some(open @ (b'[' | b'('))) => at = query_end(path, at + 3, *open),
                (Some(b'#'), _) => at += 2,
                _ => {}
            },
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the bracket that closes a query stands; only brackets of its own kind are counted.
fn query_end(path: &[u8], mut at: usize, open: u8) -> usize {
    let close = if open == b'[' { b']' } else { b')' };
    let mut depth = 1_usize;
    while let Some(byte) = path.get(at) {
        match *byte {
            b'\\' => at += 1,
            b'"' => at = scan::string_end(path, at + 1).map_or(path.len(), |(end, _)| end),
            byte if byte == open => depth += 1,
            byte if byte == close => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
        at += 1;
    }
    at
}

/// A member of a multipath.
pub(super) struct Selector<'p> {
    pub(super) name: &'p [u8],
    pub(super) path: &'p [u8],
}

/// Reads the multipath `path` starts with: its members and what stands behind it. None if it does
/// not end.
pub(super) fn selectors(path: &[u8]) -> Option<(Vec<Selector<'_>>, &[u8])> {
    let mut members = Vec::new();
    let mut depth = 1_usize;
    let mut in_modifier = false;
    let mut colon = None;
    let mut start = 1;
    let mut at = 1;
    while let Some(byte) = path.get(at) {
        match byte {
            b'\\' => at += 1,
            b'@' if matches!(path[at - 1], b'.' | b'|') => in_modifier = true,
            b':' if !in_modifier && colon.is_none() && depth == 1 => colon = Some(at),
            b'"' => at = scan::string_end(path, at + 1).map_or(path.len(), |(end, _)| end),
            b'[' | b'(' | b'{' => depth += 1,
            b']' | b')' | b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && *byte == b',') {
            members.push(match colon.take() {
                Some(colon) => Selector {
                    name: &path[start..colon],
                    path: &path[colon + 1..at],
                },
                None => Selector {
                    name: b"",
                    path: &path[start..at],
                },
            });
            if depth == 0 {
                return Some((members, &path[at + 1..]));
            }
            in_modifier = false;
            start = at + 1;
        }
        at += 1;
    }
    None
}

/// The name a member of a multipath gets from its path.
pub(super) fn default_name(path: &[u8]) -> &[u8] {
    let separator = (0..path.len())
        .rev()
        .find(|at| matches!(path[*at], b'|' | b'.') && !(*at > 0 && path[*at - 1] == b'\\'));
    let last = separator.map_or(path, |at| &path[at + 1..]);
    let odd = |byte: &u8| *byte < b' ' || b"[]{}()#|!".contains(byte);
    if last.iter().any(odd) { b"_" } else { last }
}
