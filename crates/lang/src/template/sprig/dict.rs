//! Maps. Where Go walks a map in random order, the order here is that of the keys.

use super::super::function::Param::{Any, Dict, Text as TextParam};
use super::super::function::{Args, Function, fixed, variadic};
use super::super::limit::Outcome;
use super::super::value::{Element, List, Map, Members, Value};
use super::merge::merge;

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("dict", &[], Any, dict),
    fixed("get", &[Dict, TextParam], |args| {
        Ok(args
            .dict(0)
            .get(args.bytes(1))
            .unwrap_or_else(|| Value::text("")))
    }),
    fixed("set", &[Dict, TextParam, Any], |args| {
        let map = args.dict(0);
        let (key, value) = (args.bytes(1).into(), args.any(2).clone());
        args.scope.change(&map, |members| {
            members.insert(key, value);
        })?;
        Ok(Value::Map(map))
    }),
    fixed("unset", &[Dict, TextParam], |args| {
        let map = args.dict(0);
        if !map.is_nil() {
            args.scope.change(&map, |members| {
                members.remove(args.bytes(1));
            })?;
        }
        Ok(Value::Map(map))
    }),
    fixed("hasKey", &[Dict, TextParam], |args| {
        Ok(Value::Bool(args.dict(0).get(args.bytes(1)).is_some()))
    }),
    variadic("pluck", &[TextParam], Dict, |args| {
        let maps = 1..args.len();
        any_list(
            args,
            maps.filter_map(|index| args.dict(index).get(args.bytes(0)))
                .collect(),
        )
    }),
    variadic("keys", &[], Dict, |args| {
        let mut keys = Vec::new();
        for index in 0..args.len() {
            let members = args.dict(index).snapshot(args.budget())?;
            keys.extend(members.into_iter().map(|(key, _)| Value::Text(key)));
        }
        Ok(Value::List(List::new(args.budget(), Element::Text, keys)?))
    }),
    fixed("values", &[Dict], |args| {
        let members = args.dict(0).snapshot(args.budget())?;
        any_list(
            args,
            members.into_iter().map(|(_, member)| member).collect(),
        )
    }),
    variadic("pick", &[Dict], TextParam, |args| filter(args, true)),
    variadic("omit", &[Dict], TextParam, |args| filter(args, false)),
    variadic("merge", &[Dict], Dict, |args| merge(args, false)),
    variadic("mustMerge", &[Dict], Dict, |args| merge(args, false)),
    variadic("mergeOverwrite", &[Dict], Dict, |args| merge(args, true)),
    variadic("mustMergeOverwrite", &[Dict], Dict, |args| {
        merge(args, true)
    }),
    variadic("dig", &[], Any, dig),
];

/// A list of any values.
pub(super) fn any_list(args: &Args<'_>, items: Vec<Value>) -> Outcome<Value> {
    Ok(Value::List(List::new(args.budget(), Element::Any, items)?))
}

/// A map of any values.
pub(super) fn any_map(args: &Args<'_>, members: Members) -> Outcome<Value> {
    Ok(Value::Map(Map::new(args.budget(), Element::Any, members)?))
}

/// Keys and values in turn; a last key without a value gets an empty text.
fn dict(args: &Args<'_>) -> Outcome<Value> {
    let mut members = Members::new();
    for pair in args.values.chunks(2) {
        let [key, value @ ..] = pair else { continue };
        let value = value.first().cloned().unwrap_or_else(|| Value::text(""));
        members.insert(args.text_of(key)?, value);
    }
    any_map(args, members)
}

/// Keeps the members whose keys are named, or those whose keys are not.
fn filter(args: &Args<'_>, keep: bool) -> Outcome<Value> {
    let is_named = |key: &[u8]| {
        args.rest(1)
            .iter()
            .any(|name| matches!(name, Value::Text(name) if **name == *key))
    };
    let members = args.dict(0).snapshot(args.budget())?;
    args.budget()
        .take(members.len().saturating_mul(args.len()))?;
    any_map(
        args,
        members
            .into_iter()
            .filter(|(key, _)| is_named(key) == keep)
            .collect(),
    )
}

/// `dig "a" "b" default map`: the member at a path of keys.
fn dig(args: &Args<'_>) -> Outcome<Value> {
    let [keys @ .., default, map] = args.values.as_slice() else {
        return Err("dig needs at least three arguments".into());
    };
    if keys.is_empty() {
        return Err("dig needs at least three arguments".into());
    }
    if keys.iter().any(|key| !matches!(key, Value::Text(_))) {
        return Err("the keys of dig must be strings".into());
    }
    let mut value = map.clone();
    for key in keys {
        let (Value::Map(map), Value::Text(key)) = (&value, key) else {
            return Err(not_a_map(&value));
        };
        if map.element != Element::Any {
            return Err(not_a_map(&value));
        }
        match map.get(key) {
            Some(member) => value = member,
            None => return Ok(default.clone()),
        }
    }
    Ok(value)
}

fn not_a_map(value: &Value) -> super::super::limit::Fault {
    format!("dig found a {} where a map was expected", value.type_name()).into()
}
