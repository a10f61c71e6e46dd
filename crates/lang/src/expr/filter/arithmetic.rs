//! Operators on two values.

use std::cmp::Ordering;

use super::budget::Budget;
use super::eval::Stop;
use super::syntax::Binary;
use super::value::{Elements, Value};
use crate::gomath;
use crate::regex::{self, Regex};

/// How long a text may grow.
///
/// Above the largest message a bus takes by far.
pub(super) const MAX_TEXT: usize = 4 << 20;

#[derive(Clone, Copy)]
enum Pair {
    Ints(i64, i64),
    Floats(f64, f64),
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a sum of an int and a float is a float"
)]
fn double(int: i64) -> f64 {
    int as f64
}

fn numbers(left: &Value<'_>, right: &Value<'_>) -> Option<Pair> {
    Some(match (left, right) {
        (Value::Int(left), Value::Int(right)) => Pair::Ints(*left, *right),
        (Value::Int(left), Value::Float(right)) => Pair::Floats(double(*left), *right),
        (Value::Float(left), Value::Int(right)) => Pair::Floats(*left, double(*right)),
        (Value::Float(left), Value::Float(right)) => Pair::Floats(*left, *right),
        _ => return None,
    })
}

/// A number as Go's `float64(x)`.
pub(super) fn float(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Int(int) => Some(double(*int)),
        Value::Float(float) => Some(*float),
        _ => None,
    }
}

/// A number as Go's `int(x)` on amd64: cut off, and the least number where it does not fit.
pub(super) fn int(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Int(int) => Some(*int),
        Value::Float(float) => Some(truncate(*float)),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn truncate(float: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&float) {
        float as i64
    } else {
        i64::MIN
    }
}

/// `left == right`
pub(super) fn equal(
    left: &Value<'_>,
    right: &Value<'_>,
    budget: &mut Budget,
) -> Result<bool, Stop> {
    Ok(match (left, right) {
        (Value::Text(left), Value::Text(right)) => {
            budget.work(left.len())?;
            left == right
        }
        (Value::Nil, Value::Nil) => true,
        (Value::Time(left), Value::Time(right)) => left.compare(right).is_eq(),
        _ => match numbers(left, right) {
            Some(Pair::Ints(left, right)) => left == right,
            Some(Pair::Floats(left, right)) => same(left, right),
            None => deep_equal(left, right, budget)?,
        },
    })
}

#[expect(clippy::float_cmp, reason = "the language compares doubles exactly")]
fn same(left: f64, right: f64) -> bool {
    left == right
}

/// Equality within lists and maps: types count, an int is no float.
fn deep_equal(left: &Value<'_>, right: &Value<'_>, budget: &mut Budget) -> Result<bool, Stop> {
    budget.charge(1)?;
    Ok(match (left, right) {
        (Value::Nil, Value::Nil) | (Value::Library, Value::Library) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Int(left), Value::Int(right)) | (Value::Duration(left), Value::Duration(right)) => {
            left == right
        }
        (Value::Float(left), Value::Float(right)) => same(*left, *right),
        (Value::Text(left), Value::Text(right)) => {
            budget.work(left.len())?;
            left == right
        }
        (Value::Time(left), Value::Time(right)) => left == right,
        (Value::Groups(left), Value::Groups(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for ((left_key, left), (right_key, right)) in left.iter().zip(right.iter()) {
                if !deep_equal(left_key, right_key, budget)? || !deep_equal(left, right, budget)? {
                    return Ok(false);
                }
            }
            true
        }
        _ => {
            if let (Some(left), Some(right)) = (left.elements(), right.elements()) {
                if left.of != right.of || left.items.len() != right.items.len() {
                    return Ok(false);
                }
                for (left, right) in left.items.iter().zip(&right.items) {
                    if !deep_equal(left, right, budget)? {
                        return Ok(false);
                    }
                }
                return Ok(true);
            }
            let (Some(left), Some(right)) = (left.members(), right.members()) else {
                return Ok(false);
            };
            if left.members.len() != right.members.len() {
                return Ok(false);
            }
            for (key, left) in &left.members {
                let Some(right) = right.members.get(key) else {
                    return Ok(false);
                };
                if !deep_equal(left, right, budget)? {
                    return Ok(false);
                }
            }
            true
        }
    })
}

/// Which of two comes first; none where NaN is one of them.
pub(super) fn order(left: &Value<'_>, right: &Value<'_>) -> Result<Option<Ordering>, Stop> {
    Ok(match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Time(left), Value::Time(right)) => Some(left.compare(right)),
        (Value::Duration(left), Value::Duration(right)) => Some(left.cmp(right)),
        _ => match numbers(left, right) {
            Some(Pair::Ints(left, right)) => Some(left.cmp(&right)),
            Some(Pair::Floats(left, right)) => left.partial_cmp(&right),
            None => {
                return Err(Stop::new(format!(
                    "cannot order {} and {}",
                    left.type_name(),
                    right.type_name()
                )));
            }
        },
    })
}

/// The result of `operator`, both sides computed.
pub(super) fn binary<'a>(
    operator: Binary,
    left: &Value<'a>,
    right: &Value<'a>,
    budget: &mut Budget,
) -> Result<Value<'a>, Stop> {
    let refuse = || {
        Stop::new(format!(
            "'{}' does not take {} and {}",
            operator.text(),
            left.type_name(),
            right.type_name()
        ))
    };
    let value = match operator {
        Binary::Equal => Value::Bool(equal(left, right, budget)?),
        Binary::NotEqual => Value::Bool(!equal(left, right, budget)?),
        Binary::Less => Value::Bool(order(left, right)?.is_some_and(Ordering::is_lt)),
        Binary::Greater => Value::Bool(order(left, right)?.is_some_and(Ordering::is_gt)),
        Binary::LessEqual => Value::Bool(order(left, right)?.is_some_and(Ordering::is_le)),
        Binary::GreaterEqual => Value::Bool(order(left, right)?.is_some_and(Ordering::is_ge)),
        Binary::In => Value::Bool(is_in(left, right, budget)?),
        Binary::Matches | Binary::Contains | Binary::StartsWith | Binary::EndsWith => {
            let (Value::Text(left), Value::Text(right)) = (left, right) else {
                return Err(refuse());
            };
            Value::Bool(texts(operator, left, right, budget)?)
        }
        Binary::Range => return range(left, right, budget),
        Binary::Power => {
            let (base, exponent) = (float(left), float(right));
            Value::Float(
                base.zip(exponent)
                    .map(|(base, by)| gomath::pow(base, by))
                    .ok_or_else(refuse)?,
            )
        }
        Binary::Divide => {
            let (left, right) = (float(left), float(right));
            Value::Float(
                left.zip(right)
                    .map(|(left, right)| left / right)
                    .ok_or_else(refuse)?,
            )
        }
        Binary::Modulo => match (left, right) {
            (Value::Int(_), Value::Int(0)) => return Err(Stop::new("integer divide by zero")),
            (Value::Int(left), Value::Int(right)) => Value::Int(left.wrapping_rem(*right)),
            _ => return Err(refuse()),
        },
        Binary::Add => add(left, right, budget)?.ok_or_else(refuse)?,
        Binary::Subtract => subtract(left, right).ok_or_else(refuse)?,
        Binary::Multiply => multiply(left, right).ok_or_else(refuse)?,
        Binary::And | Binary::Or | Binary::Coalesce => return Err(refuse()),
    };
    Ok(value)
}

fn texts(operator: Binary, left: &str, right: &str, budget: &mut Budget) -> Result<bool, Stop> {
    budget.work(left.len())?;
    Ok(match operator {
        Binary::Contains => left.contains(right),
        Binary::StartsWith => left.starts_with(right),
        Binary::EndsWith => left.ends_with(right),
        _ => {
            let pattern = regex::compile(right).map_err(|error| Stop::new(error.message))?;
            budget.look()?;
            is_match(&pattern, left)?
        }
    })
}

pub(super) fn is_match(pattern: &Regex, text: &str) -> Result<bool, Stop> {
    let is_match = pattern.is_match(text);
    is_match.map_err(|error| Stop::new(error.to_string()))
}

fn add<'a>(
    left: &Value<'a>,
    right: &Value<'a>,
    budget: &mut Budget,
) -> Result<Option<Value<'a>>, Stop> {
    Ok(match (left, right) {
        (Value::Text(left), Value::Text(right)) => {
            text_fits(left.len() + right.len(), budget)?;
            Some(Value::text(format!("{left}{right}")))
        }
        (Value::Time(time), Value::Duration(by)) | (Value::Duration(by), Value::Time(time)) => {
            Some(Value::Time(time.plus(*by)))
        }
        (Value::Duration(left), Value::Duration(right)) => {
            Some(Value::Duration(left.wrapping_add(*right)))
        }
        _ => numbers(left, right).map(|pair| match pair {
            Pair::Ints(left, right) => Value::Int(left.wrapping_add(right)),
            Pair::Floats(left, right) => Value::Float(left + right),
        }),
    })
}

/// Charges for a text of `length` bytes.
pub(super) fn text_fits(length: usize, budget: &mut Budget) -> Result<(), Stop> {
    if length > MAX_TEXT {
        return Err(Stop::new("text is too long"));
    }
    budget.fits(length)?;
    budget.work(length)
}

fn subtract<'a>(left: &Value<'a>, right: &Value<'a>) -> Option<Value<'a>> {
    match (left, right) {
        (Value::Time(left), Value::Time(right)) => Some(Value::Duration(left.since(right))),
        (Value::Time(time), Value::Duration(by)) => Some(Value::Time(time.plus(by.wrapping_neg()))),
        (Value::Duration(left), Value::Duration(right)) => {
            Some(Value::Duration(left.wrapping_sub(*right)))
        }
        _ => numbers(left, right).map(|pair| match pair {
            Pair::Ints(left, right) => Value::Int(left.wrapping_sub(right)),
            Pair::Floats(left, right) => Value::Float(left - right),
        }),
    }
}

fn multiply<'a>(left: &Value<'a>, right: &Value<'a>) -> Option<Value<'a>> {
    match (left, right) {
        (Value::Duration(by), Value::Int(times) | Value::Duration(times))
        | (Value::Int(times), Value::Duration(by)) => {
            Some(Value::Duration(by.wrapping_mul(*times)))
        }
        (Value::Duration(by), Value::Float(times)) | (Value::Float(times), Value::Duration(by)) => {
            Some(Value::Float(double(*by) * times))
        }
        _ => numbers(left, right).map(|pair| match pair {
            Pair::Ints(left, right) => Value::Int(left.wrapping_mul(right)),
            Pair::Floats(left, right) => Value::Float(left * right),
        }),
    }
}

fn range<'a>(left: &Value<'a>, right: &Value<'a>, budget: &mut Budget) -> Result<Value<'a>, Stop> {
    let (Some(from), Some(to)) = (int(left), int(right)) else {
        return Err(Stop::new("the ends of a range are numbers"));
    };
    let size = i128::from(to) - i128::from(from) + 1;
    budget.grow(usize::try_from(size.max(0)).unwrap_or(usize::MAX))?;
    let items = (from..=to).map(Value::Int).collect();
    budget.built(Value::list(Elements::Ints, items))
}

/// `needle in list`, or whether a map has the key.
pub(super) fn is_in(
    needle: &Value<'_>,
    within: &Value<'_>,
    budget: &mut Budget,
) -> Result<bool, Stop> {
    if within.is_nil() {
        return Ok(false);
    }
    if let Some(list) = within.elements() {
        budget.charge(list.items.len())?;
        for item in &list.items {
            if equal(item, needle, budget)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    if let Value::Groups(groups) = within {
        for (key, _) in groups.iter() {
            if deep_equal(key, needle, budget)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    if let (Value::Time(_), Value::Text(_)) = (within, needle) {
        return Ok(false);
    }
    let Some(map) = within.members() else {
        return Err(Stop::new(format!(
            "'in' does not look into {}",
            within.type_name()
        )));
    };
    match needle {
        Value::Text(key) => Ok(map.members.contains_key(key)),
        Value::Nil => Ok(map.members.contains_key("")),
        other => Err(Stop::new(format!("{} is no key", other.type_name()))),
    }
}
