//! Paths, conditions and expression filters.

use serde_json::{Value, json};
use tiphys_lang::expr::conditions::Conditions;
use tiphys_lang::expr::filter::Filter;
use tiphys_lang::path::{Path, Write};

use super::check;
use super::line::{Line, recorded, text};

#[test]
fn path_get() {
    check("path_get", |line| {
        let path = Path::compile(line["path"].as_str().unwrap()).map_err(|e| e.to_string())?;
        let json = text(line, "json").unwrap();
        let found = path.get(&json);
        Ok(json!({
            "exists": found.exists(),
            "type": found.kind().name(),
            "raw": recorded(found.raw().to_vec()),
            "string": found.text(),
        }))
    });
}

#[test]
fn path_set() {
    check("path_set", |line| {
        let path = Path::compile(line["path"].as_str().unwrap()).map_err(|e| e.to_string())?;
        let (json, value) = (text(line, "json").unwrap(), text(line, "value").unwrap());
        let value_text = String::from_utf8_lossy(&value);
        let write = if line["raw"] == true {
            Write::Raw(&value)
        } else {
            Write::Text(&value_text)
        };
        Ok(recorded(
            path.set(&json, write).map_err(|e| e.to_string())?.json,
        ))
    });
}

#[test]
fn expr_filter() {
    check("expr_filter", |line| {
        let filter = Filter::compile(line["expression"].as_str().unwrap());
        let filter = filter.map_err(|error| error.to_string())?;
        let data = text(line, "data").unwrap();
        filter
            .passes(&data)
            .map(Value::Bool)
            .map_err(|error| error.to_string())
    });
}

#[test]
fn conditions() {
    check("conditions", |line| {
        let (dependencies, satisfied) = (texts(line, "dependencies"), texts(line, "satisfied"));
        let conditions = line["conditions"].as_str().unwrap_or_default();
        let conditions = Conditions::compile(conditions, &dependencies);
        let conditions = conditions.map_err(|error| error.to_string())?;
        let recorded = json!({ "expression": &line["expression"], "vars": &line["vars"], "needsAnd": &line["needsAnd"] });
        let got = json!({
            "expression": conditions.expression(),
            "vars": conditions.dependencies(),
            "needsAnd": conditions.needs_and(),
        });
        if !is_misread(line) && got != recorded {
            return Err(format!("read as {got}, not as {recorded}"));
        }
        Ok(Value::Bool(
            conditions.is_satisfied(|name| satisfied.contains(&name)),
        ))
    });
}

fn texts<'a>(line: &'a Line, key: &str) -> Vec<&'a str> {
    line[key]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Whether Argo reads something else: it sees two dependencies as one, or a name as a constant.
fn is_misread(line: &Line) -> bool {
    let names = texts(line, "dependencies")
        .into_iter()
        .map(|name| name.replace('-', "_"));
    let mut names: Vec<String> = names.collect();
    let constant =
        |name: &String| matches!(&**name, "true" | "false") || name.parse::<f64>().is_ok();
    let has_constant = names.iter().any(constant);
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    let has_twins = names.len() < count
        && line["conditions"]
            .as_str()
            .is_some_and(|text| !text.is_empty());
    line.is_marked() || has_constant || has_twins
}
