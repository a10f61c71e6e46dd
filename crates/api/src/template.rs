//! The pod of an event source or a sensor, as far as a user can shape it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, EnvFromSource, EnvVar, LocalObjectReference, PodSecurityContext,
    ResourceRequirements, SecurityContext, Toleration, Volume, VolumeMount,
};

use crate::given::{Given, object};
use crate::schema;

object! {
    /// Labels and annotations.
    pub struct Metadata {
        /// Annotations to add.
        annotations: Given<BTreeMap<String, String>>,
        /// Labels to add. The controller's own labels win.
        labels: Given<BTreeMap<String, String>>,
    }
}

object! {
    /// The pod that runs an event source or a sensor.
    pub struct Template {
        /// Labels and annotations of the pod.
        metadata: Option<Metadata>,
        /// Service account that the pod acts as. Default: the namespace's `default`.
        service_account_name: Given<String>,
        /// Settings of the main container.
        container: Option<Container>,
        /// Volumes of the pod, as in a pod.
        #[schemars(schema_with = "schema::kubernetes::<Vec<Volume>>")]
        volumes: Given<Vec<Volume>>,
        /// Security settings of the pod, as in a pod.
        #[schemars(schema_with = "schema::kubernetes::<PodSecurityContext>")]
        security_context: Option<PodSecurityContext>,
        /// Labels a node must have to run the pod.
        node_selector: Given<BTreeMap<String, String>>,
        /// Taints of nodes the pod tolerates, as in a pod.
        #[schemars(schema_with = "schema::kubernetes::<Vec<Toleration>>")]
        tolerations: Given<Vec<Toleration>>,
        /// Secrets to pull images with.
        #[schemars(schema_with = "schema::kubernetes::<Vec<LocalObjectReference>>")]
        image_pull_secrets: Given<Vec<LocalObjectReference>>,
        /// Priority class of the pod.
        priority_class_name: Given<String>,
        /// Priority of the pod.
        priority: Option<i32>,
        /// Where the pod may run, as in a pod.
        #[schemars(schema_with = "schema::kubernetes::<Affinity>")]
        affinity: Option<Affinity>,
    }
}

object! {
    /// Settings of the main container.
    pub struct Container {
        /// Environment variables. Those the controller sets win.
        #[schemars(schema_with = "schema::kubernetes::<Vec<EnvVar>>")]
        env: Given<Vec<EnvVar>>,
        /// Environment variables from Secrets and ConfigMaps.
        #[schemars(schema_with = "schema::kubernetes::<Vec<EnvFromSource>>")]
        env_from: Given<Vec<EnvFromSource>>,
        /// Mounts of the volumes.
        #[schemars(schema_with = "schema::kubernetes::<Vec<VolumeMount>>")]
        volume_mounts: Given<Vec<VolumeMount>>,
        /// Requests and limits of CPU and memory. What it says nothing of is as the controller's
        /// configuration has it.
        #[schemars(schema_with = "schema::kubernetes::<ResourceRequirements>")]
        resources: Option<ResourceRequirements>,
        /// Security settings of the container.
        #[schemars(schema_with = "schema::kubernetes::<SecurityContext>")]
        security_context: Option<SecurityContext>,
        /// When the image is pulled: `Always`, `IfNotPresent` or `Never`. Default: the controller's setting.
        image_pull_policy: Given<String>,
    }
}
