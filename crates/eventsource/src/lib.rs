//! Event sources: what happens outside becomes events on the bus.
//!
//! [`compile()`] checks an `EventSource` object and makes it ready to run; [`Runner`] runs it. What an
//! event of Kubernetes objects is, is decided in [`source::resource`]: its filter, selector, payload
//! and ledger are pure values, and only its watch and its publisher touch the world.

mod backoff;
mod compile;
mod error;
mod event;
mod metrics;
pub mod source;
mod status;
mod supervisor;

pub use compile::{Compiled, CompiledEvent, Config, compile};
pub use error::Error;
pub use event::{Check, Simulated};
pub use metrics::{EventLabels, EventMetrics, Metrics};
pub use status::{EventStatus, Status, Watch};
pub use supervisor::Runner;
