//! What one execution of a template may use: time, memory, length of its output, nesting.
//!
//! Templates and events are both untrusted; Go's engine has none of these bounds.

use std::borrow::Cow;
use std::cell::Cell;

use crate::deadline::{Deadline, TIME};
use crate::regex::TooLong;

/// How many bytes all values made by one execution may take together, garbage included.
pub(super) const MEMORY: usize = 64 << 20;

/// The longest text a template or one of its functions may make, in bytes.
///
/// Above the largest message a bus takes by far, and above what an object in a cluster can hold.
pub(super) const MAX_TEXT: usize = 4 << 20;

/// How deep actions, pipelines and nested templates may stand in each other while running.
///
/// Sized for the stack of 2 MiB that threads have by default, in a build without optimisation.
pub(super) const MAX_DEPTH: usize = 150;

/// How deep lists and maps may nest. Above what a JSON document may.
pub(super) const MAX_VALUE_DEPTH: u16 = 530;

pub(super) const TOO_LONG: &str = "the template ran for too long";

/// Why an execution stopped. The message is all there is: a template cannot catch it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(pub(super) Cow<'static, str>);

pub(super) type Outcome<T> = Result<T, Fault>;

impl From<&'static str> for Fault {
    fn from(message: &'static str) -> Self {
        Self(Cow::Borrowed(message))
    }
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self(Cow::Owned(message))
    }
}

impl From<TooLong> for Fault {
    fn from(_: TooLong) -> Self {
        TOO_LONG.into()
    }
}

/// What is left for one execution.
#[derive(Debug)]
pub(super) struct Budget {
    deadline: Cell<Deadline>,
    memory: Cell<usize>,
    steps: Cell<u32>,
    nesting: Cell<u16>,
}

/// Gives back one level of nesting when dropped.
#[derive(Debug)]
pub(super) struct Nested<'a>(&'a Cell<u16>);

impl Drop for Nested<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Budget {
    pub(super) fn new(memory: usize) -> Self {
        Self {
            deadline: Cell::new(Deadline::after(TIME)),
            memory: Cell::new(memory),
            steps: Cell::new(0),
            nesting: Cell::new(0),
        }
    }

    /// Counts one level of a value that is walked recursively: maps can be changed to hold
    /// themselves, so the depth of a value cannot be known before.
    pub(super) fn nest(&self) -> Outcome<Nested<'_>> {
        let nesting = self.nesting.get();
        if nesting >= MAX_VALUE_DEPTH {
            return Err("a value nests too deep".into());
        }
        self.step()?;
        self.nesting.set(nesting + 1);
        Ok(Nested(&self.nesting))
    }

    /// Counts one step of work, and looks at the clock now and then.
    pub(super) fn step(&self) -> Outcome<()> {
        let steps = self.steps.get().wrapping_add(1);
        self.steps.set(steps);
        if steps.is_multiple_of(128) {
            return self.look();
        }
        Ok(())
    }

    /// Looks at the clock: after a piece of work that may have taken long.
    pub(super) fn look(&self) -> Outcome<()> {
        let mut deadline = self.deadline.get();
        let is_over = deadline.is_over();
        self.deadline.set(deadline);
        if is_over {
            return Err(TOO_LONG.into());
        }
        Ok(())
    }

    /// Counts `bytes` of memory about to be taken.
    pub(super) fn take(&self, bytes: usize) -> Outcome<()> {
        match self.memory.get().checked_sub(bytes) {
            Some(left) => {
                self.memory.set(left);
                self.step()
            }
            None => Err("the template used too much memory".into()),
        }
    }

    /// Refuses a text that would be longer than [`MAX_TEXT`], before it is made.
    pub(super) fn take_text(&self, length: usize) -> Outcome<()> {
        if length > MAX_TEXT {
            return Err("the template made a text that is too long".into());
        }
        self.take(length)
    }

    /// Counts the values of a list about to be made.
    pub(super) fn take_items(&self, count: usize) -> Outcome<()> {
        self.take(count.saturating_mul(size_of::<super::value::Value>()))
    }
}
