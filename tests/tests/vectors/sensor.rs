//! Parameters, filters and transforms.

use serde_json::Value;
use tiphys_api::{
    EventDependencyFilter, EventDependencyTransformer, Problem, TriggerParameter,
    TriggerParameterSource, TriggerTemplate,
};
use tiphys_eventbus::Event;
use tiphys_sensor::filter::{Filters, Verdict};
use tiphys_sensor::parameter::{self, Parameter, Source};
use tiphys_sensor::transform::Transform;
use tiphys_sensor::trigger::render_object;
use tiphys_sensor::view::Views;

use super::ask::Answer;
use super::check;
use super::events::{describe, event, events};
use super::line::{Line, recorded, text};

fn decode<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    // Through text, as manifests come: raw parts keep their form only that way.
    serde_json::from_str(&value.to_string()).map_err(|error| error.to_string())
}

fn sound(problems: &[Problem]) -> Result<(), String> {
    problems
        .first()
        .map_or(Ok(()), |problem| Err(problem.to_string()))
}

fn views(events: &[(String, Event)]) -> Views<'_> {
    Views::new(events.iter().map(|(name, event)| (name.as_str(), event)))
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or(error.to_string(), |source| {
        format!("{error}: {}", chain(source))
    })
}

#[test]
fn param_value() {
    check("param_value", |line| {
        let spec: TriggerParameterSource = decode(&line["src"])?;
        let source = Source::compile(Some(&spec), "src", &mut Vec::new());
        let events = events(line);
        let resolved = source.ok_or("no source")?.resolve(&views(&events));
        Ok(match resolved.map_err(|error| chain(&error))? {
            None => Value::Null,
            Some(value) => serde_json::json!({ "value": value.text, "type": value.kind.name() }),
        })
    });
}

fn parameters(line: &Line) -> Result<Vec<Parameter>, String> {
    let specs: Vec<TriggerParameter> = decode(&line["parameters"])?;
    Ok(Parameter::compile_all(
        &specs,
        "parameters",
        &mut Vec::new(),
    ))
}

fn apply(line: &Line, mut document: Vec<u8>) -> Result<Vec<u8>, String> {
    let events = events(line);
    parameter::apply(&parameters(line)?, &mut document, &views(&events))
        .map_err(|(_, error)| chain(&error))?;
    Ok(document)
}

#[test]
fn params() {
    check("params", |line| {
        apply(line, text(line, "template").unwrap()).map(recorded)
    });
}

#[test]
fn resource_params() {
    check("resource_params", |line| {
        let document = apply(line, line.raw("template").into_bytes())?;
        render_object(&document).map(Value::String)
    });
}

#[test]
fn payload() {
    check("payload", |line| {
        let events = events(line);
        parameter::payload(&parameters(line)?, &views(&events))
            .map(recorded)
            .map_err(|(_, error)| chain(&error))
    });
}

#[test]
fn trigger_params() {
    check("trigger_params", |line| {
        let text = apply(line, line.raw("template").into_bytes())?;
        let template: TriggerTemplate =
            serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        let got = serde_json::to_value(&template).map_err(|error| error.to_string())?;
        let want = line.get("want").map(|want| decode::<Value>(want).unwrap());
        let agrees = want
            .is_some_and(|want| as_written(want.clone(), &got) == as_written(got.clone(), &want));
        Ok(if agrees { line["want"].clone() } else { got })
    });
}

/// What one side writes of a template, without the empty fields that the other leaves out. One that is
/// in both has to be the same.
fn as_written(want: Value, got: &Value) -> Value {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => want
            .into_iter()
            .filter(|(key, value)| got.contains_key(key) || !is_empty(value))
            .map(|(key, value)| {
                let there = got.get(&key).unwrap_or(&Value::Null);
                let value = as_written(value, there);
                (key, value)
            })
            .collect(),
        (Value::Array(want), Value::Array(got)) => {
            let missing = std::iter::repeat(&Value::Null);
            let pairs = want.into_iter().zip(got.iter().chain(missing));
            pairs.map(|(want, got)| as_written(want, got)).collect()
        }
        (want, _) => want,
    }
}

/// Whether Go leaves a field like this out, or could.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_empty),
    }
}

#[test]
fn filters() {
    check("filters", |line| {
        let spec: Option<EventDependencyFilter> = decode(&line["filters"])?;
        let Some(spec) = spec else {
            return Ok(Value::Bool(true));
        };
        let operator = line["filtersLogicalOperator"].as_str().unwrap_or_default();
        let filters = Filters::compile(&spec, operator, "filters", &mut Vec::new());
        match filters.check(&event(&line["event"])) {
            Verdict::Pass => Ok(Value::Bool(true)),
            Verdict::Reject(_) => Ok(Value::Bool(false)),
            Verdict::Fail(reason) => Err(reason),
        }
    });
}

#[test]
fn transforms() {
    check("transforms", |line| -> Answer {
        let spec: EventDependencyTransformer = decode(&line["transform"])?;
        let mut problems = Vec::new();
        let transform = Transform::compile(&spec, "transform", &mut problems);
        let before = event(&line["event"]);
        if before.data.is_some() {
            sound(&problems)?;
        }
        let after = match transform {
            Some(transform) => transform.apply(before).map_err(|error| chain(&error))?,
            None => before,
        };
        Ok(describe(&after))
    });
}
