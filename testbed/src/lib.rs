//! Real servers for tests, the demo and the benchmarks: a control plane (etcd and kube-apiserver)
//! and NATS with JetStream. Plain threads and processes, so that `xtask` stays quick to build.
//!
//! [`Programs`] says where the server programs are and gets the missing ones; [`ControlPlane`] and
//! [`Nats`] run them in a [`Scratch`] folder that takes everything down with it.

mod broker;
mod certificates;
mod control_plane;
mod http;
mod nats;
mod ports;
mod process;
mod programs;
mod progress;
mod scratch;

pub use broker::pulsar::TOKEN as PULSAR_TOKEN;
pub use broker::{BrokerOptions, BrokerServer};
pub use certificates::Certificates;
pub use control_plane::{ControlPlane, ControlPlaneOptions, User};
pub use http::Response;
pub use nats::{Auth, Nats, NatsOptions, Tls};
pub use ports::free_port;
pub use process::{Process, is_alive};
pub use programs::{Broker, NodePrograms, Programs, bus_client, nats_server};
pub use progress::Progress;
pub use scratch::Scratch;

use std::thread;
use std::time::{Duration, Instant};

/// How long anything is waited for before it has failed.
///
/// On a machine that does ten other things what takes a second may take a minute, and what works never
/// meets it.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// How often a condition is looked at while it is awaited.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Waits until `condition` gives a value.
///
/// # Errors
/// When `patience` is over, or at once when `condition` fails.
pub fn wait_for<T>(
    what: &str,
    patience: Duration,
    mut condition: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            anyhow::bail!("{what} did not happen within {patience:?}");
        }
        thread::sleep(POLL_INTERVAL);
    }
}
