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

use std::sync::Arc;

use tiphys_api::{Problem, Sensor};

pub use decision::{Decision, Outcome, Tally};
pub use dependency::{Admission, Dependency};
pub use ordering::{WorkId, object_key};
pub use pace::{BUS_FIRST, BUS_LAST, LEAST_PATIENCE, PATIENCE};
pub use plan::{Level, Limits, Plan, WEIGHT, weight};
pub use prepare::{panic_message, prepare};
pub use resets::Resets;
pub use rounds::{Member, Round, Rounds, Step};
pub use state::{ACK_WAIT, HEARTBEAT, TriggerState};
pub use wake::{
    Act, Arrival, Arrived, Attempt, Cancel, Content, Effect, Fired, Letter, Now, Performs, Wake,
};

use crate::trigger::Trigger;

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
        let mut problems = Vec::new();
        let dependencies: Arc<[Dependency]> = sensor
            .spec
            .dependencies
            .iter()
            .enumerate()
            .map(|(index, spec)| {
                Dependency::compile(spec, &format!("spec.dependencies[{index}]"), &mut problems)
            })
            .collect();
        let triggers = sensor
            .spec
            .triggers
            .iter()
            .enumerate()
            .filter_map(|(index, spec)| {
                let field = format!("spec.triggers[{index}]");
                Trigger::compile(spec, &dependencies, &field, &mut problems).map(Arc::new)
            })
            .collect();
        let metadata = &sensor.metadata;
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            name: metadata.name.as_deref().unwrap_or_default().into(),
            namespace: metadata.namespace.as_deref().unwrap_or("default").into(),
            dependencies,
            triggers,
        })
    }
}
