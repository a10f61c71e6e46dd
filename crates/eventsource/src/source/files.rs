//! What sources of files have in common, wherever the files are: which of them count, what is told of them
//! and what was told already.
//!
//! What is there is remembered, and compared with what is there later. What was told is kept on the bus where
//! that is wanted, so that a pod tells what happened before it was there.

mod directory;
mod kept;
#[cfg(any(feature = "hdfs", feature = "sftp"))]
mod poll;
mod rules;
mod snapshot;
mod telling;

pub(super) use self::directory::{Directory, Names};
#[cfg(any(feature = "hdfs", feature = "sftp"))]
pub(super) use self::poll::{Lister, MOST_FILES, pause, poll};
pub(super) use self::rules::{Fields, Rules};
pub(super) use self::snapshot::{Entry, Operation, Snapshot};
pub(super) use self::telling::Telling;
