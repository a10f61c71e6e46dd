//! The bus between event sources and sensors: what an event is, where it travels, who has seen it.
//!
//! One trait, [`EventBus`], and two implementations: [`jetstream`] speaks to a NATS server, byte for
//! byte as Argo Events does where another program can see it; [`embedded`] lives in the process, for
//! `tiphys run` without a server, for `simulate` and for tests. Both pass one shared suite.
//!
//! This crate and `tiphys_clients`, which opens the connections, are the only ones that name
//! `async-nats`.

mod bus;
mod dead_letter;
pub mod embedded;
mod error;
mod event;
pub mod jetstream;
mod name;
mod settings;

pub use bus::{
    Delivery, EventBus, MessageAck, Outgoing, PublishAck, StartAt, State, StateEntry,
    StoredMessage, StreamReport, Subscription, SubscriptionConfig,
};
pub use dead_letter::{DeadLetter, DeadLetterFilter, DeadLetterReason};
pub use error::{BoxError, Cause, Error};
pub use event::{Context, DecodeError, Event, EventId};
pub use name::{Bucket, Durable, Subject};
pub use settings::check_stream_config;
