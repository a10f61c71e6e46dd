//! The event sources and sensors of manifests, in one process.

mod bus;
mod parts;
mod process;

pub use bus::{Buses, Name};
pub use parts::Parts;
pub use process::run;
