//! What an offline command is made of: none of it acts on a cluster.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Crates that reconcile, elect, serve, or hold a process together.
const ACTING: [&str; 4] = ["controller", "http", "runtime", "worker"];

/// What `lint`, `graph` and `simulate` are made of.
const OFFLINE: [&str; 3] = ["check", "graph", "simulate"];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The crates of this workspace that a crate depends on.
fn dependencies(name: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(crates().join(name).join("Cargo.toml")).unwrap_or_default();
    let mut section = "";
    let mut found = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section == "[dependencies]"
            && let Some(dependency) = line.strip_prefix("tiphys-")
        {
            let end = dependency.find(['.', ' ', '=']).unwrap_or(dependency.len());
            found.insert(dependency[..end].to_owned());
        }
    }
    found
}

#[test]
fn checking_and_drawing_link_nothing_that_acts_on_a_cluster() {
    let mut linked = BTreeSet::new();
    let mut open: Vec<String> = OFFLINE.map(str::to_owned).into();
    while let Some(name) = open.pop() {
        open.extend(dependencies(&name).difference(&linked).cloned());
        linked.insert(name);
    }
    assert!(
        linked.contains("api") && linked.contains("lang"),
        "{linked:?}"
    );
    for name in ACTING {
        assert!(!linked.contains(name), "{name} is linked: {linked:?}");
    }
}

#[test]
fn offline_commands_name_nothing_that_acts_on_a_cluster() {
    let sources = crates().join("cli/src");
    let mut files: Vec<PathBuf> = ["lint", "graph", "simulate", "test", "files", "documents"]
        .iter()
        .flat_map(|name| {
            let file = format!("{name}.rs");
            [sources.join(&file), sources.join("command").join(&file)]
        })
        .filter(|path| path.is_file())
        .collect();
    let simulate = fs::read_dir(sources.join("simulate")).into_iter().flatten();
    files.extend(simulate.map(|entry| entry.unwrap().path()));
    assert!(files.len() >= 3, "{files:?}");
    for file in files.iter().filter(|path| path.is_file()) {
        let text = fs::read_to_string(file).unwrap();
        for name in ACTING {
            assert!(
                !text.contains(&format!("tiphys_{name}")),
                "{} names {name}",
                file.display()
            );
        }
    }
}
