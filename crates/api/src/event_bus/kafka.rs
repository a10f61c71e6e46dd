//! Kafka as a bus.

use crate::auth::SaslConfig;
use crate::given::{Given, object};
use crate::tls::TlsConfig;

object! {
    /// A Kafka that exists already.
    pub struct KafkaBus {
        /// Brokers, separated by commas.
        url: Given<String>,
        /// The topic. Default: `<namespace>-<name>`.
        topic: Given<String>,
        /// Version of the brokers.
        version: Given<String>,
        /// TLS settings. Default: plain text.
        tls: Option<TlsConfig>,
        /// SASL login.
        sasl: Option<SaslConfig>,
        /// Consumer group of the sensors.
        consumer_group: Option<KafkaConsumerGroup>,
        /// How messages are spread: `random` (the default), `hash`, `roundrobin` or `manual`.
        partitioner: Given<String>,
    }
}

object! {
    /// A consumer group of Kafka.
    pub struct KafkaConsumerGroup {
        /// Name of the group.
        group_name: Given<String>,
        /// A new group starts with the oldest message instead of the newest. Default: false.
        oldest: Given<bool>,
        /// `range` (the default), `sticky` or `roundrobin`.
        rebalance_strategy: Given<String>,
    }
}
