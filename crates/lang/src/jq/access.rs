//! Looking into values and changing them: indexes, slices and paths, with gojq's rules for `null`,
//! negative indexes and places that do not exist yet.

use std::ops::Range;
use std::rc::Rc;

use super::fault;
use super::meter::{self, MAX_DEPTH, Spent};
use super::number::{to_int, to_int_up};
use super::value::{Answer, Array, Fault, Items, Object, Text, Val};
use super::write::preview;

/// The largest index that may be written to.
const MAX_INDEX: i64 = 0x2000_0000;

/// `value[index]`
pub(super) fn index(value: &Val, index: &Val) -> Answer {
    match (value, index) {
        (Val::Object(object), Val::Str(key)) => {
            Ok(object.get(key.as_str()).cloned().unwrap_or_default())
        }
        (Val::Null, Val::Str(_) | Val::Array(_) | Val::Object(_)) => Ok(Val::Null),
        (other, Val::Str(_)) => Err(fault::expected_object(other)),
        (Val::Array(array), Val::Array(part)) => indices(array.items(), part.items()),
        (other, Val::Array(_)) => Err(fault::expected_array(other)),
        (_, Val::Object(slice)) => {
            let (start, end) = slice_bounds(slice, index)?;
            self::slice(value, &start, &end)
        }
        (_, number) if number.is_number() => by_number(value, number),
        (Val::Array(_), other) => Err(fault::index_not_number("an array", other)),
        (Val::Str(_), other) => Err(fault::index_not_number("a string", other)),
        (_, other) => Err(fault::key_not_string(other)),
    }
}

fn by_number(value: &Val, index: &Val) -> Answer {
    let index = to_int(index).unwrap_or_default();
    match value {
        Val::Null => Ok(Val::Null),
        Val::Array(array) => Ok(position(index, array.items().len())
            .and_then(|at| array.items().get(at).cloned())
            .unwrap_or_default()),
        Val::Str(text) => {
            let text = text.as_str();
            let at = if index < 0 {
                position(index, text.chars().count())
            } else {
                usize::try_from(index).ok()
            };
            Ok(at
                .and_then(|at| text.chars().nth(at))
                .map_or(Val::Null, |char| Val::str(char.to_string())))
        }
        other => Err(fault::expected_array(other)),
    }
}

/// Counts from the end if negative; `None` before the start.
fn position(index: i64, length: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(at) => Some(at),
        Err(_) => length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

fn clamp(index: i64, min: usize, length: usize) -> usize {
    position(index, length)
        .unwrap_or(0)
        .clamp(min.min(length), length)
}

fn slice_bounds(slice: &Object, whole: &Val) -> Answer<(Val, Val)> {
    match (slice.get("start"), slice.get("end")) {
        (Some(start), Some(end)) => Ok((start.clone(), end.clone())),
        _ => Err(fault::no_start_and_end(whole)),
    }
}

fn bounds(start: &Val, end: &Val, length: usize, of: &str) -> Answer<Range<usize>> {
    let start = match start {
        Val::Null => 0,
        start => {
            let at = to_int(start).ok_or_else(|| fault::index_not_number(of, start))?;
            clamp(at, 0, length)
        }
    };
    let end = match end {
        Val::Null => length,
        end => {
            let at = to_int_up(end).ok_or_else(|| fault::index_not_number(of, end))?;
            clamp(at, start, length)
        }
    };
    Ok(start..end)
}

/// `value[start:end]`
pub(super) fn slice(value: &Val, start: &Val, end: &Val) -> Answer {
    match value {
        Val::Null => Ok(Val::Null),
        Val::Array(array) => {
            let range = bounds(start, end, array.items().len(), "an array")?;
            let size = range.len() * size_of::<Val>();
            meter::work(size)?;
            meter::reserve(size)?;
            Ok(Val::array(array.items()[range].to_vec()))
        }
        Val::Str(text) => {
            let text = text.as_str();
            meter::work(text.len())?;
            meter::reserve(text.len())?;
            let range = bounds(start, end, text.chars().count(), "a string")?;
            let offset = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(at, _)| at);
            Ok(Val::str(&text[offset(range.start)..offset(range.end)]))
        }
        other => Err(fault::expected_array(other)),
    }
}

/// Where `part` occurs in `items`.
pub(super) fn indices(items: &[Val], part: &[Val]) -> Answer {
    let mut found = Items::default();
    if !part.is_empty() {
        for (at, window) in items.windows(part.len()).enumerate() {
            meter::work(size_of_val(part))?;
            if window == part {
                found.push(Val::count(at))?;
            }
        }
    }
    Ok(found.finish())
}

/// The value at `path`; `null` where there is nothing.
pub(super) fn get_path(value: &Val, path: &Val) -> Answer {
    let Val::Array(keys) = path else {
        return Err(fault::not_applicable1("getpath", value, path));
    };
    let mut found = value.clone();
    for key in keys.items() {
        meter::step()?;
        if !matches!(found, Val::Null | Val::Array(_) | Val::Object(_)) {
            return Err(fault::not_applicable1("getpath", value, path));
        }
        found = index(&found, key)
            .map_err(|why| fault::failed1("getpath", value, path, fault::text(why)))?;
    }
    Ok(found)
}

/// `value` with `new` at `path`.
pub(super) fn set_path(value: Val, path: &Val, new: Val) -> Answer {
    let Val::Array(keys) = path else {
        return Err(fault::not_applicable1("setpath", &value, path));
    };
    check_length(keys)?;
    let (old, shown) = (preview(&value), new.clone());
    update(value, keys.items(), new).map_err(|why| {
        let (path, new, why) = (preview(path), preview(&shown), fault::text(why));
        fault::message(format!(
            "setpath({path}; {new}) cannot be applied to {old}: {why}"
        ))
    })
}

fn check_length(path: &Array) -> Result<(), Spent> {
    if path.items().len() > MAX_DEPTH {
        return Err(meter::exhaust(Spent::Depth));
    }
    Ok(())
}

/// `value` without what is at `paths`.
///
/// All paths are those of the value before anything is deleted: the places are marked first.
pub(super) fn delete_paths(value: Val, paths: &Val) -> Answer {
    let Val::Array(list) = paths else {
        return Err(fault::not_applicable1("delpaths", &value, paths));
    };
    if list.items().is_empty() {
        return Ok(value);
    }
    let old = preview(&value);
    let failed = |why: Fault| {
        let (paths, why) = (preview(paths), fault::text(why));
        fault::message(format!(
            "delpaths({paths}) cannot be applied to {old}: {why}"
        ))
    };
    let mut marked = value;
    for path in list.items() {
        let Val::Array(keys) = path else {
            return Err(failed(fault::expected_array(path)));
        };
        check_length(keys)?;
        meter::step()?;
        marked = update(marked, keys.items(), Val::Gone).map_err(failed)?;
    }
    sweep(&mut marked)?;
    Ok(marked)
}

/// Removes the marks. They are in parts that nothing else shares, for marking copied those.
fn sweep(value: &mut Val) -> Result<(), Spent> {
    match value {
        Val::Gone => *value = Val::Null,
        Val::Array(array) => {
            if let Some(array) = Rc::get_mut(array) {
                array.change(0, |items| {
                    items.retain(|item| !matches!(item, Val::Gone));
                    items.iter_mut().try_for_each(sweep_part)
                })?;
            }
        }
        Val::Object(object) => {
            if let Some(object) = Rc::get_mut(object) {
                object.change(|members| {
                    members.retain(|(_, member)| !matches!(member, Val::Gone));
                    members
                        .iter_mut()
                        .try_for_each(|(_, member)| sweep_part(member))
                })?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn sweep_part(value: &mut Val) -> Result<(), Spent> {
    meter::step()?;
    sweep(value)
}

/// Puts `new`, which may be the mark of deletion, at `path`.
fn update(value: Val, path: &[Val], new: Val) -> Answer {
    let Some((key, rest)) = path.split_first() else {
        return Ok(new);
    };
    match (value, key) {
        (Val::Gone, Val::Str(_) | Val::Object(_)) => Ok(Val::Gone),
        (Val::Gone, number) if number.is_number() => Ok(Val::Gone),
        (Val::Null, Val::Str(key)) if !matches!(new, Val::Gone) => {
            let value = update(Val::Null, rest, new)?;
            Ok(Val::object(vec![(key.clone(), value)]))
        }
        (Val::Null, Val::Str(_)) => Ok(Val::Null),
        (Val::Object(object), Val::Str(key)) => update_member(object, key, rest, new),
        (other, Val::Str(_)) => Err(fault::expected_object(&other)),
        (value @ (Val::Null | Val::Array(_)), Val::Object(slice)) => {
            update_slice(value, slice, key, rest, new)
        }
        (other, Val::Object(_)) => Err(fault::expected_array(&other)),
        (value @ (Val::Null | Val::Array(_)), number) if number.is_number() => {
            update_item(value, to_int(number).unwrap_or_default(), rest, new)
        }
        (other, number) if number.is_number() => Err(fault::expected_array(&other)),
        (Val::Array(_), other) => Err(fault::index_not_number("an array", other)),
        (_, other) => Err(fault::key_not_string(other)),
    }
}

fn update_member(mut object: Rc<Object>, key: &Rc<Text>, rest: &[Val], new: Val) -> Answer {
    if object.get(key.as_str()).is_none() && matches!(new, Val::Gone) {
        return Ok(Val::Object(object));
    }
    let members = Rc::make_mut(&mut object);
    let old = if rest.is_empty() {
        None
    } else {
        members.take(key.as_str())
    };
    members.insert(key, update(old.unwrap_or_default(), rest, new)?);
    Ok(Val::Object(object))
}

fn update_item(value: Val, index: i64, rest: &[Val], new: Val) -> Answer {
    let mut array = match value {
        Val::Array(array) => Some(array),
        _ => None,
    };
    let length = array.as_ref().map_or(0, |array| array.items().len());
    let at = position(index, length);
    let deletes = matches!(new, Val::Gone);
    match at {
        Some(at) if at < length => {}
        _ if deletes => return Ok(array.map_or(Val::Null, Val::Array)),
        None => {
            let shown = preview(&Val::Int(index));
            return Err(fault::message(format!(
                "array index should not be negative: {shown}"
            )));
        }
        Some(_) if index >= MAX_INDEX => {
            let shown = preview(&Val::Int(index));
            return Err(fault::message(format!("array index too large: {shown}")));
        }
        Some(at) => meter::reserve((at - length) * size_of::<Val>())?,
    }
    let at = at.unwrap_or_default();
    let array = array.get_or_insert_default();
    let items = Rc::make_mut(array);
    let old = items.change(0, |items| {
        if items.len() <= at {
            items.resize(at + 1, Val::Null);
        }
        std::mem::take(&mut items[at])
    });
    let new = update(old, rest, new)?;
    items.change(new.depth(), |items| items[at] = new);
    Ok(Val::Array(array.clone()))
}

fn update_slice(value: Val, slice: &Object, whole: &Val, rest: &[Val], new: Val) -> Answer {
    let (start, end) = slice_bounds(slice, whole)?;
    let length = value.as_items().map_or(0, <[Val]>::len);
    let range = bounds(&start, &end, length, "an array")?;
    if range.is_empty() && matches!(new, Val::Gone) {
        return Ok(value);
    }
    let mut array = match value {
        Val::Array(array) => array,
        _ => Rc::default(),
    };
    meter::work(size_of_val(array.items()))?;
    meter::reserve(range.len() * size_of::<Val>())?;
    let part = Val::array(array.items()[range.clone()].to_vec());
    let middle = match update(part, rest, new)? {
        Val::Array(part) => part,
        Val::Gone => Rc::new(Array::new(vec![Val::Gone; range.len()])),
        other => return Err(fault::expected_array(&other)),
    };
    let depth = middle.items().iter().map(Val::depth).max().unwrap_or(0);
    Rc::make_mut(&mut array).change(depth, |items| {
        items.splice(range, middle.items().iter().cloned());
    });
    Ok(Val::Array(array))
}
