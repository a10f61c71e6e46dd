//! Lua 5.1 as gopher-lua speaks it: the `script` of a transform or filter.
//!
//! Built on Luau, whose machine can be stopped anywhere and limited in memory. A script is read by
//! the grammar of 5.1 and written anew for it (`rewrite`), gets the functions of 5.1 that stay
//! inside the script (`prelude`), and sees the event as tables that are made when they are looked
//! into (`document`). Numbers, texts and formats are Go's (`number`, `format`).
//!
//! Unlike in Argo Events, a script has no `os`, `io`, `require`, `debug`, `dofile` or `loadfile`,
//! ends after a deadline, and what it leaves alone comes back as it was: null members, arrays in
//! arrays, empty arrays and whole numbers of any size.

mod document;
mod format;
mod lex;
mod number;
mod reword;
mod rewrite;
mod state;
#[cfg(test)]
mod tests;
mod write;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mlua::Value;

use crate::{Memory, effort, json};
use state::{Outcome, State};

/// The largest result, and with it the largest payload a script can make.
const MAX_OUTPUT: usize = 16 << 20;

/// What a machine takes that has done nothing yet.
const MACHINE_BYTES: usize = 400 << 10;

/// What the machine says when it has no more memory.
const OUT_OF_MEMORY: &str = "not enough memory";

/// How many machines of a script wait for the next event. More run at a time if more threads ask.
const MAX_IDLE: usize = 8;

/// A script, ready to run on any number of threads.
pub struct Script {
    rewritten: String,
    limits: Limits,
    idle: Mutex<Vec<State>>,
}

/// What one run of a script may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The processor time from start to result.
    pub time: Duration,
    /// Bytes of the Lua machine.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(1),
            memory: 64 << 20,
        }
    }
}

/// Why a script is not Lua 5.1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}, line {line}")]
pub struct CompileError {
    /// What is wrong.
    pub message: String,
    /// Where, from 1.
    pub line: usize,
}

/// Why a run gave no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RunError {
    /// The event is no JSON document.
    #[error("the event is not JSON: {0}")]
    NotJson(#[from] json::Error),
    /// The event is an array or a scalar.
    #[error("the event is not a JSON object")]
    NotAnObject,
    /// The event has a number beyond the range of a double.
    #[error("the event has a number out of range")]
    NumberOutOfRange,
    /// The script failed; the message starts with `<string>:LINE:`.
    #[error("{0}")]
    Failed(String),
    /// The last value that a transform returned is of this type.
    #[error("the script returned a {0} instead of a table")]
    NotATable(&'static str),
    /// The result holds something that JSON has no form for.
    #[error("the result holds {0}, which JSON cannot represent")]
    NotRepresentable(String),
    /// The result nests too deep, or holds itself.
    #[error("the result nests too deep")]
    TooDeep,
    /// The result is too large.
    #[error("the result is too large")]
    TooLarge,
    /// The script ran too long.
    #[error("the script ran longer than {0:?}")]
    TimedOut(Duration),
    /// The script used too much memory.
    #[error("the script used too much memory")]
    OutOfMemory,
}

impl RunError {
    /// The same without what the event holds: a script may say anything.
    pub fn kind(&self) -> String {
        let Self::Failed(message) = self else {
            return self.to_string();
        };
        // `<string>:3: …`
        let place = message.strip_prefix("<string>:");
        let line = place.and_then(|place| place.split(':').next()?.parse::<u32>().ok());
        match line {
            Some(line) => format!("the script failed, line {line}"),
            None => "the script failed".to_owned(),
        }
    }
}

impl Script {
    /// Compiles a script with the default limits.
    ///
    /// # Errors
    /// If it is not Lua 5.1.
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        Self::compile_within(source, Limits::default())
    }

    /// Compiles a script.
    ///
    /// # Errors
    /// If it is not Lua 5.1.
    pub fn compile_within(source: &str, limits: Limits) -> Result<Self, CompileError> {
        effort::take(MACHINE_BYTES).map_err(|spent| CompileError {
            message: spent.to_string(),
            line: 1,
        })?;
        let rewritten = rewrite::rewrite(source).map_err(|fault| CompileError {
            message: fault.message,
            line: fault.line,
        })?;
        let first = State::new(&rewritten, limits).map_err(|error| compile_error(&error))?;
        Ok(Self {
            rewritten,
            limits,
            idle: Mutex::new(vec![first]),
        })
    }

    /// The event after the script: the JSON of the last value it returns, which has to be a table.
    ///
    /// # Errors
    /// If the event is not an object, the script fails or is stopped, or its result is no table or
    /// not representable.
    pub fn transform(&self, event: &[u8]) -> Result<Vec<u8>, RunError> {
        self.transform_within(event, &Memory::whole())
    }

    /// As [`Script::transform`], with so much of the memory.
    ///
    /// # Errors
    /// As [`Script::transform`], and if the memory was short.
    pub fn transform_within(&self, event: &[u8], memory: &Memory) -> Result<Vec<u8>, RunError> {
        self.with_state(memory, |state| match state.run(event, true)? {
            Outcome::Json(text) => Ok(text.into_bytes()),
            Outcome::Other(value) => Err(RunError::NotATable(value.type_name())),
        })
    }

    /// Whether the last value that the script returns is true.
    ///
    /// # Errors
    /// If the event is not an object, or the script fails or is stopped.
    pub fn filter(&self, event: &[u8]) -> Result<bool, RunError> {
        self.filter_within(event, &Memory::whole())
    }

    /// As [`Script::filter`], with so much of the memory.
    ///
    /// # Errors
    /// As [`Script::filter`], and if the memory was short.
    pub fn filter_within(&self, event: &[u8], memory: &Memory) -> Result<bool, RunError> {
        self.with_state(memory, |state| {
            Ok(matches!(
                state.run(event, false)?,
                Outcome::Other(Value::Boolean(true))
            ))
        })
    }

    fn with_state<T>(
        &self,
        memory: &Memory,
        run: impl FnOnce(&State) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let state = match idle {
            Some(state) => state,
            None => State::new(&self.rewritten, self.limits)?,
        };
        state.limit_memory(memory.of(self.limits.memory))?;
        let result = run(&state);
        if state.was_short(&result) {
            memory.is_used_up();
        }
        if state.is_reusable(&result) {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < MAX_IDLE {
                idle.push(state);
            }
        }
        result
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Script")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl From<mlua::Error> for RunError {
    fn from(error: mlua::Error) -> Self {
        match &error {
            mlua::Error::MemoryError(_) => Self::OutOfMemory,
            mlua::Error::CallbackError { cause, .. } => Self::from((**cause).clone()),
            mlua::Error::ExternalError(inner) => match inner.downcast_ref::<Self>() {
                Some(inner) => inner.clone(),
                None => Self::Failed(error.to_string()),
            },
            other => match first_line(&plain_text(other)) {
                // The failure has lost its kind on its way through the prelude.
                text if text == OUT_OF_MEMORY => Self::OutOfMemory,
                text => Self::Failed(reword::reword(&text)),
            },
        }
    }
}

/// The text of an error without the kind that `mlua` puts in front.
fn plain_text(error: &mlua::Error) -> String {
    match error {
        mlua::Error::RuntimeError(text) | mlua::Error::SyntaxError { message: text, .. } => {
            text.clone()
        }
        other => other.to_string(),
    }
}

fn first_line(text: &str) -> String {
    text.split("\nstack traceback:")
        .next()
        .unwrap_or(text)
        .trim_end()
        .to_owned()
}

/// What Luau itself refuses: limits of its compiler. The message starts with `<string>:LINE:`.
fn compile_error(error: &mlua::Error) -> CompileError {
    let text = first_line(&plain_text(error));
    let rest = text
        .strip_prefix("<string>:")
        .and_then(|rest| rest.split_once(": "));
    match rest.and_then(|(line, message)| Some((line.parse().ok()?, message))) {
        Some((line, message)) => CompileError {
            message: message.to_owned(),
            line,
        },
        None => CompileError {
            message: text,
            line: 1,
        },
    }
}
