//! Defaults and types: what is empty, what is what.

use super::super::function::Param::{Any, Bool, Text};
use super::super::function::{Args, Function, fixed, variadic};
use super::super::limit::Outcome;
use super::super::value::{List, Map, Members, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("hello", &[], |args| args.give("Hello!")),
    fixed("fail", &[Text], |args| {
        Err(args.text(0).into_owned().into())
    }),
    variadic("default", &[Any], Any, |args| match args.rest(1).first() {
        Some(given) if !is_empty(given) => Ok(given.clone()),
        _ => Ok(args.any(0).clone()),
    }),
    fixed("empty", &[Any], |args| {
        Ok(Value::Bool(is_empty(args.any(0))))
    }),
    variadic("coalesce", &[], Any, |args| {
        Ok(args
            .values
            .iter()
            .find(|value| !is_empty(value))
            .cloned()
            .unwrap_or(Value::Nil))
    }),
    variadic("all", &[], Any, |args| {
        Ok(Value::Bool(!args.values.iter().any(is_empty)))
    }),
    variadic("any", &[], Any, |args| {
        Ok(Value::Bool(
            args.values.iter().any(|value| !is_empty(value)),
        ))
    }),
    fixed("ternary", &[Any, Any, Bool], |args| {
        Ok(args.any(usize::from(!args.bool(2))).clone())
    }),
    fixed("deepCopy", &[Any], deep_copy),
    fixed("mustDeepCopy", &[Any], deep_copy),
    fixed("typeOf", &[Any], |args| args.give(type_of(args.any(0)))),
    fixed("typeIs", &[Text, Any], |args| {
        Ok(Value::Bool(args.text(0) == type_of(args.any(1))))
    }),
    fixed("typeIsLike", &[Text, Any], |args| {
        let name = type_of(args.any(1));
        Ok(Value::Bool(
            args.text(0) == name || format!("*{}", args.text(0)) == name,
        ))
    }),
    fixed("kindOf", &[Any], |args| args.give(args.any(0).kind())),
    fixed("kindIs", &[Text, Any], |args| {
        Ok(Value::Bool(args.text(0) == args.any(1).kind()))
    }),
    fixed("deepEqual", &[Any, Any], |args| {
        Ok(Value::Bool(
            args.any(0).deep_equal(args.any(1), args.budget())?,
        ))
    }),
];

/// False, zero, nil, and whatever has no length.
pub(super) fn is_empty(value: &Value) -> bool {
    // Nothing but times and versions, which are always true, could tell the two apart.
    !value.is_true()
}

fn type_of(value: &Value) -> String {
    if value.is_nothing() {
        "<nil>".into()
    } else {
        value.type_name().into_owned()
    }
}

fn deep_copy(args: &Args<'_>) -> Outcome<Value> {
    match args.any(0) {
        value if value.is_nothing() => Err("nil cannot be copied".into()),
        value => copy(args, value),
    }
}

/// Loops instead of iterators: their closures would double the stack that a level takes.
fn copy(args: &Args<'_>, value: &Value) -> Outcome<Value> {
    let _level = args.budget().nest()?;
    match value {
        Value::List(list) if !list.is_nil() => {
            let mut items = Vec::with_capacity(list.items().len());
            for item in list.items() {
                items.push(copy(args, item)?);
            }
            Ok(Value::List(List::new(args.budget(), list.element, items)?))
        }
        Value::Map(map) if !map.is_nil() => {
            let mut members = Members::new();
            for (key, member) in map.snapshot(args.budget())? {
                members.insert(key, copy(args, &member)?);
            }
            Ok(Value::Map(Map::new(args.budget(), map.element, members)?))
        }
        other => Ok(other.clone()),
    }
}
