//! Azure: Service Bus and Event Hubs, which speak AMQP 1.0.

#[cfg(feature = "azure")]
pub mod amqp;
