//! The errors of gojq, in its words: programs can catch them and look at the text.

use super::value::{Fault, Val};
use super::write::preview;

pub(super) fn message(text: impl Into<String>) -> Fault {
    Fault::new(Val::str::<String>(text.into()))
}

/// What a fault says, as part of another.
pub(super) fn text(fault: Fault) -> String {
    match fault.into_val() {
        Val::Str(text) => text.as_str().to_owned(),
        other => preview(&other),
    }
}

/// `number (5)`, `null`
pub(super) fn typed(value: &Val) -> String {
    match value {
        Val::Null => "null".to_owned(),
        other => format!("{} ({})", other.type_name(), preview(other)),
    }
}

/// `keys cannot be applied to: number (5)`
pub(super) fn not_applicable(name: &str, value: &Val) -> Fault {
    message(format!("{name} cannot be applied to: {}", typed(value)))
}

/// `has("a") cannot be applied to: number (5)`
pub(super) fn not_applicable1(name: &str, value: &Val, arg: &Val) -> Fault {
    message(format!(
        "{name}({}) cannot be applied to: {}",
        preview(arg),
        typed(value)
    ))
}

/// `match("a"; "g") cannot be applied to: number (5)`
pub(super) fn not_applicable2(name: &str, value: &Val, arg: &Val, second: &Val) -> Fault {
    let (arg, second) = (preview(arg), preview(second));
    message(format!(
        "{name}({arg}; {second}) cannot be applied to: {}",
        typed(value)
    ))
}

/// `tonumber cannot be applied to "x": invalid number`
pub(super) fn failed(name: &str, value: &Val, why: impl std::fmt::Display) -> Fault {
    message(format!(
        "{name} cannot be applied to {}: {why}",
        preview(value)
    ))
}

/// `strptime("%Y") cannot be applied to "x": …`
pub(super) fn failed1(name: &str, value: &Val, arg: &Val, why: impl std::fmt::Display) -> Fault {
    message(format!(
        "{name}({}) cannot be applied to {}: {why}",
        preview(arg),
        preview(value)
    ))
}

pub(super) fn expected_object(value: &Val) -> Fault {
    message(format!("expected an object but got: {}", typed(value)))
}

pub(super) fn expected_array(value: &Val) -> Fault {
    message(format!("expected an array but got: {}", typed(value)))
}

pub(super) fn not_iterable(value: &Val) -> Fault {
    message(format!("cannot iterate over: {}", typed(value)))
}

pub(super) fn key_not_string(key: &Val) -> Fault {
    message(format!(
        "expected a string for object key but got: {}",
        typed(key)
    ))
}

pub(super) fn index_not_number(of: &str, index: &Val) -> Fault {
    message(format!(
        "expected a number for indexing {of} but got: {}",
        typed(index)
    ))
}

pub(super) fn no_start_and_end(slice: &Val) -> Fault {
    message(format!(
        "expected \"start\" and \"end\" for slicing but got: {}",
        typed(slice)
    ))
}

/// `cannot add: number (1) and object ({})`
pub(super) fn not_operable(verb: &str, left: &Val, right: &Val) -> Fault {
    message(format!(
        "cannot {verb}: {} and {}",
        typed(left),
        typed(right)
    ))
}

/// `cannot divide number (1) by: number (0)`
pub(super) fn zero_divisor(verb: &str, left: &Val, right: &Val) -> Fault {
    message(format!(
        "cannot {verb} {} by: {}",
        typed(left),
        typed(right)
    ))
}
