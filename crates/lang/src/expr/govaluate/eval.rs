//! Computes the value of a tree.

use std::cell::Cell;

use super::lex::Operator;
use super::parse::Node;
use super::value::Value;
use super::{Error, NO_MEMORY};
use crate::regex::{self, Regex};
use crate::{deadline, gomath};

/// How long a text may grow by `+`.
const MAX_TEXT: usize = 16 * 1024 * 1024;

/// One computation: where variables come from, and how many bytes it may still make.
pub(super) struct Run<'a> {
    pub(super) lookup: &'a dyn Fn(&str) -> Option<Value>,
    pub(super) left: Cell<usize>,
}

impl Run<'_> {
    /// A value that was made, if there is room and time for it.
    fn made(&self, value: Value) -> Result<Value, Error> {
        if deadline::is_over() {
            return Err(Error::new("expression takes too long"));
        }
        let left = self.left.get().checked_sub(value.bytes());
        self.left.set(left.ok_or_else(|| Error::new(NO_MEMORY))?);
        Ok(value)
    }
}

pub(super) fn eval(node: &Node, run: &Run<'_>) -> Result<Value, Error> {
    match node {
        Node::Literal(value) => Ok(value.clone()),
        Node::Pattern(_, text) => Ok(Value::String(text.clone())),
        Node::Variable(name) => {
            let value = (run.lookup)(name);
            run.made(value.ok_or_else(|| Error::new(format!("no parameter '{name}' found")))?)
        }
        Node::Accessor(name) => Err(Error::new(format!("cannot look into '{name}'"))),
        Node::Unary(operator, inner) => unary(*operator, &eval(inner, run)?),
        Node::Binary(operator, left, right) => {
            let left = eval(left, run)?;
            match short(*operator, left, right, run)? {
                Step::Done(value) => Ok(value),
                Step::Both(left) => binary(*operator, left, right, run),
            }
        }
    }
}

enum Step {
    Done(Value),
    /// The right side is needed as well.
    Both(Value),
}

/// What the left side decides alone.
fn short(operator: Operator, left: Value, right: &Node, run: &Run<'_>) -> Result<Step, Error> {
    Ok(match (operator, left) {
        (Operator::And, Value::Bool(false)) => Step::Done(Value::Bool(false)),
        (Operator::Or, Value::Bool(true)) => Step::Done(Value::Bool(true)),
        (Operator::Then, Value::Bool(false)) => Step::Done(Value::Null),
        (Operator::Then, Value::Bool(true))
        | (Operator::Else | Operator::Coalesce, Value::Null) => Step::Done(eval(right, run)?),
        (Operator::Else | Operator::Coalesce, left) => Step::Done(left),
        (_, left) => Step::Both(left),
    })
}

fn binary(operator: Operator, left: Value, right: &Node, run: &Run<'_>) -> Result<Value, Error> {
    if let (Operator::Match | Operator::NotMatch, Node::Pattern(pattern, _)) = (operator, right) {
        let Value::String(text) = left else {
            return Err(not_for(&left, "a pattern"));
        };
        return Ok(Value::Bool(
            is_match(pattern, &text)? == (operator == Operator::Match),
        ));
    }
    let right = eval(right, run)?;
    match operator {
        Operator::Equal => Ok(Value::Bool(left == right)),
        Operator::NotEqual => Ok(Value::Bool(left != right)),
        Operator::And | Operator::Or => logical(operator, &left, &right),
        Operator::Greater | Operator::GreaterEqual | Operator::Less | Operator::LessEqual => {
            order(operator, &left, &right)
        }
        Operator::Match | Operator::NotMatch => matches(operator, &left, &right),
        Operator::In => is_in(&left, &right),
        Operator::Add => add(left, &right, run),
        Operator::Separate => Ok(Value::Array(match left {
            Value::Array(mut items) => {
                items.push(right);
                items
            }
            left => vec![left, right],
        })),
        Operator::Then => Err(not_for(&left, "'?'")),
        _ => arithmetic(operator, &left, &right),
    }
}

fn not_for(value: &Value, operator: &str) -> Error {
    let mut text = value.to_text();
    if let Some((end, _)) = text.char_indices().nth(80) {
        text.truncate(end);
        text.push('…');
    }
    Error::new(format!("value '{text}' cannot be used with {operator}"))
}

fn number(value: &Value) -> Result<f64, Error> {
    match value {
        Value::Number(number) => Ok(*number),
        _ => Err(not_for(value, "arithmetic, it is not a number")),
    }
}

fn bool(value: &Value) -> Result<bool, Error> {
    match value {
        Value::Bool(bool) => Ok(*bool),
        _ => Err(not_for(value, "a logical operator, it is not a bool")),
    }
}

fn unary(operator: Operator, value: &Value) -> Result<Value, Error> {
    Ok(match operator {
        Operator::Invert => Value::Bool(!bool(value)?),
        Operator::Complement => Value::Number(to_double(!to_int(number(value)?))),
        _ => Value::Number(-number(value)?),
    })
}

fn logical(operator: Operator, left: &Value, right: &Value) -> Result<Value, Error> {
    let (left, right) = (bool(left)?, bool(right)?);
    Ok(Value::Bool(if operator == Operator::And {
        left && right
    } else {
        left || right
    }))
}

fn order(operator: Operator, left: &Value, right: &Value) -> Result<Value, Error> {
    let ordering = match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.partial_cmp(right),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Number(_), other) | (other, _) => {
            return Err(not_for(other, "a comparison of order"));
        }
    };
    Ok(Value::Bool(ordering.is_some_and(
        |ordering| match operator {
            Operator::Greater => ordering.is_gt(),
            Operator::GreaterEqual => ordering.is_ge(),
            Operator::Less => ordering.is_lt(),
            _ => ordering.is_le(),
        },
    )))
}

fn matches(operator: Operator, left: &Value, right: &Value) -> Result<Value, Error> {
    let (Value::String(text), Value::String(pattern)) = (left, right) else {
        let odd = if matches!(left, Value::String(_)) {
            right
        } else {
            left
        };
        return Err(not_for(odd, "'=~'"));
    };
    let pattern = regex::compile(pattern).map_err(|error| Error::new(error.message))?;
    Ok(Value::Bool(
        is_match(&pattern, text)? == (operator == Operator::Match),
    ))
}

fn is_match(pattern: &Regex, text: &str) -> Result<bool, Error> {
    let is_match = pattern.is_match(text);
    is_match.map_err(|error| Error::new(error.to_string()))
}

fn is_in(left: &Value, right: &Value) -> Result<Value, Error> {
    let Value::Array(items) = right else {
        return Err(not_for(right, "'in', it is not a list"));
    };
    for item in items {
        let pair = (left, item);
        if let (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) = pair {
            return Err(not_for(left, "'in', such values do not compare"));
        }
        if left == item {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn add(left: Value, right: &Value, run: &Run<'_>) -> Result<Value, Error> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Ok(Value::Number(left + right)),
        (left, right) if matches!(left, Value::String(_)) || matches!(right, Value::String(_)) => {
            let text = left.to_text() + &right.to_text();
            if text.len() > MAX_TEXT {
                return Err(Error::new("text is too long"));
            }
            run.made(Value::String(text))
        }
        (left, _) => Err(not_for(&left, "'+', it is not a number")),
    }
}

/// As Go converts on amd64: what does not fit becomes the least number.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn to_int(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) {
        number as i64
    } else {
        i64::MIN
    }
}

#[expect(clippy::cast_precision_loss, reason = "every number is a double")]
fn to_double(number: i64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_sign_loss,
    reason = "shifts work on the bits of a negative number"
)]
#[expect(clippy::cast_precision_loss, reason = "every number is a double")]
fn shift(operator: Operator, left: f64, right: f64) -> f64 {
    let bits = to_int(left) as u64;
    let by = u32::try_from(to_int(right) as u64).unwrap_or(u32::MAX);
    let shifted = if operator == Operator::ShiftLeft {
        bits.checked_shl(by)
    } else {
        bits.checked_shr(by)
    };
    shifted.unwrap_or(0) as f64
}

fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Result<Value, Error> {
    let (left, right) = (number(left)?, number(right)?);
    Ok(Value::Number(match operator {
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Modulus => left % right,
        Operator::Exponent => gomath::pow(left, right),
        Operator::BitAnd => to_double(to_int(left) & to_int(right)),
        Operator::BitOr => to_double(to_int(left) | to_int(right)),
        Operator::BitXor => to_double(to_int(left) ^ to_int(right)),
        _ => shift(operator, left, right),
    }))
}
