//! What is built into gojq: natives in Rust and, in `prelude.jq`, definitions in jq.

mod control;
mod format;
mod list;
mod math;
mod path;
mod regex;
mod sort;
mod stream;
mod text;
mod time;

use std::collections::HashMap;
use std::sync::OnceLock;

use jaq_core::Bind;
use jaq_core::data::JustLut;
use jaq_core::load::Arena;
use jaq_core::load::parse::Def;

use super::parse::Parser;
use super::value::Val;

/// What jaq is instantiated with.
pub(super) type Data = JustLut<Val>;
/// A native with its name and arguments.
type Fun = jaq_core::native::Fun<Data>;

const PRELUDE: &str = include_str!("prelude.jq");

/// Natives of no, one and two values as arguments, out of functions over values.
macro_rules! native {
    ($name:literal, 0, $f:expr) => {
        (
            $name,
            jaq_core::native::v(0),
            jaq_core::Native::new(|cv| jaq_core::native::bome($f(&cv.1))),
        )
    };
    ($name:literal, 1, $f:expr) => {
        (
            $name,
            jaq_core::native::v(1),
            jaq_core::Native::new(|mut cv| {
                let arg = cv.0.pop_var();
                jaq_core::native::bome($f(&cv.1, &arg))
            }),
        )
    };
    ($name:literal, 2, $f:expr) => {
        (
            $name,
            jaq_core::native::v(2),
            jaq_core::Native::new(|mut cv| {
                let second = cv.0.pop_var();
                let first = cv.0.pop_var();
                jaq_core::native::bome($f(&cv.1, &first, &second))
            }),
        )
    };
}
use native;

/// All natives.
pub(super) fn natives() -> Vec<Fun> {
    let mut natives = control::natives();
    natives.extend(path::natives());
    natives.extend(text::natives());
    natives.extend(format::natives());
    natives.extend(list::natives());
    natives.extend(sort::natives());
    natives.extend(stream::natives());
    natives.extend(regex::natives());
    natives.extend(time::natives());
    natives.extend(math::natives());
    natives.push((
        "builtins",
        jaq_core::native::v(0),
        jaq_core::Native::new(|_| jaq_core::native::bome(Ok(builtins()))),
    ));
    natives
}

/// The definitions in jq, read once.
pub(super) fn prelude() -> Vec<Def<&'static str>> {
    static DEFS: OnceLock<Vec<Def<&'static str>>> = OnceLock::new();
    let read = || {
        // Read once and kept for all programs, so what the terms refer to may stay for good.
        let arena: &'static Arena = Box::leak(Box::default());
        Parser::new(PRELUDE, arena)
            .definitions()
            .unwrap_or_default()
    };
    DEFS.get_or_init(read).clone()
}

/// Natives whose arguments are values, and whether they have one output at most.
fn by_value() -> &'static HashMap<(&'static str, usize), bool> {
    static NAMES: OnceLock<HashMap<(&'static str, usize), bool>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let takes_values = |fun: &Fun| fun.1.iter().all(|arg| matches!(arg, Bind::Var(())));
        let streams = ["range", "!tostream", "!split", "!scan", "!matches"];
        natives()
            .into_iter()
            .filter(takes_values)
            .map(|(name, args, _)| ((name, args.len()), !streams.contains(&name)))
            .collect()
    })
}

/// Whether the last argument of a native is the one that changes slowest, as in gojq. That of `range`
/// changes fastest, for there it is a definition.
pub(super) fn varies_first_argument_first(name: &str, arity: usize) -> bool {
    name != "range" && by_value().contains_key(&(name, arity))
}

/// Whether a native surely has one output at most for each combination of its arguments.
pub(super) fn is_single(name: &str, arity: usize) -> bool {
    by_value().get(&(name, arity)).is_some_and(|single| *single)
}

fn builtins() -> Val {
    let natives = natives()
        .into_iter()
        .map(|(name, args, _)| (name, args.len()));
    let defs = prelude().into_iter().map(|def| (def.name, def.args.len()));
    let mut names: Vec<String> = natives
        .chain(defs)
        .filter(|(name, _)| !name.starts_with('!'))
        .map(|(name, arity)| format!("{name}/{arity}"))
        .collect();
    names.sort();
    Val::array(names.into_iter().map(Val::str).collect())
}
