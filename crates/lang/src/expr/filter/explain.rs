//! Says why an expression is false: the comparisons that decide, and what they were given.

use std::fmt;

use super::document::Document;
use super::syntax::{Binary, Kind, Node, Unary};
use super::value::Value;
use super::{Filter, eval};

/// How many parts are shown: nobody reads more.
const MOST: usize = 8;

/// How much of a value is shown.
const LONGEST: usize = 120;

/// How many keys are named where one is missing.
const KEYS: usize = 12;

/// A part of an expression, and what it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The part, such as `body.status`.
    pub part: String,
    /// What it is, such as `"resolved"`.
    pub is: String,
    /// No value of this type could make the comparison true.
    pub is_never: bool,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.part, self.is)
    }
}

impl Filter {
    /// What the comparisons that decide were given by a payload: of a false expression those that make it
    /// false, of a true one those that make it true.
    pub fn explain(&self, data: &[u8]) -> Vec<Seen> {
        let Ok(document) = Document::read(data) else {
            return Vec::new();
        };
        let mut seen = Vec::new();
        deciding(&self.root, &document, &mut seen);
        seen
    }
}

fn is_true<'a>(node: &'a Node, document: &'a Document<'a>) -> Option<bool> {
    match eval::run(node, document) {
        Ok(Value::Bool(bool)) => Some(bool),
        _ => None,
    }
}

/// Collects what decides the value of `node`.
fn deciding<'a>(node: &'a Node, document: &'a Document<'a>, seen: &mut Vec<Seen>) {
    if seen.len() >= MOST {
        return;
    }
    match &node.kind {
        Kind::Chain(inner) | Kind::Unary(Unary::Not, inner) => deciding(inner, document, seen),
        Kind::Binary(operator @ (Binary::And | Binary::Or), left, right) => {
            // The side that has the value of the whole decides; of an `and` that is true both do.
            let decides = *operator == Binary::Or;
            match is_true(left, document) {
                Some(value) if value == decides => deciding(left, document, seen),
                Some(_) if is_true(right, document) == Some(decides) => {
                    deciding(right, document, seen);
                }
                _ => {
                    deciding(left, document, seen);
                    deciding(right, document, seen);
                }
            }
        }
        Kind::Binary(operator, left, right) => {
            let equals = *operator == Binary::Equal;
            look(left, equals.then_some(&**right), document, seen);
            look(right, equals.then_some(&**left), document, seen);
        }
        Kind::StrictEqual(left, right) => {
            look(left, Some(right), document, seen);
            look(right, Some(left), document, seen);
        }
        Kind::Matches(inner, _) | Kind::InTexts(inner, _) => look(inner, None, document, seen),
        Kind::Builtin(_, nodes) => {
            for node in nodes {
                look(node, None, document, seen);
            }
        }
        _ => look(node, None, document, seen),
    }
}

/// Notes the value of a part that names one. `other` is what it has to equal.
fn look<'a>(
    node: &'a Node,
    other: Option<&'a Node>,
    document: &'a Document<'a>,
    seen: &mut Vec<Seen>,
) {
    let node = match &node.kind {
        Kind::Chain(inner) => inner,
        _ => node,
    };
    let is_path = matches!(node.kind, Kind::Name(_) | Kind::Member { .. });
    let (Some(part), true) = (written(node), is_path) else {
        return;
    };
    if seen.len() >= MOST || seen.iter().any(|seen| seen.part == part) {
        return;
    }
    let Ok(value) = eval::run(node, document) else {
        return;
    };
    let other = other.and_then(|other| eval::run(other, document).ok());
    let never = other.and_then(|other| never_equal(&part, &value, &other));
    let is_never = never.is_some();
    let is = never
        .or_else(|| shown(&value))
        .unwrap_or_else(|| missing(node, document));
    seen.push(Seen { part, is, is_never });
}

/// A value as JSON; `None`: there is none.
fn shown(value: &Value<'_>) -> Option<String> {
    if value.is_nil() {
        return None;
    }
    let text = match value.to_json() {
        Some(json) => json.to_go_json(),
        None => value.type_name().to_owned(),
    };
    Some(match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    })
}

/// Why a value of this type never equals the other one.
fn never_equal(part: &str, value: &Value<'_>, other: &Value<'_>) -> Option<String> {
    let (is, wanted) = (sort(value)?, sort(other)?);
    if is == wanted {
        return None;
    }
    let hint = match value.elements() {
        Some(list) if !list.items.is_empty() && wanted != "a list" => {
            format!(" (write {part}[0])")
        }
        _ => String::new(),
    };
    let is = match value.elements() {
        Some(list)
            if !list.items.is_empty()
                && list.items.iter().all(|item| sort(item) == Some("a text")) =>
        {
            "a list of texts"
        }
        _ => is,
    };
    let value = match shown(value) {
        Some(value) if is != "a list of texts" => format!("{value}, "),
        _ => String::new(),
    };
    Some(format!("{value}{is}, never equal to {wanted}{hint}"))
}

/// Values of different sorts are never equal.
fn sort(value: &Value<'_>) -> Option<&'static str> {
    Some(match value {
        Value::Bool(_) => "a boolean",
        Value::Int(_) | Value::Float(_) => "a number",
        Value::Text(_) => "a text",
        Value::List(_) => "a list",
        Value::Json(text) if text.first() == Some(&b'[') => "a list",
        Value::Map(_) | Value::Json(_) => "an object",
        _ => return None,
    })
}

/// What is there where a member is missing.
fn missing<'a>(node: &'a Node, document: &'a Document<'a>) -> String {
    let nothing = "nothing".to_owned();
    let Kind::Member { base, property, .. } = &node.kind else {
        return nothing;
    };
    let (Some(place), Kind::Text(wanted)) = (written(base), &property.kind) else {
        return nothing;
    };
    let Ok(found) = eval::run(base, document) else {
        return nothing;
    };
    let Some(map) = found.members() else {
        return nothing;
    };
    let mut keys = map.members.keys().map(|key| &**key);
    if let Some(meant) = keys.find(|key| key.eq_ignore_ascii_case(wanted)) {
        return format!("nothing: {place} has {meant:?}, in another case");
    }
    let keys: Vec<&str> = map.members.keys().map(|key| &**key).take(KEYS).collect();
    let more = map.members.len() - keys.len();
    match (keys.is_empty(), more) {
        (true, _) => format!("nothing: {place} is empty"),
        (_, 0) => format!("nothing: {place} has only {}", keys.join(", ")),
        (_, more) => format!(
            "nothing: {place} has only {} and {more} more",
            keys.join(", ")
        ),
    }
}

/// A part as it would be written; only names and what is in them.
fn written(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Name(name) => Some(name.clone()),
        Kind::Chain(inner) => written(inner),
        Kind::Member {
            base,
            property,
            optional,
        } => {
            let base = written(base)?;
            let dot = if *optional { "?." } else { "." };
            Some(match &property.kind {
                Kind::Text(name) if is_word(name) => format!("{base}{dot}{name}"),
                Kind::Text(name) => format!("{base}['{name}']"),
                Kind::Int(index) => format!("{base}[{index}]"),
                _ => return None,
            })
        }
        _ => None,
    }
}

fn is_word(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, data: &str, expected: &[&str]) {
        let seen = Filter::compile(text).unwrap().explain(data.as_bytes());
        let seen: Vec<String> = seen.iter().map(ToString::to_string).collect();
        assert_eq!(seen, expected, "{text}");
    }

    #[test]
    fn what_decides_is_shown_with_its_value() {
        let data = r#"{"body":{"status":"resolved","n":3,"x":{"y":true}}}"#;
        check(
            "body.status == 'firing'",
            data,
            &[r#"body.status is "resolved""#],
        );
        check(
            "body.n > 5 && body.status == 'firing'",
            data,
            &["body.n is 3"],
        );
        check(
            "body.n == 3 && body.status == 'firing'",
            data,
            &[r#"body.status is "resolved""#],
        );
        check(
            "body.n > 5 or body.status == 'firing'",
            data,
            &["body.n is 3", r#"body.status is "resolved""#],
        );
        check(
            "body.status in ['a', 'b']",
            data,
            &[r#"body.status is "resolved""#],
        );
        check(
            "body.status matches '^f'",
            data,
            &[r#"body.status is "resolved""#],
        );
        check("not body.x.y", data, &["body.x.y is true"]);
        check(
            "body?.x?.z == 1",
            data,
            &["body?.x?.z is nothing: body?.x has only y"],
        );
    }

    #[test]
    fn values_that_are_never_equal_are_told_by_their_sort() {
        let data = r#"{"header":{"X-Token":["seal"]},"body":{"n":"25","l":[1]}}"#;
        check(
            "header['X-Token'] == 'seal'",
            data,
            &[
                "header['X-Token'] is a list of texts, never equal to a text (write header['X-Token'][0])",
            ],
        );
        check(
            "body.n == 25",
            data,
            &[r#"body.n is "25", a text, never equal to a number"#],
        );
        check(
            "body.l == 1",
            data,
            &["body.l is [1], a list, never equal to a number (write body.l[0])"],
        );
    }

    #[test]
    fn where_nothing_is_found_what_is_there_is_named() {
        let data = r#"{"header":{"X-Token":["seal"]},"body":{}}"#;
        check(
            "header['x-token'] == 'seal'",
            data,
            &[r#"header['x-token'] is nothing: header has "X-Token", in another case"#],
        );
        check(
            "body.status == 'firing'",
            data,
            &["body.status is nothing: body is empty"],
        );
        check("status == 'firing'", data, &["status is nothing"]);
    }
}
