//! How much one lookup may do: paths and documents are both untrusted, and a short path can make a
//! long document be read, or doubled, many times over (`[@this,@this]|[@this,@this]|…`).

use crate::deadline;

/// How many bytes may be read or produced for any document, however small.
const LEAST_FUEL: usize = 16 << 20;

/// From which size on it matters how often an event is looked into.
const LARGE: usize = 64 << 10;

/// How many times over a document may be read.
const READS: usize = 64;

/// How deep lookups may start lookups: queries in queries, multipaths, pipes.
const MAX_LOOKUPS: usize = 96;

/// How deep a path that is not plain may descend in the document; a document that nests deeper is
/// refused everywhere else.
const MAX_LEVELS: usize = crate::json::MAX_DEPTH;

/// What is left to spend. Once it is spent, every lookup that shares it finds nothing.
#[derive(Debug)]
pub(super) struct Work {
    fuel: usize,
    lookups: usize,
    levels: usize,
}

impl Work {
    pub(super) fn for_document(json: &[u8]) -> Self {
        // A lookup in a small document is over before one has looked at the clock.
        let is_late = json.len() >= LARGE && deadline::is_over();
        let fuel = LEAST_FUEL.max(json.len().saturating_mul(READS));
        Self {
            fuel: if is_late { 0 } else { fuel },
            lookups: 0,
            levels: 0,
        }
    }

    pub(super) fn is_spent(&self) -> bool {
        self.fuel == 0
    }

    /// What may still be spent.
    pub(super) fn fuel(&self) -> usize {
        self.fuel
    }

    /// Gives up.
    pub(super) fn stop(&mut self) {
        self.fuel = 0;
    }

    /// Takes `amount`; false if that was too much.
    pub(super) fn spend(&mut self, amount: usize) -> bool {
        self.fuel = self.fuel.saturating_sub(amount);
        !self.is_spent()
    }

    /// Begins a lookup that reads `amount` bytes; each true is followed by a [`Self::leave`].
    pub(super) fn enter(&mut self, amount: usize) -> bool {
        if self.lookups == MAX_LOOKUPS {
            self.stop();
        }
        if !self.spend(amount.saturating_add(1)) {
            return false;
        }
        self.lookups += 1;
        true
    }

    pub(super) fn leave(&mut self) {
        self.lookups -= 1;
    }

    /// Goes one level down in a document; each true is followed by an [`Self::up`].
    pub(super) fn down(&mut self) -> bool {
        if self.levels == MAX_LEVELS {
            self.stop();
        }
        if self.is_spent() {
            return false;
        }
        self.levels += 1;
        true
    }

    pub(super) fn up(&mut self) {
        self.levels -= 1;
    }
}
