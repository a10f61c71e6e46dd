//! Calls from outside of a template: `sprig.*` in expression filters, on JSON values.
//!
//! Types count as they do for Go's reflection, which converts nothing: [`Number::Int`] is an `int`,
//! [`Number::Float`] a `float64`.

use super::super::function::{Args, Function, Param, Scope};
use super::super::limit::{Fault, Outcome};
use super::super::value::{self, Element, Value};
use super::{encode, go_lossy, own_function};
use crate::json::{self, Number};

/// What a function gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Returned {
    /// Its value; whole numbers that are no `float64` are [`Number::Int`], also inside of lists.
    pub value: json::Value,
    /// The type of the elements, if the value is a slice.
    pub elements: Elements,
}

/// The Go type of a slice's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elements {
    /// `interface {}`; also where there is no slice.
    Any,
    /// `string`
    Texts,
    /// `int`
    Ints,
    /// `[]interface {}`
    Lists,
}

/// Whether there is a function of that name, one of Go's `text/template` not counted.
pub fn is_known(name: &str) -> bool {
    own_function(name).is_ok()
}

/// Calls a function, which may take so many bytes of memory.
///
/// # Errors
/// If there is none of that name, the arguments do not fit, or it fails.
pub fn call(name: &str, arguments: &[json::Value], memory: usize) -> Result<Returned, String> {
    let result = call_function(own_function(name)?, arguments, memory);
    result.map_err(|Fault(message)| message.into_owned())
}

fn call_function(
    function: &'static Function,
    arguments: &[json::Value],
    memory: usize,
) -> Outcome<Returned> {
    let scope = Scope::within(memory);
    function.check_count(arguments.len())?;
    let mut values = Vec::with_capacity(arguments.len());
    for (index, argument) in arguments.iter().enumerate() {
        let value = inward(&scope, argument)?;
        values.push(function.param(index).unwrap_or(Param::Any).check(value)?);
    }
    let result = (function.run)(&Args {
        scope: &scope,
        values,
    })?;
    let elements = match &result {
        Value::List(list) => match list.element {
            Element::Any => Elements::Any,
            Element::Text => Elements::Texts,
            Element::Int => Elements::Ints,
            Element::List => Elements::Lists,
        },
        _ => Elements::Any,
    };
    Ok(Returned {
        value: outward(&scope, &result)?,
        elements,
    })
}

/// The value with the types of an expression.
fn inward(scope: &Scope, value: &json::Value) -> Outcome<Value> {
    let budget = &scope.budget;
    Ok(match value {
        json::Value::Number(Number::Int(int)) => Value::Int(*int),
        json::Value::Array(items) => {
            let items: Outcome<Vec<_>> = items.iter().map(|item| inward(scope, item)).collect();
            Value::List(value::List::new(budget, Element::Any, items?)?)
        }
        json::Value::Object(object) => {
            let members = object.iter().map(|(key, member)| {
                Ok((value::Text::from(key.as_bytes()), inward(scope, member)?))
            });
            let members: Outcome<value::Members> = members.collect();
            Value::Map(value::Map::new(budget, Element::Any, members?)?)
        }
        other => Value::from_json(budget, other)?,
    })
}

/// The value as JSON; what JSON has no form for is written as Go encodes it.
fn outward(scope: &Scope, value: &Value) -> Outcome<json::Value> {
    let budget = &scope.budget;
    // Maps can hold themselves.
    let _nested = budget.nest()?;
    Ok(match value {
        Value::Missing | Value::Nil => json::Value::Null,
        Value::Bool(bool) => json::Value::Bool(*bool),
        Value::Uint8(byte) => json::Value::Number(Number::Int(i64::from(*byte))),
        Value::Float(float) => json::Value::Number(Number::Float(*float)),
        Value::Text(text) => json::Value::String(go_lossy(text)),
        Value::List(list) => {
            let items = list.items().iter().map(|item| outward(scope, item));
            json::Value::Array(items.collect::<Outcome<_>>()?)
        }
        Value::Map(map) => {
            let members = map.snapshot(budget)?;
            let members = members
                .iter()
                .map(|(key, member)| Ok((go_lossy(key), outward(scope, member)?)));
            json::Value::Object(members.collect::<Outcome<_>>()?)
        }
        _ => {
            if let Some(int) = value.as_int() {
                return Ok(json::Value::Number(Number::Int(int)));
            }
            let text = encode::to_json(budget, value, &encode::Style::COMPACT)?;
            json::from_slice(text.as_bytes()).map_err(|error| error.to_string())?
        }
    })
}
