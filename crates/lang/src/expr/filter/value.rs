//! What expressions compute with. Texts, arrays and objects of the event stay where they are in its
//! bytes until they are looked into.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::document::{self, Document};
use crate::gotime::Time;
use crate::json;

/// How deep lists and maps that an expression builds may nest.
const MAX_DEPTH: usize = 600;

/// A value; `'a` is the life of the event and the expression.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    List(Rc<List<'a>>),
    Map(Rc<Map<'a>>),
    /// Lists under keys of any type.
    Groups(Rc<Vec<(Value<'a>, Value<'a>)>>),
    Time(Time),
    /// Nanoseconds.
    Duration(i64),
    /// An array or object of the event, as its (valid) text.
    Json(&'a [u8]),
    /// `$env`
    Document(&'a Document<'a>),
    /// A function of the environment (`asInt`, `sprig.upper`).
    Function(Cow<'a, str>),
    /// `sprig`
    Library,
    /// A method with what it is called on.
    Method(Box<Value<'a>>, Cow<'a, str>),
}

/// An array with the type Go gives it: lists of different types never equal.
#[derive(Debug, Clone)]
pub(super) struct List<'a> {
    pub(super) of: Elements,
    pub(super) items: Vec<Value<'a>>,
    depth: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elements {
    Any,
    Ints,
    Texts,
    Pairs,
    Lists,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Map<'a> {
    pub(super) members: BTreeMap<Cow<'a, str>, Value<'a>>,
    depth: usize,
}

impl<'a> Value<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// A list; none if it nests too deep.
    pub(super) fn list(of: Elements, items: Vec<Self>) -> Option<Self> {
        let depth = items.iter().map(Self::depth).max().unwrap_or(0) + 1;
        (depth <= MAX_DEPTH).then(|| Self::List(Rc::new(List { of, items, depth })))
    }

    /// A map; none if it nests too deep.
    pub(super) fn map(members: BTreeMap<Cow<'a, str>, Self>) -> Option<Self> {
        let depth = members.values().map(Self::depth).max().unwrap_or(0) + 1;
        (depth <= MAX_DEPTH).then(|| Self::Map(Rc::new(Map { members, depth })))
    }

    pub(super) fn depth(&self) -> usize {
        match self {
            Self::List(list) => list.depth,
            Self::Map(map) => map.depth,
            Self::Groups(groups) => {
                groups
                    .iter()
                    .map(|(_, list)| list.depth())
                    .max()
                    .unwrap_or(0)
                    + 1
            }
            Self::Method(receiver, _) => receiver.depth(),
            _ => 0,
        }
    }

    /// The elements of a list; none of anything else.
    pub(super) fn elements(&self) -> Option<Rc<List<'a>>> {
        match self {
            Self::List(list) => Some(Rc::clone(list)),
            Self::Json(text) if text.first() == Some(&b'[') => {
                let items = document::items(text);
                Some(Rc::new(List {
                    of: Elements::Any,
                    items,
                    depth: 1,
                }))
            }
            _ => None,
        }
    }

    /// The members of an object; none of anything else.
    pub(super) fn members(&self) -> Option<Rc<Map<'a>>> {
        match self {
            Self::Map(map) => Some(Rc::clone(map)),
            Self::Json(text) if text.first() == Some(&b'{') => {
                let members = document::members(text).into_iter().collect();
                Some(Rc::new(Map { members, depth: 1 }))
            }
            Self::Document(document) => {
                let members = document.members();
                Some(Rc::new(Map { members, depth: 1 }))
            }
            _ => None,
        }
    }

    pub(super) fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an int",
            Self::Float(_) => "a float",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Json(text) if text.first() == Some(&b'[') => "an array",
            Self::Map(_) | Self::Groups(_) | Self::Json(_) | Self::Document(_) | Self::Library => {
                "a map"
            }
            Self::Time(_) => "a time",
            Self::Duration(_) => "a duration",
            Self::Function(_) | Self::Method(..) => "a function",
        }
    }

    /// Reads a document.
    pub(super) fn from_json(document: json::Value) -> Self {
        Self::from_typed_json(floats(document))
    }

    /// A document in which whole numbers are ints.
    pub(super) fn from_typed_json(document: json::Value) -> Self {
        match document {
            json::Value::Null => Self::Nil,
            json::Value::Bool(bool) => Self::Bool(bool),
            json::Value::Number(json::Number::Int(int)) => Self::Int(int),
            json::Value::Number(number) => Self::Float(number.as_f64()),
            json::Value::String(text) => Self::Text(text.into()),
            json::Value::Array(items) => {
                let items = items.into_iter().map(Self::from_typed_json).collect();
                Self::list(Elements::Any, items).unwrap_or(Self::Nil)
            }
            json::Value::Object(map) => {
                let members = map
                    .into_iter()
                    .map(|(key, value)| (key.into(), Self::from_typed_json(value)));
                Self::map(members.collect()).unwrap_or(Self::Nil)
            }
        }
    }

    /// The value as a document; none if JSON cannot hold it.
    pub(super) fn to_json(&self) -> Option<json::Value> {
        Some(match self {
            Self::Nil => json::Value::Null,
            Self::Bool(bool) => json::Value::Bool(*bool),
            Self::Int(int) | Self::Duration(int) => json::Value::Number(json::Number::Int(*int)),
            Self::Float(float) if float.is_finite() => {
                json::Value::Number(json::Number::Float(*float))
            }
            Self::Text(text) => json::Value::String(text.clone().into_owned()),
            Self::Json(text) => floats(json::from_slice(text).ok()?),
            Self::List(list) => {
                let items: Option<_> = list.items.iter().map(Self::to_json).collect();
                json::Value::Array(items?)
            }
            Self::Map(_) | Self::Document(_) => {
                let map = self.members()?;
                let members: Option<_> = map
                    .members
                    .iter()
                    .map(|(key, value)| Some((key.clone().into_owned(), value.to_json()?)))
                    .collect();
                json::Value::Object(members?)
            }
            Self::Time(time) => json::Value::String(time.rfc3339()),
            _ => return None,
        })
    }
}

/// Every number of an event is a double here.
fn floats(document: json::Value) -> json::Value {
    match document {
        json::Value::Number(number) => json::Value::Number(json::Number::Float(number.as_f64())),
        json::Value::Array(items) => json::Value::Array(items.into_iter().map(floats).collect()),
        json::Value::Object(map) => json::Value::Object(
            map.into_iter()
                .map(|(key, value)| (key, floats(value)))
                .collect(),
        ),
        other => other,
    }
}
