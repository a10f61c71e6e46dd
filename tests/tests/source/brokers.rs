//! One contract for every kind of event source that listens to a message broker, on real servers, and on
//! fakes of those that cannot be had.
//!
//! A kind says in [`Kind`] how its broker is started and spoken to, and what it promises; `promises.rs`
//! holds all of them to it.

mod azurite;
mod contract;
mod event_hubs;
mod generic;
mod kafka;
mod kind;
mod minio;
mod mns;
mod mosquitto;
mod nats;
mod nsq;
mod promises;
mod pubsub;
mod rabbitmq;
mod redis;
mod service_bus;
mod sqs;
mod stage;

use self::kind::{Kind, Wanted, body, tls};
