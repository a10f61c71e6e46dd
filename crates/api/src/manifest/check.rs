//! A manifest against the schema of its CRD: fields that do not exist, values of the wrong type.

use super::document::{Node, Value};
use super::fields::{self, Field};
use super::misplaced;
use crate::field_path;
use crate::problem::{Code, Problem};

/// Fields every object has at its top that the schema does not describe.
const TOP: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Most problems of one object: nobody reads more, and files are untrusted.
const MOST_PROBLEMS: usize = 1_000;

/// What the schema of `kind` finds in an object.
pub(super) fn against_schema(kind: &str, object: &Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    let (Some(fields), Value::Object(members)) = (fields::of_kind(kind), &object.value) else {
        return problems;
    };
    for (key, member) in members {
        match fields.get(key) {
            _ if TOP.contains(&key.as_str()) => {}
            Some(field) => check(key, field, member, &mut problems),
            // It says nothing, so nothing of it can get lost: typed clients write what is not set as null.
            None if member.value == Value::Null => {}
            None if problems.len() >= MOST_PROBLEMS => break,
            None => problems.push(unknown_field(key, key, fields.names())),
        }
    }
    misplaced::explain(fields, &mut problems);
    match object.get("metadata") {
        None => problems.push(Problem::error("metadata", "is needed, with a name")),
        Some(metadata) => problems.extend(metadata_problem(metadata)),
    }
    let has_spec = object
        .get("spec")
        .is_some_and(|spec| spec.value != Value::Null);
    if !has_spec {
        problems.push(Problem::error("spec", "is needed"));
    }
    problems
}

/// A name is needed, and names and the values of maps are texts.
fn metadata_problem(metadata: &Node) -> Option<Problem> {
    let Value::Object(_) = metadata.value else {
        return Some(wrong_type("metadata", "an object", metadata));
    };
    for field in ["name", "generateName", "namespace"] {
        let value = metadata
            .get(field)
            .filter(|value| value.value != Value::Null);
        if let Some(value) = value.filter(|value| value.as_str().is_none()) {
            return Some(wrong_type(
                &field_path::join("metadata", field),
                "a text",
                value,
            ));
        }
    }
    for map in ["labels", "annotations"] {
        let Some(Value::Object(members)) = metadata.get(map).map(|node| &node.value) else {
            continue;
        };
        let wrong = members.iter().find(|(_, value)| value.as_str().is_none());
        if let Some((key, value)) = wrong {
            let path = field_path::join(&format!("metadata.{map}"), key);
            return Some(wrong_type(&path, "a text", value));
        }
    }
    let named = ["name", "generateName"]
        .iter()
        .any(|field| metadata.get(field).is_some());
    (!named).then(|| Problem::error("metadata.name", "is needed"))
}

fn check(path: &str, field: &Field, node: &Node, problems: &mut Vec<Problem>) {
    if node.value == Value::Null || problems.len() >= MOST_PROBLEMS {
        return;
    }
    match (field, &node.value) {
        (Field::Object(_), Value::Object(members)) => object(path, field, members, problems),
        (Field::Map(values), Value::Object(members)) => map(path, values, members, problems),
        (Field::List(item), Value::List(items)) => list(path, item, items, problems),
        (Field::Int32 | Field::Int64 | Field::Count, Value::Number(digits))
            if is_integer(&node.value) =>
        {
            integer_range(path, field, digits, problems);
        }
        (Field::Any, _)
        | (Field::OpenObject, Value::Object(_))
        | (Field::OpenList, Value::List(_))
        | (Field::Text | Field::IntOrText, Value::String(_))
        | (Field::Boolean, Value::Bool(_))
        | (Field::Number, Value::Number(_)) => {}
        (Field::IntOrText, value) if is_integer(value) => {}
        (expected, _) => problems.push(wrong_type(path, article(expected), node)),
    }
}

fn object(path: &str, fields: &Field, members: &[(String, Node)], problems: &mut Vec<Problem>) {
    for (key, member) in members {
        let member_path = field_path::join(path, key);
        match fields.get(key) {
            // A trigger inside a trigger: the CRD cannot describe it, but it is the same again.
            Some(_) if key == "dlqTrigger" => check(&member_path, fields, member, problems),
            Some(field) => check(&member_path, field, member, problems),
            None if member.value == Value::Null => {}
            None if problems.len() >= MOST_PROBLEMS => break,
            None => problems.push(unknown_field(&member_path, key, fields.names())),
        }
    }
}

fn map(path: &str, values: &Field, members: &[(String, Node)], problems: &mut Vec<Problem>) {
    for (key, member) in members {
        let member_path = field_path::join(path, key);
        if member.value == Value::Null {
            problems.push(wrong_type(&member_path, article(values), member));
        } else {
            check(&member_path, values, member, problems);
        }
    }
}

fn list(path: &str, field: &Field, items: &[Node], problems: &mut Vec<Problem>) {
    for (index, item) in items.iter().enumerate() {
        let path = field_path::index(path, index);
        if item.value == Value::Null {
            problems.push(Problem::error(path, "an item is empty"));
        } else {
            check(&path, field, item, problems);
        }
    }
}

/// What most manifests for buckets write, and no version of Argo Events knows.
const S3: &str = "spec.s3";

/// So many fields are named where no single one was probably meant.
const FEW: usize = 8;

fn unknown_field(
    path: &str,
    key: &str,
    known: impl Iterator<Item = &'static str> + Clone,
) -> Problem {
    let problem = Problem::warning(path, "there is no such field, so it has no effect")
        .with_code(Code::UnknownField);
    if path == S3 {
        return problem.with_hint(
            "for a MinIO server write `minio`; AWS S3 tells of its objects by notifications to SNS or SQS, \
             which are the kinds `sns` and `sqs`",
        );
    }
    let problem = problem.with_suggestion(key, known.clone());
    if problem.hint.is_some() {
        return problem;
    }
    let names: Vec<_> = known.take(FEW + 1).collect();
    if names.len() > FEW {
        problem
    } else {
        problem.with_hint(format!("known: {}", names.join(", ")))
    }
}

fn is_integer(value: &Value) -> bool {
    matches!(value, Value::Number(digits) if digits.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
}

fn integer_range(path: &str, field: &Field, digits: &str, out: &mut Vec<Problem>) {
    let number: Option<i128> = digits.parse().ok();
    let (low, high) = match field {
        Field::Int32 => (i128::from(i32::MIN), i128::from(i32::MAX)),
        Field::Count => (0, i128::from(u64::MAX)),
        _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
    };
    if number.is_none_or(|number| number < low || number > high) {
        out.push(Problem::error(
            path,
            format!("{digits} does not fit: {low} to {high}"),
        ));
    }
}

fn wrong_type(path: &str, expected: &str, node: &Node) -> Problem {
    let is_text = expected == "a text";
    let (found, hint) = match &node.value {
        Value::Null => ("nothing".to_owned(), None),
        Value::Bool(value) => {
            let hint = "write it in quotes: YAML reads y, n, yes, no, on and off as booleans";
            (
                format!("the boolean {value}"),
                is_text.then(|| hint.to_owned()),
            )
        }
        Value::Number(digits) => (
            format!("the number {digits}"),
            is_text.then(|| "write it in quotes".to_owned()),
        ),
        Value::String(text) => {
            let is_number = text.parse::<i64>().is_ok() && expected.contains("number");
            let is_bool = matches!(text.as_str(), "true" | "false") && expected == "a boolean";
            let hint = (is_number || is_bool).then(|| format!("write {text} without quotes"));
            (format!("the text {}", shortened(text)), hint)
        }
        Value::List(_) => ("a list".to_owned(), None),
        Value::Object(_) => {
            let hint = (expected == "a list").then(|| "begin each item with `- `".to_owned());
            ("an object".to_owned(), hint)
        }
    };
    let problem = Problem::error(path, format!("has to be {expected}, found {found}"))
        .with_code(Code::WrongType);
    match hint {
        Some(hint) => problem.with_hint(hint),
        None => problem,
    }
}

/// The begin of a text, so that a fault stays a line.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 40;
    let begin: String = text.chars().take(LONGEST).collect();
    if begin.len() < text.len() {
        format!("{begin:?}…")
    } else {
        format!("{begin:?}")
    }
}

fn article(field: &Field) -> &'static str {
    match field {
        Field::Text => "a text",
        Field::IntOrText => "a whole number or a text",
        Field::Int32 | Field::Int64 | Field::Count => "a whole number",
        Field::Number => "a number",
        Field::Boolean => "a boolean",
        Field::List(_) | Field::OpenList => "a list",
        Field::Object(_) | Field::Map(_) | Field::OpenObject | Field::Any => "an object",
    }
}
