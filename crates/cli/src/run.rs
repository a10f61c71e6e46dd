//! `tiphys run`: the event sources and sensors of files, in one process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use tiphys_api::manifest::Content;
use tiphys_runtime::logging::Logging;
use tiphys_runtime::{Signals, process};
use tiphys_worker::{Manifests, Name, Spec};
use tracing::{error, warn};

use crate::args::{ClusterArgs, FileArgs, LogArgs};
use crate::bus::NatsArgs;
use crate::files::{self, Loaded, Program};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) files: FileArgs,
    #[command(flatten)]
    pub(crate) nats: NatsArgs,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Where metrics and health are served; port 0 takes a free one
    #[arg(
        long,
        help_heading = "Admin port",
        env = "TIPHYS_ADMIN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:7777"
    )]
    pub(crate) admin: SocketAddr,
}

pub(crate) fn main(args: RunArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log.settings(), None, |logging| run(args, logging))
}

async fn run(args: RunArgs, logging: Logging) -> anyhow::Result<ExitCode> {
    let RunArgs {
        files,
        nats,
        cluster,
        admin,
    } = args;
    let mut signals = Signals::open()?;
    let is_named = cluster.kubeconfig.is_named();
    let cluster = match cluster.open().await {
        // What was named has to be there; without a cluster, everything else runs.
        Err(error) if is_named => return Err(error.into()),
        cluster => cluster,
    };
    let namespace = cluster
        .as_ref()
        .map_or("default", |cluster| cluster.namespace.as_str());
    let loaded = files::load(&files.all(), namespace)?;
    tell(&loaded);
    let manifests = Manifests {
        server: nats.server("tiphys run")?,
        streams: settings(&loaded, namespace),
        specs: specs(loaded),
        admin,
    };
    if manifests.specs.is_empty() {
        bail!("nothing to run: no EventSource or Sensor without errors in these files");
    }
    let running = tiphys_worker::manifests(manifests, cluster, logging, &mut signals);
    Ok(Box::pin(running).await)
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

/// What can run.
fn specs(loaded: Loaded) -> Vec<Spec> {
    let specs = loaded.objects.into_iter().filter_map(|loadable| {
        match (loadable.program, loadable.object.content) {
            (Some(Program::Sensor(compiled)), Content::Sensor(object)) => {
                Some(Spec::sensor(*object, *compiled))
            }
            (Some(Program::EventSource(compiled)), Content::EventSource(object)) => {
                Some(Spec::event_source(*object, *compiled))
            }
            _ => None,
        }
    });
    specs.collect()
}

/// The `streamConfig` of each EventBus.
fn settings(loaded: &Loaded, namespace: &str) -> BTreeMap<Name, String> {
    let mut settings = BTreeMap::new();
    for loadable in &loaded.objects {
        let Content::EventBus(event_bus) = &loadable.object.content else {
            continue;
        };
        let metadata = &event_bus.metadata;
        let text = event_bus.spec.stream_config();
        if let (Some(name), Some(text)) = (&metadata.name, text) {
            let namespace = metadata.namespace.as_deref().unwrap_or(namespace);
            settings.insert((namespace.to_owned(), name.clone()), text.to_owned());
        }
    }
    settings
}
