//! Go's `text/template` with the functions of sprig: parsed once, then run on one event after the
//! other, as Argo Events runs the templates of parameters and data filters.
//!
//! Why an own engine: what a template prints depends on Go's types at every step (an event's number
//! is a `float64` and prints as `1e+06`, `add` gives an `int64`, which `until` refuses), maps are
//! changed in place, and hostile templates have to be stopped. One rule is not Go's: a whole number
//! of an event that a `float64` cannot hold stays what it is.

mod builtin;
mod exec;
mod format;
mod function;
mod input;
mod lex;
mod limit;
mod literal;
mod method;
mod node;
mod parse;
pub mod sprig;
mod unicode;
mod value;

use std::fmt;

use self::function::Scope;
use self::limit::Fault;
use self::node::Templates;
use self::value::{Element, Map, Members, Value};

/// A template, ready to run.
pub struct Template {
    source: String,
    templates: Templates,
}

/// Why a source is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct CompileError {
    /// What is wrong, in one line.
    pub message: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
}

/// Why a template did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct RunError {
    /// What is wrong, in one line.
    pub message: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
}

impl fmt::Debug for Template {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Template").field(&self.source).finish()
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// If it is not one, or names functions or variables that do not exist.
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        match parse::parse(source) {
            Ok(templates) => Ok(Self {
                source: source.into(),
                templates,
            }),
            Err(error) => {
                let (line, column) = position(source, error.offset);
                Err(CompileError {
                    message: error.message,
                    line,
                    column,
                })
            }
        }
    }

    /// Runs the template with a JSON document as `.Input`, and returns what it writes.
    ///
    /// # Errors
    /// If `input` is not JSON, a function fails, or the template needs too much of anything.
    pub fn render_json(&self, input: &[u8]) -> Result<String, RunError> {
        let scope = Scope::new();
        let input = input::read(&scope.budget, input)
            .map_err(|Fault(message)| self.error(message.into_owned(), 0))?;
        self.render(&scope, input)
    }

    /// Runs the template with a text as `.Input`, and returns what it writes.
    ///
    /// # Errors
    /// As [`Template::render_json`].
    pub fn render_text(&self, input: &str) -> Result<String, RunError> {
        self.render(&Scope::new(), Value::text(input))
    }

    fn render(&self, scope: &Scope, input: Value) -> Result<String, RunError> {
        let members = Members::from([(b"Input"[..].into(), input)]);
        let data = Map::new(&scope.budget, Element::Any, members)
            .map_err(|Fault(message)| self.error(message.into_owned(), 0))?;
        let text = exec::run(&self.templates, scope, &Value::Map(data))
            .map_err(|stop| self.error(stop.message, stop.offset))?;
        // What is not UTF-8 cannot be part of a JSON document either.
        Ok(String::from_utf8(text).unwrap_or_else(|error| sprig::go_lossy(error.as_bytes())))
    }

    fn error(&self, message: String, offset: usize) -> RunError {
        let (line, column) = position(&self.source, offset);
        RunError {
            message,
            line,
            column,
        }
    }
}

/// Line and column of a byte.
fn position(source: &str, offset: usize) -> (usize, usize) {
    let before = source.get(..offset).unwrap_or(source);
    let line = before.rsplit('\n').next().unwrap_or(before);
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}
