//! How functions and methods are described and called: arguments are checked against Go types
//! before a function runs, as `text/template` does by reflection.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::format;
use super::limit::{Budget, MEMORY, Outcome};
use super::value::{Element, Map, Members, Text, Value};
use crate::regex::Regex;

/// The Go type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Param {
    /// `reflect.Value`: anything, as it is.
    Raw,
    /// `interface {}`: anything; a missing value becomes nil.
    Any,
    Text,
    Int,
    Float,
    Bool,
    /// `map[string]interface {}`
    Dict,
    /// `time.Time`
    Time,
    /// `time.Duration`
    Duration,
    /// `*semver.Version`
    Version,
}

impl Param {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Raw => "reflect.Value",
            Self::Any => "interface {}",
            Self::Text => "string",
            Self::Int => "int",
            Self::Float => "float64",
            Self::Bool => "bool",
            Self::Dict => "map[string]interface {}",
            Self::Time => "time.Time",
            Self::Duration => "time.Duration",
            Self::Version => "*semver.Version",
        }
    }

    /// The value as an argument of this type.
    ///
    /// # Errors
    /// If its type is another one: Go converts nothing here, not even `int64` to `int`.
    pub(super) fn check(self, value: Value) -> Outcome<Value> {
        if value.is_nothing() {
            return match (self, value) {
                (Self::Raw, value) => Ok(value),
                (Self::Any, _) => Ok(Value::Nil),
                (Self::Dict, Value::Missing) => Ok(Value::Map(Map::nil(Element::Any))),
                (_, Value::Missing) => {
                    Err(format!("invalid value; expected {}", self.name()).into())
                }
                _ => Err(self.mismatch("interface {}")),
            };
        }
        let fits = match (self, &value) {
            (Self::Raw | Self::Any, _)
            | (Self::Text, Value::Text(_))
            | (Self::Int, Value::Int(_))
            | (Self::Float, Value::Float(_) | Value::Exact(_))
            | (Self::Bool, Value::Bool(_))
            | (Self::Time, Value::Time(_))
            | (Self::Duration, Value::Duration(_))
            | (Self::Version, Value::Version(_)) => true,
            (Self::Dict, Value::Map(map)) => map.element == Element::Any,
            _ => false,
        };
        if fits {
            Ok(value)
        } else {
            Err(self.mismatch(&value.type_name()))
        }
    }

    fn mismatch(self, found: &str) -> super::limit::Fault {
        format!(
            "wrong type for value; expected {}; got {found}",
            self.name()
        )
        .into()
    }
}

/// Runs a function on checked arguments.
pub(super) type Run = fn(&Args<'_>) -> Outcome<Value>;

/// A function of the template language, or a method of one of its types.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) params: &'static [Param],
    /// The type of further arguments, if there may be any.
    pub(super) rest: Option<Param>,
    pub(super) run: Run,
}

/// A function with a fixed number of arguments.
pub(super) const fn fixed(name: &'static str, params: &'static [Param], run: Run) -> Function {
    Function {
        name,
        params,
        rest: None,
        run,
    }
}

/// A function that takes more arguments of type `rest`.
pub(super) const fn variadic(
    name: &'static str,
    params: &'static [Param],
    rest: Param,
    run: Run,
) -> Function {
    Function {
        name,
        params,
        rest: Some(rest),
        run,
    }
}

impl Function {
    /// The type of the argument at `index`, if there may be one.
    pub(super) fn param(&self, index: usize) -> Option<Param> {
        self.params.get(index).copied().or(self.rest)
    }

    /// # Errors
    /// If the function does not take `count` arguments.
    pub(super) fn check_count(&self, count: usize) -> Outcome<()> {
        let (name, wanted) = (self.name, self.params.len());
        if self.rest.is_some() && count < wanted {
            let message =
                format!("wrong number of args for {name}: want at least {wanted} got {count}");
            return Err(message.into());
        }
        if self.rest.is_none() && count != wanted {
            return Err(
                format!("wrong number of args for {name}: want {wanted} got {count}").into(),
            );
        }
        Ok(())
    }
}

/// How many compiled patterns are kept.
const MAX_REGEXES: usize = 8;

/// What functions share during one execution.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) budget: Budget,
    regexes: RefCell<HashMap<Text, Regex>>,
    /// The maps that were changed. They may hold each other in a circle, or in a chain too long to
    /// be dropped recursively, so they are emptied one by one at the end.
    changed: RefCell<Vec<Rc<RefCell<Members>>>>,
}

impl Drop for Scope {
    fn drop(&mut self) {
        for map in self.changed.get_mut().drain(..).collect::<Vec<_>>() {
            let members = map.take();
            // Values that other changed maps hold stay alive until their own turn.
            drop(members);
        }
    }
}

impl Scope {
    pub(super) fn new() -> Self {
        Self::within(MEMORY)
    }

    /// With so many bytes of memory.
    pub(super) fn within(memory: usize) -> Self {
        Self {
            budget: Budget::new(memory),
            regexes: RefCell::default(),
            changed: RefCell::default(),
        }
    }

    /// The compiled pattern, as Go's `regexp.Compile` reads it.
    pub(super) fn regex(&self, pattern: &Text) -> Outcome<Regex> {
        if let Some(regex) = self.regexes.borrow().get(pattern) {
            return Ok(regex.clone());
        }
        self.budget.take(64 << 10)?;
        let regex = crate::regex::compile(&String::from_utf8_lossy(pattern))
            .map_err(|error| error.message)?;
        self.budget.look()?;
        self.budget.take(regex.bytes())?;
        let mut regexes = self.regexes.borrow_mut();
        // Each may learn much about texts.
        if regexes.len() == MAX_REGEXES {
            regexes.clear();
        }
        regexes.insert(pattern.clone(), regex.clone());
        Ok(regex)
    }

    /// Changes the members of a map in place.
    ///
    /// # Errors
    /// If the map is nil, which is read-only.
    pub(super) fn change(&self, map: &Map, change: impl FnOnce(&mut Members)) -> Outcome<()> {
        let Some(members) = map.shared() else {
            return Err("assignment to entry in nil map".into());
        };
        self.budget.take_items(3)?;
        let mut changed = self.changed.borrow_mut();
        if !changed.last().is_some_and(|last| Rc::ptr_eq(last, members)) {
            changed.push(Rc::clone(members));
        }
        change(&mut members.borrow_mut());
        Ok(())
    }
}

/// The checked arguments of one call. Functions may rely on the types their table names; what
/// cannot be is answered with the zero value.
#[derive(Debug)]
pub(super) struct Args<'a> {
    pub(super) scope: &'a Scope,
    pub(super) values: Vec<Value>,
}

impl Args<'_> {
    pub(super) fn budget(&self) -> &Budget {
        &self.scope.budget
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn any(&self, index: usize) -> &Value {
        self.values.get(index).unwrap_or(&Value::Nil)
    }

    /// The arguments from `index` on.
    pub(super) fn rest(&self, index: usize) -> &[Value] {
        self.values.get(index..).unwrap_or_default()
    }

    pub(super) fn bytes(&self, index: usize) -> &[u8] {
        match self.any(index) {
            Value::Text(text) => text,
            _ => &[],
        }
    }

    pub(super) fn text(&self, index: usize) -> Cow<'_, str> {
        String::from_utf8_lossy(self.bytes(index))
    }

    pub(super) fn pattern(&self, index: usize) -> Outcome<Regex> {
        match self.any(index) {
            Value::Text(text) => self.scope.regex(text),
            _ => Err("missing pattern".into()),
        }
    }

    pub(super) fn int(&self, index: usize) -> i64 {
        match self.any(index) {
            Value::Int(int) | Value::Duration(int) => *int,
            _ => 0,
        }
    }

    pub(super) fn float(&self, index: usize) -> Option<f64> {
        self.values.get(index).and_then(Value::as_float)
    }

    pub(super) fn bool(&self, index: usize) -> bool {
        matches!(self.any(index), Value::Bool(true))
    }

    pub(super) fn dict(&self, index: usize) -> Map {
        match self.any(index) {
            Value::Map(map) => map.clone(),
            _ => Map::nil(Element::Any),
        }
    }

    /// A text as the result, counted.
    pub(super) fn give(&self, text: impl AsRef<[u8]>) -> Outcome<Value> {
        let text = text.as_ref();
        self.budget().take_text(text.len())?;
        Ok(Value::text(text))
    }

    /// The value as sprig makes texts of values: its own text, or what `%v` prints.
    pub(super) fn text_of(&self, value: &Value) -> Outcome<Text> {
        match value {
            Value::Text(text) => Ok(text.clone()),
            other => Ok(format::plain(&self.scope.budget, other)?.into()),
        }
    }
}
