//! How much is done at a time: by one trigger, and by all triggers of a process together.
//!
//! Each trigger has a few permits of its own and takes more from what all share, as [`Permits`]
//! allows it. A trigger that runs alone finds all that it may have at most; one beside others that
//! take what they can get has its own, and a part of the rest.

mod permits;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{mem, thread};

use tokio::sync::oneshot;

use crate::engine::{Limits, weight};
use permits::{Permits, Rule};

/// How much one trigger may do at a time.
pub(super) const LIMITS: Limits = Limits {
    in_flight: 1024,
    // Half of that for one target.
    running: 128,
    // 4 MiB of payload.
    waiting: 256,
    given_back: 8192,
};

impl Limits {
    /// What a trigger may do at a time whose firings wait for nobody, or for somebody.
    pub(super) fn of(is_immediate: bool) -> Self {
        Self {
            // Whoever waits for nobody has nothing to share out.
            running: if is_immediate {
                4 * LIMITS.in_flight
            } else {
                LIMITS.running
            },
            ..LIMITS
        }
    }
}

/// How many chunks of deliveries a trigger prepares at a time: one per core, and one to hand over.
pub(super) const CHUNKS: usize = 4;

/// How many deliveries are prepared together: enough to make the hop to another thread cheap.
pub(super) const CHUNK: usize = 32;

/// Deliveries that are not settled, those in preparation included: 18 MiB of payload for a trigger, and
/// 64 MiB that all share.
const IN_FLIGHT: Rule = Rule {
    own: 2 * CHUNK,
    most: LIMITS.in_flight + CHUNKS * CHUNK,
    shared: 4096,
};

/// Attempts to perform an action: each holds a connection.
const RUNNING: Rule = Rule {
    own: 4,
    most: LIMITS.running,
    shared: 256,
};

/// Threads that run programs: transforms, filters and templates. With one that is its own, a trigger
/// has its part of the cores, however long the programs of others run; one that runs alone has as many as
/// there are cores.
fn programs(cores: usize) -> Rule {
    Rule {
        own: 1,
        most: CHUNKS,
        shared: cores.saturating_sub(1).max(1) * 2,
    }
}

/// Runs of a program with all of its memory. Hardly any program needs that, each run ends within its
/// time, and 8 of them may take 1 GB.
const MEMORY: Rule = Rule {
    own: 0,
    most: CHUNKS,
    shared: 8,
};

/// What all sensors of a process may do at a time. Clones share it.
#[derive(Debug, Clone)]
pub struct Budget {
    in_flight: Pool,
    running: Pool,
    programs: Pool,
    memory: Pool,
}

impl Budget {
    /// Enough for a process that runs any number of sensors.
    pub fn of_a_process() -> Self {
        Self::on(thread::available_parallelism().map_or(1, usize::from))
    }

    fn on(cores: usize) -> Self {
        Self {
            in_flight: Pool::new(IN_FLIGHT),
            running: Pool::new(RUNNING),
            programs: Pool::new(programs(cores)),
            memory: Pool::new(MEMORY),
        }
    }

    /// The part of one trigger. What is shared is divided among `owner`s, whatever number of triggers
    /// each has.
    pub(super) fn part(&self, owner: &str) -> Part {
        Part {
            in_flight: self.in_flight.seat(owner),
            running: self.running.seat(owner),
            programs: self.programs.seat(owner),
            memory: self.memory.seat(owner),
        }
    }
}

/// What one trigger may do at a time. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// For each delivery, until it is settled.
    pub(super) in_flight: Seat,
    /// For each attempt to perform an action.
    pub(super) running: Seat,
    /// For each thread that runs programs.
    pub(super) programs: Seat,
    /// For each program that needs all of its memory.
    pub(super) memory: Seat,
}

/// Permits of one sort.
#[derive(Debug, Clone)]
struct Pool(Arc<Mutex<Permits<Waiter>>>);

/// Somebody who waits for a permit.
#[derive(Debug)]
struct Waiter {
    seat: Seat,
    granted: oneshot::Sender<Permit>,
}

/// Where permits of one sort are asked for. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Seat(Arc<Place>);

#[derive(Debug)]
struct Place {
    pool: Pool,
    number: usize,
}

/// One permit or several, until it is dropped.
#[derive(Debug)]
pub(super) struct Permit(Option<(Seat, usize)>);

impl Pool {
    fn new(rule: Rule) -> Self {
        Self(Arc::new(Mutex::new(Permits::new(rule))))
    }

    fn seat(&self, owner: &str) -> Seat {
        let number = self.locked().enter(owner);
        let pool = self.clone();
        Seat(Arc::new(Place { pool, number }))
    }

    fn locked(&self) -> MutexGuard<'_, Permits<Waiter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Returns when there is a permit.
    ///
    /// # Cancellation
    /// Whoever waits next gets it.
    pub(super) async fn permit(&self) -> Permit {
        self.permits(1).await
    }

    /// Returns when there are permits for a delivery with a payload of so many bytes.
    ///
    /// # Cancellation
    /// As [`Self::permit`].
    pub(super) async fn permit_for(&self, payload: usize) -> Permit {
        self.permits(weight(payload)).await
    }

    async fn permits(&self, count: usize) -> Permit {
        loop {
            let granted = {
                let mut permits = self.0.pool.locked();
                if permits.take(self.0.number, count) {
                    return Permit(Some((self.clone(), count)));
                }
                let (granted, wait) = oneshot::channel();
                let seat = self.clone();
                permits.wait(self.0.number, count, Waiter { seat, granted });
                wait
            };
            // It is never forgotten.
            if let Ok(permit) = granted.await {
                return permit;
            }
        }
    }

    /// Permits are back: who waits gets them. Who has stopped waiting gives them back in turn.
    fn give_back(self, count: usize) {
        let mut back = Some((self, count));
        let mut unused = Vec::new();
        while let Some((seat, count)) = back.take().or_else(|| unused.pop()) {
            let granted = seat.0.pool.locked().give_back(seat.0.number, count);
            for (count, waiter) in granted {
                let sent = waiter.granted.send(Permit(Some((waiter.seat, count))));
                unused.extend(sent.err().and_then(|mut permit| mem::take(&mut permit.0)));
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pool.locked().leave(self.number);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some((seat, count)) = self.0.take() {
            seat.give_back(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn rule(own: usize, most: usize, shared: usize) -> Pool {
        Pool::new(Rule { own, most, shared })
    }

    /// Takes what there is without waiting.
    fn all(seat: &Seat) -> Vec<Permit> {
        std::iter::from_fn(|| seat.permit().now_or_never()).collect()
    }

    #[test]
    fn a_trigger_that_runs_alone_has_what_it_may_have_at_most() {
        let part = Budget::on(4).part("a/b");
        assert_eq!(all(&part.in_flight).len(), 1152);
        assert_eq!(all(&part.running).len(), 128);
        assert_eq!(all(&part.programs).len(), 4);
        assert_eq!(all(&part.memory).len(), 4);
        for (cores, threads) in [(1, 2), (2, 2), (3, 3), (64, 4)] {
            let part = Budget::on(cores).part("a/b");
            assert_eq!(all(&part.programs).len(), threads, "{cores} cores");
        }
    }

    #[test]
    fn a_permit_that_is_dropped_goes_to_who_waits() {
        let pool = rule(1, 1, 0);
        let seat = pool.seat("a");
        let held = seat.permit().now_or_never().unwrap();
        let mut waiting = Box::pin(seat.permit());
        assert!((&mut waiting).now_or_never().is_none());
        drop(held);
        assert!(waiting.now_or_never().is_some());
    }

    #[test]
    fn who_has_stopped_waiting_keeps_no_permit() {
        let pool = rule(1, 1, 0);
        let seat = pool.seat("a");
        let held = seat.permit().now_or_never().unwrap();
        for _ in 0..3 {
            assert!(seat.permit().now_or_never().is_none());
        }
        drop(held);
        assert_eq!(all(&seat).len(), 1);
        // Granted, and dropped before it was looked at.
        let held = all(&seat);
        let mut waiting = Box::pin(seat.permit());
        assert!((&mut waiting).now_or_never().is_none());
        drop(held);
        drop(waiting);
        assert_eq!(all(&seat).len(), 1);
    }

    #[test]
    fn a_seat_that_is_left_leaves_nothing_behind() {
        let pool = rule(1, 3, 4);
        for _ in 0..10 {
            let seat = pool.seat("a");
            let held = all(&seat);
            assert_eq!(held.len(), 3);
            drop(seat);
            drop(held);
        }
        assert!(pool.locked().is_unused());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn nobody_waits_for_ever_for_a_permit() {
        let pool = rule(1, 4, 4);
        let mut tasks = tokio::task::JoinSet::new();
        for owner in ["a", "a", "b", "c"] {
            let seat = pool.seat(owner);
            for _ in 0..8 {
                let seat = seat.clone();
                tasks.spawn(async move {
                    for _ in 0..200 {
                        let permit = seat.permit().await;
                        tokio::task::yield_now().await;
                        drop(permit);
                    }
                });
            }
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        assert!(pool.locked().is_unused());
    }
}
