//! How long programs may run.
//!
//! What counts is processor time, so that a slow or busy machine ends nothing that a fast one does not.
//! A clock on the wall runs beside it, far more generous, for whatever waits instead of working.
//!
//! Whoever runs several programs for one event gives them one deadline together ([`within`]): fifty
//! programs may take no longer than one. It belongs to the thread that they run on.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// How much processor time all programs have that are run for one event at a time.
pub(crate) const TIME: Duration = Duration::from_secs(1);

/// How many times longer the clock on the wall may run.
const PATIENCE: u32 = 30;

/// What part of its time passes before a run asks for its processor time, which takes a system call: few
/// run for so long.
const FREE: u32 = 10;

/// The shortest time between two such questions.
const LEAST_LOOK: Duration = Duration::from_millis(2);

/// When a run ends at the latest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    limit: Duration,
    wall_end: Option<Instant>,
    /// Before this it cannot be over: no thread uses more time than passes.
    next_look: Option<Instant>,
    /// The processor time of the thread at which it is over, from the first look on.
    end: Option<Duration>,
}

thread_local! {
    static SHARED: Cell<Option<Deadline>> = const { Cell::new(None) };
}

/// Gives one deadline to all programs that `run` runs, unless they have one already.
pub fn within<T>(run: impl FnOnce() -> T) -> T {
    within_time(TIME, run)
}

/// As [`within`], with another time.
pub fn within_time<T>(time: Duration, run: impl FnOnce() -> T) -> T {
    /// Ends it, also after a panic.
    struct Ends;
    impl Drop for Ends {
        fn drop(&mut self) {
            SHARED.set(None);
        }
    }
    if SHARED.get().is_some() {
        return run();
    }
    let _ends = Ends;
    SHARED.set(Some(Deadline::after(time)));
    run()
}

/// Whether an event is worked on, all of whose programs have one deadline.
pub(crate) fn is_shared() -> bool {
    SHARED.get().is_some()
}

/// Whether the time is over that all programs of an event have together.
pub(crate) fn is_over() -> bool {
    let Some(mut shared) = SHARED.get() else {
        return false;
    };
    let is_over = shared.is_over_at(Instant::now());
    SHARED.set(Some(shared));
    is_over
}

impl Deadline {
    /// Starts now.
    pub(crate) fn after(limit: Duration) -> Self {
        let now = Instant::now();
        Self {
            limit,
            wall_end: now.checked_add(limit.saturating_mul(PATIENCE)),
            next_look: now.checked_add(limit / FREE),
            end: None,
        }
    }

    /// Whether the time of this run is over, or that of all of its event.
    pub(crate) fn is_over(&mut self) -> bool {
        self.is_over_at(Instant::now()) || is_over()
    }

    fn is_over_at(&mut self, now: Instant) -> bool {
        // A time that cannot be told never comes.
        let is_reached = |moment: Option<Instant>| moment.is_some_and(|moment| now >= moment);
        if !is_reached(self.next_look) {
            return false;
        }
        let used = thread_time();
        let end = *self.end.get_or_insert(used.saturating_add(self.limit));
        let left = end.saturating_sub(used);
        let is_over = left.is_zero() || is_reached(self.wall_end);
        if !is_over {
            self.next_look = now.checked_add(left.max(LEAST_LOOK));
        }
        is_over
    }
}

/// The processor time that this thread has used.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    fn work() {
        let sum = (0..20_000_u64).fold(0, |sum: u64, n| sum.wrapping_mul(31).wrapping_add(n));
        std::hint::black_box(sum);
    }

    #[test]
    fn a_thread_that_works_comes_to_its_end() {
        let mut deadline = Deadline::after(SHORT);
        assert!(!deadline.is_over());
        let start = thread_time();
        while !deadline.is_over() {
            work();
        }
        assert!(thread_time().saturating_sub(start) >= SHORT);
        assert!(deadline.is_over(), "for good");
    }

    /// A neighbour, a limit of the pod: programs that took 0.3 s were ended after 1 s of waiting.
    #[test]
    fn who_gets_no_processor_is_not_ended() {
        let mut deadline = Deadline::after(SHORT);
        std::thread::sleep(SHORT * 5);
        assert!(!deadline.is_over());
        std::thread::sleep(SHORT * (PATIENCE + 1));
        assert!(deadline.is_over(), "unless it takes far too long");
    }

    #[test]
    fn programs_of_an_event_end_together() {
        let ended = || Deadline::after(Duration::from_hours(1)).is_over();
        let is_over = within(|| {
            let start = thread_time();
            while !ended() {
                work();
            }
            assert!(thread_time().saturating_sub(start) >= TIME);
            within(ended)
        });
        assert!(is_over, "a part of the same work");
        assert!(!ended());
        assert!(!within(ended), "another event");
    }
}
