//! Faults as commands of a GitHub workflow.

use tiphys_api::manifest::Fault;

pub(super) fn render(faults: &[Fault]) -> String {
    let lines = faults.iter().map(|fault| {
        let problem = &fault.problem;
        format!(
            "::{} file={},line={},col={},title={}::{}\n",
            problem.severity,
            property(&fault.file),
            fault.line,
            fault.column,
            problem.code,
            data(&problem.text()),
        )
    });
    lines.collect()
}

/// Line breaks would end the command.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
