//! Runs the recorded vectors of parameters that are resolved by a template.

use std::path::PathBuf;

use tiphys_lang::json::{self, Value};
use tiphys_lang::template::Template;

/// What resolving gave: a text, or no value at all.
type Resolved = Option<String>;

#[expect(
    clippy::expect_used,
    reason = "without vectors there is nothing to test"
)]
fn vectors(name: &str) -> Vec<Value> {
    let folder = std::env::var_os("TIPHYS_VECTORS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors")),
        PathBuf::from,
    );
    let text = std::fs::read_to_string(folder.join(name)).expect("the vectors are there");
    text.lines()
        .map(|line| json::from_slice(line.as_bytes()).expect("vectors are JSON"))
        .collect()
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    match value.get(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn set_text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    text(value, key).filter(|text| !text.is_empty())
}

/// The context of an event in the order in which Argo Events writes it.
fn context_document(context: &Value) -> String {
    let keys = [
        "id",
        "source",
        "specversion",
        "type",
        "datacontenttype",
        "subject",
        "time",
    ];
    let members = keys.iter().filter_map(|key| {
        let value = context.get(key)?;
        Some(format!("\"{key}\":{}", value.to_go_json()))
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// A key path of plain names; others are the matter of another module's vectors.
fn look_up(document: &Value, path: &str) -> Result<Option<String>, Skip> {
    let mut value = document;
    for name in path.split('.') {
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Skip);
        }
        match value.get(name) {
            Some(member) => value = member,
            None => return Ok(None),
        }
    }
    Ok(Some(match value {
        Value::String(text) => text.clone(),
        other => other.to_go_json(),
    }))
}

/// The vector needs something that is not here.
struct Skip;

/// Resolves a source by the rules of parameters: template, then key, then value.
fn resolve(vector: &Value) -> Result<Result<Resolved, String>, Skip> {
    let source = vector.get("src").ok_or(Skip)?;
    let event = text(source, "dependencyName").and_then(|name| vector.get("events")?.get(name));
    let default = text(source, "value").map(str::to_owned);
    let Some(event) = event else {
        return Ok(Ok(default));
    };
    let or_default = |error: String| Ok(default.clone().map(Some).ok_or(error));
    let context = event.get("context").ok_or(Skip)?;
    let in_data =
        set_text(source, "dataKey").is_some() || set_text(source, "dataTemplate").is_some();
    let (key, template) = if in_data {
        ("dataKey", "dataTemplate")
    } else {
        ("contextKey", "contextTemplate")
    };
    let document = if in_data {
        match text(context, "datacontenttype") {
            Some("application/json") => match text(event, "data") {
                Some(data) if json::is_valid(data.as_bytes()) => data.to_owned(),
                Some(_) => return or_default("event data is not valid JSON".into()),
                None => return Err(Skip),
            },
            Some("application/yaml") => return Err(Skip),
            _ => return or_default("unsupported event content type".into()),
        }
    } else {
        context_document(context)
    };
    let mut error = String::from("nothing found");
    if let Some(template) = set_text(source, template) {
        let output = Template::compile(template)
            .map_err(|error| error.to_string())
            .and_then(|template| {
                template
                    .render_json(document.as_bytes())
                    .map_err(|error| error.to_string())
            });
        match output {
            Ok(output) if output.is_empty() || output == "<no value>" => {
                error = "template evaluated to empty string or no value".into();
            }
            Ok(output) => return Ok(Ok(Some(output))),
            Err(fault) => error = fault,
        }
    }
    if let Some(key) = set_text(source, key) {
        let document = json::from_slice(document.as_bytes()).map_err(|_| Skip)?;
        if let Some(found) = look_up(&document, key)? {
            return Ok(Ok(Some(found)));
        }
    }
    or_default(error)
}

fn wanted(vector: &Value) -> Result<Resolved, String> {
    if let Some(error) = text(vector, "error") {
        return Err(error.to_owned());
    }
    Ok(vector.get("want").and_then(|want| match want.get("value") {
        Some(Value::String(text)) => Some(text.clone()),
        // Bytes that are not UTF-8: no event can carry them, so nothing but their place is kept.
        Some(other) => Some(other.to_go_json()),
        None => None,
    }))
}

#[test]
fn templates_resolve_as_recorded() {
    let (mut passed, mut total, mut shown) = (0, 0, 0);
    for vector in vectors("param_value.jsonl") {
        let is_template = vector.get("src").is_some_and(|source| {
            set_text(source, "dataTemplate")
                .or(set_text(source, "contextTemplate"))
                .is_some()
        });
        if !is_template || vector.get("argo_bug").is_some() {
            continue;
        }
        let Ok(got) = resolve(&vector) else { continue };
        let want = wanted(&vector);
        total += 1;
        if got == want || got.is_err() && want.is_err() {
            passed += 1;
        } else if shown < 20 {
            shown += 1;
            println!(
                "{}\n  got  {got:?}\n  want {want:?}",
                text(&vector, "id").unwrap_or("?")
            );
        }
    }
    println!("templates: {passed} of {total}");
    assert_eq!(passed, total, "templates: {passed} of {total}");
}

#[test]
fn marked_answers_are_not_copied() {
    for vector in vectors("param_value.jsonl") {
        let Some(bug) = text(&vector, "argo_bug") else {
            continue;
        };
        let Ok(got) = resolve(&vector) else { continue };
        let template = vector
            .get("src")
            .and_then(|source| set_text(source, "dataTemplate"));
        if template.is_some() {
            assert_ne!(got, wanted(&vector), "{template:?}: {bug}");
        }
    }
}
