//! A list while it comes in: what it says anew is kept, compressed, and then published in order.

use std::collections::HashSet;
use std::sync::Arc;

use super::Ledger;
use crate::source::resource::object::{Object, Uid, Version};
use crate::source::resource::packed::{Packed, Packer};

/// A list while it comes in.
#[derive(Debug, Default)]
pub struct Listing {
    seen: HashSet<Uid>,
    news: Vec<Listed>,
    packer: Packer,
}

/// An object that the ledger does not know in this version.
#[derive(Debug)]
pub struct Listed {
    pub(super) uid: Uid,
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) version: Version,
    pub(super) body: Packed,
}

/// What a finished list leaves to be published.
#[derive(Debug)]
pub enum Todo {
    /// A known object is not there.
    Gone(Uid),
    /// An object is there that is not known, or not in this version.
    Listed(Listed),
}

impl Listing {
    /// Takes one object of the list.
    pub fn add(&mut self, object: Object, ledger: &Ledger) {
        let Object {
            uid,
            namespace,
            name,
            version,
            raw,
        } = object;
        self.seen.insert(uid.clone());
        let is_known = ledger
            .objects
            .get(&uid)
            .is_some_and(|known| known.version == version);
        if is_known && !ledger.reevaluates {
            return;
        }
        if let Some(body) = self.packer.pack(&raw) {
            self.news.push(Listed {
                uid,
                namespace,
                name,
                version,
                body,
            });
        }
    }

    /// What the list leaves to be published: what went first, so that a name is free before somebody else
    /// takes it; the rest in the order in which it happened.
    pub fn finish(mut self, ledger: &mut Ledger) -> Vec<Todo> {
        ledger.reevaluates = false;
        let gone = ledger
            .objects
            .iter()
            .filter(|(uid, _)| !self.seen.contains(*uid));
        let mut gone: Vec<_> = gone.map(|(uid, known)| (&known.version, uid)).collect();
        gone.sort_by(|(a, _), (b, _)| a.order(b));
        self.news.sort_by(|a, b| a.version.order(&b.version));
        let gone = gone.into_iter().map(|(_, uid)| Todo::Gone(uid.clone()));
        gone.chain(self.news.into_iter().map(Todo::Listed))
            .collect()
    }
}
