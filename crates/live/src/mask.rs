//! Values of Secrets, made unreadable before people see them.

use serde_json::Value;

/// What stands in place of a value.
const HIDDEN: &str = "***";

/// The members of a Secret that hold what is secret.
const VALUES: [&str; 2] = ["data", "stringData"];

/// An annotation in which `kubectl apply` keeps the whole object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Hides the values of every Kubernetes Secret in a document, however deep it lies.
pub fn secrets(document: &mut Value) {
    match document {
        Value::Object(members) => {
            if members.get("kind").and_then(Value::as_str) == Some("Secret") {
                for field in VALUES {
                    hide(members.get_mut(field));
                }
                let annotations = members
                    .get_mut("metadata")
                    .and_then(|metadata| metadata.get_mut("annotations"));
                if let Some(kept) = annotations.and_then(|all| all.get_mut(LAST_APPLIED)) {
                    *kept = HIDDEN.into();
                }
            }
            members.values_mut().for_each(secrets);
        }
        Value::Array(items) => items.iter_mut().for_each(secrets),
        // An object inside of a text: a payload that was passed on.
        Value::String(text) if text.contains("\"Secret\"") => {
            if let Ok(mut inner) = serde_json::from_str::<Value>(text) {
                secrets(&mut inner);
                *text = inner.to_string();
            }
        }
        _ => {}
    }
}

fn hide(values: Option<&mut Value>) {
    match values {
        Some(Value::Object(values)) => {
            values.values_mut().for_each(|value| *value = HIDDEN.into());
        }
        Some(value) => *value = HIDDEN.into(),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_of_secrets_are_hidden_wherever_they_lie() {
        let secret = json!({
            "kind": "Secret",
            "metadata": {"name": "key", "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"a\":\"c2VhbA==\"}}",
                "team": "harbour",
            }},
            "data": {"a": "c2VhbA=="},
            "stringData": "seal",
        });
        let hidden = json!({
            "kind": "Secret",
            "metadata": {"name": "key", "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "***",
                "team": "harbour",
            }},
            "data": {"a": "***"},
            "stringData": "***",
        });
        let mut document = json!({"body": [secret.clone()], "text": secret.to_string()});
        secrets(&mut document);
        assert_eq!(document["body"][0], hidden);
        assert_eq!(document["text"], hidden.to_string());
    }

    #[test]
    fn everything_else_stays() {
        let before =
            json!({"kind": "ConfigMap", "data": {"a": "b"}, "text": "\"Secret\" is no JSON"});
        let mut document = before.clone();
        secrets(&mut document);
        assert_eq!(document, before);
    }
}
