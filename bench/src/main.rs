//! `tiphys-bench`: measures the program as its users run it, against real servers.
//!
//! Absolute times say as much about the machine as about the program. So each figure is measured
//! beside its floor, in the same run: what the servers, or the machine, need for the least that any
//! program would have to do. `cargo xtask bench` builds everything and starts this.

mod clock;
mod cluster;
mod event;
mod figure;
mod floor;
mod report;
mod tiphys;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use tiphys_testbed::{Programs, Progress};

use figure::Figure;
use report::Report;

/// Measures tiphys.
#[derive(Debug, Parser)]
#[command(name = "tiphys-bench")]
struct Args {
    /// The program to measure
    #[arg(long, value_name = "FILE")]
    tiphys: PathBuf,
    /// The folder of examples/auto-ingress
    #[arg(long, value_name = "FOLDER")]
    story: PathBuf,
    /// Where the figures are written as JSON
    #[arg(long, value_name = "FILE")]
    json: PathBuf,
    /// Measure only this; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<Figure>,
    /// Measure a little of everything: shows that it works, not how fast it is
    #[arg(long)]
    quick: bool,
    /// The cluster of the figure `cluster`, with tiphys installed and its node on this machine
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

/// What every figure needs.
#[derive(Debug)]
struct Bench {
    programs: Programs,
    tiphys: PathBuf,
    story: PathBuf,
    quick: bool,
    kubeconfig: Option<PathBuf>,
}

impl Bench {
    /// A number of repetitions: `full`, or `quick` in a quick run.
    fn count(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// False if something could not be measured. A goal that is missed is a result.
fn run(args: Args) -> anyhow::Result<bool> {
    let Args {
        tiphys,
        story,
        json,
        only,
        quick,
        kubeconfig,
    } = args;
    // Both crates that speak TLS may be built with other providers too; this one is meant.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let programs = Programs::locate(Progress::Shown)?;
    let bench = Bench {
        programs,
        tiphys,
        story,
        quick,
        kubeconfig,
    };
    let mut report = Report::default();
    let mut measured = true;
    for figure in Figure::wanted(&only) {
        eprintln!("── {figure}");
        if let Err(error) = figure.measure(&bench, &mut report) {
            eprintln!("── {figure} could not be measured: {error:#}");
            measured = false;
        }
    }
    report
        .print(&mut std::io::stdout().lock())
        .context("print the table")?;
    report.write(&json)?;
    Ok(measured)
}
