//! How much of its room the dead letters of a bus take.

use crate::Position;

/// What the dead letters of a bus take, and what they may take before the oldest give way. A limit of 0
/// is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// How many there are.
    pub letters: u64,
    /// How many there may be.
    pub max_letters: u64,
    /// How many bytes they take.
    pub bytes: u64,
    /// How many bytes they may take.
    pub max_bytes: u64,
    /// Where the newest lies, or lay; `None` if there never was one.
    pub newest: Option<Position>,
}

impl Usage {
    /// The part of its room that is taken, by the limit that is reached first: 0 to 1.
    #[expect(
        clippy::cast_precision_loss,
        reason = "nobody looks at the sixteenth digit of it"
    )]
    pub fn ratio(&self) -> f64 {
        let part = |taken: u64, limit: u64| match limit {
            0 => 0.0,
            limit => taken as f64 / limit as f64,
        };
        part(self.letters, self.max_letters).max(part(self.bytes, self.max_bytes))
    }

    /// Whether 80 % of its room are taken: time to look at them before the oldest give way.
    pub fn is_nearly_full(&self) -> bool {
        self.ratio() >= 0.8
    }
}

#[cfg(test)]
mod tests {
    use super::Usage;

    #[test]
    fn the_limit_that_is_reached_first_counts() {
        for (letters, max_letters, bytes, max_bytes, expected) in [
            (0, 0, 0, 0, false),
            (79, 100, 0, 1000, false),
            (80, 100, 0, 1000, true),
            (1, 100, 799, 1000, false),
            (1, 100, 800, 1000, true),
            (90, 0, 900, 0, false),
        ] {
            let usage = Usage {
                newest: None,
                letters,
                max_letters,
                bytes,
                max_bytes,
            };
            assert_eq!(usage.is_nearly_full(), expected, "{usage:?}");
        }
    }
}
