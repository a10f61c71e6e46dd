//! How much may be on its way to the bus: the back-pressure of all sources.
//!
//! Without a permit nothing is read from an upstream. There are none while too much is on its way, and
//! none while the bus does not take what it was handed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How many events may be on their way. At 5 ms a round trip this is 50,000 a second.
pub(crate) const MAX_EVENTS: usize = 256;

/// How many bytes of payload may be on their way when another event is accepted.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The window of one event.
#[derive(Debug)]
pub(super) struct Window {
    events: Arc<Semaphore>,
    load: Mutex<Load>,
    is_open: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Load {
    bytes: usize,
    is_failing: bool,
}

/// The right to hand on one event.
#[derive(Debug)]
pub(crate) struct Permit {
    _event: Option<OwnedSemaphorePermit>,
    window: Arc<Window>,
    size: usize,
}

impl Window {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            events: Arc::new(Semaphore::new(MAX_EVENTS)),
            load: Mutex::default(),
            is_open: watch::Sender::new(true),
        })
    }

    /// Waits for the right to hand on one event.
    pub(super) async fn permit(self: &Arc<Self>) -> Permit {
        // The semaphore is never closed.
        let event = self.events.clone().acquire_owned().await.ok();
        let mut is_open = self.is_open.subscribe();
        while !*is_open.borrow_and_update() {
            // The sender lives in `self`.
            if is_open.changed().await.is_err() {
                break;
            }
        }
        Permit {
            _event: event,
            window: self.clone(),
            size: 0,
        }
    }

    /// The bus does not take what it was handed, or takes it again.
    pub(super) fn set_failing(&self, is_failing: bool) {
        let mut load = self.locked();
        load.is_failing = is_failing;
        self.show(&load);
    }

    fn locked(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, load: &Load) {
        let is_open = !load.is_failing && load.bytes < MAX_BYTES;
        self.is_open
            .send_if_modified(|before| std::mem::replace(before, is_open) != is_open);
    }
}

impl Permit {
    /// So many bytes are on their way under this permit.
    pub(super) fn take(&mut self, size: usize) {
        self.size += size;
        let mut load = self.window.locked();
        load.bytes += size;
        self.window.show(&load);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.size > 0 {
            let mut load = self.window.locked();
            load.bytes -= self.size;
            self.window.show(&load);
        }
    }
}
