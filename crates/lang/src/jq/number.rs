//! Numbers: whole ones exact at any size, others as doubles, mixed as gojq mixes them.
//!
//! One difference is meant: gojq is given an event's numbers as doubles and so loses digits above
//! 2^53. Here whole numbers of an event stay whole.

use std::cmp::Ordering;
use std::rc::Rc;

use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive, Zero};

use super::meter::{self, Spent};
use super::value::{Answer, Val};

/// The largest whole number below which every whole number is a double.
const EXACT: i64 = 1 << 53;

/// Numbers of more digits are not calculated with exactly: the time for that grows with the square.
const MAX_DIGITS: usize = 10_000;

/// Results of more bits are refused for the same reason.
const MAX_BITS: u64 = 40_000;

/// A number of a program, or the argument of `tonumber`.
pub(super) fn parse(text: &str) -> Val {
    if let Ok(int) = text.parse() {
        return Val::Int(int);
    }
    let whole = !text.contains(['.', 'e', 'E']);
    if whole
        && text.len() <= MAX_DIGITS
        && let Ok(big) = text.parse::<BigInt>()
    {
        return Val::Big(Rc::new(big));
    }
    Val::Float(text.parse().unwrap_or(f64::NAN))
}

/// A number of an event.
///
/// Zero is a double, as all numbers of an event are for gojq: that shows where it is negated (`-0`).
pub(super) fn of_event(text: &str) -> Val {
    match text.parse() {
        Ok(0) => Val::Float(if text.starts_with('-') { -0.0 } else { 0.0 }),
        Ok(int) => Val::Int(int),
        Err(_) if text.contains(['.', 'e', 'E']) => Val::Float(text.parse().unwrap_or(f64::NAN)),
        Err(_) => Val::Literal(text.into()),
    }
}

/// A number of a JSON text in a string: its text is kept where it is not the usual one.
pub(super) fn literal(text: &str) -> Val {
    match text.parse::<i64>() {
        Ok(int) if text != "-0" => Val::Int(int),
        _ => Val::Literal(text.into()),
    }
}

/// Numbers made comparable.
enum Pair {
    Ints(i64, i64),
    Floats(f64, f64),
    Bigs(BigInt, BigInt),
}

fn plain(value: &Val) -> Val {
    match value {
        Val::Literal(text) => {
            // Those of an event may be as long as it: a run that is spent fails at its next step.
            meter::work(text.len()).unwrap_or_default();
            parse(text)
        }
        other => other.clone(),
    }
}

fn pair(left: &Val, right: &Val) -> Option<Pair> {
    Some(match (plain(left), plain(right)) {
        (Val::Int(left), Val::Int(right)) => Pair::Ints(left, right),
        (Val::Float(left), Val::Float(right)) => Pair::Floats(left, right),
        (left @ (Val::Int(_) | Val::Big(_)), right @ (Val::Int(_) | Val::Big(_))) => {
            Pair::Bigs(to_big(&left)?, to_big(&right)?)
        }
        (Val::Float(float), whole) if is_beyond_exact(&whole) && is_small_whole(float) => {
            Pair::Bigs(BigInt::from(float_to_int(float)), to_big(&whole)?)
        }
        (whole, Val::Float(float)) if is_beyond_exact(&whole) && is_small_whole(float) => {
            Pair::Bigs(to_big(&whole)?, BigInt::from(float_to_int(float)))
        }
        (left, right) => Pair::Floats(to_float(&left)?, to_float(&right)?),
    })
}

fn is_beyond_exact(value: &Val) -> bool {
    match value {
        Val::Int(int) => int.unsigned_abs() > EXACT.unsigned_abs(),
        Val::Big(_) => true,
        _ => false,
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 is a double")]
fn is_small_whole(float: f64) -> bool {
    float.fract() == 0.0 && float.abs() <= EXACT as f64
}

fn to_big(value: &Val) -> Option<BigInt> {
    match value {
        Val::Int(int) => Some(BigInt::from(*int)),
        Val::Big(big) => Some((**big).clone()),
        _ => None,
    }
}

/// The nearest double, if the value is a number.
#[expect(
    clippy::cast_precision_loss,
    reason = "the nearest double is what is asked for"
)]
pub(super) fn to_float(value: &Val) -> Option<f64> {
    match value {
        Val::Int(int) => Some(*int as f64),
        Val::Float(float) => Some(*float),
        Val::Big(big) => big.to_f64(),
        Val::Literal(text) => Some(text.parse().unwrap_or(f64::NAN)),
        _ => None,
    }
}

/// Cut to a whole number of 64 bits, if the value is a number.
pub(super) fn to_int(value: &Val) -> Option<i64> {
    match plain(value) {
        Val::Int(int) => Some(int),
        Val::Float(float) => Some(float_to_int(float)),
        Val::Big(big) if big.is_negative() => Some(i64::MIN),
        Val::Big(_) => Some(i64::MAX),
        _ => None,
    }
}

/// As [`to_int`], rounded up.
pub(super) fn to_int_up(value: &Val) -> Option<i64> {
    match plain(value) {
        Val::Float(float) => Some(float_to_int(float.ceil())),
        other => to_int(&other),
    }
}

/// Go's conversion with what is beyond 64 bits at the ends; NaN is the lowest.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the cast saturates, as is wanted"
)]
fn float_to_int(float: f64) -> i64 {
    if float.is_nan() {
        i64::MIN
    } else {
        float as i64
    }
}

fn from_big(big: BigInt) -> Answer {
    if let Some(int) = big.to_i64() {
        return Ok(Val::Int(int));
    }
    if big.bits() > MAX_BITS {
        return Err(meter::exhaust(Spent::Memory).into());
    }
    Ok(Val::Big(Rc::new(big)))
}

pub(super) fn compare(left: &Val, right: &Val) -> Ordering {
    match pair(left, right) {
        Some(Pair::Ints(left, right)) => left.cmp(&right),
        Some(Pair::Bigs(left, right)) => left.cmp(&right),
        Some(Pair::Floats(left, right)) if left.is_nan() || left < right => Ordering::Less,
        #[expect(clippy::float_cmp, reason = "equal numbers are what is asked for")]
        Some(Pair::Floats(left, right)) if left == right => Ordering::Equal,
        Some(Pair::Floats(..)) => Ordering::Greater,
        None => Ordering::Equal,
    }
}

/// `left + right`, if both are numbers.
pub(super) fn add(left: &Val, right: &Val) -> Option<Answer> {
    Some(match pair(left, right)? {
        Pair::Ints(left, right) => match left.checked_add(right) {
            Some(sum) => Ok(Val::Int(sum)),
            None => from_big(BigInt::from(left) + right),
        },
        Pair::Floats(left, right) => Ok(Val::Float(left + right)),
        Pair::Bigs(left, right) => from_big(left + right),
    })
}

/// `left - right`, if both are numbers.
pub(super) fn subtract(left: &Val, right: &Val) -> Option<Answer> {
    Some(match pair(left, right)? {
        Pair::Ints(left, right) => match left.checked_sub(right) {
            Some(difference) => Ok(Val::Int(difference)),
            None => from_big(BigInt::from(left) - right),
        },
        Pair::Floats(left, right) => Ok(Val::Float(left - right)),
        Pair::Bigs(left, right) => from_big(left - right),
    })
}

/// `left * right`, if both are numbers.
pub(super) fn multiply(left: &Val, right: &Val) -> Option<Answer> {
    Some(match pair(left, right)? {
        Pair::Ints(left, right) => match left.checked_mul(right) {
            Some(product) => Ok(Val::Int(product)),
            None => from_big(BigInt::from(left) * right),
        },
        Pair::Floats(left, right) => Ok(Val::Float(left * right)),
        Pair::Bigs(left, right) => from_big(left * right),
    })
}

/// What became of a division.
pub(super) enum Division {
    Done(Answer),
    ByZero,
    /// Not of two numbers.
    OfOthers,
}

/// `left / right`
#[expect(
    clippy::cast_precision_loss,
    reason = "a quotient that is not whole is a double"
)]
pub(super) fn divide(left: &Val, right: &Val) -> Division {
    Division::Done(match pair(left, right) {
        None => return Division::OfOthers,
        Some(Pair::Ints(_, 0) | Pair::Floats(_, 0.0)) => return Division::ByZero,
        Some(Pair::Bigs(_, right)) if right.is_zero() => return Division::ByZero,
        Some(Pair::Ints(left, right)) => match left.checked_rem(right) {
            Some(0) => Ok(Val::Int(left / right)),
            Some(_) => Ok(Val::Float(left as f64 / right as f64)),
            None => from_big(-BigInt::from(left)),
        },
        Some(Pair::Floats(left, right)) => Ok(Val::Float(left / right)),
        Some(Pair::Bigs(left, right)) if (&left % &right).is_zero() => from_big(left / right),
        Some(Pair::Bigs(left, right)) => {
            let float = |big: &BigInt| big.to_f64().unwrap_or(f64::NAN);
            Ok(Val::Float(float(&left) / float(&right)))
        }
    })
}

/// `left % right`, of the whole parts.
pub(super) fn modulo(left: &Val, right: &Val) -> Division {
    Division::Done(match pair(left, right) {
        None => return Division::OfOthers,
        Some(Pair::Floats(left, right)) if left.is_nan() || right.is_nan() => {
            Ok(Val::Float(f64::NAN))
        }
        Some(Pair::Ints(left, right)) if right != 0 => Ok(Val::Int(left.wrapping_rem(right))),
        Some(Pair::Bigs(left, right)) if !right.is_zero() => from_big(left % right),
        Some(Pair::Floats(left, right)) if float_to_int(right) != 0 => Ok(Val::Int(
            float_to_int(left).wrapping_rem(float_to_int(right)),
        )),
        Some(_) => return Division::ByZero,
    })
}

/// `-value`, if it is a number.
pub(super) fn negate(value: &Val) -> Option<Answer> {
    Some(match value {
        Val::Int(int) => match int.checked_neg() {
            Some(negated) => Ok(Val::Int(negated)),
            None => from_big(-BigInt::from(*int)),
        },
        Val::Float(float) => Ok(Val::Float(-float)),
        Val::Big(big) => from_big(-(**big).clone()),
        Val::Literal(text) => Ok(Val::Literal(match text.strip_prefix('-') {
            Some(positive) => positive.into(),
            None => format!("-{text}").into(),
        })),
        _ => return None,
    })
}

/// The distance from zero, if it is a number.
pub(super) fn absolute(value: &Val) -> Option<Answer> {
    match value {
        Val::Int(0..) => Some(Ok(value.clone())),
        Val::Float(float) => Some(Ok(Val::Float(float.abs()))),
        Val::Big(big) if !big.is_negative() => Some(Ok(value.clone())),
        Val::Literal(text) if !text.starts_with('-') => Some(Ok(value.clone())),
        other => negate(other),
    }
}
