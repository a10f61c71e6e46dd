//! Clients of other programs: one file a technology.
//!
//! Each takes settings with all their values and gives a connection that is kept and shared by
//! everybody with the same settings. The values of Secrets and `ConfigMaps` come from [`values`]; what
//! is printed, logged or stored names them by [`ValueRef`] and never holds them.

#[cfg(feature = "kafka")]
pub mod avro;
pub mod aws;
pub mod azure;
mod error;
pub mod github;
#[cfg(feature = "gcp")]
pub mod google;
#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "hdfs")]
pub mod hdfs;
pub mod http;
pub mod jwt;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod kubernetes;
pub mod nats;
#[cfg(feature = "pulsar")]
pub mod pulsar;
mod reference;
pub mod s3;
#[cfg(feature = "sftp")]
pub mod sftp;
pub mod socket;
mod temporary;
pub mod tls;
pub mod values;

use std::sync::Arc;

use values::Values;

pub use error::{BoxError, Error, SettingsError};
pub use reference::{BasicAuth, KeyOf, TlsRef, ValueRef};

/// The clients of one user.
#[derive(Debug)]
pub struct Clients {
    /// The values of Secrets and `ConfigMaps`.
    pub values: Arc<dyn Values>,
    /// Web servers.
    pub http: http::Pool,
    /// NATS servers.
    pub nats: nats::Pool,
    /// Logins of AWS.
    pub aws: aws::Logins,
    /// Tokens of GitHub Apps.
    pub github: github::Tokens,
    /// Logins of Google.
    #[cfg(feature = "gcp")]
    pub google: google::Logins,
    /// Logins of Azure.
    pub entra: azure::entra::Logins,
    /// Senders of Azure Service Bus and Event Hubs.
    #[cfg(feature = "azure")]
    pub azure: azure::amqp::Pool,
    /// Servers that speak gRPC.
    #[cfg(feature = "grpc")]
    pub grpc: grpc::Pool,
    /// Kafka brokers.
    #[cfg(feature = "kafka")]
    pub kafka: kafka::Pool,
    /// Schemas of messages in Avro.
    #[cfg(feature = "kafka")]
    pub schemas: avro::Schemas,
    /// Pulsar.
    #[cfg(feature = "pulsar")]
    pub pulsar: pulsar::Pool,
    /// The cluster; `None` where there is none.
    pub cluster: Option<kubernetes::Cluster>,
}

impl Clients {
    /// Acts on the cluster of `client`, with the Secrets and `ConfigMaps` of `values`.
    pub fn new(client: Option<kube::Client>, values: Arc<dyn Values>) -> Self {
        Self {
            values,
            http: http::Pool::default(),
            nats: nats::Pool::default(),
            aws: aws::Logins::new(aws::Environment::of_process()),
            github: github::Tokens::default(),
            #[cfg(feature = "gcp")]
            google: google::Logins::new(google::Environment::of_process()),
            entra: azure::entra::Logins::new(azure::entra::Environment::of_process()),
            #[cfg(feature = "azure")]
            azure: azure::amqp::Pool::default(),
            #[cfg(feature = "grpc")]
            grpc: grpc::Pool::default(),
            #[cfg(feature = "kafka")]
            kafka: kafka::Pool::default(),
            #[cfg(feature = "kafka")]
            schemas: avro::Schemas::default(),
            #[cfg(feature = "pulsar")]
            pulsar: pulsar::Pool::default(),
            cluster: client.map(kubernetes::Cluster::new),
        }
    }

    /// The cluster.
    ///
    /// # Errors
    /// If there is none.
    pub fn cluster(&self) -> Result<&kubernetes::Cluster, Error> {
        self.cluster.as_ref().ok_or_else(|| {
            Error::unavailable("there is no cluster to act on".to_owned())
                .with_hint("set KUBECONFIG, or pass --kubeconfig")
        })
    }
}
