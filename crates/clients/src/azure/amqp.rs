//! Namespaces of Service Bus and Event Hubs, by AMQP 1.0.
//!
//! The library below is named in this module alone: nothing of it shows in what is public, so that another
//! one can take its place.

mod claim;
mod config;
mod connection;
mod error;
mod message;
mod pool;
mod receiver;
mod requests;
mod sender;

pub use config::{Config, ConnectionString, Login, Namespace};
pub use connection::Connection;
pub use error::{Error, Kind};
pub use message::{Delivery, LockToken, Message, Outgoing, Value};
pub use pool::Pool;
pub use receiver::Receiver;
pub use requests::Management;
pub use sender::Sender;
