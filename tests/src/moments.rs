//! Moments that no story chooses: drawn anew in each run, and again by their seed.

use std::time::Duration;

/// Names the seed of a run that is to be repeated.
const SEED_VARIABLE: &str = "TIPHYS_SEED";

/// The longest draw: a few times as long as what a loaded program does at once.
const LONGEST_MILLIS: u64 = 400;

/// A series of random moments.
#[derive(Debug)]
pub struct Moments {
    random: fastrand::Rng,
}

impl Moments {
    /// Prints the seed, which a failed story shows.
    ///
    /// # Panics
    /// When `TIPHYS_SEED` is no number.
    pub fn new() -> Self {
        let seed = std::env::var(SEED_VARIABLE).map_or_else(
            |_| fastrand::u64(..),
            |seed| seed.parse().expect("the seed is a number"),
        );
        eprintln!("{SEED_VARIABLE}={seed} draws the same moments again");
        Self {
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// How long to wait until the next one.
    pub fn draw(&mut self) -> Duration {
        Duration::from_millis(self.random.u64(0..LONGEST_MILLIS))
    }
}

impl Default for Moments {
    fn default() -> Self {
        Self::new()
    }
}
