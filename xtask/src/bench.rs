//! `cargo xtask bench`: how fast tiphys is, beside what the servers themselves need.

use std::path::PathBuf;
use std::process::Command;

use tiphys_testbed::{Programs, Progress};

use crate::command::{self, cargo, find, workspace};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Measure only this (latency, backlog, memory, stop, languages, simulate); may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Measure a little of everything: shows that it works, not how fast it is
    #[arg(long)]
    quick: bool,
    /// Where the figures are written as JSON; by default target/bench/latest.json
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
}

/// Builds what users run, and what measures it.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let Args { only, quick, json } = args;
    let programs = Programs::locate(Progress::Shown)?;
    let packages = [
        "build",
        "--release",
        "--package",
        "tiphys",
        "--package",
        "tiphys-bench",
    ];
    let built = command::build(cargo(packages))?;
    let mut bench = Command::new(find(&built, "tiphys-bench")?);
    bench.arg("--tiphys").arg(find(&built, "tiphys")?);
    bench
        .arg("--story")
        .arg(workspace().join("examples/auto-ingress"));
    let latest = || workspace().join("target/bench/latest.json");
    bench.arg("--json").arg(json.clone().unwrap_or_else(latest));
    bench.args(only.iter().flat_map(|name| ["--only", name]));
    bench.args(quick.then_some("--quick"));
    bench.envs(programs.variables());
    command::run(&mut bench)
}
