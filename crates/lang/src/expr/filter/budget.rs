//! What one run may still use: time, steps, elements, memory.

use super::eval::Stop;
use super::room;
use super::value::{JSON_BYTES, Value};
use crate::deadline::{Deadline, TIME};
use crate::json;

/// How many steps one run may take.
const MAX_STEPS: usize = 20_000_000;

/// How many elements all lists and maps of one run may have together; the language's own bound.
const MAX_ELEMENTS: usize = 1_000_000;

/// How many bytes all values of one run may hold at a time.
const MEMORY: usize = 64 << 20;

/// How many bytes of text, or of the event, are as much work as a step.
const BYTES_OF_STEP: usize = 64;

/// What the language says when there is no more room.
const NO_MEMORY: &str = "memory budget exceeded";

/// What a run has left.
pub(super) struct Budget {
    steps: usize,
    next_look: usize,
    elements: usize,
    deadline: Option<Deadline>,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self {
            steps: 0,
            next_look: 10_000,
            elements: 0,
            deadline: None,
        }
    }

    /// Takes `steps`; the clock is looked at now and then.
    pub(super) fn charge(&mut self, steps: usize) -> Result<(), Stop> {
        let steps = steps.saturating_add(room::take_read() / BYTES_OF_STEP);
        self.steps = self.steps.saturating_add(steps);
        self.fits(0)?;
        if self.steps < self.next_look {
            return Ok(());
        }
        self.look()
    }

    /// Looks at the clock.
    pub(super) fn look(&mut self) -> Result<(), Stop> {
        self.next_look = self.steps.saturating_add(10_000);
        // Few runs come here: the clock starts late, so that the others never ask for the time.
        let deadline = self.deadline.get_or_insert_with(|| Deadline::after(TIME));
        if self.steps > MAX_STEPS || deadline.is_over() {
            return Err(Stop::new("expression takes too long"));
        }
        Ok(())
    }

    /// Takes the work on a text, or on a part of the event, of so many bytes.
    pub(super) fn work(&mut self, bytes: usize) -> Result<(), Stop> {
        self.charge(bytes / BYTES_OF_STEP)
    }

    /// Whether there is room for so many bytes: asked before something large is made.
    #[expect(clippy::unused_self, reason = "memory is a bound like the others")]
    pub(super) fn fits(&self, bytes: usize) -> Result<(), Stop> {
        if room::held().saturating_add(bytes) > MEMORY {
            return Err(Stop::new(NO_MEMORY));
        }
        Ok(())
    }

    /// The value as a document, if JSON can hold it and there is room.
    pub(super) fn json(&mut self, value: &Value<'_>) -> Result<Option<json::Value>, Stop> {
        let bytes = value.json_bytes(MEMORY);
        self.fits(bytes)?;
        self.work(bytes)?;
        Ok(value.to_json())
    }

    /// Reads a document out of a text, if there is room.
    pub(super) fn read(&mut self, text: &str) -> Result<json::Value, Stop> {
        self.fits(text.len().saturating_mul(JSON_BYTES))?;
        self.work(text.len())?;
        json::from_slice(text.as_bytes()).map_err(|error| Stop::new(error.to_string()))
    }

    /// The bytes that there is room for.
    #[expect(clippy::unused_self, reason = "memory is a bound like the others")]
    pub(super) fn left(&self) -> usize {
        MEMORY.saturating_sub(room::held())
    }

    /// Takes room for `elements`.
    pub(super) fn grow(&mut self, elements: usize) -> Result<(), Stop> {
        self.elements = self.elements.saturating_add(elements);
        if self.elements >= MAX_ELEMENTS {
            return Err(Stop::new(NO_MEMORY));
        }
        self.charge(elements)
    }

    #[expect(clippy::unused_self, reason = "depth is a bound like the others")]
    pub(super) fn built<'a>(&self, value: Option<Value<'a>>) -> Result<Value<'a>, Stop> {
        value.ok_or_else(|| Stop::new("value nests too deep"))
    }
}
