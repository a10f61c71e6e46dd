//! Runs the jq transforms among the recorded vectors and compares with what Argo Events answered.

#![expect(
    clippy::unwrap_used,
    reason = "the functions the tests share are tests too"
)]

use std::path::PathBuf;

use serde_json::Value;
use tiphys_lang::jq::Program;

fn vectors() -> String {
    let folder = std::env::var_os("TIPHYS_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors"),
        PathBuf::from,
    );
    std::fs::read_to_string(folder.join("transforms.jsonl")).unwrap()
}

fn run(program: &str, payload: &str) -> Result<String, String> {
    let program = Program::compile(program).map_err(|error| error.to_string())?;
    let output = program
        .transform(payload.as_bytes())
        .map_err(|error| error.to_string())?;
    Ok(String::from_utf8(output).unwrap())
}

/// What is wrong with the answer to one line, if anything.
fn fault(line: &Value) -> Option<String> {
    let program = line["transform"]["jq"].as_str()?;
    // Without a payload there is nothing to transform.
    let payload = line["event"]["data"].as_str()?;
    let answer = run(program, payload);
    if line.get("argo_bug").is_some() {
        return None;
    }
    let wanted = line["want"]["data"].as_str();
    match (&answer, wanted) {
        (Ok(output), Some(wanted)) if output == wanted => None,
        (Err(_), None) if line.get("error").is_some() => None,
        _ => Some(format!(
            "{}: {program}\n  got {answer:?}\n  want {wanted:?}",
            line["id"]
        )),
    }
}

fn is_jq(line: &Value) -> bool {
    line["transform"]["jq"]
        .as_str()
        .is_some_and(|program| !program.is_empty())
}

#[test]
fn transforms_answer_as_argo_events_does() {
    let text = vectors();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines: Vec<_> = lines.filter(is_jq).collect();
    let failures: Vec<_> = lines.iter().filter_map(fault).collect();
    for failure in failures.iter().take(20) {
        eprintln!("{failure}");
    }
    eprintln!(
        "jq transforms: {} of {}",
        lines.len() - failures.len(),
        lines.len()
    );
    assert!(!lines.is_empty());
    assert_eq!(failures.len(), 0);
}
