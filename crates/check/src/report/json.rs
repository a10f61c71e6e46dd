//! Faults as one JSON document.

use serde_json::json;

use super::Findings;

pub(super) fn render(findings: &Findings) -> String {
    let faults = findings.faults.iter().map(|fault| {
        let problem = &fault.problem;
        json!({
            "file": &*fault.file,
            "line": fault.line,
            "column": fault.column,
            "severity": problem.severity.to_string(),
            "code": problem.code.name(),
            "field": problem.field_path,
            "message": problem.message,
            "hint": problem.hint,
        })
    });
    let document = json!({
        "objects": findings.objects,
        "errors": findings.errors(),
        "warnings": findings.warnings(),
        "silenced": findings.silenced,
        "faults": faults.collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}
