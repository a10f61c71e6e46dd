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
//! * what concerns several objects: [`set`].
//!
//! How faults are written and silenced is said by [`report`].
//!
//! Pure: no client, no file. Programs of a spec are compiled, never run; those of one object share a
//! budget of time and memory ([`effort`]).

pub mod report;
mod set;
pub mod stream_config;

use std::collections::HashSet;

use tiphys_api::manifest::{Content, Object};
use tiphys_api::{BusKind, EventBus, EventSource, Problem, Sensor, validate};
use tiphys_lang::effort;

pub use set::{missing_bus, set};

/// What is wrong with an object, and what it compiles to.
#[derive(Debug)]
pub struct Checked<P = Program> {
    /// What runs; `None` if there are errors, or the object is nothing that runs.
    pub program: Option<P>,
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

/// Checks and compiles an object of a manifest. One that names no namespace is in `namespace`.
pub fn object(object: &Object, namespace: &str) -> Checked {
    match &object.content {
        Content::Sensor(object) => {
            let mut object = object.clone();
            let place = &mut object.metadata.namespace;
            place.get_or_insert_with(|| namespace.to_owned());
            sensor(&object).map(|program| Program::Sensor(Box::new(program)))
        }
        Content::EventSource(object) => {
            let mut object = object.clone();
            let place = &mut object.metadata.namespace;
            place.get_or_insert_with(|| namespace.to_owned());
            event_source(&object).map(|program| Program::EventSource(Box::new(program)))
        }
        Content::EventBus(bus) => Checked {
            program: None,
            problems: event_bus(bus, stream_config::DEFAULT),
        },
        Content::Other(_) => Checked {
            program: None,
            problems: Vec::new(),
        },
    }
}

/// Checks and compiles a sensor.
pub fn sensor(sensor: &Sensor) -> Checked<tiphys_sensor::Compiled> {
    effort::within(|| {
        Checked::new(
            validate::sensor(sensor),
            tiphys_sensor::Compiled::compile(sensor),
        )
    })
}

/// Checks and compiles an event source.
pub fn event_source(source: &EventSource) -> Checked<tiphys_eventsource::Compiled> {
    effort::within(|| {
        Checked::new(
            validate::event_source(source),
            tiphys_eventsource::compile(source),
        )
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
    /// What the rules found, and what compiling gave. Of two errors about one field, that of the
    /// rules is kept: it is the more general one.
    fn new(mut problems: Vec<Problem>, compiled: Result<P, Vec<Problem>>) -> Self {
        let program = match compiled {
            Ok(program) => Some(program),
            Err(found) => {
                let known = problems.iter().map(key).collect();
                add(&mut problems, known, found);
                None
            }
        };
        let program = program.filter(|_| !problems.iter().any(Problem::is_error));
        Self { program, problems }
    }

    /// The errors: why it does not run.
    pub fn into_errors(self) -> Vec<Problem> {
        let mut problems = self.problems;
        problems.retain(Problem::is_error);
        problems
    }

    fn map<Q>(self, program: impl FnOnce(P) -> Q) -> Checked<Q> {
        Checked {
            program: self.program.map(program),
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
