//! The part of a sensor that decides: pure functions over events, compiled once from a spec.
//!
//! Nothing here waits, reads the clock or knows a client. The running sensor, `simulate`, `lint` and
//! the controller's validation all come here, so they cannot disagree.
//!
//! Order of work per event: decode, transform and filter ([`prepare()`], [`Dependency`]); then the
//! trigger's state machine ([`TriggerState`]) deduplicates, completes rounds ([`Rounds`]), keeps the
//! order per object, and says when an action is rendered, performed, tried again, given up, and when
//! a delivery is acknowledged.

mod books;
mod decision;
mod dependency;
mod ordering;
mod pace;
mod plan;
mod prepare;
mod resets;
mod rounds;
mod seen;
mod state;
mod wake;

use std::collections::HashSet;
use std::sync::Arc;

use tiphys_api::{Problem, Sensor, field_path};

pub use decision::{Decision, Outcome, Tally};
pub use dependency::{Admission, Dependency};
pub use ordering::{WorkId, object_key};
pub use pace::{BUS_FIRST, BUS_LAST, LEAST_PATIENCE, PATIENCE};
pub use plan::{Level, Limits, Plan, WEIGHT, weight};
pub use prepare::{Message, panic_message, prepare};
pub use resets::Resets;
pub use rounds::{Member, Round, Rounds, Step};
pub use state::{ACK_WAIT, HEARTBEAT, TriggerState};
pub use wake::{
    Act, Arrival, Arrived, Attempt, Cancel, Content, Effect, Fired, Letter, Now, Performs, Wake,
};

use crate::trigger::Trigger;

/// The lists of a Sensor whose elements are sound or not by themselves.
const DEPENDENCIES: &str = "spec.dependencies";
const TRIGGERS: &str = "spec.triggers";

/// Which parts of a Sensor have errors.
#[derive(Debug, Default)]
struct Faulty {
    dependencies: HashSet<usize>,
    triggers: HashSet<usize>,
    /// What concerns all of it.
    whole: bool,
}

impl Faulty {
    fn of<'p>(problems: impl Iterator<Item = &'p Problem>) -> Self {
        let mut faulty = Self::default();
        for problem in problems.filter(|problem| problem.is_error()) {
            let path = &problem.field_path;
            if let Some(index) = field_path::element(path, DEPENDENCIES) {
                faulty.dependencies.insert(index);
            } else if let Some(index) = field_path::element(path, TRIGGERS) {
                faulty.triggers.insert(index);
            } else {
                faulty.whole = true;
            }
        }
        faulty
    }
}

/// A sensor, ready to run.
#[derive(Debug)]
pub struct Compiled {
    /// Name of the Sensor object.
    pub name: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its dependencies, in the order of the spec.
    pub dependencies: Arc<[Dependency]>,
    /// Its triggers, in the order of the spec.
    pub triggers: Vec<Arc<Trigger>>,
}

impl Compiled {
    /// Compiles a Sensor.
    ///
    /// # Errors
    /// All faults of its programs, with their field paths. The static rules are
    /// [`tiphys_api::validate`]'s.
    pub fn compile(sensor: &Sensor) -> Result<Self, Vec<Problem>> {
        let (compiled, problems) = Self::compile_sound(sensor, &[]);
        if problems.iter().any(Problem::is_error) {
            return Err(problems);
        }
        Ok(compiled)
    }

    /// Compiles those triggers of a Sensor that are sound, with everything that compiling finds: they
    /// and their dependencies have no error, also none in `known`, and the Sensor has none elsewhere.
    pub fn compile_sound(sensor: &Sensor, known: &[Problem]) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let specs = sensor.spec.dependencies.iter().enumerate();
        let dependencies: Arc<[Dependency]> = specs
            .map(|(index, spec)| {
                let field = field_path::index(DEPENDENCIES, index);
                Dependency::compile(spec, &field, &mut problems)
            })
            .collect();
        let specs = sensor.spec.triggers.iter().enumerate();
        let triggers: Vec<_> = specs
            .filter_map(|(index, spec)| {
                let field = field_path::index(TRIGGERS, index);
                let trigger = Trigger::compile(spec, &dependencies, &field, &mut problems)?;
                Some((index, Arc::new(trigger)))
            })
            .collect();
        let faulty = Faulty::of(known.iter().chain(&problems));
        let triggers = triggers.into_iter().filter(|(index, trigger)| {
            let mut dependencies = trigger.dependencies().iter();
            let is_sound = !faulty.triggers.contains(index);
            is_sound && dependencies.all(|index| !faulty.dependencies.contains(index))
        });
        let triggers: Vec<_> = triggers
            .filter(|_| !faulty.whole)
            .map(|(_, trigger)| trigger)
            .collect();
        // These fail when they fire: whoever looks at them sees it.
        problems.extend(triggers.iter().flat_map(|trigger| trigger.unmet()));
        let metadata = &sensor.metadata;
        let compiled = Self {
            name: metadata.name.as_deref().unwrap_or_default().into(),
            namespace: metadata.namespace.as_deref().unwrap_or("default").into(),
            triggers,
            dependencies,
        };
        (compiled, problems)
    }
}
