//! The command lines of the documentation are command lines of this program.

use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;

use crate::Args;

/// The pages, and those who they are for.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec![root.join("README.md")];
    let mut folders = vec![root.join("docs"), root.join("examples")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The command lines of a page: those in shell blocks, and those behind a prompt.
fn commands(page: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut block = "";
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = if block.is_empty() { language } else { "" };
            continue;
        }
        let line = match block {
            "sh" | "shell" | "bash" => line,
            "console" => match line.strip_prefix("$ ") {
                Some(line) => line,
                None => continue,
            },
            _ => continue,
        };
        let mut command = line.trim().to_owned();
        while let Some(begin) = command.strip_suffix('\\') {
            command = begin.to_owned() + lines.next().unwrap_or_default().trim();
        }
        commands.push(command);
    }
    commands
}

/// The words of each call of tiphys in a command line.
fn calls(command: &str) -> Vec<Vec<String>> {
    let words = shlex::split(command).unwrap_or_else(|| panic!("not closed: {command}"));
    let mut calls = Vec::new();
    for part in words.split(|word| ["|", "&&", ";"].contains(&word.as_str())) {
        let end = part.iter().position(|word| word.starts_with(['<', '>']));
        let part = &part[..end.unwrap_or(part.len())];
        if part.is_empty() {
            continue;
        }
        // `cargo run -p tiphys -- lint a` is `tiphys lint a`.
        let own = part.iter().position(|word| word == "--");
        let own = own.filter(|_| part[0] == "cargo" && part.iter().any(|word| word == "tiphys"));
        let called = part.iter().position(|word| {
            let name = word.rsplit('/').next();
            name == Some("tiphys")
        });
        if let Some(at) = own {
            let arguments = part[at + 1..].iter().cloned();
            calls.push(
                std::iter::once("tiphys".to_owned())
                    .chain(arguments)
                    .collect(),
            );
        } else if let Some(at) = called.filter(|_| part[0] != "cargo") {
            calls.push(part[at..].to_vec());
        }
    }
    calls
}

#[test]
fn every_call_in_the_documentation_is_understood() {
    let mut count = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for command in commands(&text) {
            for call in calls(&command) {
                count += 1;
                let parsed = Args::command().try_get_matches_from(&call);
                if let Err(error) = parsed {
                    panic!("{}: {command}\n{error}", page.display());
                }
            }
        }
    }
    assert!(count > 30, "{count}");
}

#[test]
fn calls_are_found_between_other_programs() {
    assert_eq!(
        calls("kubectl get es -o yaml | tiphys lint - > out # all"),
        [["tiphys", "lint", "-"]]
    );
    assert_eq!(
        commands("```console\n$ tiphys lint \\\n  a\n0 faults\n```\ntiphys no\n"),
        ["tiphys lint a"]
    );
}
