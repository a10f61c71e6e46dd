//! What is in a directory, and what is different from before.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use serde::{Deserialize, Serialize};
use tiphys_api::WatchPathConfig;
use tiphys_lang::regex::{self, Regex};

/// What can happen to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Create,
    Write,
    Remove,
    Rename,
    Chmod,
}

impl Operation {
    const ALL: [Self; 5] = [
        Self::Create,
        Self::Write,
        Self::Remove,
        Self::Rename,
        Self::Chmod,
    ];

    /// As in specs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Write => "WRITE",
            Self::Remove => "REMOVE",
            Self::Rename => "RENAME",
            Self::Chmod => "CHMOD",
        }
    }

    /// As in payloads.
    pub(super) fn bits(self) -> u32 {
        match self {
            Self::Create => 1,
            Self::Write => 2,
            Self::Remove => 4,
            Self::Rename => 8,
            Self::Chmod => 16,
        }
    }

    /// One, or several with `|` between them.
    ///
    /// # Errors
    /// What is none.
    pub(super) fn parse(text: &str) -> Result<Vec<Self>, &str> {
        let names = text.split('|').map(str::trim);
        names
            .map(|name| {
                let mut known = Self::ALL.into_iter();
                known.find(|operation| operation.name() == name).ok_or(name)
            })
            .collect()
    }
}

/// A directory, and the files in it that count.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) folder: PathBuf,
    pub(super) names: Names,
}

/// Which files count.
#[derive(Debug)]
pub(super) enum Names {
    One(OsString),
    Matching {
        pattern: Regex,
        /// As it stands in the spec.
        text: String,
    },
}

impl Names {
    pub(super) fn contains(&self, name: &OsStr) -> bool {
        match self {
            Self::One(one) => one == name,
            // Names are too short for it to take too long.
            Self::Matching { pattern, .. } => {
                let is_match = pattern.is_match(&name.to_string_lossy());
                is_match.unwrap_or(false)
            }
        }
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.folder.display())?;
        match &self.names {
            Names::One(name) => write!(f, "== {}", name.to_string_lossy()),
            Names::Matching { text, .. } => write!(f, "=~ {text}"),
        }
    }
}

/// How a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(rename = "i")]
    inode: u64,
    /// In nanoseconds.
    #[serde(rename = "m")]
    modified: i64,
    #[serde(rename = "s")]
    size: u64,
    #[serde(rename = "p")]
    mode: u32,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            inode,
            modified,
            size,
            mode,
        } = self;
        write!(f, "{inode} {modified} {size} {mode:o}")
    }
}

/// The files in a directory that count.
pub(super) type Snapshot = BTreeMap<OsString, Entry>;

/// Something that happened to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) operation: Operation,
    pub(super) name: OsString,
    /// How the file is, or was, if it is gone; where that is known.
    pub(super) entry: Option<Entry>,
}

impl Directory {
    /// What is watched. A path in a directory below is watched there.
    ///
    /// # Errors
    /// The field that is wrong, and why.
    pub(super) fn compile(spec: &WatchPathConfig) -> Result<Self, (&'static str, String)> {
        let folder = PathBuf::from(&*spec.directory);
        if !folder.is_absolute() {
            let message = "directory must be an absolute file path";
            return Err(("directory", message.to_owned()));
        }
        // Without `.`, double and last slashes, as Go does.
        let folder: PathBuf = folder.components().collect();
        if !spec.path_regexp.is_empty() {
            let pattern = regex::compile(&spec.path_regexp);
            let pattern = pattern.map_err(|error| ("pathRegexp", error.message))?;
            let text = spec.path_regexp.to_string();
            return Ok(Self {
                folder,
                names: Names::Matching { pattern, text },
            });
        }
        let path = Path::new(&**spec.path);
        let stays = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        match path.file_name() {
            Some(name) if path.components().all(stays) => Ok(Self {
                folder: folder
                    .join(path.parent().unwrap_or(Path::new("")))
                    .components()
                    .collect(),
                names: Names::One(name.to_owned()),
            }),
            _ => Err((
                "path",
                "the path of a file in the directory is needed".to_owned(),
            )),
        }
    }

    /// Looks at all files that count.
    pub(super) fn look(&self) -> io::Result<Snapshot> {
        let mut snapshot = Snapshot::new();
        match &self.names {
            Names::One(name) => {
                if !fs::metadata(&self.folder)?.is_dir() {
                    return Err(ErrorKind::NotADirectory.into());
                }
                let entry = self.look_at(name);
                snapshot.extend(entry.map(|entry| (name.clone(), entry)));
            }
            Names::Matching { .. } => {
                for found in fs::read_dir(&self.folder)? {
                    let name = found?.file_name();
                    if !self.names.contains(&name) {
                        continue;
                    }
                    // It may be gone by now.
                    if let Some(entry) = self.look_at(&name) {
                        snapshot.insert(name, entry);
                    }
                }
            }
        }
        Ok(snapshot)
    }

    /// Looks at one file; at what it leads to, if it is a link that leads anywhere.
    pub(super) fn look_at(&self, name: &OsStr) -> Option<Entry> {
        let path = self.folder.join(name);
        let found = fs::metadata(&path).or_else(|_| fs::symlink_metadata(&path));
        let found = found.ok()?;
        let seconds = found.mtime().saturating_mul(1_000_000_000);
        Some(Entry {
            inode: found.ino(),
            modified: seconds.saturating_add(found.mtime_nsec()),
            size: found.size(),
            mode: found.mode(),
        })
    }
}

/// What happened between two looks: first what went, then the rest in the order of the times of
/// modification. A file that was replaced is new, and is written.
pub(super) fn difference(before: &Snapshot, now: &Snapshot) -> Vec<Change> {
    let is_new = |name: &OsString| !before.contains_key(name);
    let came: BTreeSet<u64> = now
        .iter()
        .filter(|(name, _)| is_new(name))
        .map(|(_, entry)| entry.inode)
        .collect();
    let mut changes = Vec::new();
    let mut tell = |operation, name: &OsString, entry: Entry| {
        changes.push(Change {
            operation,
            name: name.clone(),
            entry: Some(entry),
        });
    };
    for (name, was) in before.iter().filter(|(name, _)| !now.contains_key(*name)) {
        let operation = if came.contains(&was.inode) {
            Operation::Rename
        } else {
            Operation::Remove
        };
        tell(operation, name, *was);
    }
    let mut present: Vec<(&OsString, &Entry)> = now.iter().collect();
    present.sort_by_key(|(_, entry)| entry.modified);
    for (name, is) in present {
        let was = before.get(name);
        if was.is_none_or(|was| was.inode != is.inode) {
            tell(Operation::Create, name, *is);
        }
        let Some(was) = was else { continue };
        if (was.inode, was.modified, was.size) != (is.inode, is.modified, is.size) {
            tell(Operation::Write, name, *is);
        }
        if was.mode != is.mode {
            tell(Operation::Chmod, name, *is);
        }
    }
    changes
}

/// A name as text, whatever bytes it has.
pub(super) fn encoded(name: &OsStr) -> String {
    percent_encode(name.as_encoded_bytes(), NON_ALPHANUMERIC).to_string()
}

/// The name of a text.
pub(super) fn decoded(text: &str) -> OsString {
    OsString::from_vec(percent_decode_str(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(inode: u64, modified: i64, size: u64, mode: u32) -> Entry {
        Entry {
            inode,
            modified,
            size,
            mode,
        }
    }

    fn told(before: &[(&str, Entry)], now: &[(&str, Entry)]) -> Vec<String> {
        let snapshot = |files: &[(&str, Entry)]| {
            let files = files.iter().map(|(name, entry)| (name.into(), *entry));
            files.collect::<Snapshot>()
        };
        let changes = difference(&snapshot(before), &snapshot(now));
        let line =
            |change: &Change| format!("{} {}", change.operation.name(), change.name.display());
        changes.iter().map(line).collect()
    }

    #[test]
    fn what_is_different_is_told_in_the_order_in_which_it_was_modified() {
        let a = entry(1, 10, 0, 0o644);
        assert_eq!(told(&[("a", a)], &[("a", a)]), [""; 0]);
        assert_eq!(
            told(&[], &[("b", entry(2, 30, 0, 0o644)), ("c", a)]),
            ["CREATE c", "CREATE b"]
        );
        assert_eq!(told(&[("a", a)], &[]), ["REMOVE a"]);
        assert_eq!(told(&[("a", a)], &[("b", a)]), ["RENAME a", "CREATE b"]);
        assert_eq!(
            told(&[("a", a)], &[("a", entry(1, 11, 0, 0o644))]),
            ["WRITE a"]
        );
        assert_eq!(
            told(&[("a", a)], &[("a", entry(1, 10, 1, 0o644))]),
            ["WRITE a"]
        );
        assert_eq!(
            told(&[("a", a)], &[("a", entry(1, 10, 0, 0o600))]),
            ["CHMOD a"]
        );
        assert_eq!(
            told(&[("a", a)], &[("a", entry(2, 10, 0, 0o600))]),
            ["CREATE a", "WRITE a", "CHMOD a"]
        );
        assert_eq!(
            told(
                &[("a", a), ("x.tmp", entry(7, 1, 5, 0o644))],
                &[("a", entry(7, 1, 5, 0o644))]
            ),
            ["REMOVE x.tmp", "CREATE a", "WRITE a"]
        );
    }

    #[test]
    fn operations_may_be_listed() {
        assert_eq!(Operation::parse("CREATE"), Ok(vec![Operation::Create]));
        assert_eq!(
            Operation::parse("WRITE | CHMOD"),
            Ok(vec![Operation::Write, Operation::Chmod])
        );
        assert_eq!(Operation::parse("CREATE|"), Err(""));
        assert_eq!(Operation::parse("create"), Err("create"));
    }

    #[test]
    fn a_file_is_watched_where_it_is() {
        let watched = |directory: &str, path: &str, pattern: &str| {
            let spec = serde_json::json!(
                {"directory": directory, "path": path, "pathRegexp": pattern}
            );
            Directory::compile(&serde_json::from_value(spec).unwrap())
                .map(|directory| directory.to_string())
        };
        assert_eq!(
            watched("/data/", "x.txt", ""),
            Ok("/data == x.txt".to_owned())
        );
        assert_eq!(
            watched("/data//./a", "b/x", ""),
            Ok("/data/a/b == x".to_owned())
        );
        assert_eq!(
            watched("/data", "", "([a-z]+).txt"),
            Ok("/data =~ ([a-z]+).txt".to_owned())
        );
        let refused = |field: &'static str, message: &str| Err((field, message.to_owned()));
        let needed = "the path of a file in the directory is needed";
        assert_eq!(watched("/data", "../x", ""), refused("path", needed));
        assert_eq!(watched("/data", "..", ""), refused("path", needed));
        assert_eq!(watched("/data", "", ""), refused("path", needed));
        assert_eq!(
            watched("data", "x", ""),
            refused("directory", "directory must be an absolute file path")
        );
        assert_eq!(watched("/data", "", "(").unwrap_err().0, "pathRegexp");
    }

    #[test]
    fn a_name_of_any_bytes_comes_back() {
        for name in [&b"a/b c"[..], b"\xff%41.txt", b""] {
            let name = OsString::from_vec(name.to_vec());
            assert_eq!(decoded(&encoded(&name)), name);
        }
        assert_eq!(encoded(OsStr::new("a b.txt")), "a%20b%2Etxt");
    }
}
