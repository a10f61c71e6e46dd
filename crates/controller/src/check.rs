//! Everything that is wrong with an object: the static rules, and what its programs compile to.
//!
//! `lint`, `run` and the admission webhook come here, so they cannot disagree.

use tiphys_api::manifest::{Content, Fault, Object};
use tiphys_sensor::Compiled;

use crate::event_bus::{self, versions};

/// What an object compiles to, and what is wrong with it.
#[derive(Debug)]
pub struct Checked {
    /// What of it can run.
    pub program: Program,
    /// Its faults, besides those of its form, which reading it has told.
    pub faults: Vec<Fault>,
}

/// What an object compiles to.
#[derive(Debug)]
pub enum Program {
    /// A sensor without errors.
    Sensor(Box<Compiled>),
    /// An event source without errors.
    EventSource(Box<tiphys_eventsource::Compiled>),
    /// Nothing: another kind, or an object with errors.
    None,
}

/// Checks and compiles an object. One that names no namespace is in `namespace`.
pub fn check(object: &Object, namespace: &str) -> Checked {
    let mut faults = object.validate();
    let program = match compile(&object.content, namespace) {
        Ok(program) => program,
        Err(problems) => {
            for problem in problems {
                let fault = object.fault(problem);
                // The static rules may have said it already, in other words.
                let is_told = |told: &Fault| {
                    told.problem.is_error() && told.problem.field_path == fault.problem.field_path
                };
                if !faults.iter().any(is_told) {
                    faults.push(fault);
                }
            }
            Program::None
        }
    };
    let has_errors = faults.iter().any(|fault| fault.problem.is_error());
    let program = if has_errors { Program::None } else { program };
    Checked { program, faults }
}

fn compile(content: &Content, namespace: &str) -> Result<Program, Vec<tiphys_api::Problem>> {
    match content {
        Content::Sensor(sensor) => {
            let mut sensor = sensor.clone();
            let place = &mut sensor.metadata.namespace;
            place.get_or_insert_with(|| namespace.to_owned());
            let compiled = Compiled::compile(&sensor)?;
            Ok(Program::Sensor(Box::new(compiled)))
        }
        Content::EventSource(source) => {
            let mut source = source.clone();
            let place = &mut source.metadata.namespace;
            place.get_or_insert_with(|| namespace.to_owned());
            let compiled = tiphys_eventsource::compile(&source)?;
            Ok(Program::EventSource(Box::new(compiled)))
        }
        Content::EventBus(bus) => {
            let mut problems = event_bus::problems(bus, &versions::builtin());
            // Which versions there are is the controller's configuration to say.
            problems.retain(|problem| problem.field_path != "spec.jetstream.version");
            if problems.is_empty() {
                Ok(Program::None)
            } else {
                Err(problems)
            }
        }
        Content::Other(_) => Ok(Program::None),
    }
}
