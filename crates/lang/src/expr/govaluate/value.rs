//! What expressions compute with: JSON as gjson hands it out, every number a double.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::json;

/// A value of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, or nothing.
    Null,
    /// `true` or `false`
    Bool(bool),
    /// Any number.
    Number(f64),
    /// A text.
    String(String),
    /// An array or a list in parentheses.
    Array(Vec<Value>),
    /// An object. It can be compared and printed, but not looked into.
    Object(BTreeMap<String, Value>),
}

impl Value {
    /// Reads a JSON document; what is not JSON reads as [`Value::Null`].
    pub fn from_json(text: &[u8]) -> Self {
        json::from_slice(text).map_or(Self::Null, |document| Self::from(&document))
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        let inner = match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => 0,
            Self::String(text) => text.len(),
            Self::Array(items) => items.iter().map(Self::bytes).sum(),
            Self::Object(members) => {
                let member = |(key, value): (&String, &Self)| {
                    key.len() + size_of::<String>() + value.bytes()
                };
                members.iter().map(member).sum()
            }
        };
        size_of::<Self>() + inner
    }

    /// The value as Go prints it with `%v`.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("<nil>"),
            // Writing to a String cannot fail.
            Self::Bool(bool) => write!(out, "{bool}").unwrap_or_default(),
            Self::Number(number) => out.push_str(&json::float_shortest(*number)),
            Self::String(text) => out.push_str(text),
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(' ');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push_str("map[");
                for (index, (key, member)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(' ');
                    }
                    out.push_str(key);
                    out.push(':');
                    member.write(out);
                }
                out.push(']');
            }
        }
    }
}

impl From<&json::Value> for Value {
    fn from(document: &json::Value) -> Self {
        match document {
            json::Value::Null => Self::Null,
            json::Value::Bool(bool) => Self::Bool(*bool),
            json::Value::Number(number) => Self::Number(number.as_f64()),
            json::Value::String(text) => Self::String(text.clone()),
            json::Value::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            json::Value::Object(map) => Self::Object(
                map.iter()
                    .map(|(key, member)| (key.clone(), member.into()))
                    .collect(),
            ),
        }
    }
}
