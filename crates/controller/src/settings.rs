//! What an operator of the controller decides: the image of the pods, and the controller's
//! configuration file, in the format of Argo Events.

use k8s_openapi::api::core::v1::ResourceRequirements;
use serde::Deserialize;
use serde_json::Value;

use crate::resources;

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
    /// What of the nodes is theirs, where the object does not say it.
    pub resources: ResourceRequirements,
}

/// The controller's configuration file.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    /// What buses are made of.
    pub event_bus: EventBusSettings,
    /// What of the nodes is theirs, of the pods of event sources and sensors, where an object does not
    /// say it.
    pub worker_resources: ResourceRequirements,
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
    /// What of the nodes is the servers', where the bus does not say it.
    #[serde(default = "resources::of_bus")]
    pub resources: ResourceRequirements,
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
    /// A quantity that Kubernetes would not take, of which no pod could be made.
    #[error("{field}: {quantity:?} is not a quantity, such as 64Mi or 100m")]
    Quantity {
        /// Where it stands.
        field: String,
        /// What stands there.
        quantity: String,
    },
    /// There is not one version.
    #[error("no jetstream versions were provided in the controller config")]
    NoVersions,
}

impl Configuration {
    /// What counts without a file.
    pub fn builtin() -> Self {
        Self {
            event_bus: crate::event_bus::versions::builtin(),
            worker_resources: resources::of_worker(),
        }
    }

    /// Reads Argo Events' `controller-config.yaml`, and what is ours in it. Upper and lower case are
    /// the same in keys.
    ///
    /// # Errors
    /// If it is no YAML of that shape, or has no version of JetStream.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct File {
            eventbus: EventBusSettings,
            workers: Workers,
        }
        #[derive(Deserialize)]
        #[serde(default)]
        struct Workers {
            resources: ResourceRequirements,
        }
        impl Default for Workers {
            fn default() -> Self {
                Self {
                    resources: resources::of_worker(),
                }
            }
        }
        let value: Value = serde_saphyr::from_str(text)?;
        let File { eventbus, workers } = serde_json::from_value(lower_case(value))?;
        if eventbus.jet_stream.versions.is_empty() {
            return Err(SettingsError::NoVersions);
        }
        let of_bus = &eventbus.jet_stream.resources;
        for (field, resources) in [
            ("workers.resources", &workers.resources),
            ("eventBus.jetstream.resources", of_bus),
        ] {
            if let Some((place, quantity)) = resources::not_a_quantity(resources) {
                return Err(SettingsError::Quantity {
                    field: format!("{field}.{place}"),
                    quantity,
                });
            }
        }
        Ok(Self {
            event_bus: eventbus,
            worker_resources: workers.resources,
        })
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
        let file = Configuration::parse(text).unwrap();
        assert_eq!(file.worker_resources, resources::of_worker());
        assert_eq!(
            file.event_bus.jet_stream,
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
                resources: resources::of_bus(),
            }
        );
    }

    #[test]
    fn the_installed_file_says_what_counts_without_it() {
        let text = include_str!("../../../deploy/base/controller-config.yaml");
        let builtin = Configuration::builtin();
        assert_eq!(Configuration::parse(text).unwrap(), builtin);
    }

    #[test]
    fn what_pods_may_take_is_the_operators_to_say() {
        let file = |resources: &str| {
            let text = format!(
                "workers: {{resources: {resources}}}\n\
                 eventBus: {{jetstream: {{versions: [{{version: a}}], resources: {resources}}}}}"
            );
            Configuration::parse(&text)
        };
        let ours = file("{Limits: {memory: 300Mi}, requests: {cpu: 1, memory: 150M}}").unwrap();
        let expected = serde_json::json!({
            "limits": {"memory": "300Mi"}, "requests": {"cpu": "1", "memory": "150M"},
        });
        assert_eq!(serde_json::json!(ours.worker_resources), expected);
        let of_bus = ours.event_bus.jet_stream.resources;
        assert_eq!(serde_json::json!(of_bus), expected);

        let none = file("{}").unwrap();
        assert_eq!(none.worker_resources, ResourceRequirements::default());
        let error = file("{limits: {memory: 300MB}}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "workers.resources.limits.memory: \"300MB\" is not a quantity, such as 64Mi or 100m"
        );
    }

    #[test]
    fn a_file_without_versions_is_refused() {
        let error = Configuration::parse("eventBus: {jetstream: {settings: x}}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no jetstream versions were provided in the controller config"
        );
    }
}
