//! What the stream of a bus is like: the user's `streamConfig` merged over the controller's.

use std::collections::BTreeMap;

use serde_json::Value;
use tiphys_api::Problem;

/// What a stream is like, unless the controller's configuration says otherwise: Argo Events' defaults.
pub const DEFAULT: &str = "maxMsgs: 50000\nmaxAge: 168h\nmaxBytes: -1\nreplicas: 3\nduplicates: 300s\n\
                           retention: 0\ndiscard: 0\n";

/// The field that the user writes.
const FIELD: &str = "spec.jetstream.streamConfig";

/// A replica of a stream lives on a server of its own, and JetStream keeps five at most.
const MOST_REPLICAS: i64 = 5;

/// The settings of the stream as Argo Events writes them: YAML with sorted keys in lower case.
///
/// Copies that the user did not ask for are at most as many as there are servers.
///
/// # Errors
/// If a text is no YAML mapping, or the user asks for more copies than there are servers.
pub fn merged(defaults: &str, own: Option<&str>, servers: i32) -> Result<String, Problem> {
    let mut settings = settings(defaults)
        .map_err(|message| Problem::error("eventBus.jetstream.streamConfig", message))?;
    let own = self::settings(own.unwrap_or_default())
        .map_err(|message| Problem::error(FIELD, message))?;
    let servers = i64::from(servers);
    match own.get("replicas").map(whole) {
        Some(None) => {
            return Err(Problem::error(FIELD, "replicas: not a whole number"));
        }
        Some(Some(replicas)) => check_replicas(replicas, servers)?,
        None => {
            let default = settings.get("replicas").and_then(whole);
            if default.is_some_and(|default| default > servers) {
                settings.insert("replicas".to_owned(), servers.into());
            }
        }
    }
    merge(&mut settings, own);
    let written = written(&settings);
    tiphys_eventbus::check_stream_config(&written)
        .map_err(|error| Problem::error(FIELD, error.to_string()))?;
    Ok(written)
}

fn check_replicas(replicas: i64, servers: i64) -> Result<(), Problem> {
    if replicas > servers {
        let message =
            format!("replicas: {replicas} copies need as many servers, and there are {servers}");
        let hint = "raise spec.jetstream.replicas, or lower the replicas of the stream";
        return Err(Problem::error(FIELD, message).with_hint(hint));
    }
    if replicas > MOST_REPLICAS {
        let message = format!("replicas: JetStream keeps at most {MOST_REPLICAS} copies");
        return Err(Problem::error(FIELD, message));
    }
    Ok(())
}

/// Reads YAML; keys in lower case, as two spellings are one setting.
fn settings(text: &str) -> Result<BTreeMap<String, Value>, String> {
    if text.trim().is_empty() {
        return Ok(BTreeMap::new());
    }
    let document: Value =
        serde_saphyr::from_str(text).map_err(|error| format!("not YAML: {error}"))?;
    match document {
        Value::Null => Ok(BTreeMap::new()),
        Value::Object(members) => Ok(lower_case(members)),
        _ => Err("not a mapping".to_owned()),
    }
}

fn lower_case(members: serde_json::Map<String, Value>) -> BTreeMap<String, Value> {
    members
        .into_iter()
        .map(|(key, value)| match value {
            Value::Object(inner) => (
                key.to_lowercase(),
                Value::Object(lower_case(inner).into_iter().collect()),
            ),
            value => (key.to_lowercase(), value),
        })
        .collect()
}

/// Mappings are merged at one level of depth: the settings of a stream are flat.
fn merge(settings: &mut BTreeMap<String, Value>, own: BTreeMap<String, Value>) {
    for (key, value) in own {
        match (settings.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => below.extend(above),
            (_, value) => {
                settings.insert(key, value);
            }
        }
    }
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn written(settings: &BTreeMap<String, Value>) -> String {
    settings
        .iter()
        .map(|(key, value)| match value {
            Value::String(text) if is_plain(text) => format!("{key}: {text}\n"),
            value => format!("{key}: {value}\n"),
        })
        .collect()
}

/// True if YAML reads the text as a text without quotes: a duration such as `1h30m`.
fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| "smh".contains(c))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT, merged};

    #[test]
    fn own_settings_are_merged_over_the_defaults_as_argo_events_writes_them() {
        assert_eq!(
            merged(DEFAULT, Some("maxAge: 24h"), 3).unwrap(),
            "discard: 0\nduplicates: 300s\nmaxage: 24h\nmaxbytes: -1\nmaxmsgs: 50000\nreplicas: 3\n\
             retention: 0\n"
        );
        assert_eq!(
            merged(DEFAULT, Some("MAXAGE: 5m\nmaxbytes: '7'\nreplicas: 2\n"), 3).unwrap(),
            "discard: 0\nduplicates: 300s\nmaxage: 5m\nmaxbytes: \"7\"\nmaxmsgs: 50000\n\
             replicas: 2\nretention: 0\n"
        );
    }

    #[test]
    fn copies_nobody_asked_for_are_as_many_as_servers() {
        for (own, servers, replicas) in [
            (None, 1, "replicas: 1\n"),
            (Some("# nothing"), 5, "replicas: 3\n"),
            (Some("replicas: 2"), 3, "replicas: 2\n"),
        ] {
            let settings = merged(DEFAULT, own, servers).unwrap();
            assert!(settings.contains(replicas), "{settings}");
        }
    }

    #[test]
    fn more_copies_than_servers_are_a_fault() {
        for (own, servers, message) in [
            (
                "replicas: 3",
                1,
                "replicas: 3 copies need as many servers, and there are 1",
            ),
            (
                "replicas: 7",
                7,
                "replicas: JetStream keeps at most 5 copies",
            ),
            ("replicas: many", 3, "replicas: not a whole number"),
            (
                "maxAge: soon",
                3,
                "stream setting maxage: not a duration such as 72h or 300s",
            ),
            ("- 1", 3, "not a mapping"),
        ] {
            let problem = merged(DEFAULT, Some(own), servers).unwrap_err();
            assert_eq!(problem.field_path, "spec.jetstream.streamConfig");
            assert_eq!(problem.message, message);
        }
    }
}
