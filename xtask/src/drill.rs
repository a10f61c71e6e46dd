//! `cargo xtask drill`: random faults on real servers under load, and everything right in the end.

use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;

use tiphys_testbed::{Programs, Progress};

use crate::command::{self, MESSAGES, Profile, build_binary, built, cargo, find};

/// Names the `tiphys` program for what runs it as its users do.
pub(crate) const BINARY_VARIABLE: &str = "TIPHYS_BIN";

/// The drill that is a part of all tests: a seed that once found a loss. What a change has to pass is the
/// same for every change; others are for `cargo xtask drill`.
const SEED: u64 = 24;

/// How long a drill lasts if nothing is said: every kind of fault befalls every part at least once.
const MINUTES: &str = "5";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long faults and load last; the start and the end take as long as they take
    #[arg(long, value_name = "N", default_value = MINUTES)]
    minutes: NonZeroU32,
    /// Repeat the faults and the load of the drill with this seed and this length
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let Args { minutes, seed } = args;
    let programs = Programs::locate(Progress::Shown)?;
    let tiphys = build_binary(Profile::Dev)?;
    let mut arguments = vec!["--minutes".to_owned(), minutes.to_string()];
    arguments.extend(seed.iter().map(|seed| format!("--seed={seed}")));
    start(&programs, &tiphys, &arguments)
}

/// Runs the drill that is a part of all tests.
pub(crate) fn run_usual(programs: &Programs, tiphys: &Path) -> anyhow::Result<()> {
    let seed = format!("--seed={SEED}");
    start(
        programs,
        tiphys,
        &["--minutes".to_owned(), MINUTES.to_owned(), seed],
    )
}

fn start(programs: &Programs, tiphys: &Path, arguments: &[String]) -> anyhow::Result<()> {
    // The whole workspace decides about features, as in a run of all tests: nothing is built twice.
    let mut build = cargo(["build", "--workspace", "--bin", "tiphys-drill"]);
    build.args(MESSAGES);
    let mut drill = Command::new(find(&built(build)?, "tiphys-drill")?);
    drill
        .args(arguments)
        .envs(programs.variables())
        .env(BINARY_VARIABLE, tiphys);
    command::run(&mut drill)
}
