//! NATS Streaming as a bus: read and validated, not run, because its makers have given it up.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, LocalObjectReference, PodSecurityContext, Toleration};

use crate::event_bus::{ContainerTemplate, PersistenceStrategy};
use crate::given::{Given, object};
use crate::schema;
use crate::secret::SecretKeySelector;
use crate::template::Metadata;

object! {
    /// NATS Streaming: one of both fields is set.
    pub struct NatsBus {
        /// Servers that are installed in the namespace.
        native: Option<NativeStrategy>,
        /// Servers that exist already.
        exotic: Option<NatsConfig>,
    }
}

object! {
    /// NATS Streaming servers in the namespace.
    pub struct NativeStrategy {
        /// Number of servers, at least 3. Default: 3.
        replicas: Given<i32>,
        /// `none` (the default), `token` or `basic`.
        auth: Option<String>,
        /// Where events are stored. Default: in the pod.
        persistence: Option<PersistenceStrategy>,
        /// Settings of the container of the server.
        container_template: Option<ContainerTemplate>,
        /// Settings of the container that exports metrics.
        metrics_container_template: Option<ContainerTemplate>,
        /// Labels a node must have to run a pod.
        node_selector: Given<BTreeMap<String, String>>,
        /// Taints of nodes the pods tolerate, as in a pod.
        #[schemars(schema_with = "schema::kubernetes::<Vec<Toleration>>")]
        tolerations: Given<Vec<Toleration>>,
        /// Labels and annotations of the pods.
        metadata: Option<Metadata>,
        /// Security settings of the pods, as in a pod.
        #[schemars(schema_with = "schema::kubernetes::<PodSecurityContext>")]
        security_context: Option<PodSecurityContext>,
        /// How long events are kept. Default: `72h`.
        max_age: Option<String>,
        /// Secrets to pull images with.
        #[schemars(schema_with = "schema::kubernetes::<Vec<LocalObjectReference>>")]
        image_pull_secrets: Given<Vec<LocalObjectReference>>,
        /// Service account that the pods act as.
        service_account_name: Given<String>,
        /// Priority class of the pods.
        priority_class_name: Given<String>,
        /// Priority of the pods.
        priority: Option<i32>,
        /// Where the pods may run, as in a pod.
        #[schemars(schema_with = "schema::kubernetes::<Affinity>")]
        affinity: Option<Affinity>,
        /// Messages of a channel. Default: 1000000.
        max_msgs: Option<u64>,
        /// Bytes of a channel. Default: `1GB`.
        max_bytes: Option<String>,
        /// Subscriptions of a channel. Default: 1000.
        max_subs: Option<u64>,
        /// Largest message. Default: `1MB`.
        max_payload: Option<String>,
        /// Heartbeat of the leader. Default: `2s`.
        raft_heartbeat_timeout: Option<String>,
        /// Time of an election. Default: `2s`.
        raft_election_timeout: Option<String>,
        /// Lease of the leader. Default: `1s`.
        raft_lease_timeout: Option<String>,
        /// Time between commits. Default: `100ms`.
        raft_commit_timeout: Option<String>,
    }
}

object! {
    /// How a NATS Streaming is reached.
    pub struct NatsConfig {
        /// URL of the server.
        url: Given<String>,
        /// Id of the cluster.
        #[serde(rename = "clusterID")]
        cluster_id: Option<String>,
        /// `none` (the default), `token` or `basic`.
        auth: Option<String>,
        /// Secret with the login.
        access_secret: Option<SecretKeySelector>,
    }
}
