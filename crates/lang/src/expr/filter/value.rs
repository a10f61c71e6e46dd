//! What expressions compute with. Texts, arrays and objects of the event stay where they are in its
//! bytes until they are looked into.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::document::{self, Document};
use super::room::{self, ALLOCATION, Charge};
use super::text::Text;
use crate::gotime::Time;
use crate::json;

/// What a byte of JSON text may become as a document: a number of one digit and its comma are a value.
pub(super) const JSON_BYTES: usize = size_of::<json::Value>() / 2;

/// How deep lists and maps that an expression builds may nest.
const MAX_DEPTH: usize = 600;

/// A value; `'a` is the life of the event and the expression.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text<'a>),
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
    Function(Text<'a>),
    /// `sprig`
    Library,
    /// A method with what it is called on.
    Method(Box<Value<'a>>, Text<'a>),
}

/// An array with the type Go gives it: lists of different types never equal.
#[derive(Debug)]
pub(super) struct List<'a> {
    pub(super) of: Elements,
    pub(super) items: Vec<Value<'a>>,
    depth: usize,
    /// Only to be dropped.
    _held: Charge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elements {
    Any,
    Ints,
    Texts,
    Pairs,
    Lists,
}

#[derive(Debug)]
pub(super) struct Map<'a> {
    pub(super) members: BTreeMap<Text<'a>, Value<'a>>,
    depth: usize,
    /// Only to be dropped.
    _held: Charge,
}

/// The least room in a node of a map, in members, and how many nodes' room is taken for one's worth.
const NODE: usize = 11;
const HALF_FULL: usize = 2;

impl<'a> List<'a> {
    fn new(of: Elements, items: Vec<Value<'a>>, depth: usize) -> Self {
        let held = Charge::of_items::<Value<'_>>(items.capacity());
        Self {
            of,
            items,
            depth,
            _held: held,
        }
    }
}

impl<'a> Map<'a> {
    fn new(members: BTreeMap<Text<'a>, Value<'a>>, depth: usize) -> Self {
        let room = if members.is_empty() {
            0
        } else {
            NODE.max(members.len() * HALF_FULL)
        };
        let held = room * size_of::<(Text<'_>, Value<'_>)>() + 2 * ALLOCATION;
        Self {
            members,
            depth,
            _held: Charge::new(held),
        }
    }
}

impl<'a> Value<'a> {
    pub(super) fn text(text: impl Into<Text<'a>>) -> Self {
        Self::Text(text.into())
    }

    /// A list; none if it nests too deep.
    pub(super) fn list(of: Elements, items: Vec<Self>) -> Option<Self> {
        let depth = items.iter().map(Self::depth).max().unwrap_or(0) + 1;
        (depth <= MAX_DEPTH).then(|| Self::List(Rc::new(List::new(of, items, depth))))
    }

    /// A map; none if it nests too deep.
    pub(super) fn map(members: BTreeMap<Text<'a>, Self>) -> Option<Self> {
        let depth = members.values().map(Self::depth).max().unwrap_or(0) + 1;
        (depth <= MAX_DEPTH).then(|| Self::Map(Rc::new(Map::new(members, depth))))
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
                room::read(text.len());
                let items = document::items(text);
                Some(Rc::new(List::new(Elements::Any, items, 1)))
            }
            _ => None,
        }
    }

    /// The members of an object; none of anything else.
    pub(super) fn members(&self) -> Option<Rc<Map<'a>>> {
        match self {
            Self::Map(map) => Some(Rc::clone(map)),
            Self::Json(text) if text.first() == Some(&b'{') => {
                room::read(text.len());
                let members = document::members(text).into_iter().collect();
                Some(Rc::new(Map::new(members, 1)))
            }
            Self::Document(document) => Some(Rc::new(Map::new(document.members(), 1))),
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

    /// About how many bytes it takes as a document; more than `limit` is not counted further, for what
    /// is shared counts each time.
    pub(super) fn json_bytes(&self, limit: usize) -> usize {
        let bytes = match self {
            Self::Text(text) => text.len(),
            Self::Json(text) => text.len().saturating_mul(JSON_BYTES),
            Self::List(list) => sum(limit, list.items.iter()),
            Self::Map(map) => {
                let keys: usize = map.members.keys().map(|key| key.len() + ALLOCATION).sum();
                keys + sum(limit, map.members.values())
            }
            Self::Document(_) => match self.members() {
                Some(map) => sum(limit, map.members.values()),
                None => 0,
            },
            _ => 0,
        };
        bytes.saturating_add(ALLOCATION)
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
            Self::Text(text) => json::Value::String(text.to_string()),
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
                    .map(|(key, value)| Some((key.to_string(), value.to_json()?)))
                    .collect();
                json::Value::Object(members?)
            }
            Self::Time(time) => json::Value::String(time.rfc3339()),
            _ => return None,
        })
    }
}

fn sum<'v, 'a: 'v>(limit: usize, mut values: impl Iterator<Item = &'v Value<'a>>) -> usize {
    let sum = values.try_fold(0_usize, |sum, value| {
        let sum = sum.saturating_add(value.json_bytes(limit.saturating_sub(sum)));
        if sum > limit { Err(sum) } else { Ok(sum) }
    });
    sum.unwrap_or_else(|sum| sum)
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
