//! `tiphys pause` and `tiphys resume`: event sources and sensors of a cluster stop and run again.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tiphys_live::pause::{Act, Objects, Target};
use tiphys_runtime::cluster::Cluster;
use tiphys_runtime::process;

use crate::args::{KubeconfigArgs, LogArgs};

#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    /// The objects: `sensor/NAME` or `eventsource/NAME`
    #[arg(
        value_name = "KIND/NAME",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    pub(crate) targets: Vec<Target>,
    /// All Sensors of the namespace
    #[arg(long)]
    pub(crate) all: bool,
    /// Change nothing, and say what would be changed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Namespace of the objects; by default that of the kubeconfig's context
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    #[command(flatten)]
    pub(crate) kubeconfig: KubeconfigArgs,
}

pub(crate) fn main(act: Act, args: PauseArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log.settings_of_an_answer(), None, |_| run(act, args))
}

async fn run(act: Act, args: PauseArgs) -> anyhow::Result<ExitCode> {
    let PauseArgs {
        targets,
        all,
        dry_run,
        namespace,
        kubeconfig,
    } = args;
    let cluster = Cluster::open(&kubeconfig.wanted(), false).await?;
    let namespace = namespace.unwrap_or_else(|| cluster.namespace.clone());
    let objects = Objects {
        client: cluster.user(&namespace, "")?.client,
        namespace,
        is_dry: dry_run,
    };
    let targets = if all {
        objects.sensors().await?
    } else {
        targets
    };
    if targets.is_empty() {
        eprintln!("no Sensors in namespace {}", objects.namespace);
    }
    let mut code = ExitCode::SUCCESS;
    for target in &targets {
        match objects.set(target, act).await {
            Ok(outcome) => {
                let line = act.said(target, &objects.namespace, outcome, dry_run);
                writeln!(std::io::stdout(), "{line}").context("write to standard output")?;
            }
            // The others are no matter of this one.
            Err(error) => {
                eprintln!("tiphys: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
