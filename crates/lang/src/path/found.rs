//! What a lookup finds: a kind and the text it was read from.

use std::borrow::Cow;

use super::scan;
use crate::json::{float_text, write_string};

/// What kind of value was found. What was not found is [`Kind::Null`] too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`, or nothing.
    Null,
    /// `false`
    False,
    /// Any number.
    Number,
    /// A text.
    String,
    /// `true`
    True,
    /// An array or an object.
    Json,
}

impl Kind {
    /// The name Argo Events gives the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "Null",
            Self::False => "False",
            Self::Number => "Number",
            Self::String => "String",
            Self::True => "True",
            Self::Json => "JSON",
        }
    }
}

/// A value that was looked up; borrowed from the document unless the path computed it.
#[derive(Debug, Clone)]
pub struct Found<'a> {
    pub(super) kind: Kind,
    pub(super) raw: Cow<'a, [u8]>,
    pub(super) origin: Origin<'a>,
}

/// Where in the document a value stands, which is what a write needs.
#[derive(Debug, Clone)]
pub(super) enum Origin<'a> {
    /// Where its borrowed text is.
    Slice,
    /// A collection of values that stand there.
    Leaves(Vec<&'a [u8]>),
    /// Unknown: it came through a pipe, a modifier or a multipath.
    Lost,
}

impl<'a> Found<'a> {
    pub(super) fn none() -> Self {
        Self::slice(Kind::Null, &[])
    }

    pub(super) fn slice(kind: Kind, raw: &'a [u8]) -> Self {
        Self {
            kind,
            raw: Cow::Borrowed(raw),
            origin: Origin::Slice,
        }
    }

    pub(super) fn computed(kind: Kind, raw: Vec<u8>) -> Self {
        Self {
            kind,
            raw: Cow::Owned(raw),
            origin: Origin::Lost,
        }
    }

    /// Reads the value a text starts with; of an array or object the whole rest of the text.
    pub(super) fn parse(text: Cow<'a, [u8]>) -> Self {
        let Some(start) = text.iter().position(|byte| *byte > b' ') else {
            return Self::none();
        };
        let (kind, end) = match text[start] {
            b'{' | b'[' => (Kind::Json, text.len()),
            b'"' => (Kind::String, scan::balanced_end(&text[start..]) + start),
            b't' | b'f' | b'n' | b'+' | b'-' | b'0'..=b'9' | b'i' | b'I' | b'N' => {
                scan::value_end(&text, start).unwrap_or((Kind::Null, start))
            }
            _ => return Self::none(),
        };
        match text {
            Cow::Borrowed(text) => Self {
                kind,
                raw: Cow::Borrowed(&text[start..end]),
                origin: if start > 0 {
                    Origin::Slice
                } else {
                    Origin::Lost
                },
            },
            Cow::Owned(mut text) => {
                text.truncate(end);
                text.drain(..start);
                Self::computed(kind, text)
            }
        }
    }

    /// Forgets where the value stands.
    pub(super) fn lost(self) -> Self {
        Self {
            origin: Origin::Lost,
            ..self
        }
    }

    /// A borrowed value stands where its text is, however it was reached.
    pub(super) fn settled(self) -> Self {
        match self.raw {
            Cow::Borrowed(_) => Self {
                origin: Origin::Slice,
                ..self
            },
            Cow::Owned(_) => self,
        }
    }

    pub(super) fn is_array(&self) -> bool {
        self.kind == Kind::Json && self.raw.first() == Some(&b'[')
    }

    pub(super) fn is_object(&self) -> bool {
        self.kind == Kind::Json && self.raw.first() == Some(&b'{')
    }

    /// A copy that borrows nothing.
    pub fn into_owned<'b>(self) -> Found<'b> {
        Found::computed(self.kind, self.raw.into_owned())
    }

    /// Whether anything was found. A `null` in the document is something.
    pub fn exists(&self) -> bool {
        self.kind != Kind::Null || !self.raw.is_empty()
    }

    /// What kind of value it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The JSON text of the value, as it stands in the document.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The value as bytes of text: strings unescaped, whole numbers as written, others in their
    /// shortest form without exponent, arrays and objects as they stand, nothing for `null`.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self.kind {
            Kind::Null => Cow::Borrowed(b""),
            Kind::False => Cow::Borrowed(b"false"),
            Kind::True => Cow::Borrowed(b"true"),
            Kind::Json => Cow::Borrowed(&self.raw),
            Kind::String => content(&self.raw),
            Kind::Number => {
                let digits = self.raw.strip_prefix(b"-").unwrap_or(&self.raw);
                if digits.iter().all(u8::is_ascii_digit) {
                    Cow::Borrowed(&self.raw)
                } else {
                    Cow::Owned(float_text(go_float(&self.raw)).into_bytes())
                }
            }
        }
    }

    /// [`Self::bytes`] as text; what is not UTF-8 reads as U+FFFD.
    pub fn text(&self) -> Cow<'_, str> {
        match self.bytes() {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(lossy(bytes)),
        }
    }

    /// The value as a number: texts are parsed, `true` is 1, all else 0.
    pub fn as_f64(&self) -> f64 {
        match self.kind {
            Kind::True => 1.0,
            Kind::Number => go_float(&self.raw),
            Kind::String => go_float(&content(&self.raw)),
            Kind::Null | Kind::False | Kind::Json => 0.0,
        }
    }

    /// The value as a truth: `true`, a number other than 0, a text that Go's `ParseBool` takes for
    /// true when in lower case.
    pub(crate) fn as_bool(&self) -> bool {
        match self.kind {
            Kind::True => true,
            Kind::Number => go_float(&self.raw) != 0.0,
            Kind::String => parse_bool(&content(&self.raw)) == Some(true),
            Kind::Null | Kind::False | Kind::Json => false,
        }
    }
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Go's `ParseBool` of a text put into lower case.
pub(super) fn parse_bool(text: &[u8]) -> Option<bool> {
    match text.to_ascii_lowercase().as_slice() {
        b"1" | b"t" | b"true" => Some(true),
        b"0" | b"f" | b"false" => Some(false),
        _ => None,
    }
}

/// Go's `ParseFloat`, 0 where it fails; beyond the range an infinity.
pub(super) fn go_float(text: &[u8]) -> f64 {
    // Rust takes a signed NaN, Go does not.
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+"));
    if unsigned.is_some_and(|rest| rest.first().is_some_and(|first| b"nN".contains(first))) {
        return 0.0;
    }
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0.0)
}

/// The text a JSON string stands for.
pub(super) fn content(raw: &[u8]) -> Cow<'_, [u8]> {
    let inner = raw.get(1..).unwrap_or_default();
    match scan::string_end(raw, 1) {
        Some((end, _)) => unescape(&raw[1..end]),
        None => unescape(inner),
    }
}

/// Resolves escapes. As gjson does, a text with escapes ends where one is malformed.
pub(super) fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'\\', text) else {
        return Cow::Borrowed(text);
    };
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    if text[..first].iter().all(|byte| *byte >= b' ') {
        out.extend_from_slice(&text[..first]);
        at = first;
    }
    while let Some(&byte) = text.get(at) {
        match byte {
            0..b' ' => break,
            b'\\' => match escape(&text[at..], &mut out) {
                Some(length) => at += length,
                None => break,
            },
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Cow::Owned(out)
}

/// Resolves the escape `text` starts with; its length, or None if it is malformed.
fn escape(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let plain = match text.get(1)? {
        same @ (b'\\' | b'/' | b'"') => *same,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return unicode_escape(text, out),
        _ => return None,
    };
    out.push(plain);
    Some(2)
}

fn unicode_escape(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let high = hex(text.get(2..6)?);
    let mut length = 6;
    let mut code = high;
    if (0xD800..0xE000).contains(&high)
        && let Some(low) = text.get(6..12).and_then(|rest| rest.strip_prefix(b"\\u"))
    {
        let low = hex(low);
        length = 12;
        if high < 0xDC00 && (0xDC00..0xE000).contains(&low) {
            code = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    let char = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    Some(length)
}

/// Four hexadecimal digits; 0 for anything else.
fn hex(digits: &[u8]) -> u32 {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return 0;
    }
    std::str::from_utf8(digits)
        .ok()
        .and_then(|text| u32::from_str_radix(text, 16).ok())
        .unwrap_or(0)
}

/// Appends bytes as a JSON string; what is not UTF-8 is written as the escape of U+FFFD.
pub(super) fn quote(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in bytes.utf8_chunks() {
        let mut quoted = String::with_capacity(chunk.valid().len() + 2);
        write_string(chunk.valid(), &mut quoted);
        out.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
    out.push(b'"');
}
