//! How much of its memory a run of a program may use.
//!
//! Hardly any run needs more than a part of what its language grants. So whoever runs many programs
//! at a time runs each with a part, and again with the whole if that was too little: a run changes
//! nothing but its result.

use std::cell::Cell;

/// What part of its memory a program has if it does not have the whole: one in so many.
const PART: usize = 4;

/// How much of its memory a run of a program may use.
#[derive(Debug)]
pub struct Memory {
    is_whole: bool,
    was_short: Cell<bool>,
}

impl Memory {
    /// All that the limits of the language grant.
    pub fn whole() -> Self {
        Self {
            is_whole: true,
            was_short: Cell::new(false),
        }
    }

    /// A quarter of that.
    pub fn part() -> Self {
        Self {
            is_whole: false,
            was_short: Cell::new(false),
        }
    }

    /// Whether a part was too little for a run: its result says nothing of the program.
    pub fn was_short(&self) -> bool {
        self.was_short.get()
    }

    /// The bytes that a run may use, where `limit` is the whole.
    pub(crate) fn of(&self, limit: usize) -> usize {
        if self.is_whole { limit } else { limit / PART }
    }

    /// A run has used up all that it may.
    pub(crate) fn is_used_up(&self) {
        self.was_short.set(!self.is_whole);
    }
}
