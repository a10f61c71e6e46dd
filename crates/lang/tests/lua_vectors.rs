//! Lua scripts against the recorded vectors: transforms and filters of Argo Events.

#![expect(
    clippy::unwrap_used,
    reason = "vectors that cannot be read fail the test"
)]
#![expect(clippy::print_stdout, reason = "the count of cases is for people")]

use std::path::PathBuf;

use serde_json::Value;
use tiphys_lang::lua::Script;

const SHOWN_FAILURES: usize = 20;

fn lines(name: &str) -> Vec<Value> {
    let folder = std::env::var_os("TIPHYS_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors"),
        PathBuf::from,
    );
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Counts the cases that hold, and shows why others do not.
fn report(name: &str, cases: impl Iterator<Item = (String, Result<(), String>)>) {
    let (mut passed, mut total, mut failures) = (0, 0, Vec::new());
    for (id, result) in cases {
        total += 1;
        match result {
            Ok(()) => passed += 1,
            Err(why) => failures.push(format!("{id}: {why}")),
        }
    }
    println!("{name}: {passed} of {total}");
    for failure in failures.iter().take(SHOWN_FAILURES) {
        println!("  {failure}");
    }
    assert!(failures.is_empty(), "{} of {total} fail", failures.len());
}

fn data(event: &Value) -> Option<&str> {
    event.get("data").and_then(Value::as_str)
}

fn transformed(line: &Value) -> Result<Option<String>, String> {
    let script = line["transform"]["script"].as_str().unwrap_or_default();
    let Some(event) = data(&line["event"]) else {
        return Ok(None);
    };
    if script.is_empty() {
        return Ok(Some(event.to_owned()));
    }
    let script = Script::compile(script).map_err(|error| error.to_string())?;
    let bytes = script
        .transform(event.as_bytes())
        .map_err(|error| error.to_string())?;
    Ok(Some(String::from_utf8(bytes).unwrap()))
}

fn check_transform(line: &Value) -> Result<(), String> {
    let got = transformed(line);
    if line.get("argo_bug").is_some() {
        return Ok(());
    }
    match (line.get("want"), got) {
        (Some(want), Ok(got)) if data(want) == got.as_deref() => Ok(()),
        (None, Err(_)) => Ok(()),
        (_, got) => Err(format!(
            "{} gave {got:?}, not {:?}",
            line["transform"],
            line.get("want")
        )),
    }
}

#[test]
fn transforms_answer_as_argo_events_does() {
    let lines = lines("transforms.jsonl");
    let cases = lines.iter().filter(|line| {
        let transform = &line["transform"];
        transform.get("script").is_some() && transform["jq"].as_str().unwrap_or_default().is_empty()
    });
    report(
        "transforms",
        cases.map(|line| (line["id"].to_string(), check_transform(line))),
    );
}

fn check_filter(line: &Value) -> Result<(), String> {
    let source = line["filters"]["script"].as_str().unwrap_or_default();
    if source.is_empty() {
        return Ok(());
    }
    // Without a payload there is nothing to filter: the caller lets the event pass.
    let Some(event) = data(&line["event"]) else {
        return Ok(());
    };
    let got = Script::compile(source)
        .map_err(|error| error.to_string())
        .and_then(|script| {
            script
                .filter(event.as_bytes())
                .map_err(|error| error.to_string())
        });
    if line.get("argo_bug").is_some() {
        return Ok(());
    }
    match (line.get("error"), got) {
        (Some(_), Err(_)) => Ok(()),
        (None, Ok(got)) if line["want"].as_bool() == Some(got) => Ok(()),
        (_, got) => Err(format!("{source} gave {got:?}, not {}", line["want"])),
    }
}

#[test]
fn filters_answer_as_argo_events_does() {
    let lines = lines("filters.jsonl");
    let cases = lines.iter().filter(|line| {
        let filters = line["filters"].as_object();
        filters.is_some_and(|map| map.len() == 1 && map.contains_key("script"))
            && line.get("want").is_some_and(Value::is_boolean)
    });
    report(
        "filters",
        cases.map(|line| (line["id"].to_string(), check_filter(line))),
    );
}
