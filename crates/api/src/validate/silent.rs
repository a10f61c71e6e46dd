//! Parameters that do nothing, and say nothing about it.

use super::Problems;
use crate::field_path::{self, Step};
use crate::problem::{Code, Problem};
use crate::{ArtifactLocation, TriggerParameter};

/// Labels and annotations are maps of texts.
const TEXTS: [&str; 2] = ["metadata.labels.", "metadata.annotations."];

/// What is said of the destination of a parameter at `path`; `into_object`: it is in a Kubernetes object.
pub(super) fn dest(path: &str, dest: &str, into_object: bool, problems: &mut Problems) {
    let path = format!("{path}.dest");
    if let Some(dots) = bracketed(dest) {
        let message = "brackets are part of a key here, and make a new one";
        return hint(path, message, format!("write {dots}"), problems);
    }
    if let Some(rest) = dest.strip_prefix('.') {
        let message = "it begins with a dot, which makes a key without a name";
        return hint(path, message, format!("write {rest}"), problems);
    }
    if has_pattern(dest) {
        let message = "`*` and `?` make a pattern of it, which changes only what is there already";
        let hint_text = "write each place, or escape them with a backslash if they belong to a key";
        return hint(path, message, hint_text, problems);
    }
    if !into_object {
        return;
    }
    for texts in TEXTS {
        let Some(key) = dest.strip_prefix(texts) else {
            continue;
        };
        let unescaped = key.replace("\\.", "");
        if unescaped.contains('.') {
            let whole = key.replace("\\.", ".").replace('.', "\\.");
            let message = format!(
                "{} holds texts, and this makes an object in it",
                texts.trim_end_matches('.')
            );
            hint(
                path.clone(),
                message,
                format!("write {texts}{whole}"),
                problems,
            );
        }
    }
}

/// What is said of a key at `path`.
pub(super) fn key(path: &str, key: &str, problems: &mut Problems) {
    // JSONPath has brackets, and begins with a dollar sign.
    if key.starts_with('$') {
        return;
    }
    if key.contains("{{") {
        let message = "a key is no template";
        hint(
            path,
            message,
            "use dataTemplate or contextTemplate",
            problems,
        );
    } else if key.contains(" | ") {
        let message = "a key has no functions behind a pipe, and finds nothing with them";
        hint(
            path,
            message,
            "use dataTemplate or contextTemplate, such as {{ .Input.body.name | upper }}",
            problems,
        );
    } else if let Some(dots) = bracketed(key) {
        let message = "brackets are part of a key here, and find nothing";
        hint(path, message, format!("write {dots}"), problems);
    } else if let Some(rest) = key.strip_prefix('.') {
        let message = "it begins with a dot, and finds nothing";
        hint(path, message, format!("write {rest}"), problems);
    }
}

/// A path with brackets for indexes, as it is written with dots.
fn bracketed(path: &str) -> Option<String> {
    if path.contains(['#', '(', '{', '"', '\'']) {
        return None;
    }
    let mut dots = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('[') {
        let (index, behind) = after.split_once(']')?;
        if index.is_empty() || !index.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        dots.push_str(before);
        if !dots.is_empty() {
            dots.push('.');
        }
        dots.push_str(index);
        rest = behind;
    }
    (rest.len() < path.len()).then(|| (dots + rest).trim_start_matches('.').to_owned())
}

/// Whether there is a wildcard that is not escaped, and no query in which it would be meant.
fn has_pattern(path: &str) -> bool {
    let mut is_escaped = false;
    !path.contains(['#', '|', '@'])
        && path.chars().any(|c| {
            let was_escaped = is_escaped;
            is_escaped = c == '\\' && !was_escaped;
            !was_escaped && matches!(c, '*' | '?')
        })
}

/// Templates of an event in the object at `path`: nothing fills them in there.
pub(super) fn templates(path: &str, location: Option<&ArtifactLocation>, problems: &mut Problems) {
    let Some(resource) = location.and_then(|location| location.resource.as_ref()) else {
        return;
    };
    let text = resource.get();
    if !text.contains("{{") || !text.contains(".Input") {
        return;
    }
    let Ok(object) = serde_json::from_str(text) else {
        return;
    };
    let mut place = field_path::parse(&format!("{path}.source.resource"));
    find(&object, &mut place, problems);
}

fn find(value: &serde_json::Value, place: &mut Vec<Step>, problems: &mut Problems) {
    match value {
        serde_json::Value::String(text) if is_template(text) => {
            let message = "templates are not filled in here: this is sent as it stands";
            let hint_text = "write it by a parameter with dataTemplate";
            hint(field_path::render(place), message, hint_text, problems);
        }
        serde_json::Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                place.push(Step::Index(index));
                find(item, place, problems);
                place.pop();
            }
        }
        serde_json::Value::Object(members) => {
            for (key, member) in members {
                place.push(Step::Key(key.clone()));
                find(member, place, problems);
                place.pop();
            }
        }
        _ => {}
    }
}

/// Whether a text has a template of an event in it; those of workflows look otherwise.
fn is_template(text: &str) -> bool {
    let mut parts = text.split("{{").skip(1);
    parts.any(|part| {
        let inside = part.split_once("}}").map_or("", |(inside, _)| inside);
        inside.contains(".Input")
    })
}

fn hint(
    path: impl Into<String>,
    message: impl Into<String>,
    hint: impl Into<String>,
    problems: &mut Problems,
) {
    let problem = Problem::warning(path, message).with_code(Code::NoEffect);
    problems.push(problem.with_hint(hint));
}

/// What is said of the keys of a parameter at `path`.
pub(super) fn keys(path: &str, parameter: &TriggerParameter, problems: &mut Problems) {
    let Some(source) = &parameter.src else {
        return;
    };
    for (name, text) in [
        ("dataKey", &source.data_key),
        ("contextKey", &source.context_key),
    ] {
        key(&format!("{path}.src.{name}"), text, problems);
    }
}
