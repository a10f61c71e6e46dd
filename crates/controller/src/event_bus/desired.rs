//! What a JetStream bus is made of: ConfigMap, Service, StatefulSet, PodDisruptionBudget.
//!
//! Names, labels, ports, mounts and files are Argo Events'; what differs stands in
//! `docs/compatibility.md`.

mod pod;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, PersistentVolumeClaim, PersistentVolumeClaimSpec, ResourceRequirements, Service,
    ServicePort, ServiceSpec, VolumeResourceRequirements,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;
use tiphys_api::{JetStreamBus, PersistenceStrategy};

use super::names::Names;
use super::server_config::ServerConfig;
use crate::name;
use crate::settings::Versions;

/// The size of a volume if nobody says, as in Argo Events.
pub(super) const VOLUME_SIZE: &str = "20Gi";

/// The largest message if nobody says, as in Argo Events.
const MAX_PAYLOAD: &str = "1MB";

/// Key of the ConfigMap: the servers' configuration.
const CONFIG_KEY: &str = "nats-js";

/// The port of clients.
pub(super) const CLIENT_PORT: i32 = 4222;

/// The port of the servers for each other.
const CLUSTER_PORT: i32 = 6222;

/// The port of health and metrics.
const MONITOR_PORT: i32 = 8222;

/// Argo Events' port of metrics. Nothing listens there, but scrapers and policies may name it.
const METRICS_PORT: i32 = 7777;

/// What a bus is made from.
#[derive(Clone, Debug)]
pub(super) struct Plan<'a> {
    /// Names and labels of the objects.
    pub(super) names: &'a Names,
    /// The name of the bus.
    pub(super) bus: &'a str,
    /// Labels of the bus.
    pub(super) labels: Option<&'a BTreeMap<String, String>>,
    /// Whose the objects are.
    pub(super) owner: OwnerReference,
    /// What the user wants.
    pub(super) spec: &'a JetStreamBus,
    /// The images.
    pub(super) version: &'a Versions,
    /// Lines of NATS' `jetstream` block for what the user did not write.
    pub(super) default_settings: &'a str,
    /// What of the nodes is the servers', for what the user did not write.
    pub(super) resources: &'a ResourceRequirements,
    /// What servers read when they start, beside the ConfigMap: a change starts them anew.
    pub(super) secrets_hash: &'a str,
}

/// The objects of a bus, in the order in which they are applied.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Objects {
    /// The servers' configuration.
    pub(super) config_map: ConfigMap,
    /// The name under which the servers are found.
    pub(super) service: Service,
    /// Keeps a drain of nodes from taking two servers; for several servers.
    pub(super) disruption_budget: Option<PodDisruptionBudget>,
    /// The servers.
    pub(super) stateful_set: StatefulSet,
}

impl Plan<'_> {
    /// The objects.
    pub(super) fn objects(&self) -> Objects {
        let config = ServerConfig {
            names: self.names,
            bus: self.bus,
            servers: self.spec.server_count(),
            max_payload: self.spec.max_payload.as_deref().unwrap_or(MAX_PAYLOAD),
            settings: self.spec.settings.as_deref(),
            default_settings: self.default_settings,
        };
        let config = config.text();
        let hash = name::hash(format!("{config}\n{}", self.secrets_hash));
        Objects {
            config_map: ConfigMap {
                metadata: self.metadata(&self.names.config_map),
                data: Some([(CONFIG_KEY.to_owned(), config)].into()),
                ..ConfigMap::default()
            },
            service: self.service(),
            disruption_budget: (self.spec.server_count() > 1).then(|| self.disruption_budget()),
            stateful_set: self.stateful_set(&hash),
        }
    }

    fn metadata(&self, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.names.namespace.clone()),
            labels: Some(self.names.labels.clone()),
            owner_references: Some(vec![self.owner.clone()]),
            ..ObjectMeta::default()
        }
    }

    fn selector(&self) -> LabelSelector {
        LabelSelector {
            match_labels: Some(self.names.labels.clone()),
            ..LabelSelector::default()
        }
    }

    fn service(&self) -> Service {
        let ports = [
            ("tcp-client", CLIENT_PORT),
            ("cluster", CLUSTER_PORT),
            ("metrics", METRICS_PORT),
            ("monitor", MONITOR_PORT),
        ];
        let ports = ports.map(|(name, port)| ServicePort {
            name: Some(name.to_owned()),
            port,
            ..ServicePort::default()
        });
        Service {
            metadata: self.metadata(&self.names.service),
            spec: Some(ServiceSpec {
                cluster_ip: Some("None".to_owned()),
                type_: Some("ClusterIP".to_owned()),
                // Servers find each other before they are ready: only together do they become so.
                publish_not_ready_addresses: Some(true),
                selector: Some(self.names.labels.clone()),
                ports: Some(ports.to_vec()),
                ..ServiceSpec::default()
            }),
            ..Service::default()
        }
    }

    fn disruption_budget(&self) -> PodDisruptionBudget {
        PodDisruptionBudget {
            metadata: self.metadata(&self.names.stateful_set),
            spec: Some(PodDisruptionBudgetSpec {
                max_unavailable: Some(IntOrString::Int(1)),
                selector: Some(self.selector()),
                // A server that is not ready holds no majority: it may go, and come back elsewhere.
                unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
                ..PodDisruptionBudgetSpec::default()
            }),
            ..PodDisruptionBudget::default()
        }
    }

    fn stateful_set(&self, hash: &str) -> StatefulSet {
        let mut metadata = self.metadata(&self.names.stateful_set);
        let own = self.labels.cloned().unwrap_or_default();
        metadata.labels = Some(merged(own, &self.names.labels));
        StatefulSet {
            metadata,
            spec: Some(StatefulSetSpec {
                pod_management_policy: Some("Parallel".to_owned()),
                replicas: Some(self.spec.server_count()),
                selector: self.selector(),
                service_name: Some(self.names.service.clone()),
                template: self.pod_template(hash),
                volume_claim_templates: self
                    .spec
                    .persistence
                    .as_ref()
                    .map(|persistence| vec![self.volume_claim(persistence)]),
                ..StatefulSetSpec::default()
            }),
            ..StatefulSet::default()
        }
    }

    fn volume_claim(&self, persistence: &PersistenceStrategy) -> PersistentVolumeClaim {
        let mode = persistence
            .access_mode
            .as_deref()
            .filter(|mode| !mode.is_empty());
        let size = persistence.volume_size.clone();
        let size = size.unwrap_or_else(|| Quantity(VOLUME_SIZE.to_owned()));
        PersistentVolumeClaim {
            metadata: ObjectMeta {
                name: Some(self.names.volume.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(PersistentVolumeClaimSpec {
                access_modes: Some(vec![mode.unwrap_or("ReadWriteOnce").to_owned()]),
                storage_class_name: persistence.storage_class_name.clone(),
                volume_mode: Some("Filesystem".to_owned()),
                resources: Some(VolumeResourceRequirements {
                    requests: Some([("storage".to_owned(), size)].into()),
                    ..VolumeResourceRequirements::default()
                }),
                ..PersistentVolumeClaimSpec::default()
            }),
            ..PersistentVolumeClaim::default()
        }
    }
}

/// `ours` over `own`.
fn merged(
    mut own: BTreeMap<String, String>,
    ours: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    own.extend(ours.clone());
    own
}

#[cfg(test)]
mod tests;
