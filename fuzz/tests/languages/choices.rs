//! Choices: given ones first, then those of a seed.

/// Makes choices; the same ones for the same given ones and seed.
#[derive(Debug)]
pub(crate) struct Choices {
    /// Decide before the seed does; the next one is at its end.
    given: Vec<u8>,
    state: u64,
}

impl Choices {
    pub(crate) fn of(seed: u64) -> Self {
        Self {
            given: Vec::new(),
            state: seed,
        }
    }

    /// Lets `given` decide for as long as they last.
    #[cfg(fuzzing)]
    pub(crate) fn given(given: &[u8]) -> Self {
        Self {
            given: given.iter().rev().copied().collect(),
            state: 1,
        }
    }

    /// The next choice, or else the next number of the `SplitMix64` generator.
    pub(crate) fn next(&mut self) -> u64 {
        if let Some(rest) = self.given.len().checked_sub(2) {
            return self
                .given
                .drain(rest..)
                .fold(0, |number, byte| number << 8 | u64::from(byte));
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).expect("lengths fit");
        usize::try_from(self.next() % bound).expect("it is below a length")
    }

    pub(crate) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub(crate) fn pick<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        if texts.is_empty() {
            return "";
        }
        let at = self.below(texts.len());
        texts[at]
    }
}
