//! What several crates need and none of them owns.
//!
//! * [`backoff`]: how long to wait before what failed is tried again.
//! * [`cache`]: at most so many values, the least used goes first.
//! * [`duration`]: durations as Go writes them.
//! * [`reason`]: the closed set of reasons, from where a failure is found to where it is shown.
//! * [`text`]: texts of others, made harmless before people see them.
//!
//! No client, no I/O, no clock.

pub mod backoff;
pub mod cache;
pub mod duration;
pub mod reason;
pub mod text;

pub use backoff::Backoff;
pub use cache::Cache;
pub use reason::Reason;
