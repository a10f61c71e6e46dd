//! Values of Secrets, made unreadable before people see them.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tiphys_base::text::lossy;
use tiphys_eventbus::Event;

/// What stands in place of a value.
const HIDDEN: &str = "***";

/// The members of a Secret that hold what is secret.
const VALUES: [&str; 2] = ["data", "stringData"];

/// An annotation in which `kubectl apply` keeps the whole object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Whether a text may hold a Secret: most hold none, and need not be read for it.
pub(crate) fn may_hold_secrets(text: &[u8]) -> bool {
    lossy(text).contains("Secret")
}

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

/// The values of Secrets that texts must not show.
#[derive(Debug, Clone, Default)]
pub struct Values(BTreeSet<String>);

/// Shorter ones are no secrets, and are found in every text.
const SHORTEST: usize = 3;

impl Values {
    /// Adds those of an event's payload.
    pub fn add(&mut self, event: &Event) {
        let data = event.data.as_deref().unwrap_or_default();
        if !may_hold_secrets(data) {
            return;
        }
        if let Ok(document) = serde_json::from_slice(data) {
            self.add_all(&document);
        }
    }

    /// Adds those of manifests, in JSON or YAML. What cannot be read has none that could be shown.
    pub fn add_manifests(&mut self, text: &str) {
        if !may_hold_secrets(text.as_bytes()) {
            return;
        }
        let documents = match serde_json::from_str(text) {
            Ok(document) => vec![document],
            Err(_) => serde_saphyr::from_multiple(text).unwrap_or_default(),
        };
        for document in &documents {
            self.add_all(document);
        }
    }

    fn add_all(&mut self, document: &Value) {
        match document {
            Value::Object(members) => {
                if members.get("kind").and_then(Value::as_str) == Some("Secret") {
                    for field in VALUES {
                        self.add_values(members.get(field));
                    }
                }
                members.values().for_each(|value| self.add_all(value));
            }
            Value::Array(items) => items.iter().for_each(|item| self.add_all(item)),
            Value::String(text) if text.contains("\"Secret\"") => {
                if let Ok(inner) = serde_json::from_str(text) {
                    self.add_all(&inner);
                }
            }
            _ => {}
        }
    }

    /// As they are, as they read, and both as JSON writes them.
    fn add_values(&mut self, values: Option<&Value>) {
        let values = values.and_then(Value::as_object).into_iter().flatten();
        for value in values.filter_map(|(_, value)| value.as_str()) {
            let decoded = STANDARD.decode(value).ok();
            let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
            for text in [Some(value.to_owned()), decoded].into_iter().flatten() {
                let json = Value::from(text.as_str()).to_string();
                let json = json.trim_matches('"').to_owned();
                let both = [text, json].into_iter();
                self.0.extend(both.filter(|text| text.len() >= SHORTEST));
            }
        }
    }

    /// The text without them.
    pub fn hide(&self, text: String) -> String {
        // The longest first: one may hold another.
        let mut values: Vec<&String> = self.0.iter().collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.into_iter().fold(text, |text, value| {
            if text.contains(value) {
                text.replace(value, HIDDEN)
            } else {
                text
            }
        })
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
    fn texts_about_an_event_do_not_show_its_secrets() {
        let data = json!({"body": {"kind": "Secret", "data": {
            "key": "c2VhbCAib2YiIGx5bg==",
            "short": "YQ==",
        }}});
        let event = Event {
            context: tiphys_eventbus::Context::default().into(),
            data: Some(data.to_string().into()),
        };
        let mut values = Values::default();
        values.add(&event);
        let text = r#"saw c2VhbCAib2YiIGx5bg==, then seal "of" lyn, {"a":"seal \"of\" lyn"} and a"#;
        assert_eq!(
            values.hide(text.to_owned()),
            r#"saw ***, then ***, {"a":"***"} and a"#
        );
    }

    #[test]
    fn texts_about_manifests_do_not_show_their_secrets() {
        let mut values = Values::default();
        values.add_manifests("kind: Service\n---\nkind: Secret\nstringData: {key: seal}\n");
        values.add_manifests(
            r#"{"kind": "List", "items": [{"kind": "Secret", "data": {"key": "bHlueA=="}}]}"#,
        );
        assert_eq!(
            values.hide("seal, lynx and kind".to_owned()),
            "***, *** and kind"
        );
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
