//! Functions over lists: those with a predicate, sorting, sums.

use std::cmp::Ordering;
use std::rc::Rc;

use super::arithmetic::{self, float};
use super::budget::Budget;
use super::builtins::Builtin;
use super::eval::{Run, Scope, Stop, truth};
use super::room::{self, Charge};
use super::syntax::{Find, Node};
use super::value::{Elements, List, Value};

/// What comparing two numbers is worth, in bytes of text.
const BYTES_OF_NUMBER: usize = 32;

fn elements<'a>(value: &Value<'a>) -> Result<Rc<List<'a>>, Stop> {
    value
        .elements()
        .ok_or_else(|| Stop::new(format!("{} is no list", value.type_name())))
}

/// What a predicate runs over: a list, the bytes of a text, or an empty map.
fn sequence<'a>(value: &Value<'a>) -> Result<Rc<List<'a>>, Stop> {
    let bytes = match value {
        Value::Text(text) => {
            room::read(text.len());
            text.bytes().map(|byte| Value::Int(byte.into())).collect()
        }
        Value::Map(_) | Value::Json(_)
            if value.members().is_some_and(|map| map.members.is_empty()) =>
        {
            Vec::new()
        }
        _ => return elements(value),
    };
    match Value::list(Elements::Any, bytes) {
        Some(Value::List(list)) => Ok(list),
        _ => elements(value),
    }
}

fn number<'a>(count: usize) -> Value<'a> {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Runs `predicate` with the scope at `index`.
fn ask<'a>(
    run: &mut Run<'a>,
    item: Value<'a>,
    index: usize,
    predicate: &'a Node,
) -> Result<Value<'a>, Stop> {
    run.scopes.push(Scope {
        item,
        index,
        accumulator: Value::Nil,
    });
    let answer = run.eval(predicate);
    run.scopes.pop();
    answer
}

/// `any(list, predicate)` and its kind.
pub(super) fn predicate<'a>(
    run: &mut Run<'a>,
    builtin: Builtin,
    nodes: &'a [Node],
) -> Result<Value<'a>, Stop> {
    let [list, predicate, rest @ ..] = nodes else {
        return Err(Stop::new(format!(
            "'{}' takes a list and a predicate",
            builtin.name()
        )));
    };
    let list = sequence(&run.eval(list)?)?;
    match builtin {
        Builtin::All => every(run, &list, predicate, true),
        Builtin::None => every(run, &list, predicate, false),
        Builtin::Any => Ok(Value::Bool(hit(run, &list, predicate, false)?.is_some())),
        Builtin::Find | Builtin::FindLast => {
            let found = hit(run, &list, predicate, builtin == Builtin::FindLast)?;
            Ok(found.map_or(Value::Nil, |index| list.items[index].clone()))
        }
        Builtin::FindIndex | Builtin::FindLastIndex => {
            let found = hit(run, &list, predicate, builtin == Builtin::FindLastIndex)?;
            Ok(found.map_or(Value::Nil, number))
        }
        Builtin::GroupBy => group_by(run, &list, predicate),
        Builtin::Reduce => reduce(run, &list, predicate, rest.first()),
        Builtin::Map => {
            run.budget.grow(list.items.len())?;
            let _held = held(&list, run)?;
            let mut items = Vec::with_capacity(list.items.len());
            for (index, item) in list.items.iter().enumerate() {
                items.push(ask(run, item.clone(), index, predicate)?);
            }
            run.budget.built(Value::list(Elements::Any, items))
        }
        _ => {
            let _held = held(&list, run)?;
            let mut items = Vec::new();
            for (index, item) in list.items.iter().enumerate() {
                if truth(&ask(run, item.clone(), index, predicate)?)? {
                    items.push(item.clone());
                }
            }
            match builtin {
                Builtin::Count => Ok(number(items.len())),
                Builtin::One => Ok(Value::Bool(items.len() == 1)),
                _ => {
                    run.budget.grow(items.len())?;
                    run.budget.built(Value::list(Elements::Any, items))
                }
            }
        }
    }
}

/// Room for another list with as many elements, while it is made.
fn held(list: &List<'_>, run: &Run<'_>) -> Result<Charge, Stop> {
    let held = Charge::of_items::<Value<'_>>(list.items.len());
    run.budget.fits(0)?;
    Ok(held)
}

/// Whether the predicate answers `wanted` for each element.
fn every<'a>(
    run: &mut Run<'a>,
    list: &List<'a>,
    predicate: &'a Node,
    wanted: bool,
) -> Result<Value<'a>, Stop> {
    for (index, item) in list.items.iter().enumerate() {
        if truth(&ask(run, item.clone(), index, predicate)?)? != wanted {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

/// Where the predicate first (or last) holds.
fn hit<'a>(
    run: &mut Run<'a>,
    list: &List<'a>,
    predicate: &'a Node,
    backwards: bool,
) -> Result<Option<usize>, Stop> {
    let count = list.items.len();
    for step in 0..count {
        let index = if backwards { count - 1 - step } else { step };
        if truth(&ask(run, list.items[index].clone(), index, predicate)?)? {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// The first (or last) element of a filtered list.
pub(super) fn find<'a>(run: &mut Run<'a>, find: &'a Find) -> Result<Value<'a>, Stop> {
    let list = sequence(&run.eval(&find.list)?)?;
    match hit(run, &list, &find.predicate, find.last)? {
        Some(index) => Ok(list.items[index].clone()),
        None if find.throws => Err(Stop::new("index out of range")),
        None => Ok(Value::Nil),
    }
}

fn reduce<'a>(
    run: &mut Run<'a>,
    list: &List<'a>,
    predicate: &'a Node,
    initial: Option<&'a Node>,
) -> Result<Value<'a>, Stop> {
    let mut items = list.items.iter().enumerate();
    let mut accumulator = match initial {
        Some(node) => run.eval(node)?,
        None => match items.next() {
            Some((_, first)) => first.clone(),
            None => return Err(Stop::new("index out of range")),
        },
    };
    for (index, item) in items {
        run.scopes.push(Scope {
            item: item.clone(),
            index,
            accumulator,
        });
        let answer = run.eval(predicate);
        run.scopes.pop();
        accumulator = answer?;
    }
    Ok(accumulator)
}

/// Whether two values are one key.
pub(super) fn same_key(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Int(left), Value::Int(right)) | (Value::Duration(left), Value::Duration(right)) => {
            left == right
        }
        (Value::Float(left), Value::Float(right)) => left.total_cmp(right).is_eq(),
        (Value::Text(left), Value::Text(right)) => left == right,
        _ => false,
    }
}

fn group_by<'a>(
    run: &mut Run<'a>,
    list: &List<'a>,
    predicate: &'a Node,
) -> Result<Value<'a>, Stop> {
    let _held = held(list, run)?;
    let mut groups: Vec<(Value<'a>, Vec<Value<'a>>)> = Vec::new();
    for (index, item) in list.items.iter().enumerate() {
        let key = ask(run, item.clone(), index, predicate)?;
        if key.elements().is_some() || key.members().is_some() || matches!(key, Value::Groups(_)) {
            return Err(Stop::new(format!("{} is no key", key.type_name())));
        }
        run.budget.charge(groups.len())?;
        match groups.iter_mut().find(|(known, _)| same_key(known, &key)) {
            Some((_, group)) => group.push(item.clone()),
            None => groups.push((key, vec![item.clone()])),
        }
    }
    let mut finished = Vec::with_capacity(groups.len());
    for (key, items) in groups {
        finished.push((key, run.budget.built(Value::list(Elements::Any, items))?));
    }
    finished.sort_by(|(left, _), (right, _)| {
        arithmetic::order(left, right)
            .ok()
            .flatten()
            .unwrap_or(Ordering::Equal)
    });
    Ok(Value::Groups(Rc::new(finished)))
}

/// `sort(list, direction)` and `sortBy(list, field, direction)`.
pub(super) fn sort<'a>(
    list: &Value<'a>,
    field: Option<&str>,
    direction: Option<&Value<'a>>,
    budget: &mut Budget,
) -> Result<Value<'a>, Stop> {
    let list = elements(list)?;
    let descending = match direction {
        None => false,
        Some(Value::Text(text)) if &**text == "asc" => false,
        Some(Value::Text(text)) if &**text == "desc" => true,
        Some(_) => return Err(Stop::new("a direction is \"asc\" or \"desc\"")),
    };
    let _held = Charge::of_items::<(Value<'_>, Value<'_>)>(list.items.len());
    // Each element is compared about as often as their number has binary digits.
    let texts = list.items.iter().map(|item| match item {
        Value::Text(text) => text.len(),
        _ => BYTES_OF_NUMBER,
    });
    let rounds = list.items.len().checked_ilog2().unwrap_or(0) as usize + 1;
    budget.work(texts.sum::<usize>().saturating_mul(rounds))?;
    let key = |item: &Value<'a>| match item.members() {
        Some(map) => map
            .members
            .get(field.unwrap_or_default())
            .cloned()
            .unwrap_or(Value::Nil),
        None => item.clone(),
    };
    let mut keyed: Vec<_> = list
        .items
        .iter()
        .map(|item| (key(item), item.clone()))
        .collect();
    for (key, _) in &keyed {
        let alike = std::mem::discriminant(key) == std::mem::discriminant(&keyed[0].0);
        // One element alone is never compared.
        let sortable = matches!(key, Value::Int(_) | Value::Float(_) | Value::Text(_));
        if !alike || (!sortable && (keyed.len() > 1 || key.is_nil())) {
            return Err(Stop::new("only numbers or only texts can be sorted"));
        }
    }
    keyed.sort_by(|(left, _), (right, _)| {
        let order = arithmetic::order(left, right)
            .ok()
            .flatten()
            .unwrap_or(Ordering::Equal);
        if descending { order.reverse() } else { order }
    });
    let items = keyed.into_iter().map(|(_, item)| item).collect();
    budget.built(Value::list(Elements::Any, items))
}

/// `take(list, count)`
pub(super) fn take<'a>(
    value: &Value<'a>,
    count: i64,
    budget: &mut Budget,
) -> Result<Value<'a>, Stop> {
    let list = elements(value)?;
    let Ok(count) = usize::try_from(count) else {
        return Err(Stop::new("cannot take less than nothing"));
    };
    let count = count.min(list.items.len());
    budget.charge(count)?;
    budget.fits(count * size_of::<Value<'_>>())?;
    let items = list.items[..count].to_vec();
    budget.built(Value::list(list.of, items))
}

/// `sum`, `mean`, `median`
pub(super) fn statistic<'a>(
    builtin: Builtin,
    list: &Value<'a>,
    budget: &mut Budget,
) -> Result<Value<'a>, Stop> {
    let list = elements(list)?;
    budget.charge(list.items.len())?;
    let mut numbers = Vec::with_capacity(list.items.len());
    for item in &list.items {
        let number = float(item);
        numbers.push(number.ok_or_else(|| {
            Stop::new(format!(
                "'{}' does not take {}",
                builtin.name(),
                item.type_name()
            ))
        })?);
    }
    if builtin == Builtin::Sum {
        let ints: Option<Vec<i64>> = list
            .items
            .iter()
            .map(|item| match item {
                Value::Int(int) => Some(*int),
                _ => None,
            })
            .collect();
        return Ok(match ints {
            Some(ints) => Value::Int(ints.into_iter().fold(0, i64::wrapping_add)),
            None => Value::Float(numbers.iter().sum()),
        });
    }
    let count = numbers.len();
    if count == 0 {
        return Ok(Value::Float(0.0));
    }
    if builtin == Builtin::Median {
        numbers.sort_by(f64::total_cmp);
        let upper = numbers[count / 2];
        let even = count.is_multiple_of(2);
        return Ok(Value::Float(if even {
            f64::midpoint(numbers[count / 2 - 1], upper)
        } else {
            upper
        }));
    }
    #[expect(clippy::cast_precision_loss, reason = "lists are far shorter")]
    Ok(Value::Float(numbers.iter().sum::<f64>() / count as f64))
}
