//! Azure: logins of Entra; and Service Bus and Event Hubs, which speak AMQP 1.0.

#[cfg(feature = "azure")]
pub mod amqp;
pub mod entra;
