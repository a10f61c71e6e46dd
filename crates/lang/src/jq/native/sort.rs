//! Sorting, and what is found by sorting.

use std::cmp::Ordering;

use super::{Fun, native};
use crate::jq::value::{Answer, Items, Val};
use crate::jq::{fault, meter};

pub(super) fn natives() -> Vec<Fun> {
    vec![
        native!("sort", 0, |value: &Val| {
            let sorted = sorted("sort", value, None)?;
            Ok(sorted.into_iter().map(|(_, value)| value).collect())
        }),
        native!("!sort_by", 1, |value: &Val, keys: &Val| {
            let sorted = sorted("sort_by", value, Some(keys))?;
            Ok(sorted.into_iter().map(|(_, value)| value).collect())
        }),
        native!("unique", 0, |value: &Val| firsts(sorted(
            "unique", value, None
        )?)),
        native!("!unique_by", 1, |value: &Val, keys: &Val| {
            firsts(sorted("unique_by", value, Some(keys))?)
        }),
        native!("!group_by", 1, |value: &Val, keys: &Val| {
            groups(sorted("group_by", value, Some(keys))?)
        }),
        native!("min", 0, |value: &Val| extreme(
            "min",
            value,
            None,
            Ordering::Less
        )),
        native!("max", 0, |value: &Val| extreme(
            "max",
            value,
            None,
            Ordering::Greater
        )),
        native!("!min_by", 1, |value: &Val, keys: &Val| {
            extreme("min_by", value, Some(keys), Ordering::Less)
        }),
        native!("!max_by", 1, |value: &Val, keys: &Val| {
            extreme("max_by", value, Some(keys), Ordering::Greater)
        }),
        native!("bsearch", 1, search),
    ]
}

/// The elements with what they are ordered by.
fn keyed(name: &str, value: &Val, keys: Option<&Val>) -> Answer<Vec<(Val, Val)>> {
    let refused = || match keys {
        Some(keys) => fault::not_applicable1(name, value, keys),
        None => fault::not_applicable(name, value),
    };
    let items = value.as_items().ok_or_else(refused)?;
    let keys = keys.unwrap_or(value).as_items().ok_or_else(refused)?;
    meter::reserve(4 * items.len() * size_of::<Val>())?;
    Ok(keys.iter().cloned().zip(items.iter().cloned()).collect())
}

fn sorted(name: &str, value: &Val, keys: Option<&Val>) -> Answer<Vec<(Val, Val)>> {
    let mut items = keyed(name, value, keys)?;
    let mut width = 1;
    // Merged by hand: the library's sort may panic where NaN or a spent run spoils the order.
    while width < items.len() {
        let mut merged = Vec::with_capacity(items.len());
        for pair in items.chunks(2 * width) {
            let (left, right) = pair.split_at(width.min(pair.len()));
            merge(left, right, &mut merged)?;
        }
        items = merged;
        width *= 2;
    }
    Ok(items)
}

fn merge(left: &[(Val, Val)], right: &[(Val, Val)], merged: &mut Vec<(Val, Val)>) -> Answer<()> {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(first), Some(second)) = (left.peek(), right.peek()) {
        meter::step()?;
        let next = if second.0.compare(&first.0).is_lt() {
            right.next()
        } else {
            left.next()
        };
        merged.extend(next.cloned());
    }
    merged.extend(left.chain(right).cloned());
    Ok(())
}

/// Arrays of those with equal keys.
fn groups(sorted: Vec<(Val, Val)>) -> Answer {
    let mut groups = Items::default();
    let mut group = Items::default();
    let mut last: Option<Val> = None;
    for (key, value) in sorted {
        if last.as_ref().is_some_and(|last| *last != key) {
            groups.push(std::mem::take(&mut group).finish())?;
        }
        group.push(value)?;
        last = Some(key);
    }
    if last.is_some() {
        groups.push(group.finish())?;
    }
    Ok(groups.finish())
}

/// The first of each group.
fn firsts(sorted: Vec<(Val, Val)>) -> Answer {
    let mut firsts = Items::default();
    let mut last: Option<Val> = None;
    for (key, value) in sorted {
        if last.as_ref() != Some(&key) {
            firsts.push(value)?;
        }
        last = Some(key);
    }
    Ok(firsts.finish())
}

/// The first of the least, or the last of the greatest.
fn extreme(name: &str, value: &Val, keys: Option<&Val>, wanted: Ordering) -> Answer {
    let mut items = keyed(name, value, keys)?.into_iter();
    let Some(mut found) = items.next() else {
        return Ok(Val::Null);
    };
    for item in items {
        meter::step()?;
        let is_less = found.0.compare(&item.0).is_gt();
        if is_less == wanted.is_lt() {
            found = item;
        }
    }
    Ok(found.1)
}

/// Where `target` is in a sorted array; if it is not, `-1 -` where it would be.
fn search(value: &Val, target: &Val) -> Answer {
    let Some(items) = value.as_items() else {
        return Err(fault::not_applicable1("bsearch", value, target));
    };
    let at = items.partition_point(|item| item.compare(target).is_lt());
    match items.get(at) {
        Some(item) if item == target => Ok(Val::count(at)),
        _ => Val::Int(-1) - Val::count(at),
    }
}
