//! Triggers that send to message brokers.

use std::collections::BTreeMap;

use crate::auth::{NatsAuth, SaslConfig, SchemaRegistryConfig};
use crate::backoff::Backoff;
use crate::given::{Given, object};
use crate::parameter::TriggerParameter;
use crate::secret::SecretKeySelector;
use crate::tls::TlsConfig;
use crate::trigger::http::SecureHeader;

object! {
    /// Sends a NATS message.
    pub struct NatsTrigger {
        /// URL of the server.
        url: Given<String>,
        /// Subject of the message.
        subject: Given<String>,
        /// Values of the events that make up the message.
        payload: Option<Vec<TriggerParameter>>,
        /// Values of the events that are written into this trigger, for example to `subject`.
        parameters: Given<Vec<TriggerParameter>>,
        /// TLS settings. Default: as the server asks.
        tls: Option<TlsConfig>,
        /// Login of the server.
        auth: Option<NatsAuth>,
    }
}

object! {
    /// Sends a Kafka message.
    pub struct KafkaTrigger {
        /// Brokers, separated by commas.
        url: Given<String>,
        /// The topic.
        topic: Given<String>,
        /// Accepted for compatibility; has no effect.
        partition: Given<i32>,
        /// Values of the events that are written into this trigger.
        parameters: Given<Vec<TriggerParameter>>,
        /// Acknowledgements to wait for: 1 that of the leader, -1 those of all replicas that are in sync.
        /// Default: those of all, also for 0.
        required_acks: Given<i32>,
        /// Messages are compressed with snappy. Default: false.
        compress: Given<bool>,
        /// Milliseconds that a message waits for others to go with, 10,000 at most. Default: none.
        flush_frequency: Given<i32>,
        /// TLS settings. Default: plain text.
        tls: Option<TlsConfig>,
        /// Values of the events that make up the message.
        payload: Option<Vec<TriggerParameter>>,
        /// Key that chooses the partition. Default: none, and any partition.
        partitioning_key: Option<String>,
        /// Accepted for compatibility; has no effect.
        version: Given<String>,
        /// SASL login.
        sasl: Option<SaslConfig>,
        /// Schema registry for Avro messages.
        schema_registry: Option<SchemaRegistryConfig>,
        /// Headers of the message.
        headers: Given<BTreeMap<String, String>>,
        /// Headers with values from Secrets and ConfigMaps.
        secure_headers: Given<Vec<SecureHeader>>,
    }
}

object! {
    /// Sends a Pulsar message.
    pub struct PulsarTrigger {
        /// URL of the server.
        url: Given<String>,
        /// The topic.
        topic: Given<String>,
        /// Values of the events that are written into this trigger.
        parameters: Given<Vec<TriggerParameter>>,
        /// Values of the events that make up the message.
        payload: Option<Vec<TriggerParameter>>,
        /// Secret with the CA certificates (PEM) of the server.
        tls_trust_certs_secret: Option<SecretKeySelector>,
        /// The server's certificate is not checked. Default: false.
        tls_allow_insecure_connection: Given<bool>,
        /// No effect: the name in the server's certificate is checked unless `tlsAllowInsecureConnection` is set.
        tls_validate_hostname: Given<bool>,
        /// TLS login by certificate.
        tls: Option<TlsConfig>,
        /// Secret with a token.
        auth_token_secret: Option<SecretKeySelector>,
        /// How a failed connection is tried again.
        connection_backoff: Option<Backoff>,
        /// Parameters of the Athenz login.
        auth_athenz_params: Given<BTreeMap<String, String>>,
        /// Secret with the private key of the Athenz login.
        auth_athenz_secret: Option<SecretKeySelector>,
    }
}
