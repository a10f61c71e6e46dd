//! The filter and selector answer as recorded, `tests/vectors/resource_filter.jsonl`.
//!
//! Lines with `argo_bug` hold answers that are mended here, so they are only counted.

#![cfg(test)]

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::Value;
use tiphys_api::{ResourceEventType, ResourceFilter};
use tiphys_eventsource::source::resource::filter::{Filter, Occasion};
use tiphys_eventsource::source::resource::selector::LabelSelector;
use tiphys_eventsource::source::resource::selects;

/// Failures that are shown.
const SHOWN: usize = 20;

/// What is made of a filter.
#[derive(Debug, PartialEq)]
enum Answer {
    Refused,
    Verdict { passes: bool, selector: String },
}

fn vectors() -> String {
    let folder = std::env::var_os("TIPHYS_VECTORS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors")),
        PathBuf::from,
    );
    let file = folder.join("resource_filter.jsonl");
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn answer(line: &Value) -> Answer {
    let Ok(filter) = serde_json::from_value::<Option<ResourceFilter>>(line["filter"].clone())
    else {
        return Answer::Refused;
    };
    let filter = filter.unwrap_or_default();
    let Ok(labels) = LabelSelector::compile(&filter.labels, "labels") else {
        return Answer::Refused;
    };
    let selector = labels.as_str().to_owned();
    // What can never pass is refused when the spec arrives; at run time it rejects.
    let Ok(compiled) = Filter::compile(&filter, "filter") else {
        return Answer::Verdict {
            passes: false,
            selector,
        };
    };
    let object = line["obj"].to_string();
    let kind = line["eventType"]
        .as_str()
        .and_then(ResourceEventType::from_name);
    let started_at: Timestamp = line["startTime"].as_str().unwrap().parse().unwrap();
    let occasion = Occasion {
        // Any other type goes by the creation, as an addition does.
        kind: kind.unwrap_or(ResourceEventType::Add),
        started_at,
        now: started_at,
    };
    let passes = selects(&labels, object.as_bytes())
        && compiled.judge(object.as_bytes(), occasion).is_pass();
    Answer::Verdict { passes, selector }
}

fn is_as_recorded(line: &Value) -> bool {
    match answer(line) {
        Answer::Refused => line.get("error").is_some(),
        Answer::Verdict { passes, selector } => {
            line["want"] == Value::Bool(passes)
                && line
                    .get("selector")
                    .is_none_or(|recorded| *recorded == *selector)
        }
    }
}

#[test]
fn the_recorded_answers_are_given() {
    let text = vectors();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (mended, same): (Vec<_>, Vec<_>) = lines
        .iter()
        .partition(|line| line.get("argo_bug").is_some());
    let failed: Vec<_> = same.iter().filter(|line| !is_as_recorded(line)).collect();
    println!(
        "resource_filter: {} of {}",
        same.len() - failed.len(),
        same.len()
    );
    let copied = mended.iter().filter(|line| is_as_recorded(line)).count();
    println!(
        "resource_filter: {copied} of {} answers to be mended are as recorded",
        mended.len()
    );
    for line in failed.iter().take(SHOWN) {
        println!("{}: {:?}, not {line}", line["id"], answer(line));
    }
    assert!(
        failed.is_empty(),
        "{} lines are not as recorded",
        failed.len()
    );
}
