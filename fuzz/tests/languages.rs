//! Arbitrary programs on arbitrary events: no panic, no hang, no unbounded memory, in any language.
//!
//! The programs and events of the recorded vectors are mutated and crossed. `cargo test` does so from
//! a fixed seed, so that every run asks the same; `TIPHYS_FUZZ_CASES` asks more of them,
//! `TIPHYS_FUZZ_SEED` others. The case that is being asked stands in a file of the folder for
//! temporary files of the tests, for the case that the process dies of it.
//!
//! `cargo bolero test --rustc-bootstrap -s NONE jq`, in the folder `guided`, lets libFuzzer choose the
//! mutations, guided by what they reach in the code.

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

#[path = "languages/corpus.rs"]
mod corpus;
#[path = "languages/drive.rs"]
mod drive;
#[path = "languages/heavy.rs"]
mod heavy;
#[path = "languages/mutate.rs"]
mod mutate;

use std::time::Duration;

#[cfg(not(fuzzing))]
use drive::drive;
#[cfg(fuzzing)]
use drive::guided;
use tiphys_lang::expr::conditions::Conditions;
use tiphys_lang::expr::filter::Filter;
use tiphys_lang::expr::govaluate::{Expression, Value};
use tiphys_lang::jq;
use tiphys_lang::lua::{self, Script};
use tiphys_lang::path::{Path, Write};
use tiphys_lang::template::Template;
use tiphys_lang::{json, regex, yaml};

/// Long enough for any program that ends, short enough to ask many that do not.
const TIME: Duration = Duration::from_millis(50);

/// A fuzz target: a name, how many cases `cargo test` asks, where they come from, and what is asked.
macro_rules! target {
    ($name:ident, $cases:literal, $corpus:path, $ask:expr) => {
        #[test]
        fn $name() {
            #[cfg(not(fuzzing))]
            drive(stringify!($name), $cases, &$corpus(), $ask);
            #[cfg(fuzzing)]
            bolero::check!().for_each({
                let corpus = $corpus();
                move |choices: &[u8]| guided(choices, &corpus, $ask)
            });
        }
    };
}

target!(path, 2000, corpus::paths, |program, event| {
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
});

target!(template, 1200, corpus::templates, |program, event| {
    let template = Template::compile(program);
    template.map(|template| template.render_json(event)).is_ok()
});

target!(
    filter_expression,
    1500,
    corpus::expressions,
    |program, event| {
        Filter::compile(program)
            .map(|filter| filter.passes(event))
            .is_ok()
    }
);

target!(exprs, 2000, corpus::exprs, |program, event| {
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
});

target!(conditions, 2000, corpus::conditions, |program, event| {
    let names = String::from_utf8_lossy(event);
    let names: Vec<&str> = names.split(',').collect();
    let conditions = Conditions::compile(program, &names);
    conditions
        .map(|all| all.is_satisfied(|name| name.len() % 2 == 0))
        .is_ok()
});

target!(jq, 1000, corpus::jq, |program, event| {
    let Ok(program) = jq::Program::compile(program) else {
        return false;
    };
    let limits = jq::Limits {
        time: TIME,
        ..jq::Limits::default()
    };
    program.with_limits(limits).transform(event).ok();
    true
});

target!(lua, 700, corpus::lua, |program, event| {
    let limits = lua::Limits {
        time: TIME,
        ..lua::Limits::default()
    };
    let Ok(script) = Script::compile_within(program, limits) else {
        return false;
    };
    script.transform(event).ok();
    script.filter(event).ok();
    true
});

target!(yaml, 1500, corpus::yaml, |program, _| {
    let Ok(text) = yaml::to_json(program.as_bytes()) else {
        return false;
    };
    assert!(json::is_valid(&text), "a document became invalid JSON");
    true
});

target!(regex, 1200, corpus::patterns, |program, event| {
    let regex = regex::compile(program);
    regex
        .map(|regex| regex.is_match(&String::from_utf8_lossy(event)))
        .is_ok()
});

target!(json, 2000, corpus::paths, |_, event| {
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
