//! jq as gojq speaks it, the language of Argo Events' `transform.jq`.
//!
//! Programs are read by a parser of gojq's grammar, compiled to the core of jaq and run by it over
//! values of our own, with natives and definitions that follow gojq 0.12.19. The rules around a
//! program are those of Argo Events: an object goes in, the first output is taken and has to be an
//! object. There is no way out of a program: no environment, no input, no modules, no exit.
//!
//! Whole numbers of an event stay exact at any size, where gojq rounds them to doubles. A name that
//! is not defined is found when a program is compiled, not when an event comes.

mod access;
mod desugar;
mod fault;
mod meter;
mod native;
mod number;
mod operate;
mod parse;
mod value;
mod write;

use std::time::Duration;

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars};

use self::meter::{Spent, Stack};
use self::native::Data;
use self::value::{Object, Reader, Val};
use self::write::Refusal;
use crate::{Memory, effort, json};

/// A compiled program.
pub struct Program {
    filter: Filter<Data>,
    limits: Limits,
    /// Whether the terms nest so deep that a usual thread's stack may not do.
    is_deep: bool,
}

/// What a run of a program may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How much processor time a run may take. More means that it never ends, or might as well.
    pub time: Duration,
    /// How many bytes the values of a run may take up at a time.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(1),
            memory: 128 * 1024 * 1024,
        }
    }
}

/// Why a program was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}, line {line} column {column}")]
pub struct CompileError {
    /// What is wrong, in one line.
    pub message: String,
    /// The line it is in, from 1.
    pub line: usize,
    /// The character of that line, from 1.
    pub column: usize,
}

/// Why a program gave no result for an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The input is not JSON.
    #[error("the input is not json: {0}")]
    NotJson(json::Error),
    /// The input has a number that is beyond a double.
    #[error("the input has a number out of range")]
    NumberOutOfRange,
    /// The input is JSON, but not an object.
    #[error("the input is not an object")]
    InputNotAnObject,
    /// The program has no output.
    #[error("the program has no output")]
    NoOutput,
    /// The first output is not an object.
    #[error("the output is not an object but {0}")]
    OutputNotAnObject(String),
    /// The program ended with an error.
    #[error("{message}")]
    Failed {
        /// What it says.
        message: String,
        /// The same without values, if it is an error of the language.
        kind: Option<String>,
    },
    /// The output holds what JSON cannot: NaN or an infinity.
    #[error("the output holds nan or an infinity")]
    NotANumber,
    /// The program did not end in time.
    #[error("the program takes too long")]
    TimedOut,
    /// The program needs too much memory.
    #[error("the program needs too much memory")]
    TooLarge,
    /// The program calls itself, or nests values, too deep.
    #[error("the program nests too deep")]
    TooDeep,
}

impl RunError {
    /// The same without what the event holds: a program may say anything.
    pub fn kind(&self) -> String {
        match self {
            Self::NotJson(_) => "the input is not json".to_owned(),
            Self::OutputNotAnObject(_) => "the output is not an object".to_owned(),
            Self::Failed { kind, .. } => {
                let kind = kind.as_deref();
                kind.unwrap_or("the program ended with an error of its own")
                    .to_owned()
            }
            known => known.to_string(),
        }
    }
}

/// How much of the caller's stack has to be free for a program to run there.
const SMALL_STACK_SIZE: usize = 1024 * 1024;

/// A program that needs more than this of the caller's stack is run again on a large one.
const SMALL_STACK: Stack = Stack {
    floor: 512 * 1024,
    max_links: 400,
};

/// The stack a program gets if the caller's does not do. Only what is used of it takes memory.
const LARGE_STACK_SIZE: usize = 128 * 1024 * 1024;

const LARGE_STACK: Stack = Stack {
    floor: 32 * 1024 * 1024,
    max_links: 20_000,
};

/// Programs that nest deeper go to the large stack at once.
const SMALL_HEIGHT: u32 = 40;

/// What a program takes, with the definitions that it is compiled beside.
const PROGRAM_BYTES: usize = 64 << 10;

/// What a byte of JSON text may become in memory.
const VALUE_BYTES_PER_BYTE: usize = 16;

/// The program itself among the definitions. jaq can read the name, our programs cannot write it.
const MAIN: &str = "@main";

impl Program {
    /// Compiles `source`, to run with the usual limits.
    ///
    /// # Errors
    /// If the program is not jq, or names what is not there.
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        effort::take(PROGRAM_BYTES)
            .map_err(|spent| CompileError::at(source, 0, &spent.to_string()))?;
        // The parser and the compiler recurse over the program.
        stacker::maybe_grow(LARGE_STACK.floor, LARGE_STACK_SIZE, || compile(source))
    }

    /// The same program with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Transforms the payload of an event as Argo Events does: an object in, an object out.
    ///
    /// A payload `null` counts as an object; a program that hands it on gives `null`.
    ///
    /// # Errors
    /// If the payload is no object, or the program fails, has no output, or another than an object.
    pub fn transform(&self, event: &[u8]) -> Result<Vec<u8>, RunError> {
        self.transform_within(event, &Memory::whole())
    }

    /// As [`Program::transform`], with so much of the memory.
    ///
    /// # Errors
    /// As [`Program::transform`], and if the memory was short.
    pub fn transform_within(&self, event: &[u8], memory: &Memory) -> Result<Vec<u8>, RunError> {
        let result = self.run(event, memory.of(self.limits.memory));
        if matches!(result, Err(RunError::TooLarge)) {
            memory.is_used_up();
        }
        result
    }

    /// Runs on the stack of the caller if that will do.
    fn run(&self, event: &[u8], memory: usize) -> Result<Vec<u8>, RunError> {
        let has_room = stacker::remaining_stack().is_some_and(|left| left >= SMALL_STACK_SIZE);
        if has_room && !self.is_deep {
            match self.run_here(event, memory, SMALL_STACK) {
                Err((_, Some(Spent::Stack))) => {}
                Err((error, _)) => return Err(error),
                Ok(output) => return Ok(output),
            }
        }
        stacker::grow(LARGE_STACK_SIZE, || {
            // The stack is memory, too: as much as all values may have.
            self.run_here(event, memory / 2, LARGE_STACK)
        })
        .map_err(|(error, _)| error)
    }

    fn run_here(
        &self,
        event: &[u8],
        memory: usize,
        stack: Stack,
    ) -> Result<Vec<u8>, (RunError, Option<Spent>)> {
        meter::start(self.limits.time, memory, stack);
        let result = self.first_output(event);
        match meter::finish() {
            None => result.map_err(|error| (error, None)),
            Some(spent) => Err((RunError::from(spent), Some(spent))),
        }
    }

    fn first_output(&self, event: &[u8]) -> Result<Vec<u8>, RunError> {
        let input = match read(event)? {
            Val::Null => Val::Object(Object::nil().into()),
            Val::Object(object) => Val::Object(object),
            _ => return Err(RunError::InputNotAnObject),
        };
        let ctx = Ctx::<Data>::new(&self.filter.lut, Vars::new([]));
        let output = match self.filter.id.run((ctx, input)).next() {
            None => return Err(RunError::NoOutput),
            Some(Ok(output)) => output,
            Some(Err(exception)) => {
                let message = describe(exception);
                let kind = fault::kind_of(&message);
                return Err(RunError::Failed { message, kind });
            }
        };
        if !matches!(output, Val::Object(_)) {
            return Err(RunError::OutputNotAnObject(fault::typed(&output)));
        }
        write::to_payload(&output, event.len() + event.len() / 8).map_err(|refusal| match refusal {
            Refusal::NotANumber => RunError::NotANumber,
            Refusal::TooLarge => RunError::TooLarge,
        })
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

fn read(text: &[u8]) -> Result<Val, RunError> {
    let size = text.len().saturating_mul(VALUE_BYTES_PER_BYTE);
    if meter::reserve(size).is_err() || meter::take(text.len()).is_err() {
        return Err(RunError::TooLarge);
    }
    let reader = match std::str::from_utf8(text) {
        Ok(event) => Reader::of(event),
        Err(_) => Reader::default(),
    };
    let value = json::parse_with(text, &reader).map_err(RunError::NotJson)?;
    if reader.overflow.get() {
        return Err(RunError::NumberOutOfRange);
    }
    Ok(value)
}

fn describe(exception: jaq_core::Exn<'_, Val>) -> String {
    match exception.get_err() {
        Ok(error) => match error.into_val() {
            Val::Str(text) => text.as_str().to_owned(),
            other => write::preview(&other),
        },
        Err(_) => "the program was left by halt or break".to_owned(),
    }
}

impl From<Spent> for RunError {
    fn from(spent: Spent) -> Self {
        match spent {
            Spent::Time => Self::TimedOut,
            Spent::Memory => Self::TooLarge,
            Spent::Depth | Spent::Stack => Self::TooDeep,
        }
    }
}

fn compile(source: &str) -> Result<Program, CompileError> {
    let arena = Arena::default();
    let node = parse::Parser::new(source, &arena).program()?;
    let is_deep = node.height > SMALL_HEIGHT;
    // jaq takes its main program only as a text, so ours is a definition that the text calls.
    let main = jaq_core::load::parse::Def {
        name: MAIN,
        args: Vec::new(),
        body: node.term,
    };
    let loader = Loader::new(native::definitions(source).into_iter().chain([main]));
    let modules = loader
        .load(
            &arena,
            File {
                code: MAIN,
                path: (),
            },
        )
        .map_err(|_| CompileError::at(source, 0, "the program cannot be loaded"))?;
    let filter = Compiler::default()
        .with_funs(native::natives())
        .compile(modules)
        .map_err(|errors| undefined(source, &errors))?;
    Ok(Program {
        filter,
        limits: Limits::default(),
        is_deep,
    })
}

fn undefined(source: &str, errors: &jaq_core::compile::Errors<&str, ()>) -> CompileError {
    let first = errors.iter().flat_map(|(_, errors)| errors).next();
    let Some((name, kind)) = first else {
        return CompileError::at(source, 0, "the program cannot be compiled");
    };
    let message = match kind {
        jaq_core::compile::Undefined::Filter(arity) => {
            format!("function not defined: {name}/{arity}")
        }
        kind => format!("{} not defined: {name}", kind.as_str()),
    };
    // Names are parts of the source, which tells where they are.
    let offset = (name.as_ptr() as usize).wrapping_sub(source.as_ptr() as usize);
    CompileError::at(
        source,
        if offset < source.len() { offset } else { 0 },
        &message,
    )
}

impl CompileError {
    fn at(source: &str, offset: usize, message: &str) -> Self {
        let before = &source[..source.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            message: message.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}
