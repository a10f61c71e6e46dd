//! Names on the bus, made of names of objects such that two different things never share one.
//!
//! Where Argo Events' name is valid it is used as it is; what NATS cannot hold is written as an
//! escape that can be read back. Names of Kubernetes objects hold lower case letters, digits, `-`
//! and `.`; names of events, triggers and dependencies are free.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::Error;

/// The stream of events; also the first token of its subjects.
pub(crate) const STREAM: &str = "default";

/// The token that takes the place of an event source's name where the events of dead letters are published
/// again. No name is written so: a `%` begins an escape.
const REPLAY: &str = "%replay";

/// Longest name of a stream or consumer that is used as it is. The server takes 255 bytes, `KV_`
/// included, and keeps them in directories of that name.
const MAX_NAME: usize = 240;

/// Longest key of a state: the server takes subjects up to its `max_control_line` of 4096 bytes.
const MAX_KEY: usize = 1024;

/// Where messages are published, or which are wanted: `default.<event source>.<event>`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(Arc<str>);

/// The name of a durable consumer.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Durable(Arc<str>);

/// The name of a bucket of state.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket(Arc<str>);

impl Subject {
    /// The subject of one event of one event source.
    pub fn event(event_source: &str, event: &str) -> Self {
        let mut name = format!("{STREAM}.");
        push_token(&mut name, event_source);
        name.push('.');
        push_token(&mut name, event);
        Self(name.into())
    }

    /// The subjects that a dependency listens to: a name with a `*` in it stands for any, since NATS
    /// has no wildcard within a token; who listens takes its pick of what comes.
    pub fn dependency(event_source: &str, event: &str) -> Self {
        let mut name = STREAM.to_owned();
        for token in [event_source, event] {
            name.push('.');
            if token.contains('*') {
                name.push('*');
            } else {
                push_token(&mut name, token);
            }
        }
        Self(name.into())
    }

    /// Where the events of a trigger's dead letters are published again, for its consumer alone.
    pub fn replay(durable: &Durable) -> Self {
        Self(format!("{STREAM}.{REPLAY}.{durable}").into())
    }

    pub(crate) fn from_wire(name: &str) -> Self {
        Self(name.into())
    }

    /// As NATS sees it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether what is published here is for one consumer alone.
    pub(crate) fn is_replay(&self) -> bool {
        self.0.split('.').nth(1) == Some(REPLAY)
    }

    /// The names of the event source and the event, unless one of them stands for any.
    pub fn names(&self) -> Option<(String, String)> {
        let mut tokens = self.0.strip_prefix(STREAM)?.strip_prefix('.')?.split('.');
        let (event_source, event) = (tokens.next()?, tokens.next()?);
        if tokens.next().is_some() {
            return None;
        }
        Some((read_token(event_source)?, read_token(event)?))
    }

    /// Whether what is published under `text` is an event for a bus.
    pub fn is_event(text: &str) -> bool {
        let mut tokens = text.split('.');
        tokens.next() == Some(STREAM) && tokens.count() == 2
    }

    /// Whether messages on `subject` are wanted by this one. No `*` stands for [`Subject::replay`].
    pub fn matches(&self, subject: &Self) -> bool {
        if self.0 == subject.0 {
            return true;
        }
        let (mut wanted, mut given) = (self.0.split('.'), subject.0.split('.'));
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some("*"), Some(given)) if given != REPLAY => {}
                (Some(wanted), Some(given)) if wanted == given => {}
                _ => return false,
            }
        }
    }

    /// Some subject is wanted by both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let tokens = self.0.split('.').zip(other.0.split('.'));
        tokens.clone().all(|(a, b)| a == b || a == "*" || b == "*")
    }

    /// The narrowest subject that wants whatever one of the two wants.
    fn join(&self, other: &Self) -> Self {
        let tokens = self.0.split('.').zip(other.0.split('.'));
        let tokens: Vec<_> = tokens.map(|(a, b)| if a == b { a } else { "*" }).collect();
        Self(tokens.join(".").into())
    }
}

/// Subjects that do not overlap and together want at least what `subjects` want: the server refuses
/// a consumer whose filters overlap.
pub(crate) fn disjoint(subjects: &[Subject]) -> Vec<Subject> {
    let mut filters: Vec<Subject> = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let mut filter = subject.clone();
        while let Some(at) = filters.iter().position(|other| other.overlaps(&filter)) {
            filter = filters.swap_remove(at).join(&filter);
        }
        filters.push(filter);
    }
    filters.sort_unstable();
    filters
}

impl Durable {
    /// The consumer of one trigger.
    pub fn trigger(namespace: &str, sensor: &str, trigger: &str) -> Self {
        Self(joined(&[namespace, sensor, trigger]).into())
    }

    pub(crate) fn from_wire(name: &str) -> Self {
        Self(name.into())
    }

    /// The namespace, sensor and trigger, if it is the consumer of one and their names are not too long.
    pub fn names(&self) -> Option<(String, String, String)> {
        let mut names = unjoined(&self.0)?.into_iter();
        let found = (names.next()?, names.next()?, names.next()?);
        names.next().is_none().then_some(found)
    }

    /// As NATS sees it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Bucket {
    /// The half-finished rounds of a sensor: the sensor's name, as in Argo Events. Who may use it is
    /// decided by [`open_rounds`](crate::open_rounds).
    pub fn sensor(sensor: &str) -> Self {
        Self(joined(&[sensor]).into())
    }

    /// The half-finished rounds of a sensor whose name another namespace has on this bus.
    pub(crate) fn sensor_of(namespace: &str, sensor: &str) -> Self {
        Self(joined(&["tiphys", "sensor", namespace, sensor]).into())
    }

    /// The positions of an event source. No sensor's bucket has such a name: in those, `_` always
    /// begins an escape.
    pub fn event_source(namespace: &str, event_source: &str) -> Self {
        Self(joined(&["tiphys", "source", namespace, event_source]).into())
    }

    /// Which threads of messages a sensor has begun.
    pub fn threads(namespace: &str, sensor: &str) -> Self {
        Self(joined(&["tiphys", "threads", namespace, sensor]).into())
    }

    /// As NATS sees it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! shown_as_text {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
}
shown_as_text!(Subject Durable Bucket);

/// Writes one token of a subject. NATS splits at dots, gives `*` and `>` a meaning, and cannot send
/// blanks and control characters; no name at all becomes a lone `%`.
pub(crate) fn push_token(out: &mut String, name: &str) {
    if name.is_empty() {
        out.push('%');
    }
    for char in name.chars() {
        if matches!(char, '.' | '*' | '>' | '%') || char.is_whitespace() || char.is_control() {
            let mut bytes = [0; 4];
            for byte in char.encode_utf8(&mut bytes).bytes() {
                escape(out, '%', byte);
            }
        } else {
            out.push(char);
        }
    }
}

/// Reads what [`push_token`] wrote.
pub(crate) fn read_token(token: &str) -> Option<String> {
    match token {
        "" | "*" | ">" => None,
        "%" => Some(String::new()),
        _ => unescaped(token, b'%'),
    }
}

/// One name of several, each escaped so that `__` stands only between them.
fn joined(names: &[&str]) -> String {
    let mut out = String::new();
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push_str("__");
        }
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || byte == b'-' {
                out.push(char::from(byte));
            } else {
                escape(&mut out, '_', byte);
            }
        }
    }
    if out.len() <= MAX_NAME {
        return out;
    }
    let digest = Sha256::digest(out.as_bytes());
    out.truncate(MAX_NAME - 36);
    out.truncate(out.trim_end_matches('_').len());
    // No other name has four: two part the names, a third begins an escape.
    out.push_str("____");
    HEXLOWER.encode_append(&digest[..16], &mut out);
    out
}

/// The key as NATS takes it: letters, digits and `- / _ .` as they are, the rest escaped with `=`.
/// Dots only between other characters, because they part the tokens of a subject.
pub(crate) fn stored_key(key: &str) -> Result<String, Error> {
    let mut out = String::with_capacity(key.len());
    let bytes = key.as_bytes();
    for (index, &byte) in bytes.iter().enumerate() {
        let plain = match byte {
            b'.' => {
                let before = index.checked_sub(1).and_then(|index| bytes.get(index));
                let after = bytes.get(index + 1);
                before.is_some_and(|&b| b != b'.') && after.is_some_and(|&b| b != b'.')
            }
            _ => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/' | b'_'),
        };
        if plain {
            out.push(char::from(byte));
        } else {
            escape(&mut out, '=', byte);
        }
    }
    if out.is_empty() {
        out.push('=');
    }
    if out.len() > MAX_KEY {
        return Err(Error::KeyTooLong {
            length: out.len(),
            limit: MAX_KEY,
        });
    }
    Ok(out)
}

/// Reads what [`stored_key`] wrote; a key of another program that is no such text is taken as it is.
pub(crate) fn given_key(stored: &str) -> String {
    match stored {
        "=" => String::new(),
        _ => unescaped(stored, b'=').unwrap_or_else(|| stored.to_owned()),
    }
}

fn escape(out: &mut String, mark: char, byte: u8) {
    // Writing to a String cannot fail.
    out.write_fmt(format_args!("{mark}{byte:02X}"))
        .unwrap_or_default();
}

/// The names that were joined, unless they are shortened.
fn unjoined(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let (mut begin, mut at) = (0, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'_', Some(b'_')) => {
                names.push(unescaped(&text[begin..at], b'_')?);
                at += 2;
                begin = at;
            }
            (b'_', _) => at += 3,
            _ => at += 1,
        }
    }
    names.push(unescaped(text.get(begin..)?, b'_')?);
    Some(names)
}

fn unescaped(text: &str, mark: u8) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte == mark {
            let digits = rest
                .get(..2)
                .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            out.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = &rest[2..];
        } else {
            out.push(*byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests;
