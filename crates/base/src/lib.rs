//! What several crates need and none of them owns.
//!
//! * [`reason`]: the closed set of reasons, from where a failure is found to where it is shown.
//!
//! No client, no I/O, no clock.

pub mod reason;

pub use reason::Reason;
