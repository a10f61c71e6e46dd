//! The bus between event sources and sensors: what an event is, where it travels, who has seen it.
//!
//! Five traits say what a bus is to the rest of the program: [`Bus`] publishes and subscribes,
//! [`History`] reads back what it holds, [`Overview`] says how far everybody is, [`StateStore`] keeps
//! small values, [`DeadLetters`] keeps what could not be processed. There are two implementations of all: [`jetstream`] speaks to a NATS server, byte for byte as Argo Events
//! does where another program can see it; [`embedded`] lives in the process, for `tiphys run` without
//! a server, for `simulate` and for tests. Both pass one shared suite.
//!
//! This crate and `tiphys_clients`, which opens the connections, are the only ones that name
//! `async-nats`.

mod bus;
mod connect;
mod dead_letter;
pub mod embedded;
mod error;
mod event;
mod event_bus;
mod history;
pub mod jetstream;
mod name;
mod open;
mod overview;
mod position;
mod replay;
mod settings;
mod state;

pub use bus::{
    Bus, ConsumerReport, Delivery, MessageAck, Outgoing, PublishAck, StartAt, StoredMessage,
    StreamReport, Subscription, SubscriptionConfig,
};
pub use connect::{BusConfig, ConfigError, Secrets, Server, connect};
pub use dead_letter::{
    DEAD_LETTERS, DeadLetter, DeadLetterFilter, DeadLetterReason, DeadLetters, Usage,
};
pub use error::{BoxError, Cause, Error};
pub use event::{Context, DecodeError, Event, EventId};
pub use event_bus::EventBus;
pub use history::{History, Past, Until};
pub use name::{Bucket, Durable, Subject};
pub use open::{OpenError, open};
pub use overview::{ConsumerLook, Letters, Look, Overview};
pub use position::Position;
pub use replay::Replay;
pub use settings::check_stream_config;
pub use state::{State, StateEntry, StateStore, open_rounds};
