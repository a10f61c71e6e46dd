//! Where a message lies on a bus.

use std::fmt;

/// A place on a bus, which only the bus can make sense of.
///
/// Positions of one bus are ordered as its messages are; they say nothing about another bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// The place of a number; 0 is before all of them.
    pub(crate) fn of_number(number: u64) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// As a kept round names it on the wire, in `StreamSeq`.
    pub const fn to_wire(self) -> u64 {
        self.0
    }

    /// What a kept round names on the wire, in `StreamSeq`.
    pub const fn from_wire(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
