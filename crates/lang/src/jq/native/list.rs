//! Arrays and objects as collections.

use super::text::add;
use super::{Fun, native};
use crate::jq::value::{Answer, Items, Text, Val};
use crate::jq::{access, fault, meter, number};

pub(super) fn natives() -> Vec<Fun> {
    vec![
        native!("length", 0, length),
        native!("keys", 0, keys),
        native!("has", 1, has),
        native!("add", 0, |value: &Val| match value.elements() {
            Some(items) => add(&items),
            None => Err(fault::not_applicable("add", value)),
        }),
        native!("contains", 1, contains),
        native!("inside", 1, |value: &Val, other: &Val| contains(
            other, value
        )),
        native!("indices", 1, |value: &Val, part: &Val| find_all(
            "indices", value, part
        )),
        native!("index", 1, |value: &Val, part: &Val| {
            find_all("index", value, part).map(|found| end_of(&found, <[Val]>::first))
        }),
        native!("rindex", 1, |value: &Val, part: &Val| {
            find_all("rindex", value, part).map(|found| end_of(&found, <[Val]>::last))
        }),
        native!("flatten", 0, |value: &Val| flatten(
            value,
            &Val::Int(i64::MAX)
        )),
        native!("flatten", 1, flatten),
        native!("reverse", 0, reverse),
        native!("transpose", 0, transpose),
        native!("to_entries", 0, to_entries),
        native!("from_entries", 0, from_entries),
    ]
}

fn length(value: &Val) -> Answer {
    match value {
        Val::Null => Ok(Val::Int(0)),
        Val::Str(text) => Ok(Val::count(text.as_str().chars().count())),
        Val::Array(array) => Ok(Val::count(array.items().len())),
        Val::Object(object) => Ok(Val::count(object.members().len())),
        other => {
            number::absolute(other).unwrap_or_else(|| Err(fault::not_applicable("length", other)))
        }
    }
}

fn keys(value: &Val) -> Answer {
    match value {
        Val::Array(array) => Ok((0..array.items().len()).map(Val::count).collect()),
        Val::Object(object) => {
            let keys = object
                .members()
                .iter()
                .map(|(key, _)| Val::Str(key.clone()));
            Ok(keys.collect())
        }
        other => Err(fault::not_applicable("keys", other)),
    }
}

fn has(value: &Val, key: &Val) -> Answer {
    match (value, key) {
        (Val::Null, _) => Ok(Val::Bool(false)),
        (Val::Object(object), Val::Str(key)) => Ok(Val::Bool(object.get(key.as_str()).is_some())),
        (Val::Array(array), number) if number.is_number() => {
            let index = number::to_int(number).and_then(|index| usize::try_from(index).ok());
            Ok(Val::Bool(
                index.is_some_and(|index| index < array.items().len()),
            ))
        }
        _ => Err(fault::not_applicable1("has", value, key)),
    }
}

fn contains(value: &Val, part: &Val) -> Answer {
    does_contain(value, part).map(Val::Bool)
}

fn does_contain(value: &Val, part: &Val) -> Answer<bool> {
    meter::step()?;
    match (value, part) {
        (Val::Str(text), Val::Str(part)) => {
            meter::work(text.as_str().len())?;
            Ok(text.as_str().contains(part.as_str()))
        }
        (Val::Array(items), Val::Array(parts)) => {
            for part in parts.items() {
                let mut found = false;
                for item in items.items() {
                    // Values of different types are an error outside, and no match inside.
                    found = found || does_contain(item, part).unwrap_or(false);
                }
                meter::step()?;
                if !found {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Val::Object(object), Val::Object(part)) => {
            for (key, part) in part.members() {
                let inner = object.get(key.as_str());
                let found = inner.is_some_and(|value| does_contain(value, part).unwrap_or(false));
                meter::step()?;
                if !found {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (value, part) if value.is_number() && part.is_number() => Ok(value == part),
        (Val::Null, Val::Null) => Ok(true),
        (Val::Bool(left), Val::Bool(right)) if left == right => Ok(true),
        _ => Err(fault::not_applicable1("contains", value, part)),
    }
}

fn find_all(name: &str, value: &Val, part: &Val) -> Answer {
    match (value, part) {
        (Val::Null, _) => Ok(Val::Null),
        (Val::Array(items), Val::Array(part)) => access::indices(items.items(), part.items()),
        (Val::Array(items), part) => access::indices(items.items(), std::slice::from_ref(part)),
        (Val::Str(text), Val::Str(part)) => find_text(text.as_str(), part.as_str()),
        _ => Err(fault::not_applicable1(name, value, part)),
    }
}

/// Where `part` starts in `text`, overlapping, counted in characters.
fn find_text(text: &str, part: &str) -> Answer {
    let mut found = Items::default();
    let (mut at, mut chars) = (0, 0);
    while !part.is_empty() {
        let Some(next) = text[at..].find(part) else {
            break;
        };
        meter::work(part.len())?;
        chars += text[at..at + next].chars().count();
        found.push(Val::count(chars))?;
        at += next + text[at + next..].chars().next().map_or(1, char::len_utf8);
        chars += 1;
    }
    Ok(found.finish())
}

fn end_of(found: &Val, end: impl Fn(&[Val]) -> Option<&Val>) -> Val {
    found.as_items().and_then(end).cloned().unwrap_or_default()
}

fn flatten(value: &Val, depth: &Val) -> Answer {
    let Some(items) = value.elements() else {
        return Err(fault::not_applicable("flatten", value));
    };
    let levels = number::to_float(depth).ok_or_else(|| fault::not_applicable("flatten", depth))?;
    if levels.is_nan() || levels < 0.0 {
        let shown = crate::jq::write::preview(depth);
        return Err(fault::message(format!(
            "flatten depth should not be negative: {shown}"
        )));
    }
    let mut flat = Items::default();
    flatten_into(&items, levels, &mut flat)?;
    Ok(flat.finish())
}

fn flatten_into(items: &[Val], levels: f64, flat: &mut Items) -> Answer<()> {
    for item in items {
        meter::step()?;
        match item {
            Val::Array(inner) if levels != 0.0 => {
                flatten_into(inner.items(), levels - 1.0, flat)?;
            }
            other => flat.push(other.clone())?,
        }
    }
    Ok(())
}

fn reverse(value: &Val) -> Answer {
    match value.as_items() {
        Some(items) => Ok(items.iter().rev().cloned().collect()),
        None => Err(fault::not_applicable("reverse", value)),
    }
}

fn transpose(value: &Val) -> Answer {
    let refused = || fault::not_applicable("transpose", value);
    let rows = value.as_items().ok_or_else(refused)?;
    let rows: Vec<&[Val]> = rows
        .iter()
        .map(|row| row.as_items().ok_or_else(refused))
        .collect::<Answer<_>>()?;
    let width = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    meter::reserve(
        width
            .saturating_mul(rows.len() + 2)
            .saturating_mul(size_of::<Val>()),
    )?;
    let column = |at: usize| {
        rows.iter()
            .map(move |row| row.get(at).cloned().unwrap_or_default())
    };
    Ok((0..width).map(|at| column(at).collect()).collect())
}

fn to_entries(value: &Val) -> Answer {
    let entry = |(key, value): (Val, Val)| Val::record([("key", key), ("value", value)]);
    match value {
        Val::Array(array) => {
            let keys = (0..array.items().len()).map(Val::count);
            Ok(keys.zip(array.items().iter().cloned()).map(entry).collect())
        }
        Val::Object(object) => {
            let members = object.members().iter();
            let entries = members.map(|(key, value)| entry((Val::Str(key.clone()), value.clone())));
            Ok(entries.collect())
        }
        other => Err(fault::not_applicable("keys", other)),
    }
}

fn from_entries(value: &Val) -> Answer {
    let Some(entries) = value.elements() else {
        return Err(fault::not_iterable(value));
    };
    let mut members = Vec::with_capacity(entries.len());
    for entry in entries.iter() {
        let field = |name: &str| access::index(entry, &Val::Str(Text::new(name.to_owned())));
        let mut key = Val::Null;
        for name in ["key", "Key", "name", "Name"] {
            key = field(name)?;
            if key.is_truthy() {
                break;
            }
        }
        let has_value = has(entry, &Val::str("value"))? == Val::Bool(true);
        let value = field(if has_value { "value" } else { "Value" })?;
        match key {
            Val::Str(key) => members.push((key, value)),
            other => return Err(fault::key_not_string(&other)),
        }
    }
    Ok(Val::object(members))
}
