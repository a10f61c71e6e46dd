//! Runs event sources and sensors: the object in the folder of a pod, or those of manifests.
//!
//! What is missing (a sound spec, the lease, the bus) is waited for and reported, and never a reason
//! to end: a pod that restarts says less.

mod assembly;
mod bus;
mod connection;
mod error;
mod files;
mod life;
mod opening;
mod print;
mod report;
pub mod run;
mod spec;
mod values;
mod work;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tiphys_api::message::with_causes;
use tiphys_runtime::admin::Admin;
use tiphys_runtime::cluster::Cluster;
use tiphys_runtime::election::Timing;
use tiphys_runtime::logging::Logging;
use tiphys_runtime::{Signals, process};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use assembly::Assembly;
use connection::Folders;
pub use error::Error;
use life::Worker;
use report::Reports;
pub use spec::Spec;
use work::Workshop;

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An event source.
    EventSource,
    /// A sensor.
    Sensor,
}

/// Who the process is.
#[derive(Debug, Clone)]
struct Pod {
    name: String,
    /// `None`: that of the object.
    namespace: Option<String>,
}

/// What a pod runs, and where it finds it.
#[derive(Debug)]
pub struct Config {
    /// What it is.
    pub kind: Kind,
    /// Folder with its spec and the settings of the bus.
    pub spec: PathBuf,
    /// Folder with the login to the bus.
    pub bus_auth: PathBuf,
    /// Folder with Secrets and `ConfigMaps`.
    pub values: PathBuf,
    /// Where metrics, health and the report are served.
    pub admin: SocketAddr,
    /// Who holds the lease; `None`: a name that nobody else has.
    pub pod_name: Option<String>,
    /// Namespace of the lease; `None`: that of the object.
    pub pod_namespace: Option<String>,
}

/// Runs one object until a signal: the process in its pod.
///
/// # Errors
/// If the process cannot begin.
pub async fn run(
    config: Config,
    cluster: Result<Cluster, tiphys_runtime::Error>,
    logging: Logging,
) -> Result<ExitCode, Error> {
    let Config {
        kind,
        spec,
        bus_auth,
        values,
        admin: address,
        pod_name,
        pod_namespace,
    } = config;
    let mut signals = Signals::open()?;
    let Logging { printer, fields } = logging;
    let (assembly, registry) = Assembly::new(printer);
    let (reports, latest) = Reports::new();
    let admin = Arc::new(Admin::new(registry, Some(latest)));
    let server = process::open_admin(address, &admin).await?;
    let stop_admin = CancellationToken::new();
    let mut admin_tasks = JoinSet::new();
    admin_tasks.spawn(server.serve(stop_admin.clone()));

    if let Err(error) = &cluster {
        let error = with_causes(error);
        warn!(error, "There is no cluster to act on: pass --kubeconfig");
    }
    let pod = Pod {
        name: pod_name.unwrap_or_else(process::unique_name),
        namespace: pod_namespace,
    };
    let folders = Folders {
        spec,
        auth: bus_auth,
        values,
    };
    let workshop = Workshop::new(assembly, cluster.ok(), fields, &folders.values);
    let worker = Worker::new(kind, pod, folders, Timing::from_env(), workshop);
    let code = worker.run(&mut signals, reports, &admin).await;
    stop_admin.cancel();
    admin_tasks.shutdown().await;
    Ok(code)
}
