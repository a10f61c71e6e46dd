//! What is noted while a drill goes on.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::books::Interruption;

/// Notes that all tasks of a drill take.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    interruptions: Mutex<Vec<Interruption>>,
    wrong: Mutex<Vec<String>>,
}

impl Notes {
    /// A process of this object begins to work, or goes on after it was frozen.
    pub(crate) fn interruption(&self, object: &'static str) {
        let at = Timestamp::now();
        lock(&self.interruptions).push(Interruption { object, at });
    }

    /// Something happened that never should.
    pub(crate) fn wrong(&self, what: String) {
        eprintln!("          WRONG: {what}");
        lock(&self.wrong).push(what);
    }

    pub(crate) fn interruptions(&self) -> Vec<Interruption> {
        lock(&self.interruptions).clone()
    }

    pub(crate) fn all_wrong(&self) -> Vec<String> {
        lock(&self.wrong).clone()
    }
}

fn lock<T>(noted: &Mutex<T>) -> MutexGuard<'_, T> {
    noted.lock().unwrap_or_else(PoisonError::into_inner)
}
