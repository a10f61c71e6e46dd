//! SFTP servers: how files are there, and who the servers are.
//!
//! The library below is named in this module alone: nothing of it shows in what is public, so that another
//! one can take its place.

mod connection;
mod error;
mod known_hosts;
mod login;

pub use connection::{Config, Connection, Found};
pub use error::{Error, Kind};
pub use known_hosts::{HostKey, KnownHosts};
pub use login::{KeyFile, Login, Proof};
