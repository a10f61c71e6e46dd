//! `tiphys run`: the event sources and sensors of files, in one process.

mod bus;
mod cluster;
mod parts;
mod process;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use tiphys_sensor::execute::log;
use tracing::{error, warn};

use crate::args::{LogArgs, RunArgs};
use crate::files::{self, Loaded};
use crate::logging;
use crate::signals::Signals;
use bus::Buses;
use cluster::Cluster;
use parts::Parts;

pub(crate) fn main(args: RunArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    let sink = logging::start(log)?;
    // Both crates that speak TLS may be built with other providers too; this one is meant.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(run(args, sink));
    // A jq program that is still running must not hold the process up.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

async fn run(args: RunArgs, sink: Arc<dyn log::Sink>) -> anyhow::Result<ExitCode> {
    let RunArgs {
        files,
        nats,
        cluster,
        admin,
    } = args;
    let mut signals = Signals::open()?;
    let cluster = Cluster::open(&cluster).await;
    let namespace = cluster
        .as_ref()
        .map_or("default", |cluster| cluster.namespace.as_str());
    let loaded = files::load(&files, namespace)?;
    tell(&loaded);
    let mut buses = tokio::select! {
        buses = Buses::open(nats, &loaded, namespace) => buses?,
        _ = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    if let Err(error) = &cluster {
        let error = format!("{error:#}");
        warn!(error, "There is no cluster to act on: pass --kubeconfig");
    }
    let parts = Parts::assemble(loaded, cluster.ok(), &mut buses, sink).await;
    if parts.is_empty() {
        bail!("nothing to run: no EventSource or Sensor without errors in these files");
    }
    Ok(process::run(parts, buses, admin, &mut signals).await)
}

/// Says what is wrong with the files; the other objects run.
fn tell(loaded: &Loaded) {
    for fault in &loaded.faults {
        if fault.problem.is_error() {
            error!("{fault}");
        } else {
            warn!("{fault}");
        }
    }
}
