//! What a report comes to: the last lines of an answer.

use tiphys_base::text::one_line;
use tiphys_sensor::engine::Outcome;
use tiphys_simulate::{Decision, Report};

/// A line for each trigger, and for each report that came to none.
pub fn lines(reports: &[Report<'_>]) -> Vec<String> {
    let mut lines = Vec::new();
    for report in reports {
        lines.extend(
            report
                .decisions()
                .map(|decision| one_line(&line(&decision)) + "\n"),
        );
        if let Some(why) = report.unanswered() {
            lines.push(one_line(&format!("nothing fired, because {why}")) + "\n");
        }
    }
    lines
}

fn line(decision: &Decision<'_>) -> String {
    let reason = decision.reason();
    match decision.outcome() {
        Outcome::Fired => format!("{decision} fired: {reason}"),
        Outcome::Waiting => format!("{decision} did not fire yet: {reason}"),
        _ => format!("{decision} did not fire, because {reason}"),
    }
}
