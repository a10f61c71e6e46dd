//! `cargo xtask test`: every test of the workspace, the stories against real servers included.

mod summary;

use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::Context as _;
use serde_json::Value;
use tiphys_testbed::{Programs, Progress};

use crate::command::{cargo, status_of};
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

/// Builds the `tiphys` program and returns where cargo put it.
fn build_binary() -> anyhow::Result<PathBuf> {
    let mut build = cargo(["build", "--package", "tiphys", "--bin", "tiphys"]);
    build.args(["--message-format", "json-render-diagnostics"]);
    let mut binary = None;
    let status = status_of(&mut build, |build| {
        for_each_line(build, |line| binary = executable(line).or(binary.take()))
    })?;
    anyhow::ensure!(status.success(), "`tiphys` does not build");
    binary.context("cargo did not say where it put `tiphys`")
}

/// The program that a line of cargo's JSON tells about.
fn executable(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    Some(PathBuf::from(message.get("executable")?.as_str()?))
}

fn forward_output(tests: &mut Command, summary: &mut Summary) -> io::Result<ExitStatus> {
    for_each_line(tests, |line| {
        summary.read(line);
        // Whoever closed the output still wants the exit code.
        drop(writeln!(io::stdout().lock(), "{line}"));
    })
}

/// Runs `command` and hands over each line of its standard output as it comes.
fn for_each_line(command: &mut Command, mut read: impl FnMut(&str)) -> io::Result<ExitStatus> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    if let Some(output) = child.stdout.take() {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line)? > 0 {
            read(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
            line.clear();
        }
    }
    child.wait()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_where_it_put_a_program() {
        let line = r#"{"reason":"compiler-artifact","executable":"/target/debug/tiphys"}"#;
        assert_eq!(
            executable(line),
            Some(PathBuf::from("/target/debug/tiphys"))
        );
        assert_eq!(
            executable(r#"{"reason":"compiler-artifact","executable":null}"#),
            None
        );
        assert_eq!(executable("not JSON"), None);
    }
}
