//! Programs and events to start from: those of the recorded vectors.

use std::path::PathBuf;

use serde_json::Value;

use super::heavy;

/// A program, and what it is run on.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) program: String,
    pub(crate) event: Vec<u8>,
}

/// How many cases of a file are kept: more of them say nothing new.
const KEPT: usize = 400;

fn lines(file: &str) -> Vec<Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|above| above.join("tests/vectors"))
        .find(|folder| folder.is_dir())
        .expect("the recorded vectors are above this package");
    let text = std::fs::read_to_string(folder.join(file)).expect("the recorded vectors are there");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect()
}

/// The programs of a file with their events, and heavy ones.
fn cases(
    file: &str,
    heavy: &[&str],
    read: impl Fn(&Value) -> Option<(String, String)>,
) -> Vec<Case> {
    let lines = lines(file);
    let all = lines.iter().filter_map(read);
    let all: Vec<Case> = all
        .map(|(program, event)| Case {
            program,
            event: event.into_bytes(),
        })
        .collect();
    assert!(!all.is_empty(), "{file} holds no programs");
    let step = all.len().div_ceil(KEPT);
    let heavy = heavy.iter().zip(all.iter().cycle());
    let heavy: Vec<Case> = heavy
        .map(|(program, case)| Case {
            program: (*program).to_owned(),
            ..case.clone()
        })
        .collect();
    all.into_iter().step_by(step).chain(heavy).collect()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}

/// The first event of a parameter.
fn data(line: &Value) -> Option<String> {
    text(&line["events"].as_object()?.values().next()?["data"])
}

pub(crate) fn paths() -> Vec<Case> {
    let mut all = cases("path_get.jsonl", heavy::PATHS, |line| {
        Some((text(&line["path"])?, text(&line["json"])?))
    });
    all.extend(cases("path_set.jsonl", &[], |line| {
        Some((text(&line["path"])?, text(&line["json"])?))
    }));
    all
}

pub(crate) fn templates() -> Vec<Case> {
    cases("param_value.jsonl", heavy::TEMPLATES, |line| {
        let source = &line["src"];
        Some((
            text(&source["dataTemplate"]).or(text(&source["contextTemplate"]))?,
            data(line)?,
        ))
    })
}

pub(crate) fn expressions() -> Vec<Case> {
    cases("expr_filter.jsonl", heavy::EXPRESSIONS, |line| {
        Some((text(&line["expression"])?, text(&line["data"])?))
    })
}

pub(crate) fn exprs() -> Vec<Case> {
    cases("filters.jsonl", heavy::EXPRS, |line| {
        Some((
            text(&line["filters"]["exprs"][0]["expr"])?,
            text(&line["event"]["data"])?,
        ))
    })
}

/// The dependencies stand for the event, separated by commas.
pub(crate) fn conditions() -> Vec<Case> {
    cases("conditions.jsonl", heavy::CONDITIONS, |line| {
        let names = line["dependencies"]
            .as_array()?
            .iter()
            .filter_map(Value::as_str);
        Some((
            text(&line["conditions"])?,
            names.collect::<Vec<_>>().join(","),
        ))
    })
}

pub(crate) fn jq() -> Vec<Case> {
    cases("transforms.jsonl", heavy::JQ, |line| {
        Some((
            text(&line["transform"]["jq"])?,
            text(&line["event"]["data"])?,
        ))
    })
}

pub(crate) fn lua() -> Vec<Case> {
    cases("transforms.jsonl", heavy::LUA, |line| {
        Some((
            text(&line["transform"]["script"])?,
            text(&line["event"]["data"])?,
        ))
    })
}

pub(crate) fn yaml() -> Vec<Case> {
    cases("param_value.jsonl", heavy::YAML, |line| {
        let event = line["events"].as_object()?.values().next()?;
        let is_yaml = event["context"]["datacontenttype"] == "application/yaml";
        Some((
            is_yaml.then(|| text(&event["data"])).flatten()?,
            String::new(),
        ))
    })
}

pub(crate) fn patterns() -> Vec<Case> {
    cases("resource_filter.jsonl", heavy::PATTERNS, |line| {
        Some((
            text(&line["filter"]["fields"][0]["value"])?,
            line["obj"].to_string(),
        ))
    })
}
