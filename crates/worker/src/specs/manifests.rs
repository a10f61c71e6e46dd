//! Objects of manifests that were read before.

use futures::StreamExt as _;
use futures::stream::{iter, pending};
use jiff::Timestamp;

use super::{Change, Changes};
use crate::spec::Spec;

/// These objects, from `now` on. What a cluster once said of them, which a dumped manifest has, is
/// not about them.
pub(crate) fn manifests(specs: Vec<Spec>, now: Timestamp) -> Changes {
    let applied = specs.into_iter().map(move |spec| {
        Change::Applied(Spec {
            created: Some(now),
            generation: None,
            ..spec
        })
    });
    iter(applied.collect::<Vec<_>>()).chain(pending()).boxed()
}
