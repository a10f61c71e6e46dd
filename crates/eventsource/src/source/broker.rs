//! What sources that listen to a message broker have in common: their payloads, and
//! what they do with messages that nobody sends again.

#[cfg(any(feature = "amqp", feature = "mqtt"))]
mod address;
mod appetite;
mod backlog;
mod forward;
mod members;
mod roster;

use bytes::Bytes;

#[cfg(any(feature = "amqp", feature = "mqtt"))]
pub(super) use self::address::{Address, Scheme};
pub(super) use self::appetite::Appetite;
pub(super) use self::forward::forward;
pub(super) use self::members::{Members, NotJson};
pub(super) use self::roster::Roster;

use crate::incoming::Incoming;

/// A message that was made into a payload, or could not be: then it is a dead letter as it came.
pub(super) fn incoming(payload: Result<Bytes, NotJson>, message: &Bytes) -> Incoming {
    match payload {
        Ok(payload) => Incoming::new(payload),
        Err(error) => Incoming::unreadable(message.clone(), error.to_string()),
    }
}
