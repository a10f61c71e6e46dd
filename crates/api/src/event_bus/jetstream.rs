//! NATS JetStream as a bus.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, LocalObjectReference, PodSecurityContext, ResourceRequirements, SecurityContext,
    Toleration,
};

use crate::given::{Given, object};
use crate::schema;
use crate::secret::SecretKeySelector;
use crate::template::Metadata;
use crate::tls::TlsConfig;

object! {
    /// A NATS JetStream that is installed in the namespace.
    pub struct JetStreamBus {
        /// Version of the NATS server, one of those in the controller's configuration, for example
        /// `latest`.
        version: Given<String>,
        /// Number of servers: 1, or 3 and more. Default: 3.
        replicas: Option<i32>,
        /// Settings of the container of the NATS server.
        container_template: Option<ContainerTemplate>,
        /// Settings of the container that reloads the configuration.
        reloader_container_template: Option<ContainerTemplate>,
        /// Settings of the container that exports metrics.
        metrics_container_template: Option<ContainerTemplate>,
        /// Where events are stored. Default: in the pod, so they are gone when all pods are.
        persistence: Option<PersistenceStrategy>,
        /// Labels and annotations of the pods.
        metadata: Option<Metadata>,
        /// Labels a node must have to run a pod.
        node_selector: Given<BTreeMap<String, String>>,
        /// Taints of nodes the pods tolerate, as in a pod.
        #[schemars(schema_with = "schema::kubernetes::<Vec<Toleration>>")]
        tolerations: Given<Vec<Toleration>>,
        /// Security settings of the pods, as in a pod.
        #[schemars(schema_with = "schema::kubernetes::<PodSecurityContext>")]
        security_context: Option<PodSecurityContext>,
        /// Secrets to pull images with.
        #[schemars(schema_with = "schema::kubernetes::<Vec<LocalObjectReference>>")]
        image_pull_secrets: Given<Vec<LocalObjectReference>>,
        /// Priority class of the pods.
        priority_class_name: Given<String>,
        /// Priority of the pods.
        priority: Option<i32>,
        /// Where the pods may run, as in a pod.
        #[schemars(schema_with = "schema::kubernetes::<Affinity>")]
        affinity: Option<Affinity>,
        /// Service account that the pods act as. Default: the namespace's `default`.
        service_account_name: Given<String>,
        /// Lines of the `jetstream` block of the server's configuration. Default: those of the
        /// controller's configuration, which these replace.
        settings: Option<String>,
        /// Further arguments of the NATS server.
        start_args: Given<Vec<String>>,
        /// Settings of the stream, as YAML: `maxMsgs`, `maxAge`, `maxBytes`, `replicas`, `duplicates`,
        /// `retention`, `discard`. Default: those of the controller's configuration, over which
        /// these are merged.
        stream_config: Option<String>,
        /// Largest message. Default: `1MB`.
        max_payload: Option<String>,
    }
}

impl JetStreamBus {
    /// The number of servers.
    pub fn server_count(&self) -> i32 {
        // Argo Events' default.
        self.replicas.unwrap_or(3)
    }
}

object! {
    /// Settings of a container of the bus.
    pub struct ContainerTemplate {
        /// Requests and limits of CPU and memory. What it says nothing of is as the controller's
        /// configuration has it.
        #[schemars(schema_with = "schema::kubernetes::<ResourceRequirements>")]
        resources: Option<ResourceRequirements>,
        /// When the image is pulled: `Always`, `IfNotPresent` or `Never`.
        image_pull_policy: Given<String>,
        /// Security settings of the container.
        #[schemars(schema_with = "schema::kubernetes::<SecurityContext>")]
        security_context: Option<SecurityContext>,
    }
}

object! {
    /// A volume for each server.
    pub struct PersistenceStrategy {
        /// Storage class of the volume. Default: the cluster's.
        storage_class_name: Option<String>,
        /// Access mode of the volume. Default: `ReadWriteOnce`.
        access_mode: Option<String>,
        /// Size of the volume, for example `20Gi` (the default).
        #[schemars(schema_with = "schema::kubernetes::<k8s_openapi::apimachinery::pkg::api::resource::Quantity>")]
        volume_size: Option<k8s_openapi::apimachinery::pkg::api::resource::Quantity>,
    }
}

object! {
    /// How a JetStream is reached.
    pub struct JetStreamConfig {
        /// URL of the server.
        url: Given<String>,
        /// Secret with the login: YAML with `username` and `password`. Default: no login.
        access_secret: Option<SecretKeySelector>,
        /// Settings of the stream, as YAML.
        stream_config: Given<String>,
        /// TLS settings. Default: plain text if the server allows it.
        tls: Option<TlsConfig>,
    }
}
