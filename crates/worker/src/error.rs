//! Why something cannot run.

use std::io;
use std::path::PathBuf;

/// Why something cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The process could not begin, or a client could not be made.
    #[error(transparent)]
    Process(#[from] tiphys_runtime::Error),
    /// A file cannot be opened.
    #[error("open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not there.
    #[error("{0} is not there")]
    Missing(PathBuf),
    /// A file is no text.
    #[error("{0} is not UTF-8")]
    NotUtf8(PathBuf),
    /// There is no object in a folder.
    #[error("there is neither {plain} nor {packed} in {folder}")]
    NoObject {
        /// The name of its file.
        plain: &'static str,
        /// The name of its packed file.
        packed: &'static str,
        /// The folder.
        folder: PathBuf,
    },
    /// An object was packed in a way that nobody unpacks.
    #[error("unpack {file}")]
    Unpack {
        /// The file.
        file: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The settings of the bus are none.
    #[error("read {file}")]
    BusSettings {
        /// The file.
        file: &'static str,
        /// Why not.
        source: serde_json::Error,
    },
    /// A name leads out of the folder of mounted values.
    #[error("{0:?} is no name of a mounted value")]
    ValueName(String),
}
