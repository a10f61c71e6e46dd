//! What is in a directory, and what is different from before.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use serde::{Deserialize, Serialize};

/// What can happen to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Operation {
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
    pub(in crate::source) fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Write => "WRITE",
            Self::Remove => "REMOVE",
            Self::Rename => "RENAME",
            Self::Chmod => "CHMOD",
        }
    }

    /// As in payloads.
    pub(in crate::source) fn bits(self) -> u32 {
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
    pub(in crate::source) fn parse(text: &str) -> Result<Vec<Self>, &str> {
        let names = text.split('|').map(str::trim);
        names
            .map(|name| {
                let mut known = Self::ALL.into_iter();
                known.find(|operation| operation.name() == name).ok_or(name)
            })
            .collect()
    }
}

/// How a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::source) struct Entry {
    /// What it is known by under any name; `None` where nobody says it.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub(in crate::source) inode: Option<u64>,
    /// In nanoseconds.
    #[serde(rename = "m")]
    pub(in crate::source) modified: i64,
    #[serde(rename = "s")]
    pub(in crate::source) size: u64,
    /// Its rights; 0 where nobody says them.
    #[serde(rename = "p")]
    pub(in crate::source) mode: u32,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            inode,
            modified,
            size,
            mode,
        } = self;
        if let Some(inode) = inode {
            write!(f, "{inode} ")?;
        }
        write!(f, "{modified} {size} {mode:o}")
    }
}

/// The files in a directory that count.
pub(in crate::source) type Snapshot = BTreeMap<OsString, Entry>;

/// Something that happened to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) struct Change {
    pub(in crate::source) operation: Operation,
    pub(in crate::source) name: OsString,
    /// How the file is, or was, if it is gone; where that is known.
    pub(in crate::source) entry: Option<Entry>,
}

/// What happened between two looks: first what went, then the rest in the order of the times of
/// modification. A file that was replaced is new, and is written.
pub(in crate::source) fn difference(before: &Snapshot, now: &Snapshot) -> Vec<Change> {
    let is_new = |name: &OsString| !before.contains_key(name);
    let came: BTreeSet<u64> = now
        .iter()
        .filter(|(name, _)| is_new(name))
        .filter_map(|(_, entry)| entry.inode)
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
        let operation = if was.inode.is_some_and(|inode| came.contains(&inode)) {
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
pub(in crate::source) fn encoded(name: &OsStr) -> String {
    match name.to_str() {
        Some(name) => name.replace('%', "%25"),
        None => percent_encode(name.as_encoded_bytes(), NON_ALPHANUMERIC).to_string(),
    }
}

/// The name of a text.
pub(in crate::source) fn decoded(text: &str) -> OsString {
    OsString::from_vec(percent_decode_str(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(inode: u64, modified: i64, size: u64, mode: u32) -> Entry {
        Entry {
            inode: Some(inode),
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
    fn a_file_that_is_known_by_its_name_alone_goes_and_comes() {
        let nameless = |modified| Entry {
            inode: None,
            ..entry(0, modified, 0, 0)
        };
        assert_eq!(
            told(&[("a", nameless(1))], &[("b", nameless(1))]),
            ["REMOVE a", "CREATE b"]
        );
        assert_eq!(
            told(&[("a", nameless(1))], &[("a", nameless(2))]),
            ["WRITE a"]
        );
        assert_eq!(nameless(1).to_string(), "1 0 0");
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
    fn a_name_of_any_bytes_comes_back() {
        for name in [&b"a/b c"[..], b"\xff%41.txt", b""] {
            let name = OsString::from_vec(name.to_vec());
            assert_eq!(decoded(&encoded(&name)), name);
        }
        assert_eq!(encoded(OsStr::new("ä b%.txt")), "ä b%25.txt");
    }
}
