//! What is wrong with an object, what of it can run, and what is wrong between objects.
//!
//! `lint`, the admission webhook, the controller, the pods, `run` and `simulate` all ask this crate,
//! so that they say the same. A rule has one home:
//!
//! * the form of a file, fields and their types: [`tiphys_api::manifest`], which reads it;
//! * the rules of single fields and of the spec as a whole: [`tiphys_api::validate`];
//! * programs inside a spec (jq, Lua, regexes, selectors, conditions): the compilers in
//!   [`tiphys_eventsource`] and [`tiphys_sensor`];
//! * the settings of a bus' stream: [`stream_config`];
//! * what concerns several objects: [`set`]; who publishes what somebody waits for: [`link`].
//!
//! How faults are written and silenced is said by [`report`].
//!
//! Pure: no client, no file. Programs of a spec are compiled, never run; those of one object share a
//! budget of time and memory ([`effort`]).

pub mod link;
mod loaded;
pub mod report;
mod set;
pub mod stream_config;

use std::collections::HashSet;

use tiphys_api::manifest::{Content, Object};
use tiphys_api::{BusKind, EventBus, EventSource, Problem, Sensor, field_path, pause, validate};
use tiphys_lang::effort;

pub use loaded::{LeftOut, Loadable, Loaded};
pub use set::{missing_bus, set};

/// What is wrong with an object, and what it compiles to.
#[derive(Debug)]
pub struct Checked<P = Program> {
    /// What runs; `None` if there are errors, or the object is nothing that runs.
    pub program: Option<P>,
    /// Of an object with errors, what has none: for those who only look at it.
    pub sound: Option<P>,
    /// What is wrong: one error a field.
    pub problems: Vec<Problem>,
}

/// What an object compiles to.
#[derive(Debug)]
pub enum Program {
    /// A sensor.
    Sensor(Box<tiphys_sensor::Compiled>),
    /// An event source.
    EventSource(Box<tiphys_eventsource::Compiled>),
}

/// Checks and compiles an object of a manifest. One that names no namespace is in `namespace`; nothing is
/// said of what is wrong with its form again.
pub fn object(object: &Object, namespace: &str) -> Checked {
    let broken = &object.broken;
    match &object.content {
        Content::Sensor(object) => {
            let mut object = object.clone();
            let place = &mut object.metadata.namespace;
            place.get_or_insert_with(|| namespace.to_owned());
            let checked = self::checked_sensor(&object, broken);
            let checked = checked.with(pause::problem(&object.metadata));
            checked.map(|program| Program::Sensor(Box::new(program)))
        }
        Content::EventSource(object) => {
            let mut object = object.clone();
            let place = &mut object.metadata.namespace;
            place.get_or_insert_with(|| namespace.to_owned());
            let checked = event_source(&object).after(broken);
            let checked = checked.with(pause::problem(&object.metadata));
            checked.map(|program| Program::EventSource(Box::new(program)))
        }
        Content::EventBus(bus) => Checked {
            program: None,
            sound: None,
            problems: event_bus(bus, stream_config::DEFAULT),
        }
        .after(broken),
        Content::Other(_) => Checked {
            program: None,
            sound: None,
            problems: Vec::new(),
        },
    }
}

/// Checks and compiles a sensor.
pub fn sensor(sensor: &Sensor) -> Checked<tiphys_sensor::Compiled> {
    checked_sensor(sensor, &[])
}

fn checked_sensor(sensor: &Sensor, broken: &[Problem]) -> Checked<tiphys_sensor::Compiled> {
    effort::within(|| {
        let mut known = broken.to_vec();
        known.extend(without(broken, validate::sensor(sensor)));
        let (sound, found) = tiphys_sensor::Compiled::compile_sound(sensor, &known);
        let rules = known.split_off(broken.len());
        Checked::new(rules, sound, found).after(broken)
    })
}

/// What is said of other fields than of those that are broken, and of what is around them.
fn without(broken: &[Problem], mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.retain(|problem| {
        let mut broken = broken.iter();
        let path = &problem.field_path;
        !broken.any(|broken| {
            let broken = &broken.field_path;
            field_path::is_within(path, broken) || field_path::is_within(broken, path)
        })
    });
    problems
}

/// Checks and compiles an event source.
pub fn event_source(source: &EventSource) -> Checked<tiphys_eventsource::Compiled> {
    effort::within(|| {
        let (sound, problems) = tiphys_eventsource::compile_sound(source);
        Checked::new(problems, sound, Vec::new())
    })
}

/// Checks a bus. `stream_config` is what streams are like where its spec says nothing. Which versions
/// of the servers there are is the controller's configuration to say.
pub fn event_bus(bus: &EventBus, stream_config: &str) -> Vec<Problem> {
    let mut problems = validate::event_bus(bus);
    if let Some(BusKind::JetStream(spec)) = bus.spec.kind() {
        let own = spec.stream_config.as_deref();
        let merged = stream_config::merged(stream_config, own, spec.server_count());
        problems.extend(merged.err());
    }
    problems
}

impl<P> Checked<P> {
    /// What the rules found, what compiled, and what compiling found. Of two errors about one field,
    /// that of the rules is kept: it is the more general one.
    fn new(mut problems: Vec<Problem>, compiled: P, found: Vec<Problem>) -> Self {
        let known = problems.iter().map(key).collect();
        add(&mut problems, known, found);
        let has_errors = problems.iter().any(Problem::is_error);
        let (program, sound) = if has_errors {
            (None, Some(compiled))
        } else {
            (Some(compiled), None)
        };
        Self {
            program,
            sound,
            problems,
        }
    }

    /// The same for an object in whose form something is broken: it does not run, whatever is said of
    /// the rest.
    fn after(self, broken: &[Problem]) -> Self {
        if broken.is_empty() {
            return self;
        }
        Self {
            sound: self.program.or(self.sound),
            program: None,
            problems: without(broken, self.problems),
        }
    }

    /// The same with what is wrong beside its spec.
    fn with(mut self, found: Option<Problem>) -> Self {
        self.problems.extend(found);
        self
    }

    /// The errors: why it does not run.
    pub fn into_errors(self) -> Vec<Problem> {
        let mut problems = self.problems;
        problems.retain(Problem::is_error);
        problems
    }

    fn map<Q>(self, program: impl Fn(P) -> Q) -> Checked<Q> {
        Checked {
            program: self.program.map(&program),
            sound: self.sound.map(&program),
            problems: self.problems,
        }
    }
}

fn key(problem: &Problem) -> (bool, String) {
    (problem.is_error(), problem.field_path.clone())
}

/// Adds what says something about a field that is not in `known`.
fn add(problems: &mut Vec<Problem>, mut known: HashSet<(bool, String)>, found: Vec<Problem>) {
    problems.extend(
        found
            .into_iter()
            .filter(|problem| known.insert(key(problem))),
    );
}

#[cfg(test)]
mod tests;
