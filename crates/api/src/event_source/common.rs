//! What several kinds of sources share.

use k8s_openapi::api::core::v1::ServicePort;

use crate::given::{Given, object};
use crate::schema;
use crate::template::Metadata;

object! {
    /// A Service in front of the pods of an event source.
    pub struct Service {
        /// Labels and annotations of the Service.
        metadata: Option<Metadata>,
        /// Ports of the Service, as in a Service. Without any there is no Service.
        #[schemars(schema_with = "schema::kubernetes::<Vec<ServicePort>>")]
        ports: Given<Vec<ServicePort>>,
        /// IP address of the Service, or `None` for a headless one. Default: chosen by the cluster.
        #[serde(rename = "clusterIP")]
        cluster_ip: Given<String>,
    }
}

object! {
    /// Which events are published.
    pub struct EventSourceFilter {
        /// Expression over the event's data that is true for events to publish, for example
        /// `body.id == 4`.
        expression: Given<String>,
    }
}
