//! What values hold and what was read of the event where no budget is at hand: both are counted for the
//! run of this thread, and its budget looks at them with every step.

use std::cell::Cell;

thread_local! {
    /// The bytes of all values that live.
    static HELD: Cell<usize> = const { Cell::new(0) };
    /// The bytes that were read since the budget looked.
    static READ: Cell<usize> = const { Cell::new(0) };
}

/// What an allocation takes beside its content: the counts of its owners, headers, and rounding up.
pub(super) const ALLOCATION: usize = 48;

/// Bytes that count as held until this is dropped.
#[derive(Debug)]
pub(super) struct Charge(usize);

impl Charge {
    pub(super) fn new(bytes: usize) -> Self {
        HELD.set(HELD.get().saturating_add(bytes));
        Self(bytes)
    }

    /// For so many elements of a list.
    pub(super) fn of_items<T>(count: usize) -> Self {
        Self::new(count.saturating_mul(size_of::<T>()) + 2 * ALLOCATION)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        HELD.set(HELD.get().saturating_sub(self.0));
    }
}

/// The bytes of all values that live.
pub(super) fn held() -> usize {
    HELD.get()
}

/// So many bytes of the event were read.
pub(super) fn read(bytes: usize) {
    READ.set(READ.get().saturating_add(bytes));
}

/// What was read since this was asked last.
pub(super) fn take_read() -> usize {
    READ.take()
}
