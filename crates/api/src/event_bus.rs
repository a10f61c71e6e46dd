//! The `EventBus` object: where events wait between event sources and sensors.

mod jetstream;
mod kafka;
mod nats;

pub use jetstream::*;
pub use kafka::*;
pub use nats::*;

use crate::condition::Condition;
use crate::given::{Given, object};

object! {
    /// Carries events from event sources to sensors. Exactly one field is meant to be set.
    #[derive(kube::CustomResource)]
    #[kube(
        group = "argoproj.io",
        version = "v1alpha1",
        kind = "EventBus",
        doc = "Carries events from event sources to sensors.",
        plural = "eventbus",
        singular = "eventbus",
        namespaced,
        shortname = "eb",
        status = "EventBusStatus",
        derive = "Default",
        derive = "PartialEq"
    )]
    pub struct EventBusSpec {
        /// NATS Streaming, which its makers have given up.
        nats: Option<NatsBus>,
        /// A NATS JetStream that is installed in the namespace.
        #[serde(rename = "jetstream")]
        jet_stream: Option<JetStreamBus>,
        /// A Kafka that exists already.
        kafka: Option<KafkaBus>,
        /// A NATS JetStream that exists already.
        #[serde(rename = "jetstreamExotic")]
        jet_stream_exotic: Option<JetStreamConfig>,
    }
}

object! {
    /// What the controller reports.
    pub struct EventBusStatus {
        /// `Configured`, `Deployed` and others.
        conditions: Given<Vec<Condition>>,
        /// How event sources and sensors reach the bus.
        config: Given<BusConfig>,
        /// The generation of the object that this was found for.
        observed_generation: Option<i64>,
    }
}

object! {
    /// How event sources and sensors reach the bus: exactly one is set.
    pub struct BusConfig {
        /// NATS Streaming.
        nats: Option<NatsConfig>,
        /// NATS JetStream.
        #[serde(rename = "jetstream")]
        jet_stream: Option<JetStreamConfig>,
        /// Kafka.
        kafka: Option<KafkaBus>,
    }
}

/// Which bus a spec asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BusKind<'a> {
    /// NATS Streaming elsewhere.
    NatsExotic(&'a NatsConfig),
    /// NATS Streaming in the namespace.
    NatsNative(&'a NativeStrategy),
    /// JetStream in the namespace.
    JetStream(&'a JetStreamBus),
    /// Kafka.
    Kafka(&'a KafkaBus),
    /// JetStream elsewhere.
    JetStreamExotic(&'a JetStreamConfig),
}

impl EventBusSpec {
    /// The settings of the stream, as YAML, if the bus is JetStream and has some.
    pub fn stream_config(&self) -> Option<&str> {
        let config = match (&self.jet_stream, &self.jet_stream_exotic) {
            (Some(native), _) => native.stream_config.as_deref()?,
            (None, Some(exotic)) => exotic.stream_config.as_str(),
            (None, None) => return None,
        };
        Some(config).filter(|text| !text.is_empty())
    }

    /// The bus that counts if several are set: the first in the order `nats` (exotic, native),
    /// `jetstream`, `kafka`, `jetstreamExotic`.
    pub fn kind(&self) -> Option<BusKind<'_>> {
        if let Some(nats) = &self.nats {
            let exotic = nats.exotic.as_ref().map(BusKind::NatsExotic);
            return exotic.or_else(|| nats.native.as_ref().map(BusKind::NatsNative));
        }
        let jet_stream = self.jet_stream.as_ref().map(BusKind::JetStream);
        jet_stream
            .or_else(|| self.kafka.as_ref().map(BusKind::Kafka))
            .or_else(|| {
                self.jet_stream_exotic
                    .as_ref()
                    .map(BusKind::JetStreamExotic)
            })
    }
}
