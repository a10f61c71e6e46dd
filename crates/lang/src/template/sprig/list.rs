//! Lists. Most functions take lists of any type and give lists of `interface {}`; what is no list
//! is an error in both the plain and the `must` variants.

use super::super::function::Param::{Any, Int, Text as TextParam};
use super::super::function::{Args, Function, fixed, variadic};
use super::super::limit::{Outcome, TOO_LONG};
use super::super::value::{Element, List, Text, Value};
use super::cast::to_int64;
use super::default::is_empty;
use super::dict::any_list;

/// How many bytes may be compared to sort texts: less than a tenth of a second.
const MAX_COMPARED: usize = 256 << 20;

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("list", &[], Any, |args| any_list(args, args.values.clone())),
    variadic("tuple", &[], Any, |args| {
        any_list(args, args.values.clone())
    }),
    fixed("append", &[Any, Any], append),
    fixed("push", &[Any, Any], append),
    fixed("prepend", &[Any, Any], prepend),
    fixed("first", &[Any], |args| {
        Ok(items(args, 0)?.first().cloned().unwrap_or(Value::Nil))
    }),
    fixed("last", &[Any], |args| {
        Ok(items(args, 0)?.last().cloned().unwrap_or(Value::Nil))
    }),
    fixed("rest", &[Any], |args| {
        part(args, |items| items.split_first().map(|(_, rest)| rest))
    }),
    fixed("initial", &[Any], |args| {
        part(args, |items| items.split_last().map(|(_, rest)| rest))
    }),
    fixed("reverse", &[Any], |args| {
        any_list(args, items(args, 0)?.iter().rev().cloned().collect())
    }),
    fixed("compact", &[Any], |args| {
        let full = items(args, 0)?.iter().filter(|item| !is_empty(item));
        any_list(args, full.cloned().collect())
    }),
    fixed("uniq", &[Any], uniq),
    variadic("without", &[Any], Any, without),
    fixed("has", &[Any, Any], has),
    variadic("slice", &[Any], Any, slice),
    variadic("concat", &[], Any, concat),
    fixed("chunk", &[Int, Any], chunk),
    fixed("sortAlpha", &[Any], sort_alpha),
    fixed("toStrings", &[Any], |args| {
        text_list(args, texts(args, args.any(0))?)
    }),
    fixed("join", &[TextParam, Any], join),
];

/// The names that return an error where the plain ones panic; to a template that is the same.
pub(super) const MUST_FUNCTIONS: &[Function] = &[
    fixed("mustAppend", &[Any, Any], append),
    fixed("mustPush", &[Any, Any], append),
    fixed("mustPrepend", &[Any, Any], prepend),
    fixed("mustFirst", &[Any], |args| {
        Ok(items(args, 0)?.first().cloned().unwrap_or(Value::Nil))
    }),
    fixed("mustLast", &[Any], |args| {
        Ok(items(args, 0)?.last().cloned().unwrap_or(Value::Nil))
    }),
    fixed("mustRest", &[Any], |args| {
        part(args, |items| items.split_first().map(|(_, rest)| rest))
    }),
    fixed("mustInitial", &[Any], |args| {
        part(args, |items| items.split_last().map(|(_, rest)| rest))
    }),
    fixed("mustReverse", &[Any], |args| {
        any_list(args, items(args, 0)?.iter().rev().cloned().collect())
    }),
    fixed("mustCompact", &[Any], |args| {
        let full = items(args, 0)?.iter().filter(|item| !is_empty(item));
        any_list(args, full.cloned().collect())
    }),
    fixed("mustUniq", &[Any], uniq),
    variadic("mustWithout", &[Any], Any, without),
    fixed("mustHas", &[Any, Any], has),
    variadic("mustSlice", &[Any], Any, slice),
    fixed("mustChunk", &[Int, Any], chunk),
];

/// The elements of the list at `index` of the arguments.
fn items<'a>(args: &'a Args<'_>, index: usize) -> Outcome<&'a [Value]> {
    match args.any(index) {
        Value::List(list) => Ok(list.items()),
        other => Err(format!("a list is expected, not a value of kind {}", other.kind()).into()),
    }
}

fn append(args: &Args<'_>) -> Outcome<Value> {
    let mut items = items(args, 0)?.to_vec();
    items.push(args.any(1).clone());
    any_list(args, items)
}

fn prepend(args: &Args<'_>) -> Outcome<Value> {
    let items = items(args, 0)?.iter().cloned();
    any_list(
        args,
        std::iter::once(args.any(1).clone()).chain(items).collect(),
    )
}

/// A part of a list; of an empty list the nil list.
fn part(args: &Args<'_>, part: fn(&[Value]) -> Option<&[Value]>) -> Outcome<Value> {
    match part(items(args, 0)?) {
        Some(rest) => any_list(args, rest.to_vec()),
        None => Ok(Value::List(List::nil(Element::Any))),
    }
}

fn contains(args: &Args<'_>, list: &[Value], value: &Value) -> Outcome<bool> {
    for item in list {
        if value.deep_equal(item, args.budget())? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq(args: &Args<'_>) -> Outcome<Value> {
    let mut seen = Vec::new();
    for item in items(args, 0)? {
        if !contains(args, &seen, item)? {
            seen.push(item.clone());
        }
    }
    any_list(args, seen)
}

fn without(args: &Args<'_>) -> Outcome<Value> {
    let mut kept = Vec::new();
    for item in items(args, 0)? {
        if !contains(args, args.rest(1), item)? {
            kept.push(item.clone());
        }
    }
    any_list(args, kept)
}

fn has(args: &Args<'_>) -> Outcome<Value> {
    if args.any(1).is_nothing() {
        return Ok(Value::Bool(false));
    }
    Ok(Value::Bool(contains(args, items(args, 1)?, args.any(0))?))
}

/// `slice list start end`; the type of the list stays.
fn slice(args: &Args<'_>) -> Outcome<Value> {
    let items = items(args, 0)?;
    let Value::List(list) = args.any(0) else {
        return Ok(Value::Nil);
    };
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let position = |index: usize, default: usize| match args.values.get(index) {
        Some(value) => usize::try_from(to_int64(value)).ok(),
        None => Some(default),
    };
    let part = position(1, 0)
        .zip(position(2, items.len()))
        .and_then(|(start, end)| items.get(start..end))
        .ok_or("slice index out of bounds")?;
    Ok(Value::List(List::new(
        args.budget(),
        list.element,
        part.to_vec(),
    )?))
}

fn concat(args: &Args<'_>) -> Outcome<Value> {
    let mut all = Vec::new();
    for index in 0..args.len() {
        all.extend_from_slice(items(args, index)?);
    }
    if all.is_empty() {
        return Ok(Value::List(List::nil(Element::Any)));
    }
    any_list(args, all)
}

fn chunk(args: &Args<'_>) -> Outcome<Value> {
    let items = items(args, 1)?;
    let size = match usize::try_from(args.int(0)) {
        Ok(size) if size > 0 => size,
        // The number of chunks comes out as zero.
        Err(_)
            if items.len() > 1
                && usize::try_from(args.int(0).unsigned_abs())
                    .is_ok_and(|size| size >= items.len() - 1) =>
        {
            return Ok(Value::List(List::new(
                args.budget(),
                Element::List,
                Vec::new(),
            )?));
        }
        _ => return Err("chunks need a positive size".into()),
    };
    let chunks = items
        .chunks(size)
        .map(|chunk| any_list(args, chunk.to_vec()));
    let chunks = chunks.collect::<Outcome<_>>()?;
    Ok(Value::List(List::new(
        args.budget(),
        Element::List,
        chunks,
    )?))
}

/// The elements as texts, without those that are nil; of a single value its text.
fn texts(args: &Args<'_>, value: &Value) -> Outcome<Vec<Text>> {
    match value {
        Value::List(list) => {
            let items = list.items().iter().filter(|item| !item.is_nothing());
            items.map(|item| args.text_of(item)).collect()
        }
        value if value.is_nothing() => Ok(Vec::new()),
        value => Ok(vec![args.text_of(value)?]),
    }
}

/// A list of texts.
pub(super) fn text_list(args: &Args<'_>, texts: Vec<Text>) -> Outcome<Value> {
    let items = texts.into_iter().map(Value::Text).collect();
    Ok(Value::List(List::new(args.budget(), Element::Text, items)?))
}

fn sort_alpha(args: &Args<'_>) -> Outcome<Value> {
    let mut texts = match args.any(0) {
        list @ Value::List(_) => texts(args, list)?,
        other => vec![args.text_of(other)?],
    };
    // The sort of the library cannot be stopped, and shared texts cost nothing until they are compared.
    let rounds = texts.len().checked_ilog2().unwrap_or(0) as usize + 1;
    let compared = texts.iter().map(|text| text.len()).sum::<usize>();
    if compared.saturating_mul(rounds) > MAX_COMPARED {
        return Err(TOO_LONG.into());
    }
    texts.sort();
    text_list(args, texts)
}

fn join(args: &Args<'_>) -> Outcome<Value> {
    let texts = texts(args, args.any(1))?;
    let between = args.bytes(0);
    let length = texts.iter().fold(0usize, |length, text| {
        length
            .saturating_add(text.len())
            .saturating_add(between.len())
    });
    args.budget()
        .take_text(length.saturating_sub(between.len()))?;
    Ok(Value::text(texts.join(between)))
}
