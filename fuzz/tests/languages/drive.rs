//! Runs cases one after another on a thread of its own, with the stack that threads usually have.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tiphys_lang::deadline;

use super::choices::Choices;
use super::corpus::Case;
use super::measure::{measure, peak_resident};
use super::mutate::{Mutator, Origin};
use super::{GRACE, TIME};

/// What is asked of a language.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// How many cases `cargo test` asks.
    pub(crate) cases: u64,
    /// The memory that a case may take by the limits of the language, in bytes.
    pub(crate) memory: usize,
    /// Asks, and says whether the program was one.
    pub(crate) ask: fn(&str, &[u8]) -> bool,
}

/// When a case is taken for one that never ends. The limits of the languages are a second; the machine
/// may be busy.
const PATIENCE: Duration = Duration::from_mins(5);

/// The stack of a usual thread.
const STACK: usize = 2 << 20;

/// The stack that a program of jq gets if this one does not do.
const LARGE_STACK: usize = 128 << 20;

/// How much of an event a message shows.
const SHOWN: usize = 300;

/// The memory of a process is looked at for one case at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Asks cases made from `origin`. Where hardly any of them is a program, nothing would be shown.
pub(crate) fn drive(target: Target, origin: impl FnOnce() -> Origin) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let name = target.name;
    let cases = number("TIPHYS_FUZZ_CASES").unwrap_or(target.cases);
    let seed = number("TIPHYS_FUZZ_SEED").unwrap_or(1);
    let watches_time = number("TIPHYS_FUZZ_TIME").is_some();
    let origin = origin();
    let mut mutator = Mutator::new(Choices::of(seed), &origin);
    let last = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}.txt"));
    let (to_worker, for_worker) = channel::<Case>();
    let (done, outcomes) = channel();
    let worker = std::thread::Builder::new().stack_size(STACK);
    let worker = worker.spawn(move || {
        for case in for_worker {
            done.send(ask(target, &case)).ok();
        }
    });
    worker.expect("a thread can be started");
    let resident = peak_resident();
    let (mut compiled, mut slowest) = (0, Duration::ZERO);
    for index in 0..cases {
        let case = mutator.case();
        std::fs::write(&last, describe(&case, usize::MAX)).expect("there is a place for it");
        to_worker
            .send(case.clone())
            .expect("the worker waits for cases");
        let fault = match outcomes.recv_timeout(PATIENCE) {
            Ok((is_compiled, time)) => {
                compiled += u64::from(is_compiled);
                slowest = slowest.max(time);
                let grown = peak_resident().saturating_sub(resident);
                if watches_time && time > TIME + GRACE {
                    format!("took {time:?}")
                } else if grown > memory_of(target) + LARGE_STACK {
                    format!("took {grown} bytes")
                } else {
                    continue;
                }
            }
            Err(RecvTimeoutError::Timeout) => "did not come to an end".to_owned(),
            Err(RecvTimeoutError::Disconnected) => "panicked".to_owned(),
        };
        panic!("{name}: case {index} {fault}\n{}", describe(&case, SHOWN));
    }
    println!("{name}: {cases} cases, {compiled} compiled, the slowest took {slowest:?}");
    assert!(
        compiled >= cases / 10,
        "{name}: only {compiled} of {cases} cases are programs"
    );
}

/// Asks the case that `choices` stand for. libFuzzer watches over the whole memory of the process.
#[cfg(fuzzing)]
pub(crate) fn guided(choices: &[u8], target: Target, origin: &Origin) {
    let case = Mutator::new(Choices::given(choices), origin).case();
    if number("TIPHYS_FUZZ_SHOW").is_some() {
        println!("{}", describe(&case, SHOWN));
    }
    let (_, time) = ask(target, &case);
    assert!(
        time <= TIME + GRACE,
        "took {time:?}\n{}",
        describe(&case, SHOWN)
    );
}

fn ask(target: Target, case: &Case) -> (bool, Duration) {
    measure(memory_of(target), || {
        deadline::within_time(TIME, || (target.ask)(&case.program, &case.event))
    })
}

/// What a case may take of the allocator.
fn memory_of(target: Target) -> usize {
    target.memory * 3 / 2
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The case, and no more than so many bytes of its event.
fn describe(case: &Case, shown: usize) -> String {
    let mut text = String::new();
    let event = String::from_utf8_lossy(&case.event);
    let shown = &event[..event.floor_char_boundary(shown)];
    writeln!(text, "program {:?}", case.program).expect("a text takes anything");
    writeln!(text, "event of {} bytes {shown:?}", event.len()).expect("a text takes anything");
    text
}
