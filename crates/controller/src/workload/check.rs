//! Whether a spec can run, found by the code that runs it.

use tiphys_api::Problem;

use super::{Aspect, Workload};
use crate::condition::{Conditions, Verdict};

/// How many faults a condition names: nobody reads more at a time.
const NAMED: usize = 5;

/// What is wrong with the spec of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    found: Vec<Fault>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    field: String,
    message: String,
}

impl Faults {
    /// Checks an object as `tiphys lint` does.
    pub fn of<K: Workload>(object: &K) -> Self {
        let mut found: Vec<Fault> = Vec::new();
        let problems = object.problems();
        for problem in problems.into_iter().filter(Problem::is_error) {
            let Problem {
                field_path,
                message,
                hint,
                ..
            } = problem;
            let message = match hint {
                Some(hint) => format!("{message} ({hint})"),
                None => message,
            };
            // The static rules and the compiler see some of them both.
            if found.iter().all(|fault| fault.field != field_path) {
                found.push(Fault {
                    field: field_path,
                    message,
                });
            }
        }
        Self { found }
    }

    /// An object that is not even of the right shape.
    pub fn malformed(message: &str) -> Self {
        Self {
            found: vec![Fault {
                field: String::new(),
                message: message.to_owned(),
            }],
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
            let messages: Vec<String> = here.map(Fault::to_text).collect();
            let verdict = if messages.is_empty() {
                Verdict::holds()
            } else {
                Verdict::fails(aspect.reason, listed(&messages))
            };
            conditions.set(aspect.condition, verdict);
        }
    }
}

impl Fault {
    fn to_text(&self) -> String {
        if self.field.is_empty() {
            return self.message.clone();
        }
        format!("{}: {}", self.field, self.message)
    }
}

fn belongs(fault: &Fault, aspect: &Aspect) -> bool {
    let rest = fault.field.strip_prefix(aspect.field);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The first few, and how many more there are.
pub(super) fn listed(messages: &[String]) -> String {
    let mut text = messages
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    if messages.len() > NAMED {
        let more = messages.len() - NAMED;
        text = format!("{text}; and {more} more");
    }
    text
}
