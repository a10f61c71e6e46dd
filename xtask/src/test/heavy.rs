//! The stories on servers that are large to get and to start: they run when what they test has changed since they
//! passed, which a digest beside them says, or when all kinds are asked for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use tiphys_testbed::{Broker, Programs, Progress};

use super::run_tests;
use super::summary::Summary;
use crate::command::{build_with_all_kinds, cargo, workspace};
use crate::drill::BINARY_VARIABLE;

/// The files and folders that the stories test, one a line, and behind them their digest.
const NOTE: &str = "tests/tests/heavy/passed.txt";

/// What stands before the digest.
const DIGEST: &str = "sha256 ";

/// What became of the stories.
pub(super) enum Told {
    /// All passed, or some did not.
    Ran { passed: bool },
    /// Nothing has changed.
    Unchanged,
}

/// Runs the stories if `always`, or if what they test has changed. If `always`, it is noted that they passed.
pub(super) fn run(
    always: bool,
    programs: &Programs,
    filters: &[String],
    summary: &mut Summary,
) -> anyhow::Result<Told> {
    let root = workspace();
    let note = fs::read_to_string(root.join(NOTE)).with_context(|| format!("read {NOTE}"))?;
    let digest = digest(&root, &note)?;
    if !always && noted(&note) == Some(&digest) {
        return Ok(Told::Unchanged);
    }
    let mut brokers = Vec::new();
    for broker in Broker::HEAVY {
        brokers.push((broker.variable(), broker.locate(Progress::Shown)?));
    }
    // The whole workspace decides about features, as in the run before: nothing is built twice.
    let mut tests = cargo(["test", "--workspace", "--test", "heavy"]);
    tests
        .envs(programs.variables())
        .envs(brokers)
        .env(BINARY_VARIABLE, build_with_all_kinds()?);
    let passed = run_tests(&mut tests, filters, summary)?;
    if passed && always && filters.is_empty() {
        let note = format!("{}{DIGEST}{digest}\n", without_digest(&note));
        fs::write(root.join(NOTE), note).with_context(|| format!("write {NOTE}"))?;
    }
    Ok(Told::Ran { passed })
}

/// The digest of what was tested when the stories passed.
fn noted(note: &str) -> Option<&str> {
    note.lines().find_map(|line| line.strip_prefix(DIGEST))
}

fn without_digest(note: &str) -> String {
    let lines = note.split_inclusive('\n');
    lines.filter(|line| !line.starts_with(DIGEST)).collect()
}

/// The digest of all files that a note names, and of their names.
fn digest(root: &Path, note: &str) -> anyhow::Result<String> {
    let mut files = BTreeSet::new();
    for line in without_digest(note).lines() {
        let path = line.trim();
        if !path.is_empty() && !path.starts_with('#') {
            add(root, Path::new(path), &mut files)?;
        }
    }
    let mut digest = Sha256::new();
    for file in files {
        let content = fs::read(root.join(&file));
        let content = content.with_context(|| format!("read {}", file.display()))?;
        digest.update(file.as_os_str().as_encoded_bytes());
        digest.update([0]);
        digest.update(Sha256::digest(content));
    }
    Ok(format!("{:x}", digest.finalize()))
}

/// Adds a file, or all files below a folder; the note itself is none of them.
fn add(root: &Path, path: &Path, files: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    let whole = root.join(path);
    if !whole.is_dir() {
        if path != Path::new(NOTE) {
            files.insert(path.to_owned());
        }
        return Ok(());
    }
    let entries = fs::read_dir(&whole).with_context(|| format!("read {}", path.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("read {}", path.display()))?;
        add(root, &path.join(entry.file_name()), files)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_changes_the_digest() {
        let root = std::env::temp_dir().join(format!("tiphys-heavy-{}", std::process::id()));
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/c.rs"), "one").unwrap();
        fs::write(root.join("d.rs"), "two").unwrap();
        let note = "# What is tested.\n\na\nd.rs\nsha256 0\n";
        let first = digest(&root, note).unwrap();
        assert_eq!(first.len(), 64);
        assert_eq!(
            digest(&root, &note.replace("sha256 0", "sha256 1")).unwrap(),
            first
        );
        fs::write(root.join("a/b/c.rs"), "One").unwrap();
        assert_ne!(digest(&root, note).unwrap(), first);
        fs::write(root.join("a/b/c.rs"), "one").unwrap();
        assert_eq!(digest(&root, note).unwrap(), first);
        fs::rename(root.join("a/b/c.rs"), root.join("a/c.rs")).unwrap();
        assert_ne!(digest(&root, note).unwrap(), first);
        assert!(digest(&root, "gone.rs\n").is_err());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_note_ends_with_the_digest() {
        let note = "# Why.\na\nsha256 ff\n";
        assert_eq!(noted(note), Some("ff"));
        assert_eq!(without_digest(note), "# Why.\na\n");
        assert_eq!(noted("a\n"), None);
    }

    #[test]
    fn what_the_note_names_is_there() {
        let note = fs::read_to_string(workspace().join(NOTE)).unwrap();
        digest(&workspace(), &note).unwrap();
    }
}
