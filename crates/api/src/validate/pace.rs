//! Rules of how fast and how often something is done.

use super::Problems;
use crate::field_path::join;
use crate::problem::Problem;
use crate::{Backoff, RateLimit};

pub(super) fn rate_limit(path: &str, limit: &RateLimit, problems: &mut Problems) {
    let unit = limit.unit.as_str();
    if !["", "Second", "Minute", "Hour"].contains(&unit) {
        let problem =
            Problem::warning(format!("{path}.unit"), format!("{unit:?} counts as Second"));
        problems.push(problem.with_suggestion(unit, ["Second", "Minute", "Hour"]));
    }
    if *limit.requests_per_unit < 1 {
        problems.error(
            format!("{path}.requestsPerUnit"),
            "requestsPerUnit has to be at least 1",
        );
    }
}

/// A backoff has to be readable, or the action would never be tried at all.
pub(super) fn backoff(
    parent: &str,
    field: &str,
    backoff: Option<&Backoff>,
    problems: &mut Problems,
) {
    if let Some(Err(error)) = backoff.map(Backoff::policy) {
        let path = format!("{}.{}", join(parent, field), error.field());
        let cause = std::error::Error::source(&error).map_or(String::new(), |c| format!(": {c}"));
        problems.error(
            path,
            format!("invalid backoff configuration, {error}{cause}"),
        );
    }
}
