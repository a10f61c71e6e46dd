//! `cargo xtask web`: the console's pages, from their sources to `web/dist`.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::command::{self, workspace};

/// Where Debian puts Chromium.
const CHROMIUM: &str = "/usr/bin/chromium";

/// So often Chromium is asked for, as mirrors fail at times.
const DOWNLOADS: usize = 3;

/// How the pages are built.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Build elsewhere, and fail if `web/dist` is not what the sources give
    #[arg(long)]
    check: bool,
    /// Then test the pages in Chromium
    #[arg(long)]
    browser: bool,
}

/// Gets the packages, looks at the sources, tests them and builds `web/dist`.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    anyhow::ensure!(
        command::is_installed("npm", &["--version"]),
        "the pages are built with Node, version 20 or later: neither `node` nor `npm` is installed"
    );
    command::run(&mut npm(["ci"]))?;
    for script in ["lint", "types", "test"] {
        command::run(&mut npm(["run", script]))?;
    }
    if args.check {
        check()?;
    } else {
        command::run(&mut npm(["run", "build"]))?;
    }
    if args.browser {
        browser()?;
    }
    Ok(())
}

fn npm<const N: usize>(args: [&str; N]) -> Command {
    let mut npm = Command::new("npm");
    npm.args(args).current_dir(web()).stdin(Stdio::null());
    npm
}

fn web() -> PathBuf {
    workspace().join("web")
}

/// Builds beside `dist` and compares.
fn check() -> anyhow::Result<()> {
    let aside = workspace().join("target/web-dist");
    let mut build = npm(["run", "build", "--", "--into"]);
    command::run(build.arg(&aside))?;
    let differing = differing(&files(&web().join("dist"))?, &files(&aside)?);
    fs::remove_dir_all(&aside).with_context(|| format!("remove {}", aside.display()))?;
    anyhow::ensure!(
        differing.is_empty(),
        "web/dist is not what the sources give: {}; run `cargo xtask web` and commit it",
        differing.join(", ")
    );
    Ok(())
}

type Files = BTreeMap<String, Vec<u8>>;

/// The files of a folder and of those in it, by their paths.
fn files(folder: &Path) -> anyhow::Result<Files> {
    let mut found = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = fs::read_dir(&next).with_context(|| format!("read {}", next.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder)?.display().to_string();
            let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            found.insert(name, bytes);
        }
    }
    Ok(found)
}

/// The files that are only in one of both, or differ.
fn differing(there: &Files, wanted: &Files) -> Vec<String> {
    let names = there.keys().chain(wanted.keys());
    let mut differing: Vec<String> = names
        .filter(|name| there.get(*name) != wanted.get(*name))
        .cloned()
        .collect();
    differing.sort_unstable();
    differing.dedup();
    differing
}

/// Tests the pages in Chromium, which root gets from Debian if it is not there.
fn browser() -> anyhow::Result<()> {
    let chromium = env::var("CHROMIUM").unwrap_or_else(|_| CHROMIUM.to_owned());
    if !Path::new(&chromium).exists() {
        install(&chromium)?;
    }
    command::run(npm(["run", "browser"]).env("CHROMIUM", &chromium))
}

fn install(chromium: &str) -> anyhow::Result<()> {
    let identity = Command::new("id").arg("-u").output();
    let is_root = identity.is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    anyhow::ensure!(
        is_root && command::is_installed("apt-get", &["--version"]),
        "{chromium} is not there: install Chromium, or say in CHROMIUM where it is"
    );
    let apt = |args: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(["-o", "Acquire::Retries=3"])
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive");
        command::run(apt.stdin(Stdio::null()))
    };
    attempted(DOWNLOADS, || {
        apt(&["update"])?;
        apt(&["install", "--yes", "--no-install-recommends", "chromium"])
    })
}

/// Does something again if it fails, until it has been tried so often.
fn attempted(most: usize, mut act: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    for _ in 1..most {
        match act() {
            Ok(()) => return Ok(()),
            Err(error) => eprintln!("{error:#}; once more"),
        }
    }
    act()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files<const N: usize>(files: [(&str, &str); N]) -> Files {
        let files = files.into_iter();
        files
            .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn what_fails_is_tried_again_three_times_in_all() {
        let mut tries = 0;
        let mut until = |succeeds: usize| {
            tries = 0;
            let outcome = attempted(3, || {
                tries += 1;
                anyhow::ensure!(tries >= succeeds, "no mirror");
                Ok(())
            });
            (outcome.is_ok(), tries)
        };
        assert_eq!(until(1), (true, 1));
        assert_eq!(until(3), (true, 3));
        assert_eq!(until(4), (false, 3));
    }

    #[test]
    fn files_that_are_missing_or_more_or_other_differ() {
        let there = files([("index.html", "a"), ("assets/old.js", "x"), ("same", "s")]);
        let wanted = files([("index.html", "b"), ("assets/new.js", "x"), ("same", "s")]);
        assert_eq!(
            differing(&there, &wanted),
            ["assets/new.js", "assets/old.js", "index.html"]
        );
        assert!(differing(&wanted, &wanted).is_empty());
    }
}
