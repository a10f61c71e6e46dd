//! JSON to binary.

use serde_json::{Map, Value};

use super::schema::{Branch, Field, Place, Schema, Type};
use super::{DEPTH, LARGEST};

/// A value does not fit the schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct WriteError {
    /// Where in the value: `customer.address.2`, or `the message` for all of it.
    place: String,
    why: String,
}

impl Schema {
    /// The binary of a value. That of a union may stand as it is, or as the Avro specification has it, with the name
    /// of its branch: the first branch that takes it counts. What the schema does not name is left out, and what is
    /// missing has its default.
    ///
    /// # Errors
    /// If the value does not fit: where, and why.
    pub fn write(&self, value: &Value) -> Result<Vec<u8>, WriteError> {
        let mut writer = Writer {
            schema: self,
            binary: Vec::new(),
            at: Vec::new(),
        };
        match writer.value(self.root(), value) {
            Ok(()) => Ok(writer.binary),
            Err(why) => Err(WriteError {
                place: match writer.at.as_slice() {
                    [] => "the message".to_owned(),
                    at => at.join("."),
                },
                why,
            }),
        }
    }
}

struct Writer<'a> {
    schema: &'a Schema,
    binary: Vec<u8>,
    /// Where the value is that is being written.
    at: Vec<String>,
}

impl<'a> Writer<'a> {
    fn value(&mut self, of: Place, value: &Value) -> Result<(), String> {
        if self.at.len() > DEPTH {
            return Err(format!("nested more than {DEPTH} deep"));
        }
        if self.binary.len() > LARGEST {
            return Err(format!("larger than {} MiB", LARGEST >> 20));
        }
        let refused = |what: &str| Err(format!("{} is no {what}", shown(value)));
        match (self.schema.at(of), value) {
            (Type::Null, Value::Null) => {}
            (Type::Null, _) => return refused("null"),
            (Type::Boolean, Value::Bool(is)) => self.binary.push(u8::from(*is)),
            (Type::Boolean, _) => return refused("boolean"),
            (Type::Int, value) => match whole(value).and_then(|whole| i32::try_from(whole).ok()) {
                Some(number) => self.long(number.into()),
                None => return refused("int"),
            },
            (Type::Long, value) => match whole(value) {
                Some(number) => self.long(number),
                None => return refused("long"),
            },
            (Type::Float, value) => match value.as_f64() {
                Some(number) => self.binary.extend(narrow(number).to_le_bytes()),
                None => return refused("float"),
            },
            (Type::Double, value) => match value.as_f64() {
                Some(number) => self.binary.extend(number.to_le_bytes()),
                None => return refused("double"),
            },
            (Type::String, Value::String(text)) => self.sized(text.as_bytes()),
            (Type::String, _) => return refused("string"),
            (Type::Bytes, value) => match bytes(value) {
                Some(bytes) => self.sized(&bytes),
                None => return refused("text of characters up to U+00FF, one for each byte"),
            },
            (Type::Fixed(size), value) => match bytes(value).filter(|bytes| bytes.len() == *size) {
                Some(bytes) => self.binary.extend(bytes),
                None => return refused(&format!("text of {size} characters up to U+00FF")),
            },
            (Type::Enum(symbols), value) => match symbol(symbols, value) {
                Some(index) => self.index(index),
                None => return refused(&format!("symbol of {}", symbols.join(", "))),
            },
            (Type::Array(items), Value::Array(values)) => {
                self.block(values.len());
                for (index, value) in values.iter().enumerate() {
                    self.within(&index.to_string(), *items, value)?;
                }
                self.binary.push(0);
            }
            (Type::Array(_), _) => return refused("array"),
            (Type::Map(of), Value::Object(values)) => {
                self.block(values.len());
                for (key, value) in values {
                    self.sized(key.as_bytes());
                    self.within(key, *of, value)?;
                }
                self.binary.push(0);
            }
            (Type::Record(fields), Value::Object(values)) => self.record(fields, values)?,
            (Type::Map(_) | Type::Record(_), _) => return refused("object"),
            (Type::Union(branches), value) => self.union(branches, value)?,
        }
        Ok(())
    }

    fn record(&mut self, fields: &'a [Field], values: &Map<String, Value>) -> Result<(), String> {
        for field in fields {
            let value = values.get(&field.name);
            if let Some(value) = value {
                self.within(&field.name, field.of, value)?;
            } else if let Some(default) = &field.default {
                self.default(field, default)?;
            } else {
                self.at.push(field.name.clone());
                return Err("is missing, and the schema has no default for it".to_owned());
            }
        }
        Ok(())
    }

    /// The default of a union is of its first branch, without that one's name.
    fn default(&mut self, field: &'a Field, default: &Value) -> Result<(), String> {
        match self.schema.at(field.of) {
            Type::Union(branches) if !branches.is_empty() => {
                self.index(0);
                self.within(&field.name, branches[0].of, default)
            }
            _ => self.within(&field.name, field.of, default),
        }
    }

    fn union(&mut self, branches: &[Branch], value: &Value) -> Result<(), String> {
        let named = value.as_object().filter(|object| object.len() == 1);
        let named = named.and_then(|object| object.iter().next());
        if let Some((name, value)) = named
            && let Some(index) = branches.iter().position(|branch| branch.name == *name)
        {
            self.index(index);
            return self.within(name, branches[index].of, value);
        }
        let takes = |branch: &Branch| self.takes(branch.of, value);
        let Some(index) = branches.iter().position(takes) else {
            let all: Vec<&str> = branches.iter().map(|branch| &*branch.name).collect();
            return Err(format!("{} is none of {}", shown(value), all.join(", ")));
        };
        self.index(index);
        let depth = self.at.len();
        // The branch has no name in the value, and counts as a level all the same.
        self.at.push(branches[index].name.clone());
        self.value(branches[index].of, value)?;
        self.at.truncate(depth);
        Ok(())
    }

    /// Whether a value is of a type as far as one sees without looking into it.
    fn takes(&self, of: Place, value: &Value) -> bool {
        match (self.schema.at(of), value) {
            (Type::Null, Value::Null)
            | (Type::Boolean, Value::Bool(_))
            | (Type::Float | Type::Double, Value::Number(_))
            | (Type::String, Value::String(_))
            | (Type::Array(_), Value::Array(_))
            | (Type::Map(_), Value::Object(_)) => true,
            (Type::Int, value) => whole(value).is_some_and(|whole| i32::try_from(whole).is_ok()),
            (Type::Long, value) => whole(value).is_some(),
            (Type::Bytes, value) => bytes(value).is_some(),
            (Type::Fixed(size), value) => bytes(value).is_some_and(|bytes| bytes.len() == *size),
            (Type::Enum(symbols), value) => symbol(symbols, value).is_some(),
            (Type::Record(fields), Value::Object(values)) => fields
                .iter()
                .all(|field| field.default.is_some() || values.contains_key(&field.name)),
            _ => false,
        }
    }

    fn within(&mut self, name: &str, of: Place, value: &Value) -> Result<(), String> {
        self.at.push(name.to_owned());
        self.value(of, value)?;
        self.at.pop();
        Ok(())
    }

    fn block(&mut self, items: usize) {
        if items > 0 {
            self.index(items);
        }
    }

    fn sized(&mut self, bytes: &[u8]) {
        self.index(bytes.len());
        self.binary.extend_from_slice(bytes);
    }

    fn index(&mut self, index: usize) {
        self.long(i64::try_from(index).unwrap_or(i64::MAX));
    }

    fn long(&mut self, number: i64) {
        let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
        while rest >= 0x80 {
            self.binary.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        self.binary.push(rest.to_le_bytes()[0]);
    }
}

/// A whole number, also one that is written as `7.0`.
fn whole(value: &Value) -> Option<i64> {
    let number = value.as_number()?;
    number.as_i64().or_else(|| {
        let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
        // Beyond 2^53 a double may be another number than the one that was written.
        (number.abs() < 9_007_199_254_740_992.0).then(|| exact(number))
    })
}

#[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
fn exact(number: f64) -> i64 {
    number as i64
}

#[expect(clippy::cast_possible_truncation, reason = "a float has fewer digits")]
fn narrow(number: f64) -> f32 {
    number as f32
}

/// Bytes, one for each character.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_str()?;
    text.chars().map(|c| u8::try_from(c).ok()).collect()
}

fn symbol(symbols: &[String], value: &Value) -> Option<usize> {
    let value = value.as_str()?;
    symbols.iter().position(|symbol| symbol == value)
}

/// A value as an error shows it: whole, if it is short.
fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::String(text) if text.chars().count() > 40 => "a text".to_owned(),
        value => value.to_string(),
    }
}
