//! Sampling, as Argo Events' logger does it: of each message, the first hundred of a second are
//! written, then every hundredth.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tracing::callsite::Identifier;

/// How many lines of a message are written in a second before only every so many-th is.
const FIRST: u64 = 100;
const THEREAFTER: u64 = 100;

/// Counts lines by the place in the program that writes them: what varies in a message (a trigger's
/// name) does not make it another message.
#[derive(Default)]
pub(super) struct Sampler {
    counts: Mutex<HashMap<Identifier, (i64, u64)>>,
}

impl Sampler {
    pub(super) fn takes(&self, callsite: Identifier, now: Timestamp) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (second, count) = counts.entry(callsite).or_default();
        if *second != now.as_second() {
            (*second, *count) = (now.as_second(), 0);
        }
        *count += 1;
        *count <= FIRST || (*count - FIRST).is_multiple_of(THEREAFTER)
    }
}
