//! Deep merges of maps by the rules of mergo: maps are merged into each other, lists are not; a
//! value that is there wins unless it is empty, or unless overwriting is asked for.

use super::super::function::Args;
use super::super::limit::Outcome;
use super::super::value::{Element, Map, Members, Value};

/// Merges all further arguments into the first one, which is changed.
pub(super) fn merge(args: &Args<'_>, overwrite: bool) -> Outcome<Value> {
    let mut into = args.dict(0);
    if into.is_nil() && args.len() > 1 {
        into = Map::new(args.budget(), Element::Any, Members::new())?;
    }
    for index in 1..args.len() {
        merge_into(args, &into, &args.dict(index), overwrite)?;
    }
    Ok(Value::Map(into))
}

fn merge_into(args: &Args<'_>, into: &Map, from: &Map, overwrite: bool) -> Outcome<()> {
    let _level = args.budget().nest()?;
    if into.is(from) {
        return Ok(());
    }
    for (key, value) in from.snapshot(args.budget())? {
        let known = into.get(&key);
        let wins = match (&known, &value) {
            (_, Value::Missing | Value::Nil) => overwrite,
            (Some(Value::Map(known)), Value::Map(value)) => {
                if !known.is_nil() {
                    merge_into(args, known, value, overwrite)?;
                }
                known.len() == 0
            }
            (known, _) => overwrite || known.as_ref().is_none_or(|known| !known.is_true()),
        };
        if wins {
            if into.element == Element::Text && !matches!(value, Value::Text(_)) {
                return Err("a map of strings cannot hold other values".into());
            }
            args.scope.change(into, |members| {
                members.insert(key, value);
            })?;
        }
    }
    Ok(())
}
