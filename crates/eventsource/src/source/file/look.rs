//! Looks at files in the pod.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;

use super::super::files::{Directory, Entry, Names, Snapshot};

/// Looks at all files that count.
pub(super) fn look(directory: &Directory) -> io::Result<Snapshot> {
    let mut snapshot = Snapshot::new();
    match &directory.names {
        Names::One(name) => {
            if !fs::metadata(&directory.folder)?.is_dir() {
                return Err(ErrorKind::NotADirectory.into());
            }
            let entry = look_at(directory, name);
            snapshot.extend(entry.map(|entry| (name.clone(), entry)));
        }
        Names::Matching { .. } => {
            for found in fs::read_dir(&directory.folder)? {
                let name = found?.file_name();
                if !directory.names.contains(&name) {
                    continue;
                }
                // It may be gone by now.
                if let Some(entry) = look_at(directory, &name) {
                    snapshot.insert(name, entry);
                }
            }
        }
    }
    Ok(snapshot)
}

/// Looks at one file; at what it leads to, if it is a link that leads anywhere.
pub(super) fn look_at(directory: &Directory, name: &OsStr) -> Option<Entry> {
    let path = directory.folder.join(name);
    let found = fs::metadata(&path).or_else(|_| fs::symlink_metadata(&path));
    let found = found.ok()?;
    let seconds = found.mtime().saturating_mul(1_000_000_000);
    Some(Entry {
        inode: Some(found.ino()),
        modified: seconds.saturating_add(found.mtime_nsec()),
        size: found.size(),
        mode: found.mode(),
    })
}
