//! `tiphys run`: the event sources and sensors of files, in one process.

mod bus;
mod parts;
mod process;

use std::process::ExitCode;

use anyhow::bail;
use tracing::{error, warn};

use crate::args::{LogArgs, RunArgs};
use crate::cluster::Cluster;
use crate::files::{self, Loaded};
use crate::logging::Logging;
use crate::process::Signals;
use bus::Buses;
use parts::Parts;

pub(crate) fn main(args: RunArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    crate::process::start(log, None, |logging| run(args, logging))
}

async fn run(args: RunArgs, logging: Logging) -> anyhow::Result<ExitCode> {
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
    let parts = Parts::assemble(loaded, cluster.ok(), &mut buses, &logging).await;
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
