//! What the environment adds to the language: `asInt`, `asFloat`, `toJson`, `jsonpath` and `sprig.*`.

use super::arithmetic::text_fits;
use super::budget::Budget;
use super::builtins::{to_float, to_int};
use super::eval::Stop;
use super::room::Charge;
use super::value::{Elements, Value};
use crate::template::sprig::{self, Returned};
use crate::{json, path};

/// How many bytes of text take as much room as one element of a list.
const BYTES_OF_ELEMENT: usize = 64;

/// Calls a function of the environment.
pub(super) fn call<'a>(
    name: &str,
    arguments: &[Value<'a>],
    budget: &mut Budget,
) -> Result<Value<'a>, Stop> {
    if let Some(name) = name.strip_prefix("sprig.") {
        return sprig(name, arguments, budget);
    }
    let refuse = || Stop::new(format!("cannot call '{name}' with these arguments"));
    match (name, arguments) {
        ("asInt", [value]) => to_int(value).ok_or_else(refuse),
        ("asFloat", [value]) => to_float(value).ok_or_else(refuse),
        ("toJson", [value]) => {
            let document = budget.json(value)?.ok_or_else(refuse)?;
            let text = document.to_go_json();
            text_fits(text.len(), budget)?;
            Ok(Value::text(text))
        }
        ("jsonpath", [Value::Text(document), Value::Text(path)]) => {
            let text = document;
            let document = budget.read(text)?;
            select(text, &document, path)
        }
        _ => Err(refuse()),
    }
}

/// Calls a function of sprig. It is bounded by itself; what it gives counts as elements.
fn sprig<'a>(name: &str, arguments: &[Value<'a>], budget: &mut Budget) -> Result<Value<'a>, Stop> {
    let mut documents = Vec::with_capacity(arguments.len());
    let mut held = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let document = budget
            .json(argument)?
            .ok_or_else(|| Stop::new(format!("'sprig.{name}' does not take such values")))?;
        held.push(Charge::new(argument.json_bytes(usize::MAX)));
        documents.push(document);
    }
    budget.look()?;
    let returned = sprig::call(name, &documents, budget.left());
    let Returned { value, elements } = returned.map_err(Stop::new)?;
    drop((documents, held));
    let size = size(&value);
    budget.fits(size * BYTES_OF_ELEMENT)?;
    budget.grow(size)?;
    let of = match elements {
        sprig::Elements::Any => Elements::Any,
        sprig::Elements::Texts => Elements::Texts,
        sprig::Elements::Ints => Elements::Ints,
        sprig::Elements::Lists => Elements::Lists,
    };
    let value = match value {
        json::Value::Array(items) => {
            Value::list(of, items.into_iter().map(Value::from_typed_json).collect())
        }
        value => Some(Value::from_typed_json(value)),
    };
    budget.built(value)
}

/// How much room a value takes, in elements.
fn size(value: &json::Value) -> usize {
    match value {
        json::Value::String(text) => 1 + text.len() / BYTES_OF_ELEMENT,
        json::Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        json::Value::Object(map) => {
            let member =
                |(key, value): (&String, _)| 1 + key.len() / BYTES_OF_ELEMENT + size(value);
            1 + map.iter().map(member).sum::<usize>()
        }
        _ => 1,
    }
}

/// Looks `path` up: a path to one value must find it, one to many finds a list.
fn select<'a>(text: &str, document: &json::Value, path: &str) -> Result<Value<'a>, Stop> {
    let refuse = || Stop::new(format!("nothing at '{path}'"));
    if let Some(steps) = plain_steps(path) {
        let mut value = document;
        for step in steps {
            value = match (value, step.parse::<i64>()) {
                (json::Value::Array(items), Ok(index)) => {
                    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                    let index = if index < 0 { index + length } else { index };
                    usize::try_from(index)
                        .ok()
                        .and_then(|index| items.get(index))
                }
                (value, _) => value.get(step),
            }
            .ok_or_else(refuse)?;
        }
        return Ok(Value::from_json(value.clone()));
    }
    let found = path::select_all(text.as_bytes(), path);
    let found = found.map_err(|error| Stop::new(error.to_string()))?;
    let mut items = Vec::new();
    for value in found.ok_or_else(refuse)? {
        let document = json::from_slice(value).map_err(|_| refuse())?;
        items.push(Value::from_json(document));
    }
    Value::list(Elements::Any, items).ok_or_else(|| Stop::new("value nests too deep"))
}

/// The steps of a path that names one value (`$.a[0]['b']`); none for any other path.
fn plain_steps(path: &str) -> Option<Vec<&str>> {
    let mut rest = path.trim().strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, next) = after.split_at(end);
            if name.is_empty() || name == "*" {
                return None;
            }
            steps.push(name);
            rest = next;
        } else {
            let (inside, next) = rest.strip_prefix('[')?.split_once(']')?;
            let quoted = ['\'', '"']
                .into_iter()
                .find_map(|quote| inside.strip_prefix(quote)?.strip_suffix(quote));
            let number = inside.parse::<i64>().is_ok();
            steps.push(quoted.or(number.then_some(inside))?);
            rest = next;
        }
    }
    Some(steps)
}
