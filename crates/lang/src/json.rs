//! JSON documents as Go's `encoding/json` reads and writes them, with whole numbers kept exact.
//!
//! Why not `serde_json::Value`: Argo's answers depend on Go's writer (sorted keys, `<`, `>` and `&`
//! escaped, floats printed Go's way), whole numbers of any size have to survive (`arbitrary_precision`
//! would change the type for every crate of the build), and events are untrusted, so nesting is
//! bounded for every reader.

mod canonical;
mod check;
mod read;
mod repeats;
mod scan;
mod write;

pub(crate) use canonical::object_end;
pub use check::is_valid;
pub(crate) use check::{Listen, is_valid_for};
pub use read::{Build, Error, MAX_DEPTH, from_slice, from_slice_unique, parse_with};
pub use repeats::without_repeats;
pub(crate) use scan::{number_end, string_end, unicode_escape};
pub use write::{float_shortest, float_text, write_float, write_string, write_string_plain};

use indexmap::IndexMap;
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::value::RawValue;

/// An object. Keys keep the order of the text; of duplicate keys the last value stays.
pub type Map = IndexMap<String, Value, foldhash::fast::RandomState>;

/// A JSON document.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// Any number.
    Number(Number),
    /// A text, unescaped. What is not UTF-8 or an unpaired surrogate reads as U+FFFD, as in Go.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object.
    Object(Map),
}

/// A number: whole numbers are exact at any size, others are IEEE doubles.
#[derive(Debug, Clone, PartialEq)]
pub enum Number {
    /// A whole number that fits 64 bits.
    Int(i64),
    /// A whole number beyond that, as its canonical digits (`-` first if negative).
    Big(Box<str>),
    /// Written with a fraction or an exponent.
    Float(f64),
}

impl Number {
    /// Reads the text of a JSON number (already known to be one).
    pub fn from_text(text: &str) -> Self {
        if text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            if text == "-0" {
                return Self::Float(-0.0);
            }
            return match text.parse() {
                Ok(int) => Self::Int(int),
                Err(_) => Self::Big(text.into()),
            };
        }
        Self::Float(text.parse().unwrap_or(f64::NAN))
    }

    /// The nearest double.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the nearest double is what is asked for"
    )]
    pub fn as_f64(&self) -> f64 {
        match self {
            Self::Int(int) => *int as f64,
            Self::Big(digits) => digits.parse().unwrap_or(f64::NAN),
            Self::Float(float) => *float,
        }
    }
}

/// Writes it as [`Value::to_go_json`] does, into JSON only.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = RawValue::from_string(self.to_go_json()).map_err(S::Error::custom)?;
        text.serialize(serializer)
    }
}

impl Value {
    /// The document as Go's `json.Marshal` writes it: keys sorted, no blanks, `<>&` escaped.
    ///
    /// NaN and infinities, which JSON cannot hold, are written as `null`.
    pub fn to_go_json(&self) -> String {
        let mut out = String::new();
        write::write_value(self, &mut out);
        out
    }

    /// The member `key` of an object.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(map) => map.get(key),
            _ => None,
        }
    }
}
