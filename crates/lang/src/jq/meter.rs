//! What one run of a program may still use: time, memory, depth.
//!
//! jaq has no hook to stop a program, so everything of ours that jaq calls (values, natives, the
//! ticks put into every definition) asks here first. Once something is used up every later step
//! fails too, hence no `try`, `?` or `//` can keep an endless program going.

use std::cell::Cell;
use std::time::Duration;

use jaq_core::Error;

use super::value::Val;
use crate::deadline::Deadline;

/// How deep arrays and objects may nest while a program runs: twice what is read from a text.
pub(super) const MAX_DEPTH: usize = 2 * crate::json::MAX_DEPTH;

/// What jaq holds for one pending call, roughly; it is not known when it is let go.
const CALL_BYTES: usize = 160;

/// What was used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spent {
    Time,
    Memory,
    Depth,
    Stack,
}

/// The stack a run is on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stack {
    /// How many bytes of it have to stay free.
    pub(super) floor: usize,
    /// How many calls of recursive definitions that take filters there may be, and how long paths may
    /// become: jaq keeps both in linked lists that are dropped recursively.
    pub(super) max_links: u32,
}

struct Meter {
    deadline: Cell<Option<Deadline>>,
    steps: Cell<u32>,
    links: Cell<u32>,
    used: Cell<usize>,
    limit: Cell<usize>,
    stack: Cell<Stack>,
    spent: Cell<Option<Spent>>,
}

thread_local! {
    static METER: Meter = const {
        Meter {
            deadline: Cell::new(None),
            steps: Cell::new(0),
            links: Cell::new(0),
            used: Cell::new(0),
            limit: Cell::new(usize::MAX),
            stack: Cell::new(Stack { floor: 0, max_links: u32::MAX }),
            spent: Cell::new(None),
        }
    };
}

/// Starts to count for a run on this thread.
pub(super) fn start(time: Duration, memory: usize, stack: Stack) {
    METER.with(|meter| {
        meter.deadline.set(Some(Deadline::after(time)));
        meter.steps.set(0);
        meter.links.set(0);
        meter.used.set(0);
        meter.limit.set(memory);
        meter.stack.set(stack);
        meter.spent.set(None);
    });
}

/// Ends the counting, and says what was used up, if anything.
pub(super) fn finish() -> Option<Spent> {
    METER.with(|meter| {
        meter.deadline.set(None);
        meter.limit.set(usize::MAX);
        meter.stack.set(Stack {
            floor: 0,
            max_links: u32::MAX,
        });
        meter.spent.take()
    })
}

/// Marks something as used up: from here on every step fails.
pub(super) fn exhaust(what: Spent) -> Spent {
    METER.with(|meter| {
        let first = meter.spent.get().unwrap_or(what);
        meter.spent.set(Some(first));
        first
    })
}

/// Whether something is used up.
pub(super) fn is_spent() -> bool {
    METER.with(|meter| meter.spent.get().is_some())
}

/// How many steps are made between two looks at the clock.
const STEPS_OF_LOOK: u32 = 256;

/// How many bytes of text are as much work as a step.
const BYTES_OF_STEP: usize = 256;

/// A piece of work too small to be counted in bytes: one element, one comparison, one output.
pub(super) fn step() -> Result<(), Spent> {
    steps(1)
}

/// A step that reads or writes so many bytes.
pub(super) fn work(bytes: usize) -> Result<(), Spent> {
    steps(u32::try_from(1 + bytes / BYTES_OF_STEP).unwrap_or(u32::MAX))
}

fn steps(count: u32) -> Result<(), Spent> {
    METER.with(|meter| {
        let before = meter.steps.get();
        let steps = before.wrapping_add(count);
        meter.steps.set(steps);
        if count >= STEPS_OF_LOOK || before / STEPS_OF_LOOK != steps / STEPS_OF_LOOK {
            return look();
        }
        meter.spent.get().map_or(Ok(()), Err)
    })
}

/// Looks at the clock: after a piece of work that may have taken long.
pub(super) fn look() -> Result<(), Spent> {
    METER.with(|meter| {
        if let Some(mut deadline) = meter.deadline.get() {
            let is_over = deadline.is_over();
            meter.deadline.set(Some(deadline));
            if is_over {
                return Err(exhaust(Spent::Time));
            }
        }
        meter.spent.get().map_or(Ok(()), Err)
    })
}

/// A step that may lead deeper: fails if the stack comes to its end.
pub(super) fn descend() -> Result<(), Spent> {
    step()?;
    let floor = METER.with(|meter| meter.stack.get().floor);
    if floor > 0 && stacker::remaining_stack().is_some_and(|left| left < floor) {
        return Err(exhaust(Spent::Stack));
    }
    Ok(())
}

/// A call of a definition.
pub(super) fn call() -> Result<(), Spent> {
    descend()?;
    take(CALL_BYTES)
}

/// A path of `length` keys.
pub(super) fn path(length: usize) -> Result<(), Spent> {
    let max = METER.with(|meter| meter.stack.get().max_links) as usize;
    if length > max {
        Err(exhaust(Spent::Stack))
    } else {
        Ok(())
    }
}

/// A call that nests environments.
pub(super) fn link() -> Result<(), Spent> {
    call()?;
    METER.with(|meter| {
        let links = meter.links.get().saturating_add(1);
        meter.links.set(links);
        if links > meter.stack.get().max_links {
            Err(exhaust(Spent::Stack))
        } else {
            Ok(())
        }
    })
}

/// Counts bytes that are never given back.
pub(super) fn take(bytes: usize) -> Result<(), Spent> {
    METER.with(|meter| {
        let used = meter.used.get().saturating_add(bytes);
        meter.used.set(used);
        if used > meter.limit.get() {
            Err(exhaust(Spent::Memory))
        } else {
            Ok(())
        }
    })
}

/// Fails unless `bytes` more would fit. Asked before something large is made.
pub(super) fn reserve(bytes: usize) -> Result<(), Spent> {
    METER.with(|meter| {
        if meter.used.get().saturating_add(bytes) > meter.limit.get() {
            Err(exhaust(Spent::Memory))
        } else {
            meter.spent.get().map_or(Ok(()), Err)
        }
    })
}

/// The bytes that are left.
pub(super) fn left() -> usize {
    METER.with(|meter| meter.limit.get().saturating_sub(meter.used.get()))
}

/// Bytes that count as used until this is dropped.
#[derive(Debug, Default)]
pub(super) struct Charge(usize);

impl Charge {
    pub(super) fn new(bytes: usize) -> Self {
        let mut charge = Self::default();
        charge.set(bytes);
        charge
    }

    /// Makes this charge one of `bytes`.
    pub(super) fn set(&mut self, bytes: usize) {
        // The value exists already; that there are too many of them stops the run at its next step.
        METER.with(|meter| {
            let others = meter.used.get().saturating_sub(self.0);
            let used = others.saturating_add(bytes);
            meter.used.set(used);
            if bytes > self.0 && used > meter.limit.get() {
                exhaust(Spent::Memory);
            }
        });
        self.0 = bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        METER.with(|meter| meter.used.set(meter.used.get().saturating_sub(self.0)));
    }
}

impl From<Spent> for Error<Val> {
    fn from(spent: Spent) -> Self {
        let text = match spent {
            Spent::Time => "the program takes too long",
            Spent::Memory => "the program needs too much memory",
            Spent::Depth | Spent::Stack => "the program nests too deep",
        };
        Error::new(Val::from(text.to_owned()))
    }
}
