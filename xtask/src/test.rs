//! `cargo xtask test`: every test of the workspace, the stories against real servers included.

mod summary;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::{Command, ExitStatus};

use tiphys_testbed::{Programs, Progress};

use crate::command::{build_binary, cargo, for_each_line, status_of};
use summary::Summary;

/// Names the `tiphys` program for the stories that run it as its users do.
const BINARY_VARIABLE: &str = "TIPHYS_BIN";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run only the tests whose names contain one of these
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,

    /// Run only the tests of this package
    #[arg(long, short, value_name = "PACKAGE")]
    package: Option<String>,
}

/// Gets the servers, builds the product, runs the tests and sums them up.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let Args { filters, package } = args;
    let programs = Programs::locate(Progress::Shown)?;
    let binary = build_binary()?;
    let mut tests = cargo(["test", "--no-fail-fast"]);
    match package {
        Some(package) => tests.args(["--package", &package]),
        None => tests.arg("--workspace"),
    };
    tests
        .arg("--")
        .args(["--color", if is_watched() { "always" } else { "never" }])
        .args(filters);
    tests
        .envs(programs.variables())
        .env(BINARY_VARIABLE, binary);

    let mut summary = Summary::default();
    let status = status_of(&mut tests, |tests| forward_output(tests, &mut summary))?;
    eprintln!("{summary}");
    anyhow::ensure!(status.success(), "the tests failed");
    Ok(())
}

fn is_watched() -> bool {
    io::stdout().is_terminal()
}

fn forward_output(tests: &mut Command, summary: &mut Summary) -> io::Result<ExitStatus> {
    for_each_line(tests, |line| {
        summary.read(line);
        // Whoever closed the output still wants the exit code.
        drop(writeln!(io::stdout().lock(), "{line}"));
    })
}
