//! Arrays while they are made.

use super::{ALLOCATION, Array, ITEM_BYTES, Val, shared};
use crate::jq::meter::{self, Charge, Spent};

/// The room an array has when its first item comes.
const LEAST_ITEMS: usize = 4;

/// What an array takes with room for so many items.
pub(super) fn array_bytes(room: usize) -> usize {
    shared::<Array>() + room * ITEM_BYTES + ALLOCATION
}

/// The items of an array that is being made, counted as they come.
#[derive(Debug, Default)]
pub(in crate::jq) struct Items {
    items: Vec<Val>,
    charge: Charge,
}

impl Items {
    pub(in crate::jq) fn push(&mut self, item: Val) -> Result<(), Spent> {
        meter::step()?;
        if self.items.len() == self.items.capacity() {
            let more = self.items.len().max(LEAST_ITEMS);
            meter::reserve(more * ITEM_BYTES)?;
            self.items.reserve_exact(more);
            self.charge.set(array_bytes(self.items.capacity()));
        }
        self.items.push(item);
        Ok(())
    }

    pub(in crate::jq) fn finish(self) -> Val {
        let Self { items, charge } = self;
        drop(charge);
        Val::array(items)
    }
}
