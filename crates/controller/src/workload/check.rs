//! What is wrong with a spec, by condition.

use tiphys_api::Problem;

use super::{Aspect, Workload};
use crate::condition::{Conditions, Verdict, listed};

/// Sets the conditions of the spec of an object that has these faults.
pub(crate) fn set<K: Workload>(faults: &[Problem], conditions: &mut Conditions) {
    let aspects = K::aspects();
    for (index, aspect) in aspects.iter().enumerate() {
        let is_last = index + 1 == aspects.len();
        let here = faults.iter().filter(|fault| {
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

fn belongs(fault: &Problem, aspect: &Aspect) -> bool {
    let rest = fault.field_path.strip_prefix(aspect.field);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
