//! `cargo xtask check`: what can be said about the sources without a server.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::command::{self, cargo, workspace};

/// Files that a list declares by a macro, where `cargo fmt` does not find them.
const LISTED: &str = "crates/eventsource/src/source";

/// Runs every check, also after one has failed, so that one run shows all there is to mend.
pub(crate) fn run() -> anyhow::Result<()> {
    let failures: Vec<String> = checks()?
        .iter_mut()
        .filter_map(|check| command::run(check).err())
        .map(|error| format!("{error:#}"))
        .collect();
    anyhow::ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

fn checks() -> anyhow::Result<Vec<Command>> {
    let mut docs = cargo(["doc", "--workspace", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "-D warnings");
    let mut checks = vec![
        cargo(["fmt", "--all", "--check"]),
        format_of_listed()?,
        clippy(["--workspace", "--all-targets"]),
        // Not tested by default, and so no part of "all targets". Of the workspace, like the rest: a package alone
        // has its dependencies built once more, with other features.
        clippy(["--workspace", "--test=cluster"]),
        docs,
        // Its tests compare `crds/*.yaml` with what the types say.
        cargo(["test", "--workspace", "--lib", "crd"]),
    ];
    if command::is_installed("cargo", &["deny", "--version"]) {
        checks.push(deny());
    } else {
        eprintln!("── skipped: licences and advisories need `cargo install --locked cargo-deny`");
    }
    Ok(checks)
}

fn format_of_listed() -> anyhow::Result<Command> {
    let folder = workspace().join(LISTED);
    let entries = fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut files: Vec<PathBuf> = paths.collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files.sort_unstable();
    let mut format = Command::new("rustfmt");
    format.args(["--check", "--edition", "2024"]).args(files);
    Ok(format)
}

fn clippy<const N: usize>(what: [&str; N]) -> Command {
    let mut clippy = cargo(["clippy"]);
    clippy.args(what).args(["--", "-D", "warnings"]);
    clippy
}

/// The advisories are fetched: without a way out, only the rest is checked.
fn deny() -> Command {
    let mut deny = cargo(["deny", "check"]);
    if std::env::var_os("TIPHYS_OFFLINE").is_some_and(|value| value != "0" && !value.is_empty()) {
        deny.args(["bans", "licenses", "sources"]);
    }
    deny
}
