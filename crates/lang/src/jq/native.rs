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

/// The definitions of `prelude.jq`, and which of them each one may call.
struct Prelude {
    defs: Vec<Def<&'static str>>,
    mentions: Vec<Vec<usize>>,
    by_name: HashMap<&'static str, Vec<usize>>,
}

/// Read once and kept for all programs.
fn prelude() -> &'static Prelude {
    static PRELUDE_READ: OnceLock<Prelude> = OnceLock::new();
    PRELUDE_READ.get_or_init(|| {
        // What the terms refer to stays for good.
        let arena: &'static Arena = Box::leak(Box::default());
        let defs = Parser::new(PRELUDE, arena).definitions();
        let defs = defs.unwrap_or_default();
        let mut by_name: HashMap<_, Vec<usize>> = HashMap::new();
        for (index, def) in defs.iter().enumerate() {
            by_name.entry(def.name).or_default().push(index);
        }
        let texts = PRELUDE.split("\ndef ").skip(1);
        let mentions = texts.map(|text| mentioned(text, &by_name)).collect();
        Prelude {
            defs,
            mentions,
            by_name,
        }
    })
}

/// The places of all definitions whose names are words of a text: more than it calls, never less.
fn mentioned(text: &str, by_name: &HashMap<&str, Vec<usize>>) -> Vec<usize> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let found = words.filter_map(|word| by_name.get(word));
    found.flatten().copied().collect()
}

/// The definitions that a program may call: each takes memory in whatever is compiled beside it.
pub(super) fn definitions(source: &str) -> Vec<Def<&'static str>> {
    let prelude = prelude();
    let mut is_wanted = vec![false; prelude.defs.len()];
    let mut open = mentioned(source, &prelude.by_name);
    while let Some(index) = open.pop() {
        if !std::mem::replace(&mut is_wanted[index], true) {
            open.extend(&prelude.mentions[index]);
        }
    }
    let defs = prelude.defs.iter().zip(is_wanted);
    defs.filter(|(_, is_wanted)| *is_wanted)
        .map(|(def, _)| def.clone())
        .collect()
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
    let defs = prelude().defs.iter();
    let defs = defs.map(|def| (def.name, def.args.len()));
    let mut names: Vec<String> = natives
        .chain(defs)
        .filter(|(name, _)| !name.starts_with('!'))
        .map(|(name, arity)| format!("{name}/{arity}"))
        .collect();
    names.sort();
    Val::array(names.into_iter().map(Val::str).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jq::Program;

    fn names(source: &str) -> Vec<&'static str> {
        let defs = definitions(source).into_iter();
        defs.map(|def| def.name).collect()
    }

    #[test]
    fn a_program_is_compiled_beside_what_it_may_call() {
        assert_eq!(names(".size += 1"), [""; 0]);
        assert_eq!(names("[.[] | todate]"), ["todateiso8601", "todate"]);
        assert_eq!(names(r#""in a text: \(map(not))""#), ["map", "not", "in"]);
    }

    /// What a definition mentions is all that it calls, and none stands for a native of its name.
    #[test]
    fn every_definition_compiles_alone() {
        let natives: Vec<(&str, usize)> = natives()
            .into_iter()
            .map(|(name, args, _)| (name, args.len()))
            .collect();
        assert!(prelude().defs.len() > 80, "{}", prelude().defs.len());
        assert_eq!(prelude().mentions.len(), prelude().defs.len());
        for def in &prelude().defs {
            let arity = def.args.len();
            assert!(
                !natives.contains(&(def.name, arity)),
                "{}/{arity}",
                def.name
            );
            let args = vec!["."; arity].join("; ");
            let call = if arity == 0 {
                def.name.to_owned()
            } else {
                format!("{}({args})", def.name)
            };
            assert!(Program::compile(&call).is_ok(), "{call}");
        }
    }
}
