//! gRPC: servers of the users' own, by the two protocols that Argo Events has for them, and Google Pub/Sub.
//!
//! The messages are written by hand from the numbers of their fields: nothing is generated when this is
//! built. The library below is named in this module alone.

mod connection;
mod error;
pub mod eventing;
#[cfg(feature = "gcp")]
pub mod pubsub;
pub mod trigger;

pub use connection::{Config, Pool, check_address};
pub use error::{Error, Kind};
