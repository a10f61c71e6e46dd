//! A bus at a glance: how far its consumers are, and where dead letters lie.

use std::fmt;

use async_trait::async_trait;

use crate::{Durable, Error, Position};

/// What a bus says of itself, whatever it holds: it counts, and reads no message.
#[async_trait]
pub trait Overview: fmt::Debug + Send + Sync {
    /// The bus now.
    ///
    /// # Errors
    /// If the bus is closed or out of reach.
    async fn look(&self) -> Result<Look, Error>;
}

/// A bus at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// How many messages were ever published.
    pub published: u64,
    /// How many of them are stored.
    pub stored: u64,
    /// The durable consumers.
    pub consumers: Vec<ConsumerLook>,
    /// How many dead letters triggers have that have some.
    pub dead_letters: Vec<(Letters, u64)>,
}

/// A durable consumer at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerLook {
    /// Its name.
    pub durable: Durable,
    /// How many deliveries there were, repeated ones included.
    pub delivered: u64,
    /// Up to where it has delivered what it wants. `None`: nothing yet.
    pub reached: Option<Position>,
    /// Up to where everything that it wants is acknowledged. `None`: nothing yet.
    pub done: Option<Position>,
    /// How many messages are still to be delivered.
    pub lag: u64,
    /// How many are delivered and not acknowledged.
    pub in_hand: u64,
    /// How many of those were delivered before.
    pub repeated: u64,
}

/// Whose dead letters they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letters {
    /// The namespace of the sensor.
    pub namespace: String,
    /// The name of the sensor, or of an event source.
    pub sensor: String,
    /// The name of the trigger, or of an event.
    pub trigger: String,
}
