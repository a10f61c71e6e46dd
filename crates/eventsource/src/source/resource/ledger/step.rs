//! What is to be done: the answers of the ledger.

use bytes::Bytes;
use tiphys_api::ResourceEventType;

use crate::source::resource::object::{Name, Uid, Version};

/// What is to be done about one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The object.
    pub uid: Uid,
    /// Its name, which an object of another uid may have had before it.
    pub name: Name,
    /// What is to be published.
    pub publication: Option<Publication>,
    /// What is to be recorded once it is published.
    pub record: RecordOp,
}

/// What is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// What happened.
    pub kind: ResourceEventType,
    /// The object; for a deletion its last state.
    pub body: Bytes,
    /// What it was before.
    pub old: Option<Bytes>,
    /// What distinguishes this event from others of the same kind about the same object: the resourceVersion
    /// of the object, for a deletion the last one that was published before.
    pub version: Version,
}

/// What is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordOp {
    /// Nothing.
    Keep,
    /// The object as it is known.
    Put,
    /// That it went, and everything up to this version is published.
    Tombstone(Version),
}
