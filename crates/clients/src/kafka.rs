//! Kafka: consumers, in a group or of one partition, and producers.
//!
//! The library below is named in this module alone: nothing of it shows in what is public, so that another
//! one can take its place.

mod config;
mod consumer;
mod error;
mod pool;
mod producer;
mod token;

pub use config::{Config, Iam, Login, LoginRef, Mechanism, User, check_servers};
pub use consumer::{Change, Consumer, Group, Limits, Record, Start, Strategy};
pub use error::{Error, Kind};
pub use pool::Pool;
pub use producer::{Acks, Message, Producer, Production};
pub use token::{Oauth, Tokens};
