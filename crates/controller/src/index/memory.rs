//! What is known of an object between two looks at it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tiphys_api::Problem;
use tokio::time::Instant;

use crate::condition::Waits;

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
    checked: Option<(i64, Arc<[Problem]>)>,
    /// When the status was written.
    written: Option<Instant>,
    /// What its conditions wait for.
    waits: Waits,
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

    /// What is wrong with this generation of an object; `None` if it was not checked yet. An object whose
    /// shape is wrong has that fault alone.
    pub(crate) fn problems(&self, uid: &str, generation: i64) -> Option<Arc<[Problem]>> {
        let by_uid = self.lock();
        let known = by_uid.get(uid)?;
        if let Some(message) = &known.malformed {
            return Some([Problem::error("", message)].into());
        }
        let (checked, problems) = known.checked.as_ref()?;
        (*checked == generation).then(|| Arc::clone(problems))
    }

    /// Notes what is wrong with this generation of an object.
    pub(crate) fn note_problems(&self, uid: &str, generation: i64, problems: Arc<[Problem]>) {
        let mut by_uid = self.lock();
        by_uid.entry(uid.to_owned()).or_default().checked = Some((generation, problems));
    }

    /// When the status of an object was written.
    pub(crate) fn written(&self, uid: &str) -> Option<Instant> {
        self.lock().get(uid)?.written
    }

    /// Notes that the status of an object was written.
    pub(crate) fn note_written(&self, uid: &str, now: Instant) {
        self.lock().entry(uid.to_owned()).or_default().written = Some(now);
    }

    /// Looks at what the conditions of an object wait for, and takes note.
    pub(crate) fn wait<T>(&self, uid: &str, look: impl FnOnce(&mut Waits) -> T) -> T {
        let mut by_uid = self.lock();
        look(&mut by_uid.entry(uid.to_owned()).or_default().waits)
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
