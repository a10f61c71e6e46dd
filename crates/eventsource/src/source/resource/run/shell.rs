//! What goes on beside everything else: messages on their way, the position, the end.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{
    Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout, timeout_at,
};
use tokio_util::sync::CancellationToken;

use super::Flow;
use crate::source::resource::error::Error;
use crate::source::resource::ledger::Ledger;
use crate::source::resource::object::{Name, Uid, Version};
use crate::source::resource::publish::{Done, Publisher, Target};
use crate::source::resource::record::Position;
use crate::source::resource::watch::{Line, Lines};

/// How often the position is stored at most. After a crash so much is said again, and dropped.
const STORE_EVERY: Duration = Duration::from_secs(1);

/// How long the end waits for what is on its way, and then for the position: together less than the
/// runner gives.
const DRAIN_WITHIN: Duration = Duration::from_millis(2500);
const STORE_WITHIN: Duration = Duration::from_secs(1);

/// What can happen while a watch is read.
pub(super) enum Wake {
    Stop,
    Done(Done),
    Tick,
    Line(Result<Option<Line>, Error>),
    Silent,
}

pub(super) struct Shell {
    pub(super) publisher: Publisher,
    target: Arc<Target>,
    tick: Interval,
    shutdown: CancellationToken,
}

impl Shell {
    pub(super) fn new(
        target: Arc<Target>,
        position: Position,
        tombstones: HashMap<Uid, Version>,
        shutdown: CancellationToken,
    ) -> Self {
        let mut tick = interval(STORE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let publisher = Publisher::new(target.clone(), position, tombstones);
        Self {
            publisher,
            target,
            tick,
            shutdown,
        }
    }

    /// The next thing that happens. The watch is only read while the bus takes what it is offered.
    pub(super) async fn wake(&mut self, lines: &mut Lines) -> Wake {
        let is_open = self.publisher.is_open();
        let deadline = lines.deadline();
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Wake::Stop,
            Some(done) = self.publisher.done() => Wake::Done(done),
            line = lines.next(), if is_open => Wake::Line(line),
            _ = self.tick.tick() => Wake::Tick,
            () = sleep_until(deadline), if is_open => Wake::Silent,
        }
    }

    /// Waits for `future` while everything else goes on; `None` if the end came first.
    pub(super) async fn drive<F: Future>(
        &mut self,
        ledger: &mut Ledger,
        future: F,
    ) -> Option<F::Output> {
        let mut future = pin!(future);
        loop {
            let done = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return None,
                output = &mut future => return Some(output),
                Some(done) = self.publisher.done() => done,
                _ = self.tick.tick() => {
                    self.publisher.store_position();
                    continue;
                }
            };
            self.on_done(done, ledger);
        }
    }

    /// Waits until something about this object may be offered.
    pub(super) async fn make_room(&mut self, uid: &str, name: &Name, ledger: &mut Ledger) -> Flow {
        while !self.publisher.has_room(uid, name) {
            let done = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return Flow::Stop,
                Some(done) = self.publisher.done() => done,
                _ = self.tick.tick() => {
                    self.publisher.store_position();
                    continue;
                }
            };
            self.on_done(done, ledger);
        }
        Flow::Go
    }

    pub(super) fn on_done(&mut self, done: Done, ledger: &mut Ledger) {
        if let Some(uid) = self.publisher.on_done(done) {
            ledger.forget_tombstone(&uid);
        }
    }

    /// Waits for what is on its way, and stores the position.
    pub(super) async fn drain(&mut self, ledger: &mut Ledger) {
        let deadline = Instant::now() + DRAIN_WITHIN;
        while !self.publisher.is_idle() {
            match timeout_at(deadline, self.publisher.done()).await {
                Ok(Some(done)) => self.on_done(done, ledger),
                Ok(None) | Err(_) => break,
            }
        }
        let Some(position) = self.publisher.moved() else {
            return;
        };
        if let Ok(Err(error)) = timeout(STORE_WITHIN, self.target.store(&position)).await {
            let error: &dyn StdError = &error;
            tracing::warn!(
                error,
                "Could not store the position at the end: the next start finds it out"
            );
        }
    }
}
