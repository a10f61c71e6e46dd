//! Sensors: events become actions, and actions are performed.
//!
//! [`engine`] decides (pure: no tokio, no clock, no client), [`run`] carries: it takes deliveries
//! from the bus, asks the engine, and performs the [`trigger::Action`]s that it gets.

pub mod engine;
mod error;
pub mod filter;
mod metrics;
pub mod parameter;
pub mod run;
pub mod transform;
pub mod trigger;
pub mod view;

pub use engine::Compiled;
pub use error::Error;
pub use metrics::{Metrics, TriggerLabels, TriggerMetrics};
