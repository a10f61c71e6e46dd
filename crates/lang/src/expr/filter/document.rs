//! The payload of an event: checked once from end to end, then looked into where it lies.

use std::collections::BTreeMap;

use super::room;
use super::text::Text;
use super::value::Value;
use crate::json;
use crate::path::container_end;

/// Why a payload is not one to filter.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("payload is not JSON: {0}")]
    NotJson(json::Error),
    #[error("payload is not a JSON object")]
    NotAnObject,
}

/// The keys of a payload as names.
#[derive(Debug)]
pub(super) struct Document<'a> {
    /// In the order of the text; of equal keys the last counts.
    members: Vec<(Text<'a>, Value<'a>)>,
}

impl<'a> Document<'a> {
    /// Reads a payload: `-` in keys becomes `_`, keys with dots become objects in objects.
    pub(super) fn read(data: &'a [u8]) -> Result<Self, Error> {
        let mut scanner = Scanner::new(data, false);
        scanner.space();
        if scanner.peek() != Some(b'{') {
            scanner.only_value()?;
            let null = data.trim_ascii() == b"null";
            return if null {
                Ok(Self {
                    members: Vec::new(),
                })
            } else {
                Err(Error::NotAnObject)
            };
        }
        let mut members = Vec::new();
        let mut dotted = false;
        scanner.into_members(|key, value| {
            let mut key = text_of(key);
            if key.contains('-') {
                key = key.replace('-', "_").into();
            }
            dotted |= key.contains('.');
            members.push((key, value_of(value)));
        })?;
        Ok(Self {
            members: if dotted { expand(members) } else { members },
        })
    }

    /// A document of texts.
    pub(super) fn of_texts(texts: &'a [(String, String)]) -> Self {
        let member =
            |(name, text): &'a (String, String)| (Text::Given(name), Value::text(text.as_str()));
        Self {
            members: texts.iter().map(member).collect(),
        }
    }

    /// The value under `name`.
    pub(super) fn get(&self, name: &str) -> Value<'a> {
        function(name).unwrap_or_else(|| {
            let found = self.members.iter().rev().find(|(key, _)| **key == *name);
            found.map_or(Value::Nil, |(_, value)| value.clone())
        })
    }

    /// All keys with their values, the functions included.
    pub(super) fn members(&self) -> BTreeMap<Text<'a>, Value<'a>> {
        let functions = FUNCTIONS
            .iter()
            .filter_map(|name| Some((Text::Given(name), function(name)?)));
        self.members.iter().cloned().chain(functions).collect()
    }
}

/// What the environment holds besides the payload.
const FUNCTIONS: [&str; 5] = ["asInt", "asFloat", "jsonpath", "toJson", "sprig"];

fn function<'a>(name: &str) -> Option<Value<'a>> {
    if name == "sprig" {
        return Some(Value::Library);
    }
    let known = FUNCTIONS.iter().find(|known| **known == name)?;
    Some(Value::Function(Text::Given(known)))
}

/// Makes objects of keys with dots. A key that another one extends (`a` beside `a.b`) gives way.
fn expand<'a>(members: Vec<(Text<'a>, Value<'a>)>) -> Vec<(Text<'a>, Value<'a>)> {
    let sorted: BTreeMap<Text<'a>, Value<'a>> = members.into_iter().collect();
    let keys: Vec<_> = sorted.keys().cloned().collect();
    let extended = |index: usize| {
        keys.get(index + 1).is_some_and(|next: &Text<'_>| {
            next.strip_prefix(&*keys[index])
                .is_some_and(|rest| rest.starts_with('.'))
        })
    };
    let mut kept = Vec::new();
    for (index, (key, value)) in sorted.into_iter().enumerate() {
        if !extended(index) {
            kept.push((key, value));
        }
    }
    nest(kept, 0)
}

/// How many dots of a key count.
const MAX_DOTS: usize = 64;

fn nest<'a>(members: Vec<(Text<'a>, Value<'a>)>, level: usize) -> Vec<(Text<'a>, Value<'a>)> {
    let mut plain = Vec::new();
    let mut groups: BTreeMap<String, Vec<(Text<'a>, Value<'a>)>> = BTreeMap::new();
    for (key, value) in members {
        match key.split_once('.').filter(|_| level < MAX_DOTS) {
            None => plain.push((key, value)),
            Some((first, rest)) => {
                let rest = rest.to_owned().into();
                groups
                    .entry(first.to_owned())
                    .or_default()
                    .push((rest, value));
            }
        }
    }
    for (key, inner) in groups {
        let inner = nest(inner, level + 1).into_iter().collect();
        plain.push((key.into(), Value::map(inner).unwrap_or(Value::Nil)));
    }
    plain
}

/// The value of a valid JSON text.
pub(super) fn value_of(text: &[u8]) -> Value<'_> {
    match text.first() {
        Some(b'{' | b'[') => Value::Json(text),
        Some(b'"') => Value::Text(text_of(text)),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') | None => Value::Nil,
        Some(_) => {
            let number = std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse().ok());
            Value::Float(number.unwrap_or(f64::NAN))
        }
    }
}

/// The content of a valid JSON string.
fn text_of(quoted: &[u8]) -> Text<'_> {
    let inner = quoted
        .get(1..quoted.len().saturating_sub(1))
        .unwrap_or_default();
    if !inner.contains(&b'\\') {
        return String::from_utf8_lossy(inner).into();
    }
    match json::from_slice(quoted) {
        Ok(json::Value::String(text)) => text.into(),
        _ => "".into(),
    }
}

/// The elements of a valid JSON array.
pub(super) fn items(text: &[u8]) -> Vec<Value<'_>> {
    let mut items = Vec::new();
    // The text has been checked: it does not fail.
    Scanner::new(text, true).array(0, |item| items.push(value_of(item)));
    items
}

/// Keys and values of an object as they lie in its text.
pub(super) type Parts<'a> = Vec<(&'a [u8], &'a [u8])>;

/// The keys and values of a valid JSON object.
pub(super) fn parts(text: &[u8]) -> Parts<'_> {
    room::read(text.len());
    let mut parts = Vec::new();
    // The text has been checked: it does not fail.
    Scanner::new(text, true).object(0, |key, value| parts.push((key, value)));
    parts
}

/// The value of the last part with this key.
pub(super) fn part<'a>(parts: &Parts<'a>, key: &str) -> Value<'a> {
    let found = parts.iter().rev().find(|(name, _)| is_key(name, key));
    found.map_or(Value::Nil, |(_, value)| value_of(value))
}

/// The members of a valid JSON object.
pub(super) fn members(text: &[u8]) -> Vec<(Text<'_>, Value<'_>)> {
    let parts = parts(text).into_iter();
    parts
        .map(|(key, value)| (text_of(key), value_of(value)))
        .collect()
}

/// The member `key` of a valid JSON object.
pub(super) fn member<'a>(text: &'a [u8], key: &str) -> Value<'a> {
    room::read(text.len());
    let mut found = None;
    // The text has been checked: it does not fail.
    Scanner::new(text, true).object(0, |name, value| {
        if is_key(name, key) {
            found = Some(value);
        }
    });
    found.map_or(Value::Nil, value_of)
}

/// Whether a valid JSON string says this.
fn is_key(quoted: &[u8], key: &str) -> bool {
    let plain = quoted.len() == key.len() + 2 && &quoted[1..quoted.len() - 1] == key.as_bytes();
    plain || (quoted.contains(&b'\\') && *text_of(quoted) == *key)
}

/// Checks JSON byte by byte and hands out the parts of the outermost value.
struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// The text is known to be JSON: inner values are stepped over.
    is_checked: bool,
    /// What is wrong, once something is.
    fault: Option<json::Error>,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a [u8], is_checked: bool) -> Self {
        Self {
            text,
            at: 0,
            is_checked,
            fault: None,
        }
    }

    /// The text from its start, which has to be an object.
    fn into_members(mut self, member: impl FnMut(&'a [u8], &'a [u8])) -> Result<(), Error> {
        let read = self.object(0, member);
        self.ended(read)
    }

    fn only_value(mut self) -> Result<(), Error> {
        let read = self.value(0);
        self.ended(read)
    }

    /// What came of reading a value behind which nothing may stand.
    fn ended(mut self, read: Option<()>) -> Result<(), Error> {
        if read.is_some() {
            self.space();
            if self.at == self.text.len() {
                return Ok(());
            }
            self.fail::<()>("unexpected text after it");
        }
        let unknown = json::Error {
            message: "unexpected character",
            offset: self.at,
        };
        Err(Error::NotJson(self.fault.unwrap_or(unknown)))
    }

    #[cold]
    fn fail<T>(&mut self, message: &'static str) -> Option<T> {
        let offset = self.at;
        self.fault = Some(json::Error { message, offset });
        None
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek() {
            Some(b'{' | b'[') if self.is_checked => {
                self.at = container_end(self.text, self.at + 1);
                Some(())
            }
            Some(b'{') => self.object(depth, |_, _| {}),
            Some(b'[') => self.array(depth, |_| {}),
            Some(b'"') => self.string(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.fail("unexpected character"),
            None => self.fail("unexpected end"),
        }
    }

    fn open(&mut self, depth: usize) -> Option<()> {
        if depth >= json::MAX_DEPTH {
            return self.fail("nested too deep");
        }
        self.at += 1;
        self.space();
        Some(())
    }

    fn object(&mut self, depth: usize, mut member: impl FnMut(&'a [u8], &'a [u8])) -> Option<()> {
        self.open(depth)?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Some(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.fail("expected a key");
            }
            let key = self.at;
            self.string()?;
            let key = &self.text[key..self.at];
            self.space();
            if self.peek() != Some(b':') {
                return self.fail("expected a colon");
            }
            self.at += 1;
            self.space();
            let value = self.at;
            self.value(depth + 1)?;
            member(key, &self.text[value..self.at]);
            if !self.more(b'}')? {
                return Some(());
            }
        }
    }

    fn array(&mut self, depth: usize, mut item: impl FnMut(&'a [u8])) -> Option<()> {
        self.open(depth)?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Some(());
        }
        loop {
            let start = self.at;
            self.value(depth + 1)?;
            item(&self.text[start..self.at]);
            if !self.more(b']')? {
                return Some(());
            }
        }
    }

    /// Steps over a comma (true) or the closing bracket (false).
    fn more(&mut self, close: u8) -> Option<bool> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.space();
                Some(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Some(false)
            }
            _ => self.fail("expected a comma or the end of a list"),
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Option<()> {
        if !self.text[self.at..].starts_with(word) {
            return self.fail("unexpected character");
        }
        self.at += word.len();
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let end = json::number_end(self.text, self.at);
        self.go_on(end)
    }

    fn string(&mut self) -> Option<()> {
        let end = json::string_end(self.text, self.at + 1);
        self.go_on(end)
    }

    fn go_on(&mut self, end: Result<usize, json::Error>) -> Option<()> {
        match end {
            Ok(end) => {
                self.at = end;
                Some(())
            }
            Err(fault) => {
                self.fault = Some(fault);
                None
            }
        }
    }
}
