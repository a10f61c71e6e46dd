//! Pulsar: consumers and producers, each of one topic or of one partition of it.
//!
//! The protocol is spoken by this module itself: what is needed of it is a frame and some two dozen
//! commands, and the one library that there is needs a compiler of protocol buffers when it is built.

mod codec;
mod config;
mod consumer;
mod entry;
mod error;
mod frame;
mod link;
mod lookup;
mod pool;
mod producer;
mod proto;
mod topic;

pub use config::{Config, ConfigRef, Login, Security, check_url};
pub use consumer::{Consumer, Subscription};
pub use entry::{Entry, EntryId, Message, Unreadable};
pub use error::{Error, Kind};
pub use lookup::parts;
pub use pool::Pool;
pub use producer::{Outgoing, Producer};
pub use topic::{check_topic, is_persistent, whole_name};
