//! What several crates need and none of them owns.
//!
//! * [`backoff`]: how long to wait before what failed is tried again.
//! * [`cache`]: at most so many values, the least used goes first.
//! * [`duration`]: durations as Go writes them.
//! * [`failure`]: what went wrong with an event, with and without its values.
//! * [`reason`]: the closed set of reasons, from where a failure is found to where it is shown.
//! * [`text`]: texts of others, made harmless before people see them.
//!
//! No client, no I/O, no clock.

pub mod backoff;
pub mod cache;
pub mod duration;
pub mod failure;
pub mod reason;
pub mod text;

pub use backoff::Backoff;
pub use cache::Cache;
pub use failure::Failure;
pub use reason::Reason;
