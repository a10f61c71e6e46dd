//! The expression languages against the recorded vectors (`tests/vectors/`): what Argo Events
//! answers to expressions, conditions and events of our own.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test: it prints what failed and stops at data it cannot read"
)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value as Json;
use tiphys_lang::expr::conditions::Conditions;
use tiphys_lang::expr::filter::Filter;
use tiphys_lang::expr::govaluate::{Expression, Value};
use tiphys_lang::json::{self, Build};

/// How many failures are printed.
const SHOWN: usize = 20;

fn lines(name: &str) -> Vec<Json> {
    let folder = std::env::var_os("TIPHYS_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors"),
        PathBuf::from,
    );
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn text<'a>(line: &'a Json, key: &str) -> &'a str {
    line[key].as_str().unwrap_or_default()
}

fn texts<'a>(line: &'a Json, key: &str) -> Vec<&'a str> {
    line[key]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect()
}

/// Compares each line; lines where Argo's answer must not be copied only have to have an answer.
fn check(
    name: &str,
    lines: &[Json],
    answer: impl Fn(&Json) -> String,
    want: impl Fn(&Json) -> String,
) {
    let (mut passed, mut total, mut shown) = (0, 0, 0);
    for line in lines {
        let got = answer(line);
        if line.get("argo_bug").is_some() {
            continue;
        }
        total += 1;
        let want = want(line);
        if got == want || (want == "error" && got.starts_with("error")) {
            passed += 1;
        } else if shown < SHOWN {
            shown += 1;
            println!("{}: got {got}, want {want}", text(line, "id"));
        }
    }
    println!("{name}: {passed} of {total}");
    assert_eq!(passed, total, "{name}");
}

fn wanted(line: &Json) -> String {
    if line.get("error").is_some() {
        "error".into()
    } else {
        line["want"].to_string()
    }
}

/// Whether Argo sees two dependencies as one, or a name as a constant: its reading differs there.
fn misnamed(line: &Json) -> bool {
    let mut names: Vec<_> = texts(line, "dependencies")
        .iter()
        .map(|name| name.replace('-', "_"))
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    let constant =
        |name: &String| matches!(&**name, "true" | "false") || name.parse::<f64>().is_ok();
    names.len() < count && !text(line, "conditions").is_empty() || names.iter().any(constant)
}

#[test]
fn conditions_agree_with_argo() {
    let answer = |line: &Json| {
        let dependencies = texts(line, "dependencies");
        let conditions = match Conditions::compile(text(line, "conditions"), &dependencies) {
            Ok(conditions) => conditions,
            Err(error) => return format!("error: {error}"),
        };
        let satisfied = texts(line, "satisfied");
        let fires = conditions.is_satisfied(|name| satisfied.contains(&name));
        if misnamed(line) {
            return fires.to_string();
        }
        format!(
            "{fires} {} {} {:?}",
            conditions.expression(),
            conditions.needs_and(),
            conditions.dependencies()
        )
    };
    let want = |line: &Json| {
        if line.get("error").is_some() {
            return "error".into();
        }
        let fires = &line["want"];
        if misnamed(line) {
            return fires.to_string();
        }
        let (expression, vars) = (text(line, "expression"), texts(line, "vars"));
        format!("{fires} {expression} {} {vars:?}", line["needsAnd"])
    };
    check("conditions", &lines("conditions.jsonl"), answer, want);
}

#[test]
fn expression_filters_agree_with_argo() {
    let answer = |line: &Json| match Filter::compile(text(line, "expression"))
        .and_then(|filter| filter.passes(text(line, "data").as_bytes()))
    {
        Ok(passes) => passes.to_string(),
        Err(error) => format!("error: {error}"),
    };
    check("expr_filter", &lines("expr_filter.jsonl"), answer, wanted);
}

/// Reads documents as lookups see them: of equal keys the first counts.
struct FirstKey;

impl Build for FirstKey {
    type Value = json::Value;
    fn null(&self) -> json::Value {
        json::Value::Null
    }
    fn bool(&self, value: bool) -> json::Value {
        json::Value::Bool(value)
    }
    fn number(&self, text: &str) -> json::Value {
        json::Value::Number(json::Number::from_text(text))
    }
    fn string(&self, text: Cow<'_, str>) -> json::Value {
        json::Value::String(text.into_owned())
    }
    fn array(&self, items: Vec<json::Value>) -> json::Value {
        json::Value::Array(items)
    }
    fn object(&self, members: Vec<(String, json::Value)>) -> json::Value {
        json::Value::Object(members.into_iter().rev().collect())
    }
}

/// Follows a path of plain names and indexes.
fn look_up<'a>(document: &'a json::Value, path: &str) -> Option<&'a json::Value> {
    path.split('.')
        .try_fold(document, |value, step| match value {
            json::Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            value => value.get(step),
        })
}

fn is_plain(path: &str) -> bool {
    !path.is_empty()
        && path
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

fn only_expressions(line: &Json) -> bool {
    let Some(filters) = line["filters"].as_object() else {
        return false;
    };
    filters.contains_key("exprs")
        && filters
            .keys()
            .all(|key| key == "exprs" || key == "exprLogicalOperator")
        && filters["exprs"].is_array()
        && text(line, "stage") != "decode"
        && line["event"].get("data").is_none_or(Json::is_string)
}

fn has_plain_paths(line: &Json) -> bool {
    let entries = line["filters"]["exprs"].as_array().into_iter().flatten();
    entries
        .flat_map(|entry| entry["fields"].as_array().into_iter().flatten())
        .all(|field| is_plain(text(field, "path")))
}

/// One entry: skipped, passed or not.
fn entry_passes(entry: &Json, event: &json::Value) -> Result<Option<bool>, String> {
    let mut values = BTreeMap::new();
    let fields: Vec<_> = entry["fields"].as_array().into_iter().flatten().collect();
    if fields.is_empty() {
        return Ok(None);
    }
    for field in fields {
        let path = text(field, "path");
        let value = look_up(event, path).ok_or_else(|| format!("path '{path}' does not exist"))?;
        values.insert(text(field, "name"), Value::from(value));
    }
    let expression = Expression::compile(text(entry, "expr")).map_err(|error| error.to_string())?;
    let result = expression.eval(&|name| values.get(name).cloned());
    Ok(Some(
        result.map_err(|error| error.to_string())? == Value::Bool(true),
    ))
}

fn filter_answer(line: &Json) -> String {
    let Some(data) = line["event"]["data"].as_str() else {
        return "true".into();
    };
    let Ok(event) = json::parse_with(data.as_bytes(), &FirstKey) else {
        return "error: payload is not JSON".into();
    };
    let or = text(&line["filters"], "exprLogicalOperator") == "or";
    let mut problems = Vec::new();
    for entry in line["filters"]["exprs"].as_array().into_iter().flatten() {
        match entry_passes(entry, &event) {
            Ok(Some(true)) if or => return "true".into(),
            Ok(Some(false)) if !or => return "false".into(),
            Ok(_) => {}
            Err(problem) if !or => return format!("error: {problem}"),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return format!("error: {}", problems.join(" / "));
    }
    (!or).to_string()
}

#[test]
fn govaluate_filters_agree_with_argo() {
    let all: Vec<_> = lines("filters.jsonl")
        .into_iter()
        .filter(only_expressions)
        .collect();
    let plain: Vec<_> = all
        .iter()
        .filter(|line| has_plain_paths(line))
        .cloned()
        .collect();
    println!(
        "exprs: {} lines left out for their paths",
        all.len() - plain.len()
    );
    check("exprs", &plain, filter_answer, wanted);
}
