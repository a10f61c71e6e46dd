//! YAML payloads against the recorded vectors: how the values of a document are read.

#![expect(
    clippy::unwrap_used,
    reason = "vectors that cannot be read fail the test"
)]

use std::path::PathBuf;

use serde_json::Value;

fn vectors() -> Vec<Value> {
    let folder = std::env::var_os("TIPHYS_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors"),
        PathBuf::from,
    );
    let text = std::fs::read_to_string(folder.join("param_value.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The part of the JSON text at a path of plain keys.
fn look_up(json: &str, path: &str) -> Option<Value> {
    let root: Value = serde_json::from_str(json).unwrap();
    path.split('.')
        .try_fold(root, |value, key| value.get(key).cloned())
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn check(line: &Value, data: &str) -> Result<(), String> {
    let source = &line["src"];
    let json = tiphys_lang::yaml::to_json(data.as_bytes());
    let template = source["dataTemplate"].as_str();
    let path = match template {
        Some(template) => template
            .trim_matches(['{', '}', ' '])
            .trim_start_matches(".Input."),
        None => source["dataKey"].as_str().unwrap_or_default(),
    };
    let found = json.map_err(|error| error.to_string()).map(|json| {
        let json = String::from_utf8(json).unwrap();
        look_up(&json, path).map(|value| as_text(&value))
    });
    let fallback = source["value"].as_str().map(str::to_owned);
    let got = found.clone().ok().flatten().or(fallback);
    if got.as_deref() == line["want"]["value"].as_str() {
        Ok(())
    } else {
        Err(format!(
            "{data:?} at {path:?} gave {found:?}, not {}",
            line["want"]
        ))
    }
}

#[test]
fn values_are_those_of_argo_events() {
    let (mut passed, mut total, mut failures) = (0, 0, Vec::new());
    for line in vectors() {
        let source = &line["src"];
        let event = &line["events"][source["dependencyName"].as_str().unwrap_or_default()];
        let is_yaml = event["context"]["datacontenttype"] == "application/yaml";
        let looks_up = source["dataKey"].is_string() || source["dataTemplate"].is_string();
        let (true, true, Some(data)) = (is_yaml, looks_up, event["data"].as_str()) else {
            continue;
        };
        total += 1;
        match check(&line, data) {
            Ok(()) => passed += 1,
            Err(why) => failures.push(format!("{}: {why}", line["id"])),
        }
    }
    println!("yaml: {passed} of {total}");
    for failure in failures.iter().take(20) {
        println!("  {failure}");
    }
    assert!(failures.is_empty(), "{} of {total} fail", failures.len());
}
