//! What the environment adds to the language: `asInt`, `asFloat`, `toJson`, `jsonpath` and `sprig.*`.

use super::builtins::{to_float, to_int};
use super::eval::Stop;
use super::value::{Elements, Value};
use crate::json;

/// Answers calls of `sprig.*`.
///
/// Numbers come as Go would hand them over: [`json::Number::Int`] is an int of the expression,
/// [`json::Number::Float`] a number of the event, whole or not.
pub trait Functions: Send + Sync {
    /// Calls `name`; none if there is no such function.
    fn call(&self, name: &str, arguments: &[json::Value]) -> Option<Result<json::Value, String>>;
}

impl<F> Functions for F
where
    F: Fn(&str, &[json::Value]) -> Option<Result<json::Value, String>> + Send + Sync,
{
    fn call(&self, name: &str, arguments: &[json::Value]) -> Option<Result<json::Value, String>> {
        self(name, arguments)
    }
}

/// The functions over texts and numbers that filters use most.
#[derive(Debug, Clone, Copy, Default)]
pub struct StandardFunctions;

impl Functions for StandardFunctions {
    fn call(&self, name: &str, arguments: &[json::Value]) -> Option<Result<json::Value, String>> {
        standard(name, arguments)
    }
}

/// The functions whose result is a list of texts in Go: it never equals a list literal.
const GIVES_TEXTS: [&str; 8] = [
    "splitList",
    "sortAlpha",
    "toStrings",
    "regexFindAll",
    "mustRegexFindAll",
    "regexSplit",
    "mustRegexSplit",
    "initials",
];

/// Calls a function of the environment.
pub(super) fn call<'a>(
    name: &str,
    arguments: &[Value<'a>],
    functions: &dyn Functions,
) -> Result<Value<'a>, Stop> {
    if let Some(name) = name.strip_prefix("sprig.") {
        return sprig(name, arguments, functions);
    }
    let refuse = || Stop::new(format!("cannot call '{name}' with these arguments"));
    match (name, arguments) {
        ("asInt", [value]) => to_int(value).ok_or_else(refuse),
        ("asFloat", [value]) => to_float(value).ok_or_else(refuse),
        ("toJson", [value]) => {
            let document = value.to_json().ok_or_else(refuse)?;
            Ok(Value::text(document.to_go_json()))
        }
        ("jsonpath", [Value::Text(document), Value::Text(path)]) => {
            let document = json::from_slice(document.as_bytes());
            let document = document.map_err(|error| Stop::new(error.to_string()))?;
            select(&document, path)
        }
        _ => Err(refuse()),
    }
}

fn sprig<'a>(
    name: &str,
    arguments: &[Value<'a>],
    functions: &dyn Functions,
) -> Result<Value<'a>, Stop> {
    let arguments: Option<Vec<_>> = arguments.iter().map(Value::to_json).collect();
    let Some(arguments) = arguments else {
        return Err(Stop::new(format!(
            "'sprig.{name}' does not take such values"
        )));
    };
    match functions.call(name, &arguments) {
        None => Err(Stop::new(format!("there is no 'sprig.{name}'"))),
        Some(Err(message)) => Err(Stop::new(message)),
        Some(Ok(json::Value::Array(items))) if GIVES_TEXTS.contains(&name) => {
            let items = items.into_iter().map(Value::from_json).collect();
            Value::list(Elements::Texts, items).ok_or_else(|| Stop::new("value nests too deep"))
        }
        Some(Ok(json::Value::Number(json::Number::Int(int)))) => Ok(Value::Int(int)),
        Some(Ok(value)) => Ok(Value::from_json(value)),
    }
}

fn standard(name: &str, arguments: &[json::Value]) -> Option<Result<json::Value, String>> {
    use json::Number::Int;
    use json::Value::{Bool, Number, String as Text};
    let value = match (name, arguments) {
        ("upper", [Text(text)]) => Text(text.to_uppercase()),
        ("lower", [Text(text)]) => Text(text.to_lowercase()),
        ("trim", [Text(text)]) => Text(text.trim().into()),
        ("contains", [Text(part), Text(text)]) => Bool(text.contains(part.as_str())),
        ("hasPrefix", [Text(part), Text(text)]) => Bool(text.starts_with(part.as_str())),
        ("hasSuffix", [Text(part), Text(text)]) => Bool(text.ends_with(part.as_str())),
        ("trimPrefix", [Text(part), Text(text)]) => {
            Text(text.strip_prefix(part.as_str()).unwrap_or(text).into())
        }
        ("trimSuffix", [Text(part), Text(text)]) => {
            Text(text.strip_suffix(part.as_str()).unwrap_or(text).into())
        }
        ("replace", [Text(old), Text(new), Text(text)])
            if text.len().saturating_mul(new.len() + 1) < 1 << 20 =>
        {
            Text(text.replace(old.as_str(), new))
        }
        ("splitList", [Text(separator), Text(text)]) if !separator.is_empty() => {
            let parts = text.split(separator.as_str());
            json::Value::Array(parts.map(|part| Text(part.into())).collect())
        }
        ("trunc", [Number(Int(length)), Text(text)]) => Text(truncate(*length, text)),
        ("b64enc", [Text(text)]) => {
            use base64::Engine as _;
            Text(base64::engine::general_purpose::STANDARD.encode(text))
        }
        ("regexMatch", [Text(pattern), Text(text)]) => {
            match crate::regex::compile(pattern) {
                Ok(regex) => Bool(regex.is_match(text)),
                // What does not compile does not match; only `mustRegexMatch` says so.
                Err(_) => Bool(false),
            }
        }
        ("add", numbers) => {
            let mut sum = 0_i64;
            for number in numbers {
                sum = sum.wrapping_add(whole(number));
            }
            Number(Int(sum))
        }
        ("sub", [left, right]) => Number(Int(whole(left).wrapping_sub(whole(right)))),
        ("mul", numbers) => Number(Int(numbers.iter().map(whole).fold(1, i64::wrapping_mul))),
        ("int" | "int64", [value]) => Number(Int(whole(value))),
        ("default", [default]) => default.clone(),
        ("default", [default, value]) => {
            if is_empty(value) {
                default.clone()
            } else {
                value.clone()
            }
        }
        ("empty", [value]) => Bool(is_empty(value)),
        ("toString", [Text(text)]) => Text(text.clone()),
        _ => return unknown(name),
    };
    Some(Ok(value))
}

/// A known function with arguments it does not take, or none.
fn unknown(name: &str) -> Option<Result<json::Value, String>> {
    const KNOWN: [&str; 17] = [
        "upper",
        "lower",
        "trim",
        "contains",
        "hasPrefix",
        "hasSuffix",
        "trimPrefix",
        "trimSuffix",
        "replace",
        "splitList",
        "trunc",
        "b64enc",
        "regexMatch",
        "sub",
        "int",
        "default",
        "empty",
    ];
    KNOWN
        .contains(&name)
        .then(|| Err(format!("'sprig.{name}' does not take these arguments")))
}

fn truncate(length: i64, text: &str) -> String {
    let bytes = text.as_bytes();
    let distance = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
    let kept = match bytes.len().checked_sub(distance) {
        None => bytes,
        Some(skip) if length < 0 => &bytes[skip..],
        Some(_) => &bytes[..distance],
    };
    String::from_utf8_lossy(kept).into_owned()
}

/// A number as sprig's `toInt64`: texts are read, everything else is 0.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a double is cut to a whole number"
)]
fn whole(value: &json::Value) -> i64 {
    match value {
        json::Value::Number(json::Number::Int(int)) => *int,
        json::Value::Number(number) => number.as_f64() as i64,
        json::Value::String(text) => text.parse().unwrap_or(0),
        json::Value::Bool(true) => 1,
        _ => 0,
    }
}

fn is_empty(value: &json::Value) -> bool {
    match value {
        json::Value::Null => true,
        json::Value::Bool(bool) => !bool,
        json::Value::Number(number) => number.as_f64() == 0.0,
        json::Value::String(text) => text.is_empty(),
        json::Value::Array(items) => items.is_empty(),
        json::Value::Object(map) => map.is_empty(),
    }
}

/// Looks `path` up: a path to one value must find it, one to many finds a list.
fn select<'a>(document: &json::Value, path: &str) -> Result<Value<'a>, Stop> {
    let refuse = || Stop::new(format!("nothing at '{path}'"));
    if let Some(steps) = plain_steps(path) {
        let mut value = document;
        for step in steps {
            value = match (value, step.parse::<i64>()) {
                (json::Value::Array(items), Ok(index)) => {
                    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                    let index = if index < 0 { index + length } else { index };
                    usize::try_from(index)
                        .ok()
                        .and_then(|index| items.get(index))
                }
                (value, _) => value.get(step),
            }
            .ok_or_else(refuse)?;
        }
        return Ok(Value::from_json(value.clone()));
    }
    let text = document.to_go_json();
    let plain: serde_json::Value = serde_json::from_str(&text).map_err(|_| refuse())?;
    let found = jsonpath_rust::query::js_path_vals(path, &plain)
        .map_err(|error| Stop::new(error.to_string()))?;
    let mut items = Vec::with_capacity(found.len());
    for value in found {
        let document = json::from_slice(value.to_string().as_bytes()).map_err(|_| refuse())?;
        items.push(Value::from_json(document));
    }
    Value::list(Elements::Any, items).ok_or_else(|| Stop::new("value nests too deep"))
}

/// The steps of a path that names one value (`$.a[0]['b']`); none for any other path.
fn plain_steps(path: &str) -> Option<Vec<&str>> {
    let mut rest = path.trim().strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, next) = after.split_at(end);
            if name.is_empty() || name == "*" {
                return None;
            }
            steps.push(name);
            rest = next;
        } else {
            let (inside, next) = rest.strip_prefix('[')?.split_once(']')?;
            let quoted = ['\'', '"']
                .into_iter()
                .find_map(|quote| inside.strip_prefix(quote)?.strip_suffix(quote));
            let number = inside.parse::<i64>().is_ok();
            steps.push(quoted.or(number.then_some(inside))?);
            rest = next;
        }
    }
    Some(steps)
}
