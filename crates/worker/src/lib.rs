//! Runs event sources and sensors: the object in the folder of a pod, or those of manifests.
//!
//! Objects come from a source of specs, are known by their key, and run beside each other, each with
//! a lease, runners and a report of its own; buses are shared. What is missing (a sound spec, the
//! lease, the bus) is waited for and reported, and never a reason to end: a pod that restarts says
//! less.

mod buses;
mod connection;
mod context;
mod error;
mod files;
mod key;
mod ports;
mod print;
mod process;
mod report;
mod runner;
mod spec;
mod specs;
mod supervisor;
mod unit;

pub use buses::Name;
pub use error::Error;
pub use files::Files;
pub use key::{Key, Kind};
pub use process::{Manifests, OpenBus, Pages, Pod, manifests, pod};
pub use spec::Spec;
pub use specs::Edition;
