//! Random schedules: whatever happens in whatever order, the promises hold.
//!
//! [`model`] is a bus, its stores, the targets and the process around a trigger's state. It is written
//! from the promises alone and looks at nothing but effects: what it lets happen is what may happen
//! to a real process. After every step the books have to balance; at the end, every event has to be
//! accounted for.
//!
//! `TIPHYS_SCHEDULES` says how many schedules are run, `TIPHYS_SEED` runs the one with this seed.

mod model;
mod promises;

use std::env;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use model::World;

/// How many schedules are run by default.
const SCHEDULES: u64 = 3_000;

/// Things that happen in a schedule before it is left to come to rest.
const STEPS: u32 = 120;

/// Says which schedule broke a promise.
struct Schedule(u64);

impl Drop for Schedule {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this schedule is run again with TIPHYS_SEED={}", self.0);
        }
    }
}

#[test]
fn no_schedule_breaks_a_promise() {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    if let Some(seed) = number("TIPHYS_SEED") {
        run(seed, true);
        return;
    }
    let first = fastrand::u64(..u64::MAX / 2);
    let count = number("TIPHYS_SCHEDULES").unwrap_or(SCHEDULES);
    let next = AtomicU64::new(first);
    // A panic of one of them is one of the test's, when the others have come to their end.
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    run(seed, false);
                }
            });
        }
    });
}

fn run(seed: u64, is_told: bool) {
    let _schedule = Schedule(seed);
    let mut world = World::new(seed, is_told);
    for _ in 0..STEPS {
        world.step();
    }
    world.come_to_rest();
    world.account();
}
