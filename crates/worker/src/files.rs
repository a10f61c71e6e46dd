//! Files of volumes: found changed by looking at them.
//!
//! The kubelet swaps a link when a volume changes, so all files of a volume change at once, and a
//! look is a few system calls on a file system in memory.

use std::fs::{self, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::Error;

/// The largest file that is read: more than the API server stores of one object.
const LARGEST: u64 = 4 * 1024 * 1024;

/// What a change of a file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// Files that are watched.
#[derive(Debug)]
pub struct Files {
    paths: Vec<PathBuf>,
    seen: Vec<Option<Stamp>>,
}

impl Files {
    /// Watches these files, which need not exist. They count as unseen.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        let seen = Vec::new();
        Self { paths, seen }
    }

    /// Watches these files from here on; true if they are others than before.
    pub fn watch(&mut self, paths: Vec<PathBuf>) -> bool {
        if self.paths == paths {
            return false;
        }
        *self = Self::new(paths);
        true
    }

    /// Looks at them; true if one has changed, appeared or gone since the last look.
    pub fn have_changed(&mut self) -> bool {
        let now: Vec<_> = self.paths.iter().map(|path| stamp(path)).collect();
        let have_changed = now != self.seen;
        self.seen = now;
        have_changed
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata: Metadata = fs::metadata(path).ok()?;
    Some(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        changed: (metadata.mtime(), metadata.mtime_nsec()),
    })
}

/// Reads a file; `None` if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let path = || path.to_owned();
    let file = match fs::File::open(path()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(Error::Open {
                path: path(),
                source,
            });
        }
        Ok(file) => file,
    };
    let bytes = bounded(file).map_err(|source| Error::Read {
        path: path(),
        source,
    })?;
    Ok(Some(bytes))
}

/// Unpacks what was packed with zstd.
pub(crate) fn unpack(packed: &[u8]) -> io::Result<Vec<u8>> {
    bounded(zstd::Decoder::new(packed)?)
}

fn bounded(source: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        let error = format!("it is larger than {} MiB", LARGEST / 1024 / 1024);
        return Err(io::Error::other(error));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_unpacks_to_too_much_is_refused() {
        let packed = zstd::encode_all(std::io::repeat(b' ').take(LARGEST + 1), 1).unwrap();
        assert!(packed.len() < 10_000);
        assert_eq!(
            unpack(&packed).unwrap_err().to_string(),
            "it is larger than 4 MiB"
        );
        let packed = zstd::encode_all(std::io::repeat(b' ').take(LARGEST), 1).unwrap();
        assert_eq!(unpack(&packed).unwrap().len() as u64, LARGEST);
    }
}
