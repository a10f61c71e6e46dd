//! Message brokers as sources: AMQP, Kafka, MQTT, NATS, Redis, NSQ, Pulsar, Emitter.

use std::collections::BTreeMap;

use crate::auth::{BasicAuth, NatsAuth, SaslConfig, SchemaRegistryConfig};
use crate::backoff::Backoff;
use crate::event_bus::KafkaConsumerGroup;
use crate::event_source::common::EventSourceFilter;
use crate::given::{Given, object};
use crate::secret::SecretKeySelector;
use crate::tls::TlsConfig;

object! {
    /// Takes AMQP messages: one of `url` and `urlSecret` is needed.
    pub struct AmqpEventSource {
        /// URL of the broker.
        url: Given<String>,
        /// Name of the exchange. Default: the broker's.
        exchange_name: Given<String>,
        /// Type of the exchange, for example `fanout`.
        exchange_type: Given<String>,
        /// Routing key of the messages.
        routing_key: Given<String>,
        /// How a failed connection is tried again.
        connection_backoff: Option<Backoff>,
        /// The body is JSON. Default: false, it is published as Base64.
        json_body: Given<bool>,
        /// TLS settings.
        tls: Option<TlsConfig>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// How the exchange is declared. Default: durable.
        exchange_declare: Option<AmqpExchangeDeclareConfig>,
        /// How the queue is declared. Default: exclusive, without a name.
        queue_declare: Option<AmqpQueueDeclareConfig>,
        /// How the queue is bound.
        queue_bind: Option<AmqpQueueBindConfig>,
        /// How messages are consumed.
        consume: Option<AmqpConsumeConfig>,
        /// Login of the broker.
        auth: Option<BasicAuth>,
        /// Secret with the URL of the broker.
        url_secret: Option<SecretKeySelector>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
    }
}

object! {
    /// How an AMQP exchange is declared.
    pub struct AmqpExchangeDeclareConfig {
        /// It survives the broker's restart. Default: false.
        durable: Given<bool>,
        /// It goes with its last queue. Default: false.
        auto_delete: Given<bool>,
        /// Only other exchanges publish to it. Default: false.
        internal: Given<bool>,
        /// The broker's answer is not waited for. Default: false.
        no_wait: Given<bool>,
    }
}

object! {
    /// How an AMQP queue is declared.
    pub struct AmqpQueueDeclareConfig {
        /// Name of the queue. Default: chosen by the broker.
        name: Given<String>,
        /// It survives the broker's restart. Default: false.
        durable: Given<bool>,
        /// It goes with its last consumer. Default: false.
        auto_delete: Given<bool>,
        /// Only this connection uses it. Default: false.
        exclusive: Given<bool>,
        /// The broker's answer is not waited for. Default: false.
        no_wait: Given<bool>,
        /// Further arguments, as YAML.
        arguments: Given<String>,
    }
}

object! {
    /// How an AMQP queue is bound.
    pub struct AmqpQueueBindConfig {
        /// The broker's answer is not waited for. Default: false.
        no_wait: Given<bool>,
    }
}

object! {
    /// How AMQP messages are consumed.
    pub struct AmqpConsumeConfig {
        /// Name of the consumer. Default: chosen by the client.
        consumer_tag: Given<String>,
        /// Has no effect: a message is acknowledged after the bus has its event.
        auto_ack: Given<bool>,
        /// No other consumer of the queue. Default: false.
        exclusive: Given<bool>,
        /// No messages of this connection. Default: false.
        no_local: Given<bool>,
        /// The broker's answer is not waited for. Default: false.
        no_wait: Given<bool>,
    }
}

object! {
    /// Takes Kafka messages: one of `partition` and `consumerGroup` is needed.
    pub struct KafkaEventSource {
        /// Brokers, separated by commas.
        url: Given<String>,
        /// Number of a single partition, without a group. How far it is read is kept on the bus.
        partition: Given<String>,
        /// The topic.
        topic: Given<String>,
        /// How a failed connection is tried again.
        connection_backoff: Option<Backoff>,
        /// TLS settings. Default: plain text.
        tls: Option<TlsConfig>,
        /// The body is JSON. Default: false, it is published as Base64.
        json_body: Given<bool>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// A consumer group: it shares the partitions out among all pods.
        consumer_group: Option<KafkaConsumerGroup>,
        /// Most events in a second, in each pod. Default: no limit.
        limit_events_per_second: Given<i64>,
        /// Accepted for compatibility; has no effect.
        version: Given<String>,
        /// SASL login.
        sasl: Option<SaslConfig>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
        /// Settings of sarama, the client of Argo Events, as YAML: `clientID`, and of `consumer`
        /// `fetch`, `maxWaitTime`, `isolationLevel`, `group.session.timeout`,
        /// `group.heartbeat.interval` and `group.rebalance.timeout`. Others have no effect.
        config: Given<String>,
        /// Schema registry for Avro messages.
        schema_registry: Option<SchemaRegistryConfig>,
        /// Login of AWS MSK by IAM.
        aws_msk_iam_auth: Option<AwsMskIamAuth>,
    }
}

object! {
    /// Login of AWS MSK by IAM.
    pub struct AwsMskIamAuth {
        /// AWS region.
        region: Given<String>,
    }
}

object! {
    /// Takes MQTT messages.
    pub struct MqttEventSource {
        /// URL of the broker.
        url: Given<String>,
        /// The topic.
        topic: Given<String>,
        /// Id of the client.
        client_id: Given<String>,
        /// How a failed connection is tried again.
        connection_backoff: Option<Backoff>,
        /// The body is JSON. Default: false, it is published as Base64.
        json_body: Given<bool>,
        /// TLS settings.
        tls: Option<TlsConfig>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
        /// Login of the broker.
        auth: Option<BasicAuth>,
    }
}

object! {
    /// Takes NATS messages.
    pub struct NatsEventSource {
        /// URL of the server.
        url: Given<String>,
        /// Subject to listen to.
        subject: Given<String>,
        /// How a failed connection is tried again.
        connection_backoff: Option<Backoff>,
        /// The body is JSON. Default: false, it is published as Base64.
        json_body: Given<bool>,
        /// TLS settings. Default: as the server asks.
        tls: Option<TlsConfig>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Login of the server.
        auth: Option<NatsAuth>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
        /// Queue group to join. Default: none.
        queue: Option<String>,
        /// Take the messages from a JetStream stream, so that none is lost. An extension of tiphys.
        jetstream: Option<NatsJetStream>,
    }
}

object! {
    /// A JetStream stream as a source of messages.
    pub struct NatsJetStream {
        /// Name of the stream.
        stream: Given<String>,
        /// Name of the durable consumer; it is created if it is not there. Default:
        /// `NAMESPACE-EVENTSOURCE-EVENT`.
        durable: Given<String>,
        /// With which messages a new consumer starts: `all` that the stream has, the `last` one, or those
        /// that are `new`. Default: `all`.
        deliver: Given<String>,
    }
}

impl NatsJetStream {
    /// What `deliver` may be.
    pub const DELIVER: [&'static str; 3] = ["all", "last", "new"];
}

object! {
    /// Takes messages of Redis Pub/Sub.
    pub struct RedisEventSource {
        /// Host and port of the server.
        host_address: Given<String>,
        /// Secret with the password.
        password: Option<SecretKeySelector>,
        /// Namespace of the secret.
        namespace: Given<String>,
        /// Number of the database. Default: 0.
        db: Given<i32>,
        /// Channels to listen to.
        channels: Given<Vec<String>>,
        /// TLS settings. Default: plain text.
        tls: Option<TlsConfig>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
        /// The body is JSON. Default: false, it is published as text.
        json_body: Given<bool>,
        /// User name. Default: that of the server.
        username: Given<String>,
    }
}

object! {
    /// Takes entries of Redis streams.
    pub struct RedisStreamEventSource {
        /// Host and port of the server.
        host_address: Given<String>,
        /// Secret with the password.
        password: Option<SecretKeySelector>,
        /// Number of the database. Default: 0.
        db: Given<i32>,
        /// Streams to read.
        streams: Given<Vec<String>>,
        /// Most entries of one read. Default: 10.
        max_msg_count_per_read: Given<i32>,
        /// Consumer group. Default: `argo-events-cg`.
        consumer_group: Given<String>,
        /// TLS settings. Default: plain text.
        tls: Option<TlsConfig>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
        /// User name. Default: that of the server.
        username: Given<String>,
    }
}

object! {
    /// Takes NSQ messages.
    pub struct NsqEventSource {
        /// Host and HTTP port of an nsqlookupd, which knows the servers that have the topic.
        host_address: Given<String>,
        /// The topic.
        topic: Given<String>,
        /// The channel.
        channel: Given<String>,
        /// How a failed connection is tried again.
        connection_backoff: Option<Backoff>,
        /// The body is JSON. Default: false, it is published as Base64.
        json_body: Given<bool>,
        /// TLS settings.
        tls: Option<TlsConfig>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
        /// Secret with what the client logs in with. Default: none. An extension of tiphys.
        auth_secret: Option<SecretKeySelector>,
    }
}

object! {
    /// Takes Pulsar messages.
    pub struct PulsarEventSource {
        /// The topics.
        topics: Given<Vec<String>>,
        /// Type of the subscription: `exclusive` (the default) or `shared`.
        r#type: Given<String>,
        /// URL of the server.
        url: Given<String>,
        /// Secret with the CA certificates (PEM) of the server.
        tls_trust_certs_secret: Option<SecretKeySelector>,
        /// The server's certificate is not checked. Default: false.
        tls_allow_insecure_connection: Given<bool>,
        /// No effect: the name in the server's certificate is checked unless `tlsAllowInsecureConnection` is set.
        tls_validate_hostname: Given<bool>,
        /// TLS login by certificate.
        tls: Option<TlsConfig>,
        /// How a failed connection is tried again.
        connection_backoff: Option<Backoff>,
        /// The body is JSON. Default: false, it is published as Base64.
        json_body: Given<bool>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Secret with a token.
        auth_token_secret: Option<SecretKeySelector>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
        /// Parameters of the Athenz login.
        auth_athenz_params: Given<BTreeMap<String, String>>,
        /// Secret with the private key of the Athenz login.
        auth_athenz_secret: Option<SecretKeySelector>,
    }
}

object! {
    /// Takes Emitter messages.
    pub struct EmitterEventSource {
        /// URL of the broker.
        broker: Given<String>,
        /// Key of the channel.
        channel_key: Given<String>,
        /// Name of the channel.
        channel_name: Given<String>,
        /// Secret with the user name.
        username: Option<SecretKeySelector>,
        /// Secret with the password.
        password: Option<SecretKeySelector>,
        /// How a failed connection is tried again.
        connection_backoff: Option<Backoff>,
        /// The body is JSON. Default: false, it is published as Base64.
        json_body: Given<bool>,
        /// TLS settings.
        tls: Option<TlsConfig>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
    }
}
