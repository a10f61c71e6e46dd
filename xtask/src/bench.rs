//! `cargo xtask bench`: how fast tiphys is, beside what the servers themselves need.

use std::path::{Path, PathBuf};
use std::process::Command;

use tiphys_testbed::{Programs, Progress};

use crate::command::{self, MESSAGES, Profile, build_binary, built, cargo, find, workspace};
use crate::image::{self, Target};
use crate::install::{Kubectl, install};
use crate::node::{Node, Started};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Measure only this (latency, backlog, memory, controller, pods, stop, webhook, brokers, languages, bounds, storm,
    /// simulate); may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Measure the pods on the node of `cargo xtask node` instead: installs the image there and leaves
    /// both as they are
    #[arg(long, conflicts_with = "only")]
    cluster: bool,
    /// Measure a little of everything: shows that it works, not how fast it is
    #[arg(long)]
    quick: bool,
    /// Where the figures are written as JSON; by default target/bench/latest.json
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
}

/// Builds what users run, and what measures it.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let Args {
        only,
        cluster,
        quick,
        json,
    } = args;
    let programs = Programs::locate(Progress::Shown)?;
    // How fast the pods are says nothing in a quick run, and a debug build is there sooner.
    let profile = if *cluster && *quick {
        Profile::Dev
    } else {
        Profile::Release
    };
    let tiphys = build_binary(profile)?;
    let mut bench = cargo(["build", "--package", "tiphys-bench"]);
    bench.args((profile == Profile::Release).then_some("--release"));
    bench.args(MESSAGES);
    let mut bench = Command::new(find(&built(bench)?, "tiphys-bench")?);
    bench.arg("--tiphys").arg(&tiphys);
    bench
        .arg("--story")
        .arg(workspace().join("examples/auto-ingress"));
    let latest = || workspace().join("target/bench/latest.json");
    bench.arg("--json").arg(json.clone().unwrap_or_else(latest));
    bench.args(only.iter().flat_map(|name| ["--only", name]));
    bench.args(quick.then_some("--quick"));
    bench.envs(programs.variables());
    if *cluster {
        let kubeconfig = installed(&tiphys, profile)?;
        bench.args(["--only", "cluster"]);
        bench.arg("--kubeconfig").arg(kubeconfig);
    }
    command::run(&mut bench)
}

/// Brings the program to the node; returns the node's kubeconfig.
fn installed(tiphys: &Path, profile: Profile) -> anyhow::Result<PathBuf> {
    let node = Node::new()?;
    if !node.is_running()
        && let Started::Unable(reason) = node.up()?
    {
        anyhow::bail!("no node can run here: {reason}");
    }
    let image = image::pack(tiphys, profile, &image::default_tag(), None)?;
    image::load(&image, &Target::Containerd(node.containerd()))?;
    let kubectl = Kubectl {
        program: node.programs().join("kubectl"),
        kubeconfig: Some(node.kubeconfig()),
        context: None,
    };
    install(&kubectl)?;
    Ok(node.kubeconfig())
}
