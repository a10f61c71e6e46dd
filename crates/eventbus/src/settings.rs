//! What an EventBus' `streamConfig` says: YAML with keys in any case, because the Go controller
//! lower-cases the keys of the merged document.

use std::time::Duration;

use serde_json::Value;
use tiphys_base::duration;

use crate::Error;

/// Checks an EventBus' `streamConfig`.
///
/// # Errors
/// If a setting cannot be read.
pub fn check_stream_config(text: &str) -> Result<(), Error> {
    StreamSettings::parse(text).map(|_| ())
}

/// Settings of the stream; `None` where nothing is said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct StreamSettings {
    pub(crate) max_msgs: Option<i64>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) max_bytes: Option<i64>,
    pub(crate) replicas: Option<usize>,
    pub(crate) duplicates: Option<Duration>,
    pub(crate) retention: Option<Retention>,
    pub(crate) discard: Option<Discard>,
}

/// Which messages the stream keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retention {
    Limits,
    Interest,
    WorkQueue,
}

/// What gives way at a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discard {
    Old,
    New,
}

impl StreamSettings {
    /// What Argo Events' controller sets where nothing is said. Its `replicas: 3` is left out: the
    /// bus may have one server.
    pub(crate) fn argo() -> Self {
        Self {
            max_msgs: Some(50_000),
            max_age: Some(Duration::from_hours(168)),
            max_bytes: Some(-1),
            replicas: None,
            duplicates: Some(Duration::from_mins(5)),
            retention: Some(Retention::Limits),
            discard: Some(Discard::Old),
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let mut settings = Self::default();
        if text.trim().is_empty() {
            return Ok(settings);
        }
        let document: Value = serde_saphyr::from_str(text)
            .map_err(|err| invalid("streamConfig", format!("not YAML: {err}")))?;
        let Value::Object(members) = document else {
            return match document {
                Value::Null => Ok(settings),
                _ => Err(invalid("streamConfig", "not a mapping")),
            };
        };
        for (key, value) in members {
            match key.to_ascii_lowercase().as_str() {
                "maxmsgs" => settings.max_msgs = Some(integer(&key, &value)?),
                "maxbytes" => settings.max_bytes = Some(integer(&key, &value)?),
                "maxage" => settings.max_age = Some(read_duration(&key, &value)?),
                "duplicates" => settings.duplicates = Some(read_duration(&key, &value)?),
                "replicas" => {
                    let replicas = integer(&key, &value)?;
                    let replicas = usize::try_from(replicas)
                        .map_err(|_| invalid(&key, "a number of replicas is not negative"))?;
                    settings.replicas = (replicas > 0).then_some(replicas);
                }
                "retention" => {
                    settings.retention = Some(match integer(&key, &value)? {
                        0 => Retention::Limits,
                        1 => Retention::Interest,
                        2 => Retention::WorkQueue,
                        _ => return Err(invalid(&key, "not one of 0, 1, 2")),
                    });
                }
                "discard" => {
                    settings.discard = Some(match integer(&key, &value)? {
                        0 => Discard::Old,
                        1 => Discard::New,
                        _ => return Err(invalid(&key, "not one of 0, 1")),
                    });
                }
                // Argo Events ignores what it does not know.
                _ => {}
            }
        }
        Ok(settings)
    }
}

fn invalid(setting: &str, message: impl Into<String>) -> Error {
    Error::Settings {
        setting: setting.to_owned(),
        message: message.into(),
    }
}

fn integer(key: &str, value: &Value) -> Result<i64, Error> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null => Some(0),
        _ => None,
    }
    .ok_or_else(|| invalid(key, "not a whole number"))
}

/// A duration as Go writes it, or a number of nanoseconds.
fn read_duration(key: &str, value: &Value) -> Result<Duration, Error> {
    match value {
        Value::Number(number) => number.as_u64().map(Duration::from_nanos),
        Value::String(text) => go_duration(text.trim()),
        Value::Null => Some(Duration::ZERO),
        _ => None,
    }
    .ok_or_else(|| invalid(key, "not a duration such as 72h or 300s"))
}

fn go_duration(text: &str) -> Option<Duration> {
    let nanoseconds = text.parse().ok();
    let nanoseconds = nanoseconds.or_else(|| duration::parse(text).ok())?;
    u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Discard, Retention, StreamSettings};

    #[test]
    fn settings_are_read_with_keys_in_any_case() {
        let argo = "discard: 0\nduplicates: 300s\nmaxage: 168h\nmaxbytes: -1\nmaxmsgs: 50000\nreplicas: 3\nretention: 0\n";
        let expected = StreamSettings {
            replicas: Some(3),
            ..StreamSettings::argo()
        };
        assert_eq!(StreamSettings::parse(argo).unwrap(), expected);
        let mixed = "maxMsgs: '7'\nmaxAge: 1h30m0.5s\nDuplicates: 1000\ndiscard: 1\nretention: 2\n";
        let settings = StreamSettings::parse(mixed).unwrap();
        assert_eq!(settings.max_msgs, Some(7));
        assert_eq!(settings.max_age, Some(Duration::from_millis(5_400_500)));
        assert_eq!(settings.duplicates, Some(Duration::from_micros(1)));
        assert_eq!(settings.discard, Some(Discard::New));
        assert_eq!(settings.retention, Some(Retention::WorkQueue));
    }

    #[test]
    fn no_settings_are_settings() {
        for text in ["", "  \n", "# nothing\n", "{}"] {
            assert_eq!(
                StreamSettings::parse(text).unwrap(),
                StreamSettings::default(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_setting_that_cannot_be_read_is_named() {
        for (text, message) in [
            (
                "maxAge: soon",
                "stream setting maxAge: not a duration such as 72h or 300s",
            ),
            ("maxMsgs: []", "stream setting maxMsgs: not a whole number"),
            (
                "retention: 3",
                "stream setting retention: not one of 0, 1, 2",
            ),
            ("- 1", "stream setting streamConfig: not a mapping"),
        ] {
            assert_eq!(
                StreamSettings::parse(text).unwrap_err().to_string(),
                message
            );
        }
    }
}
