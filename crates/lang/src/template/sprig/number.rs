//! Numbers: whole ones are `int64`, floats go through decimals where sprig's do.

use super::super::format;
use super::super::function::Param::{Any, Float, Int, Text as TextParam};
use super::super::function::{Args, Function, fixed, variadic};
use super::super::limit::Outcome;
use super::super::literal::parse_int_radix;
use super::super::value::{Element, List, Value};
use super::cast::{to_float64, to_int64};
use super::decimal::Decimal;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("atoi", &[TextParam], |args| {
        Ok(Value::Int(parse_int_radix(&args.text(0), 10).unwrap_or(0)))
    }),
    fixed("int", &[Any], |args| Ok(Value::Int(to_int64(args.any(0))))),
    fixed("int64", &[Any], |args| {
        Ok(Value::Int64(to_int64(args.any(0))))
    }),
    fixed("float64", &[Any], |args| {
        Ok(Value::Float(to_float64(args.any(0))))
    }),
    fixed("toDecimal", &[Any], octal),
    fixed("add1", &[Any], |args| {
        Ok(Value::Int64(to_int64(args.any(0)).wrapping_add(1)))
    }),
    variadic("add", &[], Any, |args| {
        let numbers = args.values.iter().map(to_int64);
        Ok(Value::Int64(numbers.fold(0, i64::wrapping_add)))
    }),
    fixed("sub", &[Any, Any], |args| {
        Ok(Value::Int64(
            to_int64(args.any(0)).wrapping_sub(to_int64(args.any(1))),
        ))
    }),
    fixed("div", &[Any, Any], |args| divide(args, i64::wrapping_div)),
    fixed("mod", &[Any, Any], |args| divide(args, i64::wrapping_rem)),
    variadic("mul", &[Any], Any, |args| {
        Ok(Value::Int64(
            args.values.iter().map(to_int64).fold(1, i64::wrapping_mul),
        ))
    }),
    variadic("biggest", &[Any], Any, |args| Ok(extreme(args, i64::max))),
    variadic("max", &[Any], Any, |args| Ok(extreme(args, i64::max))),
    variadic("min", &[Any], Any, |args| Ok(extreme(args, i64::min))),
    variadic("maxf", &[Any], Any, |args| Ok(extreme_float(args, 1.0))),
    variadic("minf", &[Any], Any, |args| Ok(extreme_float(args, -1.0))),
    fixed("add1f", &[Any], |args| {
        decimals(
            Decimal::from_float(to_float64(args.any(0)))?,
            &[Value::Int(1)],
            |one, other| Ok(one.add(other)),
        )
    }),
    variadic("addf", &[], Any, |args| {
        decimals(Decimal::from_float(0.0)?, &args.values, |one, other| {
            Ok(one.add(other))
        })
    }),
    variadic("subf", &[Any], Any, |args| {
        decimals(first(args)?, args.rest(1), |one, other| {
            Ok(one.subtract(other))
        })
    }),
    variadic("divf", &[Any], Any, |args| {
        decimals(first(args)?, args.rest(1), Decimal::divide)
    }),
    variadic("mulf", &[Any], Any, |args| {
        decimals(first(args)?, args.rest(1), |one, other| {
            Ok(one.multiply(other))
        })
    }),
    fixed("ceil", &[Any], |args| {
        Ok(Value::Float(to_float64(args.any(0)).ceil()))
    }),
    fixed("floor", &[Any], |args| {
        Ok(Value::Float(to_float64(args.any(0)).floor()))
    }),
    variadic("round", &[Any, Int], Float, |args| Ok(round(args))),
    fixed("until", &[Int], |args| {
        let end = args.int(0);
        int_list(args, &steps(args, 0, end, if end < 0 { -1 } else { 1 })?)
    }),
    fixed("untilStep", &[Int, Int, Int], |args| {
        int_list(args, &steps(args, args.int(0), args.int(1), args.int(2))?)
    }),
    variadic("seq", &[], Int, seq),
];

/// The digits of what is printed, read as octal.
fn octal(args: &Args<'_>) -> Outcome<Value> {
    let text = format::plain(args.budget(), args.any(0))?;
    let number = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| parse_int_radix(text, 8));
    Ok(Value::Int64(number.unwrap_or(0)))
}

fn divide(args: &Args<'_>, divide: fn(i64, i64) -> i64) -> Outcome<Value> {
    match to_int64(args.any(1)) {
        0 => Err("integer divide by zero".into()),
        divisor => Ok(Value::Int64(divide(to_int64(args.any(0)), divisor))),
    }
}

fn extreme(args: &Args<'_>, choose: fn(i64, i64) -> i64) -> Value {
    let number = args.values.iter().map(to_int64).reduce(choose);
    Value::Int64(number.unwrap_or(0))
}

/// The largest float (`sign` 1) or the smallest (-1); NaN wins, -0 is below 0.
fn extreme_float(args: &Args<'_>, sign: f64) -> Value {
    let choose = |one: f64, other: f64| {
        if (one * sign).is_infinite() && one * sign > 0.0 || one.is_nan() && !other.is_infinite() {
            one
        } else if other.is_nan() || (one * sign).total_cmp(&(other * sign)).is_lt() {
            other
        } else {
            one
        }
    };
    let number = args.values.iter().map(to_float64).reduce(choose);
    Value::Float(number.unwrap_or(0.0))
}

fn first(args: &Args<'_>) -> Outcome<Decimal> {
    Decimal::from_float(to_float64(args.any(0)))
}

fn decimals(
    first: Decimal,
    others: &[Value],
    operate: fn(Decimal, Decimal) -> Outcome<Decimal>,
) -> Outcome<Value> {
    let result = others.iter().try_fold(first, |result, other| {
        operate(result, Decimal::from_float(to_float64(other))?)
    })?;
    Ok(Value::Float(result.to_float()))
}

/// `round 1.25 1`: halves go away from zero downwards too; a third argument moves the half.
fn round(args: &Args<'_>) -> Value {
    let threshold = args.float(2).unwrap_or(0.5);
    let places = args.int(1);
    let power = match u16::try_from(places.unsigned_abs()) {
        Ok(places) => format!("1e{places}").parse().unwrap_or(f64::INFINITY),
        Err(_) => f64::INFINITY,
    };
    let power = if places < 0 { 1.0 / power } else { power };
    let shifted = to_float64(args.any(0)) * power;
    let rounded = if shifted.fract() >= threshold {
        shifted.ceil()
    } else {
        shifted.floor()
    };
    Value::Float(rounded / power)
}

/// The numbers from `start` towards `end`, which is left out. Empty if `step` leads away.
fn steps(args: &Args<'_>, start: i64, end: i64, step: i64) -> Outcome<Vec<i64>> {
    let leads_away = if end < start { step >= 0 } else { step <= 0 };
    if leads_away {
        return Ok(Vec::new());
    }
    let count = (i128::from(end) - i128::from(start))
        .unsigned_abs()
        .div_ceil(i128::from(step).unsigned_abs().max(1));
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    args.budget().take_items(count)?;
    let mut numbers = Vec::with_capacity(count);
    let mut next = start;
    for _ in 0..count {
        numbers.push(next);
        next = next.wrapping_add(step);
    }
    Ok(numbers)
}

fn int_list(args: &Args<'_>, numbers: &[i64]) -> Outcome<Value> {
    let items = numbers.iter().map(|number| Value::Int(*number)).collect();
    Ok(Value::List(List::new(args.budget(), Element::Int, items)?))
}

/// `seq end`, `seq start end`, `seq start step end`: the numbers as one text, the end included.
fn seq(args: &Args<'_>) -> Outcome<Value> {
    let (start, end, step) = match args.len() {
        1 => (1, args.int(0), None),
        2 => (args.int(0), args.int(1), None),
        3 => (args.int(0), args.int(2), Some(args.int(1))),
        _ => return args.give(""),
    };
    let direction = if end < start { -1 } else { 1 };
    if direction < 0 && step.is_some_and(|step| step > 0) {
        return args.give("");
    }
    let numbers = steps(
        args,
        start,
        end.wrapping_add(direction),
        step.unwrap_or(direction),
    )?;
    let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
    args.give(texts.join(" "))
}
