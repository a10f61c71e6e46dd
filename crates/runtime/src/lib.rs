//! What every process that stays needs: threads and signals, tasks that are awaited, log lines, the
//! admin port, leader election, and the cluster it acts on.
//!
//! It knows neither the command line nor what is run.

pub mod admin;
pub mod cluster;
pub mod election;
mod error;
mod kubeconfig;
pub mod logging;
pub mod process;
mod signals;
mod tasks;

pub use error::Error;
pub use kubeconfig::Kubeconfig;
pub use signals::Signals;
pub use tasks::{BoxError, Group};
