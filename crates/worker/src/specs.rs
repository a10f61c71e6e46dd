//! Where the objects come from that a worker runs: the folder of a pod, or manifests.
//!
//! A source says what becomes of objects, one after another, and never ends.

mod folder;
mod manifests;

use futures::stream::BoxStream;

use crate::Key;
use crate::spec::{Refused, Spec};

pub(crate) use folder::folder;
pub use manifests::Edition;
pub(crate) use manifests::manifests;

/// What becomes of an object.
pub(crate) enum Change {
    /// It is to run like this from now on.
    Applied(Spec),
    /// It has faults: what ran before goes on.
    Refused(Refused),
    /// It is gone, or is not to run.
    Deleted(Key),
}

/// What becomes of objects, in the order in which it happens.
pub(crate) type Changes = BoxStream<'static, Change>;
