//! `tiphys eventsource` and `tiphys sensor`: the process in the pod of one object.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tiphys_api::worker;
use tiphys_runtime::logging::Logging;
use tiphys_runtime::process;
use tiphys_worker::{Kind, Pod};

use crate::args::{ClusterArgs, LogArgs};

/// The most threads that a worker computes on: on a machine with many cores, each would cost memory.
const THREADS: usize = 4;

/// Where a process in a pod finds what it runs. All files may change while it runs.
#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// Folder with object.json (or object.json.zst) and eventbus.json
    #[arg(long, env = "TIPHYS_SPEC", value_name = "DIR", default_value = worker::SPEC_FOLDER)]
    pub(crate) spec: PathBuf,
    /// Folder with auth.yaml, the login to the event bus
    #[arg(long, env = "TIPHYS_BUS_AUTH", value_name = "DIR", default_value = worker::BUS_AUTH_FOLDER)]
    pub(crate) bus_auth: PathBuf,
    /// Folder with secrets/NAME/KEY and config/NAME/KEY
    #[arg(long, env = "TIPHYS_VALUES", value_name = "DIR", default_value = worker::VALUES_FOLDER)]
    pub(crate) values: PathBuf,
    /// Where metrics, health and the report are served; port 0 takes a free one
    #[arg(long, env = "TIPHYS_ADMIN", value_name = "ADDRESS:PORT",
          default_value_t = SocketAddr::from((Ipv6Addr::UNSPECIFIED, worker::ADMIN_PORT)))]
    pub(crate) admin: SocketAddr,
    /// What whoever asks for the report has to show as a bearer token; by default nothing
    #[arg(long, env = worker::REPORT_KEY_VARIABLE, value_name = "KEY", hide_env_values = true)]
    pub(crate) report_key: Option<String>,
    /// Name of the pod: who holds the lease; by default one that nobody else has
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub(crate) pod_name: Option<String>,
    /// Namespace of the pod and of its lease; by default that of the object
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    pub(crate) pod_namespace: Option<String>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

pub(crate) fn main(kind: Kind, args: WorkerArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log.settings(), Some(THREADS), |logging| {
        run(kind, args, logging)
    })
}

async fn run(kind: Kind, args: WorkerArgs, logging: Logging) -> anyhow::Result<ExitCode> {
    let WorkerArgs {
        spec,
        bus_auth,
        values,
        admin,
        report_key,
        pod_name,
        pod_namespace,
        cluster,
    } = args;
    let pod = Pod {
        kind,
        spec,
        bus_auth,
        values,
        admin,
        report_key,
        name: pod_name,
        namespace: pod_namespace,
    };
    let cluster = cluster.open().await;
    Ok(Box::pin(tiphys_worker::pod(pod, cluster, logging)).await?)
}
