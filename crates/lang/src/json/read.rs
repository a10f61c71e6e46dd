//! Reads JSON: a bounded recursive descent that hands finished values to a [`Build`], so that each
//! language builds its own kind of value without a tree in between.

use std::borrow::Cow;
use std::cell::Cell;

use tiphys_base::text::lossy;

use super::scan::{NO_HEX, number_end, text_end, unicode_escape};
use super::{Map, Number, Value};

/// How deep arrays and objects may nest.
///
/// Go allows 10,000. Every consumer (jq, Lua, templates, the API server) recurses over what is read
/// here, on stacks of 2 MiB; documents of Kubernetes stay far below.
pub const MAX_DEPTH: usize = 512;

/// Why a text is not a JSON document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at byte {offset}")]
pub struct Error {
    /// What was found or missing.
    pub message: &'static str,
    /// Where, counted in bytes from the start of the text.
    pub offset: usize,
}

/// Makes values of one kind out of the parts of a document, innermost first.
pub trait Build {
    /// What is built.
    type Value;
    /// The key of a member.
    type Key;
    /// A key, unescaped.
    fn key(&self, text: Cow<'_, str>) -> Self::Key;
    /// `null`
    fn null(&self) -> Self::Value;
    /// `true` or `false`
    fn bool(&self, value: bool) -> Self::Value;
    /// A number, as its text.
    fn number(&self, text: &str) -> Self::Value;
    /// A text, unescaped.
    fn string(&self, text: Cow<'_, str>) -> Self::Value;
    /// An array.
    fn array(&self, items: Vec<Self::Value>) -> Self::Value;
    /// An object that is to be taken as it stands, and where it ends: the one that begins at `at`, inside
    /// of `depth` others.
    fn whole(&self, _at: usize, _depth: usize) -> Option<(Self::Value, usize)> {
        None
    }
    /// An object: all members in the order of the text, duplicate keys included.
    fn object(&self, members: Vec<(Self::Key, Self::Value)>) -> Self::Value;
}

/// Reads exactly one document, surrounded by white space at most.
///
/// # Errors
/// If the text is not JSON, or nests deeper than [`MAX_DEPTH`].
pub fn parse_with<B: Build>(text: &[u8], build: &B) -> Result<B::Value, Error> {
    let mut reader = Reader { text, at: 0, build };
    reader.skip_space();
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at < text.len() {
        return reader.fail("unexpected text after the document");
    }
    Ok(value)
}

/// Reads one document as a [`Value`].
///
/// # Errors
/// As [`parse_with`].
pub fn from_slice(text: &[u8]) -> Result<Value, Error> {
    parse_with(text, &Tree)
}

/// Reads one document as a [`Value`]; `None` if it is none, or an object in it has a key twice.
pub fn from_slice_unique(text: &[u8]) -> Option<Value> {
    let repeats = Cell::new(false);
    let value = parse_with(text, &UniqueTree(&repeats)).ok()?;
    (!repeats.get()).then_some(value)
}

/// A [`Tree`] that notes whether a key is there twice.
struct UniqueTree<'r>(&'r Cell<bool>);

impl Build for UniqueTree<'_> {
    type Value = Value;
    type Key = String;
    fn key(&self, text: Cow<'_, str>) -> String {
        text.into_owned()
    }
    fn null(&self) -> Value {
        Tree.null()
    }
    fn bool(&self, value: bool) -> Value {
        Tree.bool(value)
    }
    fn number(&self, text: &str) -> Value {
        Tree.number(text)
    }
    fn string(&self, text: Cow<'_, str>) -> Value {
        Tree.string(text)
    }
    fn array(&self, items: Vec<Value>) -> Value {
        Tree.array(items)
    }
    fn object(&self, members: Vec<(String, Value)>) -> Value {
        let count = members.len();
        let object: Map = members.into_iter().collect();
        self.0.set(self.0.get() || object.len() < count);
        Value::Object(object)
    }
}

struct Tree;

impl Build for Tree {
    type Value = Value;
    type Key = String;
    fn key(&self, text: Cow<'_, str>) -> String {
        text.into_owned()
    }
    fn null(&self) -> Value {
        Value::Null
    }
    fn bool(&self, value: bool) -> Value {
        Value::Bool(value)
    }
    fn number(&self, text: &str) -> Value {
        Value::Number(Number::from_text(text))
    }
    fn string(&self, text: Cow<'_, str>) -> Value {
        Value::String(text.into_owned())
    }
    fn array(&self, items: Vec<Value>) -> Value {
        Value::Array(items)
    }
    fn object(&self, members: Vec<(String, Value)>) -> Value {
        Value::Object(members.into_iter().collect::<Map>())
    }
}

struct Reader<'a, B> {
    text: &'a [u8],
    at: usize,
    build: &'a B,
}

impl<'a, B: Build> Reader<'a, B> {
    fn fail<T>(&self, message: &'static str) -> Result<T, Error> {
        Err(Error {
            message,
            offset: self.at,
        })
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<B::Value, Error> {
        match self.peek() {
            Some(b'{') => match self.build.whole(self.at, depth) {
                Some((object, end)) => {
                    self.at = end;
                    Ok(object)
                }
                None => self.object(depth + 1),
            },
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => {
                let text = self.string()?;
                Ok(self.build.string(text))
            }
            Some(b't') => self.word(b"true").map(|()| self.build.bool(true)),
            Some(b'f') => self.word(b"false").map(|()| self.build.bool(false)),
            Some(b'n') => self.word(b"null").map(|()| self.build.null()),
            Some(b'-' | b'0'..=b'9') => {
                let text = self.number()?;
                Ok(self.build.number(text))
            }
            Some(_) => self.fail("unexpected character"),
            None => self.fail("unexpected end of the text"),
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), Error> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            self.fail("unexpected character")
        }
    }

    fn object(&mut self, depth: usize) -> Result<B::Value, Error> {
        let mut members = Vec::new();
        self.open(depth)?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(self.build.object(members));
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.fail("expected a key");
            }
            let key = self.build.key(self.string()?);
            self.skip_space();
            if self.peek() != Some(b':') {
                return self.fail("expected a colon");
            }
            self.at += 1;
            self.skip_space();
            members.push((key, self.value(depth)?));
            if !self.next_item(b'}')? {
                return Ok(self.build.object(members));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<B::Value, Error> {
        let mut items = Vec::new();
        self.open(depth)?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(self.build.array(items));
        }
        loop {
            items.push(self.value(depth)?);
            if !self.next_item(b']')? {
                return Ok(self.build.array(items));
            }
        }
    }

    fn open(&mut self, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return self.fail("nested too deep");
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    /// Steps over a comma (true) or the closing bracket (false).
    fn next_item(&mut self, close: u8) -> Result<bool, Error> {
        self.skip_space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.skip_space();
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(_) => self.fail("expected a comma or the end of the list"),
            None => self.fail("unexpected end of the text"),
        }
    }

    fn number(&mut self) -> Result<&'a str, Error> {
        let start = self.at;
        self.at = number_end(self.text, start)?;
        std::str::from_utf8(&self.text[start..self.at])
            .or_else(|_| self.fail("unexpected character"))
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Error> {
        self.at += 1;
        let start = self.at;
        match self.run()? {
            b'"' => {
                let raw = &self.text[start..self.at];
                self.at += 1;
                Ok(lossy(raw))
            }
            _ => self.escaped(start),
        }
    }

    fn escaped(&mut self, start: usize) -> Result<Cow<'a, str>, Error> {
        let mut out = lossy(&self.text[start..self.at]).into_owned();
        loop {
            let run = self.at;
            let end = self.run()?;
            out.push_str(&lossy(&self.text[run..self.at]));
            self.at += 1;
            if end == b'"' {
                return Ok(Cow::Owned(out));
            }
            out.push(self.escape()?);
        }
    }

    /// Steps over plain bytes of a text, to a quote or a backslash.
    fn run(&mut self) -> Result<u8, Error> {
        self.at = text_end(self.text, self.at).unwrap_or(self.text.len());
        match self.peek() {
            Some(end @ (b'"' | b'\\')) => Ok(end),
            Some(_) => self.fail("control character in a text"),
            None => self.fail("unexpected end of the text"),
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let escape = self.peek();
        self.at += 1;
        Ok(match escape {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte.into(),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let Some((char, end)) = unicode_escape(self.text, self.at) else {
                    return self.fail(NO_HEX);
                };
                self.at = end;
                char
            }
            _ => return self.fail("unknown escape"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let got = from_slice(text.as_bytes())
            .map_or_else(|error| error.to_string(), |value| value.to_go_json());
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn documents_are_read_and_written_as_go_does() {
        check(
            r#" {"b":1,"a":[true,null,"x<y"]} "#,
            r#"{"a":[true,null,"x\u003cy"],"b":1}"#,
        );
        check("12345678901234567890123", "12345678901234567890123");
        check("9007199254740993", "9007199254740993");
        check("1e21", "1e+21");
        check("1e20", "100000000000000000000");
        check("1e-7", "1e-7");
        check("3.0", "3");
        check("-0", "-0");
        check(r#""\ud83d\ude04 \ud83d \u00e9""#, "\"😄 \u{fffd} é\"");
        check(r#"{"a":1,"a":2}"#, r#"{"a":2}"#);
    }

    #[test]
    fn faults_name_the_place() {
        check("", "unexpected end of the text at byte 0");
        check("{\"a\":1,}", "expected a key at byte 7");
        check("01", "unexpected text after the document at byte 1");
        check("[1 2]", "expected a comma or the end of the list at byte 3");
        check("\"a\nb\"", "control character in a text at byte 2");
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = "[".repeat(100_000);
        check(&deep, "nested too deep at byte 512");
        let fits = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(from_slice(fits.as_bytes()).is_ok());
    }
}
