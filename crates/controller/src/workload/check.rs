//! What is wrong with a spec, by condition: errors break it, warnings are said while it holds.

use tiphys_api::Problem;

use super::{Aspect, Workload};
use crate::condition::{Conditions, Verdict};

/// Sets the conditions of the spec of an object that has these problems.
pub(crate) fn set<K: Workload>(problems: &[Problem], conditions: &mut Conditions) {
    let aspects = K::aspects();
    for (index, aspect) in aspects.iter().enumerate() {
        let is_last = index + 1 == aspects.len();
        let here = problems.iter().filter(|problem| {
            belongs(problem, aspect) || is_last && !aspects.iter().any(|any| belongs(problem, any))
        });
        let verdict = Verdict::of_spec(aspect.reason, here.cloned());
        conditions.set(aspect.condition, verdict);
    }
}

fn belongs(problem: &Problem, aspect: &Aspect) -> bool {
    let rest = problem.field_path.strip_prefix(aspect.field);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
