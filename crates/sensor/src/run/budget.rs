//! How much is done at a time, whatever the triggers would like to do.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::engine::Limits;

/// How much one trigger may do at a time.
pub(super) const LIMITS: Limits = Limits {
    in_flight: 1024,
    running: 64,
};

/// Bounds the attempts that run at a time. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    running: Arc<Semaphore>,
}

/// One attempt may run for as long as this lives.
#[derive(Debug)]
pub(super) struct Permit {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// Enough for one trigger that runs alone.
    pub(super) fn of_one_trigger() -> Self {
        Self {
            running: Arc::new(Semaphore::new(LIMITS.running)),
        }
    }

    /// Returns when one more attempt may run.
    pub(super) async fn running(&self) -> Permit {
        // It is never closed.
        let permit = Arc::clone(&self.running).acquire_owned().await.ok();
        Permit { _permit: permit }
    }
}
