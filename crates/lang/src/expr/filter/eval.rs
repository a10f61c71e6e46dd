//! Runs a checked expression over one event, within bounds of time and memory.

use std::collections::BTreeMap;
use std::ptr;

use super::arithmetic::{self, int};
use super::budget::Budget;
use super::builtins::{self, Builtin};
use super::document::{self, Document};
use super::functions;
use super::syntax::{Binary, Kind, Node, Pointer, Unary};
use super::value::{Elements, Value};
use super::{Fault, list, moment};
use crate::template::sprig;

/// Of how many objects the parts are kept while they are looked into.
const MAX_KEPT: usize = 8;

/// The longest text of an object whose parts are kept.
const MAX_KEPT_TEXT: usize = 64 << 10;

/// Why a run ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// A `?.` met nil: its chain is nil.
    Nil,
    /// What went wrong, before its place is known.
    Error(String),
    /// What went wrong where.
    Fault(Fault),
}

impl Stop {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self::Error(message.into())
    }

    fn at(self, at: usize) -> Self {
        match self {
            Self::Error(message) => Self::Fault(Fault { message, at }),
            placed => placed,
        }
    }
}

/// Computes the value of `root`.
pub(super) fn run<'a>(root: &'a Node, document: &'a Document<'a>) -> Result<Value<'a>, Fault> {
    let mut run = Run {
        document,
        budget: Budget::new(),
        variables: Vec::new(),
        scopes: Vec::new(),
        kept: Vec::new(),
    };
    run.eval(root).map_err(|stop| match stop {
        Stop::Fault(fault) => fault,
        Stop::Error(message) => Fault {
            message,
            at: root.at,
        },
        Stop::Nil => Fault {
            message: "nil".into(),
            at: root.at,
        },
    })
}

/// The element a predicate looks at.
pub(super) struct Scope<'a> {
    pub(super) item: Value<'a>,
    pub(super) index: usize,
    pub(super) accumulator: Value<'a>,
}

pub(super) struct Run<'a> {
    document: &'a Document<'a>,
    pub(super) budget: Budget,
    variables: Vec<(&'a str, Value<'a>)>,
    pub(super) scopes: Vec<Scope<'a>>,
    /// Objects that were looked into, with their parts.
    kept: Vec<(&'a [u8], document::Parts<'a>)>,
}

/// Whether the parts of this JSON are kept: of an object, and not of one that has a great many.
fn is_kept(text: &[u8]) -> bool {
    text.first() == Some(&b'{') && text.len() <= MAX_KEPT_TEXT
}

impl<'a> Run<'a> {
    pub(super) fn eval(&mut self, node: &'a Node) -> Result<Value<'a>, Stop> {
        self.budget.charge(1)?;
        self.compute(node).map_err(|stop| stop.at(node.at))
    }

    /// One arm per kind of node.
    fn compute(&mut self, node: &'a Node) -> Result<Value<'a>, Stop> {
        Ok(match &node.kind {
            Kind::Nil => Value::Nil,
            Kind::Bool(bool) => Value::Bool(*bool),
            Kind::Int(int) => Value::Int(*int),
            Kind::Float(float) => Value::Float(*float),
            Kind::Text(text) => Value::text(text.as_str()),
            Kind::Name(name) => self.name(name),
            Kind::Unary(operator, inner) => unary(*operator, self.eval(inner)?)?,
            Kind::Binary(operator, left, right) => self.binary(*operator, left, right)?,
            Kind::StrictEqual(left, right) => self.strict_equal(left, right)?,
            Kind::Matches(inner, pattern) => match self.eval(inner)? {
                Value::Text(text) => {
                    self.budget.work(text.len())?;
                    Value::Bool(arithmetic::is_match(pattern, &text)?)
                }
                other => {
                    return Err(Stop::new(format!(
                        "'matches' does not take {}",
                        other.type_name()
                    )));
                }
            },
            Kind::InTexts(inner, texts) => match self.eval(inner)? {
                Value::Text(text) => Value::Bool(texts.contains(&*text)),
                Value::Nil => Value::Bool(texts.contains("")),
                other => return Err(Stop::new(format!("{} is no text", other.type_name()))),
            },
            Kind::Chain(inner) => match self.eval(inner) {
                Err(Stop::Nil) => Value::Nil,
                other => return other,
            },
            Kind::Member {
                base,
                property,
                optional,
            } => {
                let is_name = matches!(base.kind, Kind::Name(_));
                let base = self.eval(base)?;
                if *optional && base.is_nil() {
                    return Err(Stop::Nil);
                }
                let property = self.eval(property)?;
                match (&base, &property) {
                    (Value::Json(text), Value::Text(name)) if is_name && is_kept(text) => {
                        self.kept_member(text, name)
                    }
                    _ => fetch(&base, &property)?,
                }
            }
            Kind::Slice { base, from, to } => self.slice(base, from.as_deref(), to.as_deref())?,
            Kind::Call { callee, arguments } => self.call(callee, arguments)?,
            Kind::Builtin(builtin, nodes) if builtin.takes_predicate() => {
                list::predicate(self, *builtin, nodes)?
            }
            Kind::Builtin(builtin, nodes) => self.builtin(*builtin, nodes)?,
            Kind::Find(find) => list::find(self, find)?,
            Kind::Pointer(pointer) => self.pointer(*pointer)?,
            Kind::Let { name, value, body } => {
                let value = self.eval(value)?;
                self.variables.push((name, value));
                let result = self.eval(body);
                self.variables.pop();
                return result;
            }
            Kind::Conditional(parts) => {
                let [condition, then, otherwise] = &**parts;
                let holds = truth(&self.eval(condition)?)?;
                return self.eval(if holds { then } else { otherwise });
            }
            Kind::Array(nodes) => {
                let items = self.all(nodes)?;
                self.budget.grow(items.len())?;
                self.budget.built(Value::list(Elements::Any, items))?
            }
            Kind::Map(pairs) => self.map(pairs)?,
        })
    }

    fn all(&mut self, nodes: &'a [Node]) -> Result<Vec<Value<'a>>, Stop> {
        nodes.iter().map(|node| self.eval(node)).collect()
    }

    fn name(&self, name: &'a str) -> Value<'a> {
        if let Some((_, value)) = self
            .variables
            .iter()
            .rev()
            .find(|(known, _)| *known == name)
        {
            return value.clone();
        }
        if name == "$env" {
            Value::Document(self.document)
        } else {
            self.document.get(name)
        }
    }

    /// A member of a part of the payload that has a name: a filter looks into the same one again
    /// and again.
    fn kept_member(&mut self, text: &'a [u8], name: &str) -> Value<'a> {
        if let Some((_, parts)) = self.kept.iter().find(|(kept, _)| ptr::eq(*kept, text)) {
            return document::part(parts, name);
        }
        // A variable may have a new value for each element of a list.
        if self.kept.len() == MAX_KEPT {
            return document::member(text, name);
        }
        let parts = document::parts(text);
        let value = document::part(&parts, name);
        self.kept.push((text, parts));
        value
    }

    fn pointer(&self, pointer: Pointer) -> Result<Value<'a>, Stop> {
        let scope = self
            .scopes
            .last()
            .ok_or_else(|| Stop::new("'#' outside of a predicate"))?;
        Ok(match pointer {
            Pointer::Index => Value::Int(i64::try_from(scope.index).unwrap_or(i64::MAX)),
            Pointer::Accumulator => scope.accumulator.clone(),
            Pointer::Item | Pointer::Unknown => scope.item.clone(),
        })
    }

    fn binary(
        &mut self,
        operator: Binary,
        left: &'a Node,
        right: &'a Node,
    ) -> Result<Value<'a>, Stop> {
        let left = self.eval(left)?;
        match operator {
            Binary::And if !truth(&left)? => return Ok(left),
            Binary::Or if truth(&left)? => return Ok(left),
            Binary::Coalesce if !left.is_nil() => return Ok(left),
            Binary::And | Binary::Or | Binary::Coalesce => return self.eval(right),
            _ => {}
        }
        if let (Binary::In, Kind::Binary(Binary::Range, from, to)) = (operator, &right.kind)
            && let Some(answer) = self.in_range(&left, from, to)?
        {
            return Ok(Value::Bool(answer));
        }
        let right = self.eval(right)?;
        arithmetic::binary(operator, &left, &right, &mut self.budget)
    }

    /// A number in a range, without building the range.
    fn in_range(
        &mut self,
        value: &Value<'a>,
        from: &'a Node,
        to: &'a Node,
    ) -> Result<Option<bool>, Stop> {
        let (from, to) = (self.eval(from)?, self.eval(to)?);
        let (Some(from), Some(to)) = (int(&from), int(&to)) else {
            return Ok(None);
        };
        Ok(match value {
            Value::Int(int) => Some((from..=to).contains(int)),
            Value::Float(float) => {
                Some(float.fract() == 0.0 && (from..=to).contains(&int(value).unwrap_or(0)))
            }
            _ => None,
        })
    }

    fn strict_equal(&mut self, left: &'a Node, right: &'a Node) -> Result<Value<'a>, Stop> {
        let (left, right) = (self.eval(left)?, self.eval(right)?);
        if left.is_nil() || right.is_nil() {
            return Err(Stop::new("nil is neither a number nor a text"));
        }
        Ok(Value::Bool(arithmetic::equal(
            &left,
            &right,
            &mut self.budget,
        )?))
    }

    fn slice(
        &mut self,
        base: &'a Node,
        from: Option<&'a Node>,
        to: Option<&'a Node>,
    ) -> Result<Value<'a>, Stop> {
        let base = self.eval(base)?;
        let to = to.map(|node| self.eval(node)).transpose()?;
        let from = from.map(|node| self.eval(node)).transpose()?;
        let bound = |value: &Value<'_>| {
            int(value).ok_or_else(|| Stop::new(format!("{} is no bound", value.type_name())))
        };
        let from = from.as_ref().map(bound).transpose()?;
        let to = to.as_ref().map(bound).transpose()?;
        if let Value::Text(text) = &base {
            let (from, to) = bounds(text.len(), from, to);
            let bytes = &text.as_bytes()[from..to];
            self.budget.work(bytes.len())?;
            return Ok(Value::text(String::from_utf8_lossy(bytes).into_owned()));
        }
        let Some(list) = base.elements() else {
            return Err(Stop::new(format!("cannot slice {}", base.type_name())));
        };
        let (from, to) = bounds(list.items.len(), from, to);
        self.budget.charge(to - from)?;
        self.budget.fits((to - from) * size_of::<Value<'_>>())?;
        self.budget
            .built(Value::list(list.of, list.items[from..to].to_vec()))
    }

    fn call(&mut self, callee: &'a Node, arguments: &'a [Node]) -> Result<Value<'a>, Stop> {
        let arguments = self.all(arguments)?;
        match self.eval(callee)? {
            Value::Function(name) => {
                self.budget.charge(100)?;
                functions::call(&name, &arguments, &mut self.budget)
            }
            Value::Method(receiver, name) => moment::call(&receiver, &name, &arguments),
            other => Err(Stop::new(format!("cannot call {}", other.type_name()))),
        }
    }

    fn builtin(&mut self, builtin: Builtin, nodes: &'a [Node]) -> Result<Value<'a>, Stop> {
        let arguments = self.all(nodes)?;
        if builtin == Builtin::Get {
            let [base, key] = &arguments[..] else {
                return Err(Stop::new("'get' takes a map or list and a key"));
            };
            return Ok(fetch(base, key).unwrap_or(Value::Nil));
        }
        builtins::call(builtin, &arguments, &mut self.budget)
    }

    fn map(&mut self, pairs: &'a [(Node, Node)]) -> Result<Value<'a>, Stop> {
        let mut members = BTreeMap::new();
        for (key, value) in pairs {
            let Value::Text(key) = self.eval(key)? else {
                return Err(Stop::new("a key of a map is a text"));
            };
            members.insert(key, self.eval(value)?);
        }
        self.budget.grow(pairs.len())?;
        self.budget.built(Value::map(members))
    }
}

/// A bool as such; nothing else is true or false.
pub(super) fn truth(value: &Value<'_>) -> Result<bool, Stop> {
    match value {
        Value::Bool(bool) => Ok(*bool),
        other => Err(Stop::new(format!("{} is not a bool", other.type_name()))),
    }
}

fn unary(operator: Unary, value: Value<'_>) -> Result<Value<'_>, Stop> {
    Ok(match (operator, value) {
        (Unary::Not, value) => Value::Bool(!truth(&value)?),
        (Unary::Plus, value) => value,
        (Unary::Minus, Value::Int(int)) => Value::Int(int.wrapping_neg()),
        (Unary::Minus, Value::Float(float)) => Value::Float(-float),
        (Unary::Minus, other) => {
            return Err(Stop::new(format!("cannot negate {}", other.type_name())));
        }
    })
}

/// The bounds of a slice; a negative one counts from the end.
fn bounds(length: usize, from: Option<i64>, to: Option<i64>) -> (usize, usize) {
    let place = |bound: i64| {
        let distance = usize::try_from(bound.unsigned_abs()).unwrap_or(usize::MAX);
        if bound < 0 {
            length.saturating_sub(distance)
        } else {
            distance.min(length)
        }
    };
    let to = to.map_or(length, place);
    (from.map_or(0, place).min(to), to)
}

/// `base[key]`
pub(super) fn fetch<'a>(base: &Value<'a>, key: &Value<'a>) -> Result<Value<'a>, Stop> {
    let refuse = || {
        Stop::new(format!(
            "cannot fetch {} from {}",
            super::format::text(key),
            base.type_name()
        ))
    };
    let name = match key {
        Value::Text(name) => Some(name),
        _ => None,
    };
    match (base, name) {
        (Value::Json(text), Some(name)) if text.first() == Some(&b'{') => {
            return Ok(document::member(text, name));
        }
        (Value::Document(document), Some(name)) => return Ok(document.get(name)),
        (Value::Library, Some(name)) => {
            return Ok(if sprig::is_known(name) {
                Value::Function(format!("sprig.{name}").into())
            } else {
                Value::Nil
            });
        }
        (Value::Time(_) | Value::Duration(_), Some(name)) => {
            return if moment::has_method(base, name) {
                Ok(Value::Method(Box::new(base.clone()), name.clone()))
            } else {
                Err(refuse())
            };
        }
        (Value::Groups(groups), _) => {
            let found = groups.iter().find(|(known, _)| list::same_key(known, key));
            return Ok(found.map_or(Value::Nil, |(_, list)| list.clone()));
        }
        (Value::Text(text), _) => {
            let index = position(key, text.len()).ok_or_else(refuse)?;
            return Ok(Value::Int(text.as_bytes()[index].into()));
        }
        _ => {}
    }
    if let Some(list) = base.elements() {
        let index = position(key, list.items.len()).ok_or_else(refuse)?;
        return Ok(list.items[index].clone());
    }
    match (base.members(), key) {
        (Some(map), Value::Text(name)) => Ok(map.members.get(name).cloned().unwrap_or(Value::Nil)),
        (Some(map), Value::Nil) => Ok(map.members.get("").cloned().unwrap_or(Value::Nil)),
        _ => Err(refuse()),
    }
}

/// Where an index points to; none outside of the list.
fn position(key: &Value<'_>, length: usize) -> Option<usize> {
    let index = int(key)?;
    let distance = usize::try_from(index.unsigned_abs()).ok()?;
    let index = if index < 0 {
        length.checked_sub(distance)?
    } else {
        distance
    };
    (index < length).then_some(index)
}
