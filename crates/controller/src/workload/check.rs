//! Whether a spec can run, as [`tiphys_check`] finds it, by condition.

use tiphys_api::Problem;

use super::{Aspect, Workload};
use crate::condition::{Conditions, Verdict, listed};

/// Why the spec of an object cannot run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    found: Vec<Problem>,
}

impl Faults {
    /// Checks an object.
    pub fn of<K: Workload>(object: &K) -> Self {
        Self {
            found: object.errors(),
        }
    }

    /// An object that is not even of the right shape.
    pub fn malformed(message: &str) -> Self {
        Self {
            found: vec![Problem::error("", message)],
        }
    }

    /// True if it can run.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Sets the conditions of the spec.
    pub fn judge<K: Workload>(&self, conditions: &mut Conditions) {
        let aspects = K::aspects();
        for (index, aspect) in aspects.iter().enumerate() {
            let is_last = index + 1 == aspects.len();
            let here = self.found.iter().filter(|fault| {
                belongs(fault, aspect) || is_last && !aspects.iter().any(|any| belongs(fault, any))
            });
            let here: Vec<Problem> = here.cloned().collect();
            let verdict = if here.is_empty() {
                Verdict::holds()
            } else {
                Verdict::fails(aspect.reason, listed(&here))
            };
            conditions.set(aspect.condition, verdict);
        }
    }
}

fn belongs(fault: &Problem, aspect: &Aspect) -> bool {
    let rest = fault.field_path.strip_prefix(aspect.field);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
