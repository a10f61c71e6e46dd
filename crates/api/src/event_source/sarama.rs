//! What `config` of a `kafka` event source says: settings of sarama, the client of Argo Events, as YAML.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::duration::parse_duration;

/// The settings that mean something to any client. `None`: nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SaramaConfig {
    /// `clientID`: what the brokers show the client as.
    pub client_id: Option<String>,
    /// `consumer.fetch.min`: bytes that a broker waits for.
    pub min_bytes: Option<i32>,
    /// `consumer.fetch.default`: most bytes of a partition in one answer.
    pub partition_bytes: Option<i32>,
    /// `consumer.fetch.max`: most bytes of one answer.
    pub bytes: Option<i32>,
    /// `consumer.maxWaitTime`: how long a broker waits for them.
    pub wait: Option<Duration>,
    /// `consumer.group.session.timeout`: when a silent member is out of its group.
    pub session: Option<Duration>,
    /// `consumer.group.heartbeat.interval`: how often it gives a sign of life.
    pub heartbeat: Option<Duration>,
    /// `consumer.group.rebalance.timeout`: how long members may take to give partitions back.
    pub rebalance: Option<Duration>,
    /// `consumer.isolationLevel`: whether records of open transactions are left out.
    pub committed_only: Option<bool>,
    /// The keys that have no effect, such as `net.dialTimeout`, as they are written.
    pub without_effect: Vec<String>,
}

impl SaramaConfig {
    /// Reads settings. Names are known in any case, as to Argo Events.
    ///
    /// # Errors
    /// If the text is no mapping in YAML, or a setting is not what it has to be: what is wrong.
    pub fn read(yaml: &str) -> Result<Self, String> {
        let mut config = Self::default();
        if yaml.trim().is_empty() {
            return Ok(config);
        }
        let value: Value = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        match value {
            Value::Null => {}
            Value::Object(members) => config.take("", members)?,
            _ => return Err("a mapping is needed".to_owned()),
        }
        Ok(config)
    }

    fn take(&mut self, parent: &str, members: Map<String, Value>) -> Result<(), String> {
        for (name, value) in members {
            let key = if parent.is_empty() {
                name
            } else {
                format!("{parent}.{name}")
            };
            match value {
                Value::Object(members) => self.take(&key, members)?,
                Value::Null => {}
                value => self
                    .set(&key, &value)
                    .map_err(|why| format!("{key}: {why}"))?,
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match key.to_ascii_lowercase().as_str() {
            "clientid" => self.client_id = Some(text(value)?),
            "consumer.fetch.min" => self.min_bytes = Some(bytes(value)?),
            "consumer.fetch.default" => self.partition_bytes = Some(bytes(value)?),
            // Without a limit, there.
            "consumer.fetch.max" => self.bytes = Some(bytes(value)?).filter(|bytes| *bytes > 0),
            "consumer.maxwaittime" => self.wait = Some(duration(value)?),
            "consumer.group.session.timeout" => self.session = Some(duration(value)?),
            "consumer.group.heartbeat.interval" => self.heartbeat = Some(duration(value)?),
            "consumer.group.rebalance.timeout" => self.rebalance = Some(duration(value)?),
            "consumer.isolationlevel" => self.committed_only = Some(is_committed(value)?),
            _ => self.without_effect.push(key.to_owned()),
        }
        Ok(())
    }
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err("a text is needed".to_owned()),
    }
}

fn bytes(value: &Value) -> Result<i32, String> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_i64(),
    };
    number
        .and_then(|number| i32::try_from(number).ok())
        .filter(|number| *number >= 0)
        .ok_or_else(|| "a number of bytes is needed".to_owned())
}

/// A text such as `10s`, or a number of nanoseconds.
fn duration(value: &Value) -> Result<Duration, String> {
    let nanos = match value {
        Value::String(text) => {
            let parsed = parse_duration(text).map_err(|error| error.to_string())?;
            Duration::try_from(parsed).ok()
        }
        value => value.as_u64().map(Duration::from_nanos),
    };
    let duration = nanos.filter(|duration| *duration >= Duration::from_millis(1));
    duration.ok_or_else(|| "a duration such as 10s is needed".to_owned())
}

/// The levels have numbers in sarama.
fn is_committed(value: &Value) -> Result<bool, String> {
    match value.as_i64() {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        _ => Err("0 (read uncommitted) or 1 (read committed) is needed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_is_read_and_the_rest_is_named() {
        let yaml = "\
clientID: till
Consumer:
  fetch: {min: 1, Default: 2097152, max: 0}
  MaxWaitTime: 250000000
  isolationLevel: 1
  group:
    session: {timeout: 20s}
    heartbeat: {interval: 6s}
    rebalance: {timeout: 1m30s, retry: {max: 4}}
net:
  dialTimeout: 30s
";
        let expected = SaramaConfig {
            client_id: Some("till".to_owned()),
            min_bytes: Some(1),
            partition_bytes: Some(2_097_152),
            bytes: None,
            wait: Some(Duration::from_millis(250)),
            session: Some(Duration::from_secs(20)),
            heartbeat: Some(Duration::from_secs(6)),
            rebalance: Some(Duration::from_secs(90)),
            committed_only: Some(true),
            without_effect: vec![
                "Consumer.group.rebalance.retry.max".to_owned(),
                "net.dialTimeout".to_owned(),
            ],
        };
        assert_eq!(SaramaConfig::read(yaml), Ok(expected));
        assert_eq!(SaramaConfig::read(""), Ok(SaramaConfig::default()));
    }

    #[test]
    fn what_a_setting_cannot_be_is_named() {
        for (yaml, expected) in [
            ("[1]", "a mapping is needed"),
            (
                "consumer: {fetch: {min: many}}",
                "consumer.fetch.min: a number of bytes is needed",
            ),
            (
                "consumer: {group: {session: {timeout: -1}}}",
                "consumer.group.session.timeout: a duration such as 10s is needed",
            ),
            (
                "consumer: {isolationLevel: 2}",
                "consumer.isolationLevel: 0 (read uncommitted) or 1 (read committed) is needed",
            ),
        ] {
            assert_eq!(SaramaConfig::read(yaml).unwrap_err(), expected, "{yaml}");
        }
    }
}
