//! `cargo xtask link-order`: finds out which functions run in the pods of an `EventSource` and a
//! `Sensor`, and writes them down for the linker (`crates/cli/build.rs`).
//!
//! Stories of pods are run under valgrind's callgrind, which names every function that is called.
//! What only pods of one kind need stands apart: it takes nothing from the others. The names hold hashes of the versions of their crates: a list that is older than
//! `Cargo.lock`, the toolchain or the release profile does no harm and less good, which
//! `cargo xtask bench --cluster` shows.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use tiphys_testbed::{Programs, Progress};

use crate::command::{self, MESSAGES, built, cargo, find, is_installed, workspace};

/// What is written.
const ORDER: &str = "crates/cli/link-order.txt";

/// Where the runs leave what they have seen.
const SEEN: &str = "target/link-order";

/// The story of a pod of a kind that listens, is stopped, and has a successor.
macro_rules! contract {
    ($kind:literal) => {
        concat!(
            "brokers::contract::",
            $kind,
            "::a_pod_that_is_stopped_loses_nothing_that_it_has"
        )
    };
}

/// The test programs of the stories that are watched, and their names. First the life of two pods: their start,
/// an event, and all of it again; then that of a pod of each kind whose memory is bounded
/// (`cargo xtask bench --only brokers`).
const STORIES: [(&str, &str); 7] = [
    (
        "worker",
        "start::a_pair_of_pods_goes_on_in_new_containers_and_repeats_nothing",
    ),
    ("source", contract!("nats_jetstream")),
    ("source", contract!("redis_stream")),
    ("source", contract!("amqp")),
    ("source", contract!("kafka_group")),
    ("source", contract!("mqtt")),
    ("source", contract!("nsq")),
];

/// Builds what users run, watches it work and writes the list.
///
/// # Errors
/// If valgrind is not installed, or a story fails.
pub(crate) fn run() -> anyhow::Result<()> {
    ensure!(
        is_installed("valgrind", &["--version"]),
        "valgrind is not installed: on Debian, `apt-get install valgrind`"
    );
    let programs = Programs::locate(Progress::Shown)?;
    // As it is released, but with the names of its functions.
    let mut release = cargo(["rustc", "--release", "--package", "tiphys"]);
    release.args(["--bin", "tiphys"]).args(MESSAGES);
    release.args(["--", "-C", "strip=none"]);
    release.env("TIPHYS_KEEP_SYMBOLS", "1");
    let binary = find(&built(release)?, "tiphys")?;

    let seen = workspace().join(SEEN);
    if seen.exists() {
        fs::remove_dir_all(&seen).with_context(|| format!("empty {SEEN}"))?;
    }
    let mut stories = Vec::new();
    for (number, story) in STORIES.into_iter().enumerate() {
        let seen = seen.join(number.to_string());
        stories.push(watch(story, &binary, &seen, &programs)?);
    }
    let functions = in_order(stories);
    let count = functions.len();
    let list = functions.join("\n");
    fs::write(workspace().join(ORDER), list + "\n").with_context(|| format!("write {ORDER}"))?;
    eprintln!("{count} functions are in {ORDER}");
    Ok(())
}

/// The functions of the program that a story calls.
fn watch(
    (program, story): (&str, &str),
    binary: &Path,
    seen: &Path,
    programs: &Programs,
) -> anyhow::Result<BTreeSet<String>> {
    fs::create_dir_all(seen).with_context(|| format!("make {}", seen.display()))?;
    let watched = seen.join("tiphys.sh");
    fs::write(&watched, watching(binary, seen)).context("write the script")?;
    fs::set_permissions(&watched, fs::Permissions::from_mode(0o755)).context("its mode")?;
    let mut test = cargo(["test", "--package", "tiphys-tests", "--test", program, "--"]);
    test.args([story, "--exact"])
        .envs(programs.variables())
        .env("TIPHYS_BIN", watched);
    command::run(&mut test)?;

    let mut functions = BTreeSet::new();
    for file in fs::read_dir(seen).with_context(|| format!("read {}", seen.display()))? {
        let calls = fs::read(file?.path())?;
        called(&String::from_utf8_lossy(&calls), binary, &mut functions);
    }
    ensure!(!functions.is_empty(), "no function was seen in {story}");
    Ok(functions)
}

/// Those of a story after those of the stories before it, each once.
fn in_order(stories: impl IntoIterator<Item = BTreeSet<String>>) -> Vec<String> {
    let mut ordered = Vec::new();
    let mut known = BTreeSet::new();
    for functions in stories {
        ordered.extend(functions.difference(&known).cloned());
        known.extend(functions);
    }
    ordered
}

/// A script in the program's place. What was seen is written when it ends, and now and then before.
fn watching(binary: &Path, seen: &Path) -> String {
    let options = "--tool=callgrind --compress-strings=no --demangle=no --dump-every-bb=3000000";
    format!(
        "#!/bin/sh\nexec valgrind --quiet {options} --callgrind-out-file='{}/seen.%p' '{}' \"$@\"\n",
        seen.display(),
        binary.display()
    )
}

/// Adds the functions of the program that callgrind has seen called.
fn called(text: &str, binary: &Path, functions: &mut BTreeSet<String>) {
    let program = binary.to_string_lossy();
    let mut is_ours = false;
    for line in text.lines() {
        if let Some(object) = line.strip_prefix("ob=") {
            is_ours = object == program;
        } else if let Some(function) = line.strip_prefix("fn=")
            && is_ours
        {
            // Calls of a function from itself are told apart by a number.
            let name = function.split('\'').next().unwrap_or(function);
            functions.insert(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_the_program_are_found() {
        let text = "\
            version: 1\nob=/lib/libc.so.6\nfl=???\nfn=malloc\n16 4\n\n\
            ob=/target/release/tiphys\nfl=main.rs\nfn=_RNvC6tiphys4main\n16 400\n\
            cob=/lib/libc.so.6\ncfn=free\ncalls=1 0\n16 3\n\nfn=_RNvC6tiphys4work'2\n16 1\n\
            fn=_RNvC6tiphys4work\n";
        let mut functions = BTreeSet::new();
        called(text, Path::new("/target/release/tiphys"), &mut functions);
        let found: Vec<_> = functions.iter().map(String::as_str).collect();
        assert_eq!(found, ["_RNvC6tiphys4main", "_RNvC6tiphys4work"]);
    }

    #[test]
    fn what_only_later_stories_call_comes_later() {
        let stories = [["main", "work"], ["fetch", "main"], ["ack", "work"]];
        let stories = stories.map(|story| story.map(str::to_owned).into());
        assert_eq!(in_order(stories), ["main", "work", "fetch", "ack"]);
    }
}
