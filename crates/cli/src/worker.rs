//! `tiphys eventsource` and `tiphys sensor`: the process in the pod of one object.
//!
//! It reads files only, and follows their changes. What is missing (a sound spec, the lease, the bus)
//! is waited for and reported, and never a reason to end: a pod that restarts says less.

mod connection;
mod files;
mod life;
mod opening;
mod report;
mod spec;
mod work;

use std::hash::{BuildHasher as _, RandomState};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::admin::Admin;
use crate::args::{LogArgs, WorkerArgs};
use crate::assembly::Assembly;
use crate::cluster::Cluster;
use crate::lease::Timing;
use crate::logging::Logging;
use crate::process::{self, Signals};
use connection::Folders;
use life::Worker;
use report::Reports;
use work::Workshop;

/// The most threads that a worker computes on: on a machine with many cores, each would cost memory.
const THREADS: usize = 4;

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    EventSource,
    Sensor,
}

/// Who the process is.
#[derive(Debug, Clone)]
struct Pod {
    name: String,
    /// `None`: that of the object.
    namespace: Option<String>,
}

pub(crate) fn main(kind: Kind, args: WorkerArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log, Some(THREADS), |logging| run(kind, args, logging))
}

async fn run(kind: Kind, args: WorkerArgs, logging: Logging) -> anyhow::Result<ExitCode> {
    let WorkerArgs {
        spec,
        bus_auth,
        values,
        admin: address,
        pod_name,
        pod_namespace,
        cluster,
    } = args;
    let mut signals = Signals::open()?;
    let (assembly, registry) = Assembly::new(&logging);
    let (reports, latest) = Reports::new();
    let admin = Arc::new(Admin::new(registry, Some(latest)));
    let server = process::open_admin(address, &admin).await?;
    let stop_admin = CancellationToken::new();
    let mut admin_tasks = JoinSet::new();
    admin_tasks.spawn(server.serve(stop_admin.clone()));

    let cluster = Cluster::open(&cluster).await;
    if let Err(error) = &cluster {
        let error = format!("{error:#}");
        warn!(error, "There is no cluster to act on: pass --kubeconfig");
    }
    let pod = Pod {
        name: pod_name.unwrap_or_else(unique_name),
        namespace: pod_namespace,
    };
    let folders = Folders {
        spec,
        auth: bus_auth,
        values,
    };
    let workshop = Workshop::new(assembly, cluster.ok(), logging.fields, &folders.values);
    let worker = Worker::new(kind, pod, folders, Timing::from_env(), workshop);
    let code = worker.run(&mut signals, reports, &admin).await;
    stop_admin.cancel();
    admin_tasks.shutdown().await;
    Ok(code)
}

/// A name that no other process has, for a process that is in no pod.
pub(crate) fn unique_name() -> String {
    let random = RandomState::new().hash_one(std::process::id());
    format!("tiphys-{}-{random:016x}", std::process::id())
}
