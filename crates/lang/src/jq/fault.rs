//! The errors of gojq, in its words: programs can catch them and look at the text.

use std::cell::RefCell;

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

thread_local! {
    /// The last fault of this thread, with values and without. Programs catch faults and make texts of
    /// their own: by this it is known whether one that ended a run is of the language.
    static LAST: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
}

/// What kind of fault this is, if it is the last one of the language on this thread.
pub(super) fn kind_of(text: &str) -> Option<String> {
    LAST.take()
        .filter(|(last, _)| last == text)
        .map(|(_, kind)| kind)
}

/// How a value is written into a fault.
#[derive(Clone, Copy)]
struct Show {
    hides: bool,
}

impl Show {
    fn typed(self, value: &Val) -> String {
        if self.hides {
            value.type_name().to_owned()
        } else {
            typed(value)
        }
    }

    fn plain(self, value: &Val) -> String {
        if self.hides {
            value.type_name().to_owned()
        } else {
            preview(value)
        }
    }
}

/// A fault about values.
fn fault(write: impl Fn(Show) -> String) -> Fault {
    let text = write(Show { hides: false });
    let kind = write(Show { hides: true });
    LAST.set(Some((text.clone(), kind)));
    message(text)
}

/// `keys cannot be applied to: number (5)`
pub(super) fn not_applicable(name: &str, value: &Val) -> Fault {
    fault(|show| format!("{name} cannot be applied to: {}", show.typed(value)))
}

/// `has("a") cannot be applied to: number (5)`
pub(super) fn not_applicable1(name: &str, value: &Val, arg: &Val) -> Fault {
    fault(|show| {
        let (arg, value) = (show.plain(arg), show.typed(value));
        format!("{name}({arg}) cannot be applied to: {value}")
    })
}

/// `match("a"; "g") cannot be applied to: number (5)`
pub(super) fn not_applicable2(name: &str, value: &Val, arg: &Val, second: &Val) -> Fault {
    fault(|show| {
        let (arg, second, value) = (show.plain(arg), show.plain(second), show.typed(value));
        format!("{name}({arg}; {second}) cannot be applied to: {value}")
    })
}

/// `tonumber cannot be applied to "x": invalid number`
pub(super) fn failed(name: &str, value: &Val, why: impl std::fmt::Display) -> Fault {
    fault(|show| {
        if show.hides {
            format!("{name} cannot be applied to: {}", value.type_name())
        } else {
            format!("{name} cannot be applied to {}: {why}", preview(value))
        }
    })
}

/// `strptime("%Y") cannot be applied to "x": …`
pub(super) fn failed1(name: &str, value: &Val, arg: &Val, why: impl std::fmt::Display) -> Fault {
    fault(|show| {
        let (arg, shown) = (show.plain(arg), show.plain(value));
        if show.hides {
            format!("{name}({arg}) cannot be applied to: {shown}")
        } else {
            format!("{name}({arg}) cannot be applied to {shown}: {why}")
        }
    })
}

pub(super) fn expected_object(value: &Val) -> Fault {
    fault(|show| format!("expected an object but got: {}", show.typed(value)))
}

pub(super) fn expected_array(value: &Val) -> Fault {
    fault(|show| format!("expected an array but got: {}", show.typed(value)))
}

pub(super) fn not_iterable(value: &Val) -> Fault {
    fault(|show| format!("cannot iterate over: {}", show.typed(value)))
}

pub(super) fn key_not_string(key: &Val) -> Fault {
    fault(|show| {
        let key = show.typed(key);
        format!("expected a string for object key but got: {key}")
    })
}

pub(super) fn index_not_number(of: &str, index: &Val) -> Fault {
    fault(|show| {
        let index = show.typed(index);
        format!("expected a number for indexing {of} but got: {index}")
    })
}

pub(super) fn no_start_and_end(slice: &Val) -> Fault {
    fault(|show| {
        let slice = show.typed(slice);
        format!("expected \"start\" and \"end\" for slicing but got: {slice}")
    })
}

/// `cannot add: number (1) and object ({})`
pub(super) fn not_operable(verb: &str, left: &Val, right: &Val) -> Fault {
    fault(|show| {
        let (left, right) = (show.typed(left), show.typed(right));
        format!("cannot {verb}: {left} and {right}")
    })
}

/// `cannot divide number (1) by: number (0)`
pub(super) fn zero_divisor(verb: &str, left: &Val, right: &Val) -> Fault {
    fault(|show| {
        let (left, right) = (show.typed(left), show.typed(right));
        format!("cannot {verb} {left} by: {right}")
    })
}
