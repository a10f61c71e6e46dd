//! Paths, conditions and expression filters.

use serde_json::{Value, json};
use tiphys_lang::expr::conditions::Conditions;
use tiphys_lang::expr::filter::Filter;
use tiphys_lang::path::{Path, Write};

use super::{Answer, check, recorded, text};

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
        let write =
            if line["raw"] == true { Write::Raw(&value) } else { Write::Text(&value_text) };
        Ok(recorded(path.set(&json, write).map_err(|e| e.to_string())?.json))
    });
}

#[test]
fn expr_filter() {
    check("expr_filter", |line| {
        let filter = Filter::compile(line["expression"].as_str().unwrap());
        let filter = filter.map_err(|error| error.to_string())?;
        let data = text(line, "data").unwrap();
        filter.passes(&data).map(Value::Bool).map_err(|error| error.to_string())
    });
}

#[test]
fn conditions() {
    check("conditions", |line| {
        let names = |key: &str| -> Vec<String> {
            let names = line[key].as_array().into_iter().flatten();
            names.filter_map(Value::as_str).map(ToOwned::to_owned).collect()
        };
        let (dependencies, satisfied) = (names("dependencies"), names("satisfied"));
        let dependencies: Vec<&str> = dependencies.iter().map(String::as_str).collect();
        fires(line["conditions"].as_str().unwrap_or_default(), &dependencies, &satisfied)
    });
}

/// Whether a trigger fires when the last of `satisfied` comes.
fn fires(conditions: &str, dependencies: &[&str], satisfied: &[String]) -> Answer {
    let conditions =
        Conditions::compile(conditions, dependencies).map_err(|error| error.to_string())?;
    let came = |name: &str| satisfied.iter().any(|satisfied| satisfied == name);
    Ok(Value::Bool(conditions.is_satisfied(came)))
}
