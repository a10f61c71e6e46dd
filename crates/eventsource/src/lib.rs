//! Event sources: what happens outside becomes events on the bus.
//!
//! [`compile()`] checks an `EventSource` object and makes it ready to run; [`Runner`] runs it. What is
//! particular to a kind is one file in [`source`]; everything around it is here, once:
//!
//! | module | what it does |
//! |---|---|
//! | [`source`] | what a kind is, and the list of them |
//! | `context` | everything that a running event may touch |
//! | `incoming` | what an upstream said, and what became of it |
//! | `pump` | carries it to the bus: order, back-pressure, retries, verdicts |
//! | `outlet` | expression, envelope, dead letters; what is counted and logged of an event |
//! | `cursor` | what is kept on the bus to go on after a restart |
//! | `supervisor` | runs events where they belong, and starts again what ended |
//! | [`served`] | events that are called over HTTP: routes, certificates, the end |

mod clock;
mod compile;
mod context;
mod cursor;
mod envelope;
mod error;
mod event;
mod expression;
mod id;
mod incoming;
mod metrics;
mod outlet;
mod pump;
pub mod served;
pub mod source;
mod status;
mod supervisor;
#[cfg(test)]
mod testing;

pub use clock::Clock;
pub use compile::{Compiled, CompiledEvent, compile, compile_sound};
pub use context::Cluster;
pub use error::{Reason, SourceError};
pub use event::{Check, Input, SimulateError, Simulated};
pub use expression::Expression;
pub use metrics::Metrics;
pub use source::Placement;
pub use status::{Condition, EventStatus, Status};
pub use supervisor::Runner;
