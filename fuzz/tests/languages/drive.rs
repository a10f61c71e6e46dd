//! Runs cases one after another on a thread of its own, with the stack that threads usually have.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::corpus::Case;
use super::mutate::Mutator;

/// When a case is taken for one that never ends. The limits of the languages are a second; the machine
/// may be busy.
const PATIENCE: Duration = Duration::from_mins(5);

/// The most memory that the process may have taken, in KiB: the limits of the languages are 128 MiB
/// for each of the threads.
const MAX_MEMORY: u64 = 2 << 20;

/// The stack of a usual thread.
const STACK: usize = 2 << 20;

/// Asks `cases` mutations of `corpus`; `target` says whether the program was one. Where hardly any
/// is, nothing would be shown.
pub(crate) fn drive(name: &str, cases: u64, corpus: &[Case], target: fn(&str, &[u8]) -> bool) {
    let cases = number("TIPHYS_FUZZ_CASES").unwrap_or(cases);
    let mut mutator = Mutator::new(number("TIPHYS_FUZZ_SEED").unwrap_or(1), corpus);
    let last = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}.txt"));
    let (to_worker, for_worker) = channel::<Case>();
    let (done, outcomes) = channel();
    let worker = std::thread::Builder::new().stack_size(STACK);
    let worker = worker.spawn(move || {
        for case in for_worker {
            done.send(target(&case.program, &case.event)).ok();
        }
    });
    worker.expect("a thread can be started");
    let (mut compiled, mut slowest) = (0, Duration::ZERO);
    for index in 0..cases {
        let case = mutator.case();
        std::fs::write(&last, describe(&case)).expect("the folder for temporary files is there");
        let start = Instant::now();
        to_worker
            .send(case.clone())
            .expect("the worker waits for cases");
        let outcome = outcomes.recv_timeout(PATIENCE);
        slowest = slowest.max(start.elapsed());
        let fault = match outcome {
            Ok(is_compiled) if peak_memory().is_none_or(|peak| peak < MAX_MEMORY) => {
                compiled += u64::from(is_compiled);
                continue;
            }
            Ok(_) => "took too much memory",
            Err(RecvTimeoutError::Timeout) => "did not come to an end",
            Err(RecvTimeoutError::Disconnected) => "panicked",
        };
        panic!("{name}: case {index} {fault}\n{}", describe(&case));
    }
    println!("{name}: {cases} cases, {compiled} compiled, the slowest took {slowest:?}");
    assert!(
        compiled >= cases / 10,
        "{name}: only {compiled} of {cases} cases are programs"
    );
}

/// Asks the mutation of `corpus` that `choices` stand for. Whoever chooses watches over time and
/// memory.
#[cfg(fuzzing)]
pub(crate) fn guided(choices: &[u8], corpus: &[Case], target: fn(&str, &[u8]) -> bool) {
    let Case { program, event } = Mutator::guided(choices, corpus).case();
    target(&program, &event);
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn describe(case: &Case) -> String {
    let mut text = String::new();
    writeln!(text, "program {:?}", case.program).expect("a text takes anything");
    writeln!(text, "event {:?}", String::from_utf8_lossy(&case.event))
        .expect("a text takes anything");
    text
}

/// The most memory this process ever had, in KiB, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
