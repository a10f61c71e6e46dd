//! What each connection of a port is doing, and which one gives way when there are too many.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::Limits;

/// What a connection is doing. Those that come first give way first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Nothing, between two requests.
    Idle,
    /// Shaking hands, or sending the headers of a request.
    Head,
    /// Sending the body of a request.
    Body,
    /// Reading an answer that goes on.
    Stream,
    /// Waiting for its handler: it is never cut off.
    Answer,
}

/// How many bits of a state say the phase; the others say since when, in milliseconds.
const PHASE_BITS: u32 = 3;

/// A connection's place among the others.
#[derive(Debug)]
pub(crate) struct Seat {
    state: AtomicU64,
    epoch: Instant,
    is_ended: AtomicBool,
    end: Notify,
    is_hurried: AtomicBool,
    hurry: Notify,
}

/// All connections of a port.
#[derive(Debug)]
pub(crate) struct Seats {
    epoch: Instant,
    taken: Mutex<Vec<Arc<Seat>>>,
}

impl Seat {
    fn new(epoch: Instant) -> Self {
        let seat = Self {
            state: AtomicU64::new(0),
            epoch,
            is_ended: AtomicBool::new(false),
            end: Notify::new(),
            is_hurried: AtomicBool::new(false),
            hurry: Notify::new(),
        };
        seat.enter(Phase::Head);
        seat
    }

    /// Begins a phase.
    pub(crate) fn enter(&self, phase: Phase) {
        if phase == Phase::Body {
            self.is_hurried.store(false, Ordering::Relaxed);
        }
        let state = (millis(self.epoch) << PHASE_BITS) | phase as u64;
        self.state.store(state, Ordering::Relaxed);
    }

    /// Bytes have come: after silence, they begin a request.
    pub(crate) fn bytes_came(&self) {
        if self.phase() == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state().0
    }

    /// The phase, and since when.
    fn state(&self) -> (Phase, u64) {
        let state = self.state.load(Ordering::Relaxed);
        let phase = match state & ((1 << PHASE_BITS) - 1) {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Body,
            3 => Phase::Stream,
            _ => Phase::Answer,
        };
        (phase, state >> PHASE_BITS)
    }

    fn close(&self) {
        self.is_ended.store(true, Ordering::Relaxed);
        self.end.notify_one();
    }

    fn hurry(&self) {
        self.is_hurried.store(true, Ordering::Relaxed);
        self.hurry.notify_one();
    }

    /// Returns when the connection has to close.
    pub(crate) async fn closed(&self) {
        while !self.is_ended.load(Ordering::Relaxed) {
            self.end.notified().await;
        }
    }

    /// Returns when the body that is coming has taken too long.
    pub(crate) async fn hurried(&self) {
        while !self.is_hurried.load(Ordering::Relaxed) {
            self.hurry.notified().await;
        }
    }
}

impl Seats {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            taken: Mutex::default(),
        }
    }

    /// A seat for one more connection; none if all others have a request that is being answered.
    pub(crate) fn take(&self, most: usize) -> Option<Arc<Seat>> {
        let mut taken = self.locked();
        if taken.len() >= most {
            taken.retain(is_used);
        }
        if taken.len() >= most {
            let (at, _) = taken
                .iter()
                .enumerate()
                .map(|(at, seat)| (at, seat.state()))
                .filter(|(_, (phase, _))| *phase != Phase::Answer)
                .min_by_key(|(_, state)| *state)?;
            taken.swap_remove(at).close();
        }
        let seat = Arc::new(Seat::new(self.epoch));
        taken.push(Arc::clone(&seat));
        Some(seat)
    }

    /// Closes what has been idle for too long, and hurries what is too slow.
    pub(crate) fn sweep(&self, limits: &Limits) {
        let now = millis(self.epoch);
        let mut taken = self.locked();
        taken.retain(is_used);
        for seat in &*taken {
            let (phase, since) = seat.state();
            let most = match phase {
                Phase::Idle => limits.idle_time,
                Phase::Head => limits.header_time,
                Phase::Body => limits.body_time,
                Phase::Stream | Phase::Answer => continue,
            };
            if u128::from(now.saturating_sub(since)) < most.as_millis() {
                continue;
            }
            match phase {
                Phase::Body => seat.hurry(),
                _ => seat.close(),
            }
        }
    }

    /// Hurries the body that has been coming for the longest time; false if there is none but `own`.
    pub(crate) fn hurry_oldest(&self, own: &Seat) -> bool {
        let taken = self.locked();
        let bodies = taken
            .iter()
            .filter(|seat| !std::ptr::eq(Arc::as_ptr(seat), own));
        let oldest = bodies
            .filter(|seat| seat.phase() == Phase::Body)
            .filter(|seat| !seat.is_hurried.load(Ordering::Relaxed))
            .min_by_key(|seat| seat.state());
        if let Some(seat) = oldest {
            seat.hurry();
        }
        oldest.is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.locked().is_empty()
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Arc<Seat>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection has the seat as well, until it ends.
fn is_used(seat: &Arc<Seat>) -> bool {
    Arc::strong_count(seat) > 1
}

fn millis(epoch: Instant) -> u64 {
    u64::try_from(epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    fn is_closed(seat: &Seat) -> bool {
        seat.is_ended.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_no_request_gives_way_and_of_those_the_oldest() {
        let seats = Seats::new();
        let mut taken = Vec::new();
        for phase in [Phase::Answer, Phase::Body, Phase::Idle, Phase::Idle] {
            advance(Duration::from_millis(10)).await;
            let seat = seats.take(4).unwrap();
            seat.enter(phase);
            taken.push(seat);
        }
        let mut gone = Vec::new();
        for _ in 0..4 {
            let last = seats.take(4);
            if let Some(seat) = last {
                seat.enter(Phase::Answer);
                taken.push(seat);
            }
            gone.push(taken.iter().map(|seat| is_closed(seat)).collect::<Vec<_>>());
        }
        assert_eq!(gone[0], [false, false, true, false, false]);
        assert_eq!(gone[1], [false, false, true, true, false, false]);
        assert_eq!(gone[2], [false, true, true, true, false, false, false]);
        assert_eq!(gone[3], [false, true, true, true, false, false, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_time() {
        let limits = Limits {
            header_time: Duration::from_secs(1),
            body_time: Duration::from_secs(2),
            idle_time: Duration::from_secs(3),
            ..Limits::default()
        };
        let seats = Seats::new();
        let phases = [Phase::Head, Phase::Body, Phase::Idle, Phase::Answer];
        let taken: Vec<Arc<Seat>> = phases
            .iter()
            .map(|phase| {
                let seat = seats.take(9).unwrap();
                seat.enter(*phase);
                seat
            })
            .collect();
        let mut seen = Vec::new();
        for _ in 0..4 {
            seats.sweep(&limits);
            let is_hurried = taken[1].is_hurried.load(Ordering::Relaxed);
            seen.push((
                is_closed(&taken[0]),
                is_hurried,
                is_closed(&taken[2]),
                is_closed(&taken[3]),
            ));
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!(
            seen,
            [
                (false, false, false, false),
                (true, false, false, false),
                (true, true, false, false),
                (true, true, true, false),
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_seat_whose_connection_has_ended_is_free() {
        let seats = Seats::new();
        let first = seats.take(1).unwrap();
        first.enter(Phase::Answer);
        assert!(seats.take(1).is_none());
        drop(first);
        assert!(seats.take(1).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn only_others_that_still_send_are_hurried() {
        let seats = Seats::new();
        let (own, other) = (seats.take(9).unwrap(), seats.take(9).unwrap());
        own.enter(Phase::Body);
        assert!(!seats.hurry_oldest(&own));
        other.enter(Phase::Body);
        assert!(seats.hurry_oldest(&own));
        assert!(!seats.hurry_oldest(&own));
        other.hurried().await;
    }
}
