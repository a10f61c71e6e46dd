//! Child processes whose command line, output and time the user sees.

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::Context as _;
use serde_json::Value;

/// The folder of the workspace.
pub(crate) fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The cargo that runs this, in the folder of the workspace.
pub(crate) fn cargo<const N: usize>(args: [&str; N]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(args)
        .current_dir(workspace())
        .stdin(Stdio::null());
    command
}

/// True if `program` can be started.
pub(crate) fn is_installed(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs `command` to its end and says how it went.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = status_of(command, Command::status)?;
    anyhow::ensure!(status.success(), "`{}` failed ({status})", line(command));
    Ok(())
}

/// Runs `command` by `start` and says how it went and how long it took.
pub(crate) fn status_of(
    command: &mut Command,
    start: impl FnOnce(&mut Command) -> std::io::Result<ExitStatus>,
) -> anyhow::Result<ExitStatus> {
    let line = line(command);
    eprintln!("── {line}");
    let started = Instant::now();
    let status = start(command).with_context(|| format!("run `{line}`"))?;
    let outcome = if status.success() { "ok" } else { "FAILED" };
    eprintln!(
        "── {outcome} in {:.1} s: {line}",
        started.elapsed().as_secs_f32()
    );
    Ok(status)
}

fn line(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .map(OsString::from);
    let words = program
        .into_iter()
        .chain(command.get_args().map(OsString::from));
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// How the program is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Profile {
    /// What users run
    Release,
    /// Built in a moment; for tests
    Dev,
}

/// Builds the `tiphys` program by itself, as users do, and returns where cargo put it. Built together
/// with other packages it would have their features of common dependencies.
pub(crate) fn build_binary(profile: Profile) -> anyhow::Result<PathBuf> {
    let mut build = cargo(["build", "--package", "tiphys", "--bin", "tiphys"]);
    build.args((profile == Profile::Release).then_some("--release"));
    build.args(MESSAGES);
    find(&built(build)?, "tiphys")
}

/// Builds the program with what no usual build has, as a file beside the usual one, which is there afterwards.
pub(crate) fn build_with_all_kinds() -> anyhow::Result<PathBuf> {
    let mut build = cargo(["build", "--package", "tiphys", "--bin", "tiphys"]);
    build.args(["--features", "hdfs"]).args(MESSAGES);
    let program = find(&built(build)?, "tiphys")?;
    let kept = program.with_file_name("tiphys-all-kinds");
    std::fs::copy(&program, &kept).with_context(|| format!("write {}", kept.display()))?;
    build_binary(Profile::Dev)?;
    Ok(kept)
}

/// What makes cargo say where it puts programs.
pub(crate) const MESSAGES: [&str; 2] = ["--message-format", "json-render-diagnostics"];

/// Runs a build with [`MESSAGES`] and returns where cargo put the programs.
pub(crate) fn built(mut build: Command) -> anyhow::Result<Vec<PathBuf>> {
    let mut programs = Vec::new();
    let status = status_of(&mut build, |build| {
        for_each_line(build, |line| programs.extend(executable(line)))
    })?;
    anyhow::ensure!(status.success(), "the build failed");
    Ok(programs)
}

/// The program `name` among those that were built.
pub(crate) fn find(built: &[PathBuf], name: &str) -> anyhow::Result<PathBuf> {
    let program = built
        .iter()
        .find(|path| path.file_stem().is_some_and(|stem| stem == name));
    program
        .cloned()
        .with_context(|| format!("cargo did not say where it put `{name}`"))
}

/// The program that a line of cargo's JSON tells about.
fn executable(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    Some(PathBuf::from(message.get("executable")?.as_str()?))
}

/// Runs `command` and hands over each line of its standard output as it comes.
pub(crate) fn for_each_line(
    command: &mut Command,
    mut read: impl FnMut(&str),
) -> io::Result<ExitStatus> {
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
