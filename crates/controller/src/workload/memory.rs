//! What is known of an object between two looks at it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::{Faults, Workload};

/// What is known of all objects, by uid.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    by_uid: Mutex<HashMap<String, Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// The shape of the object is wrong.
    malformed: Option<String>,
    /// What was found wrong with this generation.
    checked: Option<(i64, Arc<Faults>)>,
    /// When the status was written.
    written: Option<Instant>,
}

impl Memory {
    /// Whether the shape of an object is wrong.
    pub(crate) fn shape(&self, uid: &str, fault: Option<String>) {
        let mut by_uid = self.lock();
        if let Some(known) = by_uid.get_mut(uid) {
            known.malformed = fault;
        } else if fault.is_some() {
            by_uid.entry(uid.to_owned()).or_default().malformed = fault;
        }
    }

    /// What is wrong with the shape of an object.
    pub(crate) fn malformed(&self, uid: &str) -> Option<String> {
        self.lock().get(uid)?.malformed.clone()
    }

    /// What is wrong with an object; each generation is checked once.
    pub(super) fn faults<K: Workload>(&self, object: &K) -> Arc<Faults> {
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        let generation = object.meta().generation.unwrap_or_default();
        if let Some(known) = self.lock().get(uid) {
            if let Some(message) = &known.malformed {
                return Arc::new(Faults::malformed(message));
            }
            if let Some((checked, faults)) = &known.checked
                && *checked == generation
            {
                return Arc::clone(faults);
            }
        }
        let faults = Arc::new(Faults::of(object));
        let mut by_uid = self.lock();
        let known = by_uid.entry(uid.to_owned()).or_default();
        known.checked = Some((generation, Arc::clone(&faults)));
        faults
    }

    /// When the status of an object was written.
    pub(super) fn written(&self, uid: &str) -> Option<Instant> {
        self.lock().get(uid)?.written
    }

    /// Notes that the status of an object was written.
    pub(super) fn note_written(&self, uid: &str, now: Instant) {
        self.lock().entry(uid.to_owned()).or_default().written = Some(now);
    }

    /// Forgets an object that is gone.
    pub(crate) fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        // Nothing panics while it is held.
        self.by_uid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
