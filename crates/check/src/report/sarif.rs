//! Faults as SARIF 2.1.0.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};
use tiphys_api::manifest::Fault;
use tiphys_api::{Code, Severity};

/// What a relative reference must not hold as it is.
const UNSAFE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

pub(super) fn render(faults: &[Fault]) -> String {
    let rules: Vec<Value> = Code::ALL.into_iter().map(rule).collect();
    let results: Vec<Value> = faults.iter().map(result).collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "tiphys",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{document:#}\n")
}

fn rule(code: Code) -> Value {
    json!({"id": code.name(), "shortDescription": {"text": code.meaning()}})
}

fn result(fault: &Fault) -> Value {
    let problem = &fault.problem;
    let uri = utf8_percent_encode(&fault.file, UNSAFE).to_string();
    json!({
        "ruleId": problem.code.name(),
        "ruleIndex": Code::ALL.iter().position(|code| *code == problem.code),
        "level": match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": {"text": problem.text()},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri.strip_prefix("./").unwrap_or(&uri)},
            "region": {"startLine": fault.line, "startColumn": fault.column},
        }}],
    })
}
