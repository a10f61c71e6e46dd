//! What a case takes: the processor time of its thread, and the memory of the process.

use std::alloc::System;
use std::fs;
use std::time::Duration;

use cap::Cap;
use rustix::time::{ClockId, clock_gettime};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Runs `ask`, and returns what it says and how long it took. Whoever needs more than `memory` ends the
/// process: nothing is left of it to be caught.
pub(crate) fn measure<T>(memory: usize, ask: impl FnOnce() -> T) -> (T, Duration) {
    limit(ALLOCATOR.allocated().saturating_add(memory));
    let start = thread_time();
    let answer = ask();
    let time = thread_time().saturating_sub(start);
    limit(usize::MAX);
    (answer, time)
}

fn limit(bytes: usize) {
    let is_set = ALLOCATOR.set_limit(bytes);
    is_set.expect("no case is measured beside another one");
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("it is not negative")
}

/// The most memory that the kernel gave to this process since this was asked last; zero where it does not
/// tell.
pub(crate) fn peak_resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    // What is forgotten here is the peak.
    fs::write("/proc/self/clear_refs", "5").unwrap_or_default();
    let kib = peak.and_then(|peak| peak.split_whitespace().next()?.parse::<usize>().ok());
    kib.unwrap_or(0) * 1024
}
