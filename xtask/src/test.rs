//! `cargo xtask test`: every test of the workspace, the stories against real servers and in a cluster
//! included, and a drill.

mod cluster;
mod heavy;
mod summary;

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use tiphys_testbed::{Broker, Programs, Progress};

use crate::command::{Profile, build_binary, cargo, for_each_line, status_of};
use crate::drill::{self, BINARY_VARIABLE};
use cluster::Choice;
use summary::Summary;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run only the tests whose names contain one of these
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,

    /// Run only the tests of this package
    #[arg(long, short, value_name = "PACKAGE", conflicts_with = "cluster")]
    package: Option<String>,

    /// Run the stories on large servers (Pulsar: 235 MB) too, whether what they test has changed or not
    #[arg(long, conflicts_with_all = ["package", "cluster"])]
    all_kinds: bool,

    /// Run only the stories that need a cluster with nodes: one of `cargo xtask node` on this
    /// machine, which is started and stopped unless it runs already
    #[arg(long)]
    cluster: bool,

    /// Use the cluster of this context; the image is loaded if it is kind's
    #[arg(long, value_name = "NAME", requires = "cluster")]
    context: Option<String>,

    /// Use the cluster of this kubeconfig
    #[arg(long, value_name = "FILE", requires = "cluster")]
    kubeconfig: Option<PathBuf>,
}

/// Runs what was asked for: all of it, if nothing was.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let Args {
        filters,
        package,
        all_kinds,
        cluster,
        context,
        kubeconfig,
    } = args;
    let mut summary = Summary::default();
    let mut passed = true;
    let everything = package.is_none() && filters.is_empty();
    if !cluster {
        let wanted = Wanted {
            package: package.as_deref(),
            filters: &filters,
            all_kinds,
        };
        passed &= run_here(&wanted, &mut summary)?;
    }
    let mut skipped = None;
    if cluster || everything {
        let choice = Choice::new(context, kubeconfig);
        match cluster::run(choice, &filters, &mut summary) {
            Ok(None) => {}
            Ok(Some(reason)) if cluster => anyhow::bail!("no cluster: {reason}"),
            Ok(Some(reason)) => skipped = Some(reason),
            Err(error) => {
                eprintln!("error: {error:#}");
                passed = false;
            }
        }
    }
    eprintln!("{summary}");
    if let Some(reason) = skipped {
        eprintln!("the stories that need a cluster were not run: {reason}");
    }
    anyhow::ensure!(passed, "the tests failed");
    Ok(())
}

/// How many tests run at a time, if nobody says it: most of them wait for servers.
const THREADS: &str = "RUST_TEST_THREADS";
const AT_ONCE: &str = "4";

/// Which tests are wanted.
struct Wanted<'a> {
    package: Option<&'a str>,
    filters: &'a [String],
    /// Those on large servers in any case.
    all_kinds: bool,
}

/// Gets the servers, builds the product and runs the tests that need no nodes; all of them with those on
/// large servers, if these are due, and a drill.
fn run_here(wanted: &Wanted<'_>, summary: &mut Summary) -> anyhow::Result<bool> {
    let Wanted {
        package,
        filters,
        all_kinds,
    } = *wanted;
    let everything = package.is_none() && filters.is_empty();
    let programs = Programs::locate(Progress::Shown)?;
    let mut brokers = Vec::new();
    for broker in Broker::ALL {
        brokers.push((broker.variable(), broker.locate(Progress::Shown)?));
    }
    let binary = build_binary(Profile::Dev)?;
    let mut tests = cargo(["test", "--no-fail-fast"]);
    match package {
        Some(package) => tests.args(["--package", package]),
        None => tests.arg("--workspace"),
    };
    tests
        .envs(programs.variables())
        .envs(brokers)
        .env(BINARY_VARIABLE, &binary);
    let mut passed = run_tests(&mut tests, filters, summary)?;
    if everything || all_kinds {
        match heavy::run(all_kinds, &programs, filters, summary)? {
            heavy::Told::Ran { passed: all } => passed &= all,
            heavy::Told::Unchanged => eprintln!(
                "── the stories on large servers were not run: what they test is as it was when they passed \
                 (--all-kinds runs them)"
            ),
        }
    }
    if everything && let Err(error) = drill::run_usual(&programs, &binary) {
        eprintln!("error: {error:#}");
        passed = false;
    }
    Ok(passed)
}

/// Runs a `cargo test`, and says whether all of it passed.
fn run_tests(
    tests: &mut Command,
    filters: &[String],
    summary: &mut Summary,
) -> anyhow::Result<bool> {
    if env::var_os(THREADS).is_none() {
        tests.env(THREADS, AT_ONCE);
    }
    tests
        .arg("--")
        .args(["--color", if is_watched() { "always" } else { "never" }])
        .args(filters);
    let status = status_of(tests, |tests| forward_output(tests, summary))?;
    Ok(status.success())
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
