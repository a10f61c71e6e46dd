//! What the API server demands of objects of whatever kind, and the executor of a patch.

use tiphys_api::{K8sOperation, field_path, label};
use tiphys_clients::kubernetes::{PatchStrategy, is_api_version, is_segment};
use tiphys_lang::json::{Map, Value};

use crate::trigger::Unmet;

/// Without these nobody can tell what of an object is sent.
const DECIDE: &[&str] = &["operation", "patchStrategy"];

/// Either of these names an object.
const NAMES: &[&str] = &[
    "source.resource.metadata.name",
    "source.resource.metadata.generateName",
];

/// What operations of RFC 6902 are called.
const OPERATIONS: [&str; 6] = ["add", "remove", "replace", "move", "copy", "test"];

/// How much of an object is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::trigger) enum Sent {
    /// All of it.
    Whole,
    /// Its list of operations.
    Operations,
    /// Nothing: it is deleted, or found by its name.
    Nothing,
}

impl Sent {
    pub(super) fn of(operation: K8sOperation, patch: Option<PatchStrategy>) -> Self {
        match (operation, patch) {
            (K8sOperation::Delete, _) => Self::Nothing,
            (_, Some(PatchStrategy::Json)) => Self::Operations,
            _ => Self::Whole,
        }
    }
}

/// What is demanded of an object and is not so.
pub(in crate::trigger) fn unmet(object: &Value, sent: Sent) -> Vec<Unmet> {
    let mut unmet = Vec::new();
    type_of_it(object, &mut unmet);
    match object.get("metadata") {
        None | Some(Value::Null) => unmet.push(nameless()),
        Some(Value::Object(metadata)) => {
            names(metadata, &mut unmet);
            if sent == Sent::Whole {
                texts("labels", metadata, &mut unmet);
                texts("annotations", metadata, &mut unmet);
            }
        }
        Some(other) => unmet.push(not_so("metadata", "an object", other)),
    }
    if sent == Sent::Operations {
        operations(object, &mut unmet);
    }
    unmet
}

fn type_of_it(object: &Value, unmet: &mut Vec<Unmet>) {
    for name in ["apiVersion", "kind"] {
        match object.get(name) {
            Some(Value::String(text)) if name == "apiVersion" && !text.is_empty() => {
                if !is_api_version(text) {
                    unmet.push(at(name, format!("{text:?} is no apiVersion")));
                }
            }
            Some(Value::String(text)) if !text.is_empty() => {}
            None | Some(Value::Null | Value::String(_)) => {
                unmet.push(at(name, format!("the object has no `{name}`")));
            }
            Some(other) => unmet.push(not_so(name, "a text", other)),
        }
    }
}

fn nameless() -> Unmet {
    let message = "the object has neither `metadata.name` nor `metadata.generateName`";
    Unmet {
        also: NAMES,
        ..at("metadata.name", message)
    }
}

fn names(metadata: &Map, unmet: &mut Vec<Unmet>) {
    let mut is_named = false;
    for name in ["name", "generateName", "namespace"] {
        let field = format!("metadata.{name}");
        match metadata.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if text.is_empty() => {}
            Some(Value::String(text)) => {
                is_named |= name != "namespace";
                if !is_segment(text) {
                    unmet.push(at(&field, format!("{text:?} cannot be a name")));
                }
            }
            Some(other) => {
                is_named |= name != "namespace";
                unmet.push(not_so(&field, "a text", other));
            }
        }
    }
    if !is_named {
        unmet.push(nameless());
    }
}

/// Labels and annotations hold texts.
fn texts(name: &str, metadata: &Map, unmet: &mut Vec<Unmet>) {
    let field = format!("metadata.{name}");
    let entries = match metadata.get(name) {
        None | Some(Value::Null) => return,
        Some(Value::Object(entries)) => entries,
        Some(other) => return unmet.push(of_whole(not_so(&field, "an object", other))),
    };
    for (key, value) in entries {
        let field = field_path::join(&field, key);
        match value {
            Value::String(text) if name == "labels" => {
                if let Some(fault) = label::value_fault(text) {
                    unmet.push(of_whole(at(&field, format!("{field}: {text:?} {fault}"))));
                }
            }
            Value::Null | Value::String(_) => {}
            other => {
                let hint = match whole_key(key, other) {
                    Some(key) => {
                        format!(
                            "escape the dots of a key: metadata.{name}.{}",
                            escaped(&key)
                        )
                    }
                    None => "write it in quotes".to_owned(),
                };
                let fault = not_so(&field, "a text", other);
                unmet.push(of_whole(Unmet {
                    hint: Some(hint),
                    ..fault
                }));
            }
        }
        if let Some(fault) = label::key_fault(key) {
            unmet.push(of_whole(at(&field, format!("{field}: {fault}"))));
        }
    }
}

/// The key that was meant where one with dots became objects in objects.
fn whole_key(key: &str, value: &Value) -> Option<String> {
    let Value::Object(members) = value else {
        return None;
    };
    let (inner, value) = members.first()?;
    let key = format!("{key}.{inner}");
    match value {
        Value::Object(_) => whole_key(&key, value),
        _ => Some(key),
    }
}

fn escaped(key: &str) -> String {
    key.replace('.', "\\.")
}

fn operations(object: &Value, unmet: &mut Vec<Unmet>) {
    let Some(Value::Array(list)) = object.get("patch") else {
        let message = "a JSON patch needs its list of operations in the object's field `patch`";
        return unmet.push(of_whole(at("patch", message)));
    };
    for (index, item) in list.iter().enumerate() {
        let field = field_path::index("patch", index);
        let op = text(item, &["op"]).unwrap_or_default();
        let message = if !OPERATIONS.contains(&op) {
            format!(
                "{field}.op is {op:?}, which is none of {}",
                OPERATIONS.join(", ")
            )
        } else if !matches!(item.get("path"), Some(Value::String(path)) if path.is_empty() || path.starts_with('/'))
        {
            format!("{field}.path has to be a path such as /spec/replicas")
        } else {
            continue;
        };
        unmet.push(of_whole(at(&field, message)));
    }
}

/// A text inside of an object, if it is there and not empty.
pub(in crate::trigger) fn text<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    let found = path.iter().try_fold(value, |value, key| value.get(key))?;
    match found {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn at(field: &str, message: impl Into<String>) -> Unmet {
    Unmet::new(format!("source.resource.{field}"), message)
}

fn of_whole(unmet: Unmet) -> Unmet {
    Unmet {
        also: DECIDE,
        ..unmet
    }
}

fn not_so(field: &str, wanted: &str, found: &Value) -> Unmet {
    let found = match found {
        Value::Null => "nothing".to_owned(),
        Value::Bool(bool) => format!("the boolean {bool}"),
        Value::Number(_) => format!("the number {}", found.to_go_json()),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    at(field, format!("{field} has to be {wanted}, found {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiphys_lang::json;

    #[track_caller]
    fn check(object: &str, sent: Sent, expected: &[&str]) {
        let object = json::from_slice(object.as_bytes()).unwrap();
        let unmet = unmet(&object, sent);
        let texts: Vec<String> = unmet.iter().map(ToString::to_string).collect();
        assert_eq!(texts, expected);
    }

    fn with(metadata: &str) -> String {
        format!(r#"{{"apiVersion":"v1","kind":"A","metadata":{metadata}}}"#)
    }

    #[test]
    fn objects_have_a_type_and_a_name() {
        check(&with(r#"{"name":"a"}"#), Sent::Whole, &[]);
        check(&with(r#"{"generateName":"a-"}"#), Sent::Whole, &[]);
        let nameless = "the object has neither `metadata.name` nor `metadata.generateName`";
        for metadata in ["{}", "null", r#"{"name":""}"#] {
            check(&with(metadata), Sent::Nothing, &[nameless]);
        }
        check(
            "{}",
            Sent::Whole,
            &[
                "the object has no `apiVersion`",
                "the object has no `kind`",
                nameless,
            ],
        );
        check(
            r#"{"apiVersion":1,"kind":"A","metadata":{"name":5}}"#,
            Sent::Whole,
            &[
                "apiVersion has to be a text, found the number 1",
                "metadata.name has to be a text, found the number 5",
            ],
        );
        check(
            &with(r#"{"name":"a/b"}"#),
            Sent::Whole,
            &[r#""a/b" cannot be a name"#],
        );
        check(
            &with("[]"),
            Sent::Whole,
            &["metadata has to be an object, found a list"],
        );
    }

    #[test]
    fn labels_and_annotations_are_texts() {
        let labels = |labels: &str| with(&format!(r#"{{"name":"a","labels":{labels}}}"#));
        check(
            &labels(r#"{"a":"b","c":"","d.e/f":"g","h":null}"#),
            Sent::Whole,
            &[],
        );
        check(
            &labels(r#"{"app":{"kubernetes":{"io/name":"x"}},"port":1,"ready":true}"#),
            Sent::Whole,
            &[
                r"metadata.labels.app has to be a text, found an object (escape the dots of a key: metadata.labels.app\.kubernetes\.io/name)",
                "metadata.labels.port has to be a text, found the number 1 (write it in quotes)",
                "metadata.labels.ready has to be a text, found the boolean true (write it in quotes)",
            ],
        );
        check(&labels(r#"{"port":1}"#), Sent::Nothing, &[]);
        check(
            &labels(r#"{"a":"b c"}"#),
            Sent::Whole,
            &[
                "metadata.labels.a: \"b c\" is no label value: at most 63 letters, digits, '-', '_' and '.', which begin and end with a letter or digit",
            ],
        );
        check(
            &with(r#"{"name":"a","annotations":{"n":1.5,"any":"b c"}}"#),
            Sent::Whole,
            &["metadata.annotations.n has to be a text, found the number 1.5 (write it in quotes)"],
        );
    }

    #[test]
    fn a_json_patch_has_its_list() {
        let patch = |patch: &str| {
            format!(r#"{{"apiVersion":"v1","kind":"A","metadata":{{"name":"a"}},"patch":{patch}}}"#)
        };
        let sound = r#"[{"op":"replace","path":"/a","value":1},{"op":"test","path":""}]"#;
        check(&patch(sound), Sent::Operations, &[]);
        let listless = "a JSON patch needs its list of operations in the object's field `patch`";
        check(&patch("{}"), Sent::Operations, &[listless]);
        check(&patch("{}"), Sent::Whole, &[]);
        check(
            &patch(r#"[{"op":"set","path":"/a"},{"op":"add","path":"a"}]"#),
            Sent::Operations,
            &[
                r#"patch[0].op is "set", which is none of add, remove, replace, move, copy, test"#,
                "patch[1].path has to be a path such as /spec/replicas",
            ],
        );
    }
}
