//! What an operator of the controller decides: the image of the pods, and the controller's
//! configuration file, in the format of Argo Events.

use serde::Deserialize;
use serde_json::Value;

/// What the controller starts pods and servers with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// How pods of event sources and sensors run.
    pub worker: Worker,
    /// What buses are made of.
    pub event_bus: EventBusSettings,
}

/// How pods of event sources and sensors run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Worker {
    /// Their image.
    pub image: String,
    /// When it is pulled, unless the object says so itself.
    pub image_pull_policy: String,
    /// `LOG_LEVEL` in their environment, if the controller has one.
    pub log_level: Option<String>,
}

/// The `eventBus` of the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct EventBusSettings {
    /// NATS JetStream.
    #[serde(rename = "jetstream")]
    pub jet_stream: JetStreamSettings,
}

/// The `eventBus.jetstream` of the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct JetStreamSettings {
    /// Lines of NATS' `jetstream` block, for buses that have none.
    pub settings: String,
    /// What streams are like, as YAML; a bus' own `streamConfig` is merged over it.
    #[serde(rename = "streamconfig")]
    pub stream_config: String,
    /// Which versions there are.
    pub versions: Vec<Versions>,
}

/// The images of one version of NATS.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "lowercase")]
pub struct Versions {
    /// What `spec.jetstream.version` says.
    pub version: String,
    /// The server.
    #[serde(rename = "natsimage")]
    pub nats_image: String,
    /// Argo Events' exporter of metrics.
    #[serde(rename = "metricsexporterimage")]
    pub metrics_exporter_image: String,
    /// What reloads the server when its configuration changes.
    #[serde(rename = "configreloaderimage")]
    pub config_reloader_image: String,
    /// The server's program.
    #[serde(rename = "startcommand")]
    pub start_command: String,
}

/// Why a configuration file is not used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It is not YAML.
    #[error("read the configuration")]
    Yaml(#[from] serde_saphyr::Error),
    /// Something in it has the wrong type.
    #[error("understand the configuration")]
    Shape(#[from] serde_json::Error),
    /// There is not one version.
    #[error("no jetstream versions were provided in the controller config")]
    NoVersions,
}

impl EventBusSettings {
    /// Reads Argo Events' `controller-config.yaml`. Upper and lower case are the same in keys.
    ///
    /// # Errors
    /// If it is no YAML of that shape, or has no version of JetStream.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct File {
            eventbus: EventBusSettings,
        }
        let value: Value = serde_saphyr::from_str(text)?;
        let File { eventbus } = serde_json::from_value(lower_case(value))?;
        if eventbus.jet_stream.versions.is_empty() {
            return Err(SettingsError::NoVersions);
        }
        Ok(eventbus)
    }
}

/// The value with all keys in lower case, without those that are `null`.
fn lower_case(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, field)| !field.is_null())
            .map(|(key, field)| (key.to_lowercase(), lower_case(field)))
            .collect(),
        Value::Array(items) => items.into_iter().map(lower_case).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_argo_events_is_read() {
        let text = "
eventBus:
  nats:
    versions:
    - version: 0.22.1
      natsStreamingImage: nats-streaming:0.22.1
      metricsExporterImage: natsio/prometheus-nats-exporter:0.8.0
  jetstream:
    settings: |
      max_memory_store: -1
      max_file_store: 1TB
    streamConfig: |
      maxMsgs: 50000
    versions:
    - version: latest
      natsImage: nats:2.10.29
      metricsExporterImage: natsio/prometheus-nats-exporter:0.14.0
      configReloaderImage: natsio/nats-server-config-reloader:0.14.0
      startCommand: /nats-server
";
        let settings = EventBusSettings::parse(text).unwrap();
        assert_eq!(
            settings.jet_stream,
            JetStreamSettings {
                settings: "max_memory_store: -1\nmax_file_store: 1TB\n".to_owned(),
                stream_config: "maxMsgs: 50000\n".to_owned(),
                versions: vec![Versions {
                    version: "latest".to_owned(),
                    nats_image: "nats:2.10.29".to_owned(),
                    metrics_exporter_image: "natsio/prometheus-nats-exporter:0.14.0".to_owned(),
                    config_reloader_image: "natsio/nats-server-config-reloader:0.14.0".to_owned(),
                    start_command: "/nats-server".to_owned(),
                }],
            }
        );
    }

    #[test]
    fn the_installed_file_says_what_counts_without_it() {
        let text = include_str!("../../../deploy/base/controller-config.yaml");
        let builtin = crate::event_bus::versions::builtin();
        assert_eq!(EventBusSettings::parse(text).unwrap(), builtin);
    }

    #[test]
    fn a_file_without_versions_is_refused() {
        let error = EventBusSettings::parse("eventBus: {jetstream: {settings: x}}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no jetstream versions were provided in the controller config"
        );
    }
}
