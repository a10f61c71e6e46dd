//! Arbitrary programs on arbitrary events: no panic, no hang, no unbounded memory, in any language.
//!
//! The programs and events of the recorded vectors are mutated and crossed. `cargo test` does so from
//! a fixed seed, so that every run asks the same; `TIPHYS_FUZZ_CASES` asks more of them,
//! `TIPHYS_FUZZ_SEED` others. The case that is being asked stands in a file of the folder for
//! temporary files of the tests, for the case that the process dies of it.
//!
//! Whatever a case needs of memory beyond one and a half times the limit ends the process. Its processor time
//! is looked at if `TIPHYS_FUZZ_TIME` is set: what cannot be interrupted is short in an optimised build only.
//!
//! `run`, in the folder `guided`, lets libFuzzer choose the mutations, guided by what they reach in the code.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the functions the tests share are tests too"
)]
#![cfg_attr(
    fuzzing,
    expect(dead_code, reason = "libFuzzer drives instead of our own driver")
)]

#[path = "languages/choices.rs"]
mod choices;
#[path = "languages/corpus.rs"]
mod corpus;
#[path = "languages/drive.rs"]
mod drive;
#[path = "languages/events.rs"]
mod events;
#[path = "languages/grammar.rs"]
mod grammar;
#[path = "languages/heavy.rs"]
mod heavy;
#[path = "languages/measure.rs"]
mod measure;
#[path = "languages/mutate.rs"]
mod mutate;

use std::time::Duration;

use drive::Target;
#[cfg(not(fuzzing))]
use drive::drive;
#[cfg(fuzzing)]
use drive::guided;
use grammar::Grammar;
use mutate::Origin;
use tiphys_lang::expr::conditions::Conditions;
use tiphys_lang::expr::filter::Filter;
use tiphys_lang::expr::govaluate::{Expression, Value};
use tiphys_lang::jq;
use tiphys_lang::lua::{self, Script};
use tiphys_lang::path::{Path, Write};
use tiphys_lang::template::Template;
use tiphys_lang::{json, regex, yaml};

const MIB: usize = 1 << 20;

/// Long enough for any program that ends, short enough to ask many that do not. Code that libFuzzer
/// watches is several times slower.
const TIME: Duration = Duration::from_millis(if cfg!(fuzzing) { 200 } else { 50 });

/// What a case may take more than its time, for what cannot be interrupted.
const GRACE: Duration = Duration::from_millis(if cfg!(fuzzing) { 2000 } else { 200 });

/// A fuzz target: a name, how many cases `cargo test` asks, the memory they may have, where they come
/// from, and what is asked.
macro_rules! target {
    ($name:ident, $cases:literal, $memory:expr, $corpus:path, $grammar:expr, $ask:expr) => {
        #[test]
        fn $name() {
            let target = Target {
                name: stringify!($name),
                cases: $cases,
                memory: $memory,
                ask: $ask,
            };
            let grammar: Option<&str> = $grammar;
            let origin = || Origin {
                corpus: $corpus(),
                grammar: grammar.map(Grammar::read),
            };
            #[cfg(not(fuzzing))]
            drive(target, origin);
            #[cfg(fuzzing)]
            bolero::check!().for_each({
                let origin = origin();
                move |choices: &[u8]| guided(choices, target, &origin)
            });
        }
    };
}

/// The grammar of a language.
macro_rules! grammar {
    ($name:literal) => {
        Some(include_str!(concat!("languages/grammars/", $name, ".txt")))
    };
}

target!(
    path,
    2000,
    64 * MIB,
    corpus::paths,
    grammar!("path"),
    |program, event| {
        let Ok(path) = Path::compile(program) else {
            return false;
        };
        let found = path.get(event);
        let text = found.text().into_owned();
        path.explain(event);
        for value in [Write::Raw(found.raw()), Write::Text(&text)] {
            if let Ok(set) = path.set(event, value) {
                path.get(&set.json);
            }
        }
        true
    }
);

target!(
    template,
    1200,
    64 * MIB,
    corpus::templates,
    grammar!("template"),
    |program, event| {
        let template = Template::compile(program);
        template.map(|template| template.render_json(event)).is_ok()
    }
);

target!(
    filter_expression,
    1500,
    64 * MIB,
    corpus::expressions,
    grammar!("filter"),
    |program, event| {
        Filter::compile(program)
            .map(|filter| filter.passes(event))
            .is_ok()
    }
);

target!(
    exprs,
    2000,
    64 * MIB,
    corpus::exprs,
    grammar!("exprs"),
    |program, event| {
        let Ok(expression) = Expression::compile(program) else {
            return false;
        };
        let text = String::from_utf8_lossy(event);
        let values = [
            Value::from_json(event),
            Value::from(&json::Value::String(text.into_owned())),
            Value::Bool(true),
        ];
        let lookup = |name: &str| values.get(name.len() % 4).cloned();
        expression.eval(&lookup).ok();
        true
    }
);

target!(
    conditions,
    2000,
    64 * MIB,
    corpus::conditions,
    None,
    |program, event| {
        let names = String::from_utf8_lossy(event);
        let names: Vec<&str> = names.split(',').collect();
        let conditions = Conditions::compile(program, &names);
        conditions
            .map(|all| all.is_satisfied(|name| name.len() % 2 == 0))
            .is_ok()
    }
);

/// A fourth of what a run usually has: it has a tenth of the time.
const JQ: jq::Limits = jq::Limits {
    time: TIME,
    memory: 32 * MIB,
};

target!(
    jq,
    1000,
    JQ.memory,
    corpus::jq,
    grammar!("jq"),
    |program, event| {
        let Ok(program) = jq::Program::compile(program) else {
            return false;
        };
        program.with_limits(JQ).transform(event).ok();
        true
    }
);

/// What a run usually has: the texts that are made outside of the machine are bounded beside it.
const LUA: lua::Limits = lua::Limits {
    time: TIME,
    memory: 64 * MIB,
};

target!(
    lua,
    700,
    LUA.memory,
    corpus::lua,
    grammar!("lua"),
    |program, event| {
        let Ok(script) = Script::compile_within(program, LUA) else {
            return false;
        };
        script.transform(event).ok();
        script.filter(event).ok();
        true
    }
);

target!(yaml, 1500, 64 * MIB, corpus::yaml, None, |program, _| {
    let Ok(text) = yaml::to_json(program.as_bytes()) else {
        return false;
    };
    assert!(json::is_valid(&text), "a document became invalid JSON");
    true
});

target!(
    regex,
    1200,
    64 * MIB,
    corpus::patterns,
    grammar!("regex"),
    |program, event| {
        let regex = regex::compile(program);
        regex
            .map(|regex| regex.is_match(&String::from_utf8_lossy(event)))
            .is_ok()
    }
);

target!(json, 2000, 64 * MIB, corpus::paths, None, |_, event| {
    let Ok(document) = json::from_slice(event) else {
        return false;
    };
    let text = document.to_go_json();
    assert!(
        json::is_valid(text.as_bytes()),
        "a document became invalid JSON"
    );
    true
});
