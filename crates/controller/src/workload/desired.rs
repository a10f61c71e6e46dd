//! What there should be for an event source or a sensor (pure).

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceSpec};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use kube::api::ObjectMeta;
use tiphys_api::BusConfig;

use super::mounts::Mounts;
use super::pause::pod_count;
use super::spec::Spec;
use super::{Workload, pod};
use crate::settings::Worker;
use crate::{CONTROLLER_LABEL, Error, OWNER_LABEL, name};

/// Everything that there should be for an object.
#[derive(Clone, Debug)]
pub(crate) struct Desired {
    /// What the pods read.
    pub config_map: ConfigMap,
    /// Hash of what the pods read.
    pub spec_hash: String,
    /// The pods.
    pub deployment: Deployment,
    /// Keeps the nodes' operators from stopping all pods at a time.
    pub disruption_budget: Option<PodDisruptionBudget>,
    /// What makes the pods reachable.
    pub service: Option<Service>,
}

/// The name of an object's Deployment.
pub(super) fn deployment_name<K: Workload>(name: &str) -> String {
    name::child(name, K::SUFFIX)
}

/// Everything that there should be for an object.
///
/// # Errors
/// If the object cannot be written for its pods.
pub(crate) fn desired<K: Workload>(
    object: &K,
    bus: &BusConfig,
    worker: &Worker,
) -> Result<Desired, Error> {
    let object_name = object.name_any();
    let labels = labels::<K>(&object_name);
    let config_map_name = name::child(&object_name, &format!("{}-spec", K::SUFFIX));
    let spec = Spec::new(object, bus)?;
    let mounts = Mounts::new(object.template(), &config_map_name, bus, &object.key_refs());
    let deployment = Deployment {
        metadata: metadata(object, deployment_name::<K>(&object_name), &labels),
        spec: Some(DeploymentSpec {
            replicas: Some(pod_count(object)),
            revision_history_limit: object.revision_history_limit(),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: None,
            }),
            selector: selector(&labels),
            template: pod::template(object, &labels, mounts, worker),
            ..DeploymentSpec::default()
        }),
        status: None,
    };
    Ok(Desired {
        spec_hash: spec.hash.clone(),
        config_map: spec.into_config_map(metadata(object, config_map_name, &labels)),
        disruption_budget: disruption_budget(object, &labels),
        service: service(object, &labels),
        deployment,
    })
}

/// The labels that select an object's pods, as Argo Events has them.
fn labels<K: Workload>(object: &str) -> BTreeMap<String, String> {
    let name = name::label_value(object);
    BTreeMap::from([
        (CONTROLLER_LABEL.to_owned(), K::CONTROLLER.to_owned()),
        (K::NAME_LABEL.to_owned(), name.clone()),
        (OWNER_LABEL.to_owned(), name),
    ])
}

/// The object's own labels are on everything that is made for it, under those that select its pods.
fn metadata<K: Workload>(
    object: &K,
    name: String,
    labels: &BTreeMap<String, String>,
) -> ObjectMeta {
    let mut all_labels = object.labels().clone();
    all_labels.extend(labels.clone());
    ObjectMeta {
        name: Some(name),
        namespace: object.namespace(),
        labels: Some(all_labels),
        owner_references: object.controller_owner_ref(&()).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

fn selector(labels: &BTreeMap<String, String>) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels.clone()),
        match_expressions: None,
    }
}

fn disruption_budget<K: Workload>(
    object: &K,
    labels: &BTreeMap<String, String>,
) -> Option<PodDisruptionBudget> {
    (object.replica_count() > 1).then(|| PodDisruptionBudget {
        metadata: metadata(object, deployment_name::<K>(&object.name_any()), labels),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector(labels)),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    })
}

fn service<K: Workload>(object: &K, labels: &BTreeMap<String, String>) -> Option<Service> {
    let wanted = object.service()?;
    let name = name::service(&object.name_any(), &format!("{}-svc", K::SUFFIX));
    let mut metadata = metadata(object, name, labels);
    if let Some(users) = &wanted.metadata {
        let mut all_labels = (*users.labels).clone();
        all_labels.extend(metadata.labels.unwrap_or_default());
        metadata.labels = Some(all_labels);
        metadata.annotations = Some((*users.annotations).clone()).filter(|map| !map.is_empty());
    }
    Some(Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            cluster_ip: Some(wanted.cluster_ip.to_string()).filter(|ip| !ip.is_empty()),
            ports: Some((*wanted.ports).clone()),
            selector: Some(labels.clone()),
            ..ServiceSpec::default()
        }),
        status: None,
    })
}
