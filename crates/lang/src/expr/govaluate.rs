//! govaluate, the language of `exprs`: compiled once, run over the values bound to its fields.
//!
//! Its oddities are kept, for working sensors lean on them: symbols run together into one token
//! (`c<-1` is an error), a backslash escapes any character, `[any name]` is a variable, a list needs
//! two members, and a quoted text in one of fourteen date layouts is a number of seconds.

mod eval;
mod lex;
mod parse;
mod value;

#[cfg(test)]
mod tests;

pub use value::Value;

use std::cell::Cell;

use eval::Run;
use parse::Node;

/// How long an expression may be.
const MAX_LENGTH: usize = 64 * 1024;

/// How many bytes the values of variables, as often as they are named, and the texts that are made may take.
pub const MEMORY: usize = 64 << 20;

/// What is said of an expression that needs more.
pub const NO_MEMORY: &str = "expression takes too much memory";

/// Why an expression was refused, or why it has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What is wrong, in one line.
    pub message: String,
}

impl Error {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expression {
    root: Node,
    variables: Vec<String>,
}

impl Expression {
    /// Compiles `text`.
    ///
    /// # Errors
    /// If it is not an expression, has a pattern that does not compile, or nests too deep.
    pub fn compile(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_LENGTH {
            return Err(Error::new("expression is too long"));
        }
        let tokens = lex::tokens(text)?;
        let mut variables: Vec<String> = Vec::new();
        for token in &tokens {
            if let lex::Token::Variable(name) = token
                && !variables.contains(name)
            {
                variables.push(name.clone());
            }
        }
        Ok(Self {
            root: parse::parse(tokens)?,
            variables,
        })
    }

    /// The names of its variables, in order of appearance, each once.
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// Computes the result; `lookup` gives the values of variables.
    ///
    /// # Errors
    /// If a variable that is needed has no value, or an operator does not take what it is given.
    pub fn eval(&self, lookup: &dyn Fn(&str) -> Option<Value>) -> Result<Value, Error> {
        let run = Run {
            lookup,
            left: Cell::new(MEMORY),
        };
        eval::eval(&self.root, &run)
    }
}
