//! The values a template works on, with the types they have in Go: functions check them as Go's
//! reflection does, and `%T`, `typeOf` and `kindOf` name them.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::limit::{Budget, MAX_VALUE_DEPTH, Outcome};
use super::sprig::Version;
use crate::gotime::Time;
use crate::json;

/// A Go string: bytes, mostly UTF-8. Cutting functions (`trunc`, `substr`) count bytes.
pub(super) type Text = Arc<[u8]>;

/// A value and its Go type.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// No value at all: what a missing key gives. Fields of it are missing too.
    Missing,
    /// A nil interface: what JSON's `null` gives. Fields of it are an error.
    Nil,
    /// `bool`
    Bool(bool),
    /// `int`: constants, lengths, indexes
    Int(i64),
    /// `int64`: what sprig's whole-number functions give
    Int64(i64),
    /// `uint8`: a byte of a text
    Uint8(u8),
    /// `uint64`: the parts of a version
    Uint64(u64),
    /// `float64`: every number of an event
    Float(f64),
    /// `float64` as well: a whole number of an event that a double cannot hold, as its digits.
    Exact(Arc<str>),
    /// `string`
    Text(Text),
    /// A slice.
    List(List),
    /// A map with texts as keys.
    Map(Map),
    /// `time.Time`
    Time(Time),
    /// `time.Duration`, in nanoseconds
    Duration(i64),
    /// `time.Month`, from 1
    Month(i64),
    /// `time.Weekday`, from 0, a Sunday
    Weekday(i64),
    /// `*semver.Version`
    Version(Rc<Version>),
}

/// The types that elements of lists and maps can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    /// `interface {}`
    Any,
    /// `string`
    Text,
    /// `int`
    Int,
    /// `[]interface {}`
    List,
}

impl Element {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Text => "string",
            Self::Int => "int",
            Self::List => "[]interface {}",
        }
    }
}

/// A slice; its elements do not change.
#[derive(Debug, Clone)]
pub(super) struct List {
    pub(super) element: Element,
    /// `None` is a nil slice: empty, but `null` in JSON.
    items: Option<Rc<Vec<Value>>>,
    depth: u16,
}

/// What a map holds, ordered as Go prints it: by the bytes of the keys.
pub(super) type Members = BTreeMap<Text, Value>;

/// A map; all its copies share the members (`set` changes the map that was given).
#[derive(Debug, Clone)]
pub(super) struct Map {
    pub(super) element: Element,
    /// `None` is a nil map: empty and read-only.
    members: Option<Rc<RefCell<Members>>>,
    depth: u16,
}

impl List {
    /// A list of `items`.
    ///
    /// # Errors
    /// If it would nest too deep, or the execution has used its memory.
    pub(super) fn new(budget: &Budget, element: Element, items: Vec<Value>) -> Outcome<Self> {
        budget.take_items(items.len())?;
        let depth = deeper(items.iter())?;
        Ok(Self {
            element,
            items: Some(Rc::new(items)),
            depth,
        })
    }

    pub(super) fn nil(element: Element) -> Self {
        Self {
            element,
            items: None,
            depth: 1,
        }
    }

    pub(super) fn is_nil(&self) -> bool {
        self.items.is_none()
    }

    pub(super) fn items(&self) -> &[Value] {
        self.items.as_ref().map_or(&[], |items| items)
    }

    pub(super) fn type_name(&self) -> String {
        format!("[]{}", self.element.name())
    }
}

impl Map {
    /// A map of `members`.
    ///
    /// # Errors
    /// As [`List::new`].
    pub(super) fn new(budget: &Budget, element: Element, members: Members) -> Outcome<Self> {
        budget.take_items(members.len().saturating_mul(3))?;
        let depth = deeper(members.values())?;
        Ok(Self {
            element,
            members: Some(Rc::new(RefCell::new(members))),
            depth,
        })
    }

    pub(super) fn nil(element: Element) -> Self {
        Self {
            element,
            members: None,
            depth: 1,
        }
    }

    pub(super) fn is_nil(&self) -> bool {
        self.members.is_none()
    }

    pub(super) fn len(&self) -> usize {
        self.members
            .as_ref()
            .map_or(0, |members| members.borrow().len())
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Value> {
        self.members.as_ref()?.borrow().get(key).cloned()
    }

    /// The members as they are now: what is done with them may change the map.
    pub(super) fn snapshot(&self, budget: &Budget) -> Outcome<Vec<(Text, Value)>> {
        budget.take_items(self.len().saturating_mul(2))?;
        Ok(self.members.as_ref().map_or_else(Vec::new, |members| {
            members
                .borrow()
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        }))
    }

    /// The shared members, `None` of a nil map. For what changes them: see `Scope::change`.
    pub(super) fn shared(&self) -> Option<&Rc<RefCell<Members>>> {
        self.members.as_ref()
    }

    /// True if both are the same map, not only equal ones.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (&self.members, &other.members) {
            (Some(one), Some(other)) => Rc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }

    pub(super) fn type_name(&self) -> String {
        format!("map[string]{}", self.element.name())
    }
}

fn deeper<'a>(children: impl Iterator<Item = &'a Value>) -> Outcome<u16> {
    let depth = 1 + children.map(Value::depth).max().unwrap_or(0);
    if depth > MAX_VALUE_DEPTH {
        return Err("a value nests too deep".into());
    }
    Ok(depth)
}

impl Value {
    pub(super) fn text(text: impl AsRef<[u8]>) -> Self {
        Self::Text(Arc::from(text.as_ref()))
    }

    fn depth(&self) -> u16 {
        match self {
            Self::List(list) => list.depth,
            Self::Map(map) => map.depth,
            _ => 0,
        }
    }

    /// The document as Go's `json.Unmarshal` gives it: every number a `float64`, except that whole
    /// numbers stay what they are.
    pub(super) fn from_json(budget: &Budget, document: &json::Value) -> Outcome<Self> {
        Ok(match document {
            json::Value::Null => Self::Nil,
            json::Value::Bool(value) => Self::Bool(*value),
            json::Value::Number(number) => number_value(number),
            json::Value::String(text) => Self::text(text),
            json::Value::Array(array) => {
                let mut items = Vec::with_capacity(array.len());
                for item in array {
                    items.push(Self::from_json(budget, item)?);
                }
                Self::List(List::new(budget, Element::Any, items)?)
            }
            json::Value::Object(object) => {
                let mut members = Members::new();
                for (key, member) in object {
                    members.insert(Text::from(key.as_bytes()), Self::from_json(budget, member)?);
                }
                Self::Map(Map::new(budget, Element::Any, members)?)
            }
        })
    }

    /// The Go type, as `%T` and error messages print it.
    pub(super) fn type_name(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Missing | Self::Nil => "interface {}",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Int64(_) => "int64",
            Self::Uint8(_) => "uint8",
            Self::Uint64(_) => "uint64",
            Self::Float(_) | Self::Exact(_) => "float64",
            Self::Text(_) => "string",
            Self::List(list) => return Cow::Owned(list.type_name()),
            Self::Map(map) => return Cow::Owned(map.type_name()),
            Self::Time(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::Month(_) => "time.Month",
            Self::Weekday(_) => "time.Weekday",
            Self::Version(_) => "*semver.Version",
        })
    }

    /// The name of Go's `reflect.Kind`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Missing | Self::Nil => "invalid",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Month(_) | Self::Weekday(_) => "int",
            Self::Int64(_) | Self::Duration(_) => "int64",
            Self::Uint8(_) => "uint8",
            Self::Uint64(_) => "uint64",
            Self::Float(_) | Self::Exact(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "slice",
            Self::Map(_) => "map",
            Self::Time(_) => "struct",
            Self::Version(_) => "ptr",
        }
    }

    /// True for what Go calls untyped nil.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Missing | Self::Nil)
    }

    /// What `if`, `with`, `and`, `or` and `not` see: false, zero, empty and nil are not true.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Missing | Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(int)
            | Self::Int64(int)
            | Self::Duration(int)
            | Self::Month(int)
            | Self::Weekday(int) => *int != 0,
            Self::Uint8(byte) => *byte != 0,
            Self::Uint64(int) => *int != 0,
            Self::Float(float) => *float != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.items().is_empty(),
            Self::Map(map) => map.len() > 0,
            Self::Exact(_) | Self::Time(_) | Self::Version(_) => true,
        }
    }

    /// The number, if the kind is a signed integer.
    pub(super) fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(int)
            | Self::Int64(int)
            | Self::Duration(int)
            | Self::Month(int)
            | Self::Weekday(int) => Some(*int),
            _ => None,
        }
    }

    /// The number, if the kind is an unsigned integer.
    pub(super) fn as_uint(&self) -> Option<u64> {
        match self {
            Self::Uint8(byte) => Some(u64::from(*byte)),
            Self::Uint64(int) => Some(*int),
            _ => None,
        }
    }

    /// The nearest double, if the kind is a float.
    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(float) => Some(*float),
            Self::Exact(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// Go's `reflect.DeepEqual` of two values in interfaces: types count too.
    ///
    /// # Errors
    /// If comparing takes too long.
    pub(super) fn deep_equal(&self, other: &Self, budget: &Budget) -> Outcome<bool> {
        let _level = budget.nest()?;
        match (self, other) {
            (Self::List(one), Self::List(other)) => {
                if one.element != other.element
                    || one.is_nil() != other.is_nil()
                    || one.items().len() != other.items().len()
                {
                    return Ok(false);
                }
                for (one, other) in one.items().iter().zip(other.items()) {
                    if !one.deep_equal(other, budget)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Self::Map(one), Self::Map(other)) => {
                if one.is(other) {
                    return Ok(true);
                }
                if one.element != other.element
                    || one.is_nil() != other.is_nil()
                    || one.len() != other.len()
                {
                    return Ok(false);
                }
                let (one, other) = (one.snapshot(budget)?, other.snapshot(budget)?);
                for ((one_key, one), (other_key, other)) in one.iter().zip(&other) {
                    if one_key != other_key || !one.deep_equal(other, budget)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (one, other) => Ok(one.equals_single(other)),
        }
    }

    /// Equality of anything but lists and maps.
    fn equals_single(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Missing | Self::Nil, Self::Missing | Self::Nil) => true,
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Int(one), Self::Int(other))
            | (Self::Int64(one), Self::Int64(other))
            | (Self::Duration(one), Self::Duration(other))
            | (Self::Month(one), Self::Month(other))
            | (Self::Weekday(one), Self::Weekday(other)) => one == other,
            (Self::Uint8(one), Self::Uint8(other)) => one == other,
            (Self::Uint64(one), Self::Uint64(other)) => one == other,
            (Self::Float(one), Self::Float(other)) => float_equal(*one, *other),
            (Self::Exact(one), Self::Exact(other)) => one == other,
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Time(one), Self::Time(other)) => one == other,
            (Self::Version(one), Self::Version(other)) => one == other,
            _ => false,
        }
    }
}

#[expect(clippy::float_cmp, reason = "this is what == of doubles is in Go")]
pub(super) fn float_equal(one: f64, other: f64) -> bool {
    one == other
}

/// The double that Go would make of a number, unless a whole number would become another one.
#[expect(clippy::cast_precision_loss, reason = "the loss is what is looked for")]
pub(super) fn number_value(number: &json::Number) -> Value {
    let float = number.as_f64();
    match number {
        json::Number::Int(int) if i128::from(*int) != float_int(float) => {
            Value::Exact(int.to_string().into())
        }
        json::Number::Big(digits) if format!("{float:.0}") != **digits => {
            Value::Exact(Arc::from(&**digits))
        }
        json::Number::Int(int) => Value::Float(*int as f64),
        _ => Value::Float(float),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the double was made of an i64"
)]
fn float_int(float: f64) -> i128 {
    float as i128
}
