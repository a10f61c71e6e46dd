//! RE2 as Go's `regexp` (1.26) reads it, run by the engines of the `regex` crate.
//!
//! Both are linear-time engines of one family, but they differ in what a pattern may look like and
//! mean: `\Q..\E`, a stray `{`, `[` and `&&` inside of classes, ASCII `\d \s \w \b`, stacked repetition
//! operators, counts above 1000. So each pattern is parsed by Go's rules and written down again in
//! the form the crate reads the same way.

mod class;
mod search;
mod size;
mod translate;

#[cfg(test)]
mod tests;

use crate::{deadline, effort};

pub use search::{Regex, TooLong};
pub(crate) use size::estimate;

/// Why a pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What is wrong, in one line.
    pub message: String,
}

/// How long a pattern may be. Patterns come from specs, but also from events (`a =~ b`).
const MAX_LENGTH: usize = 64 * 1024;

/// How much memory a compiled pattern may take. Counts of 1000 over Unicode classes need some;
/// Go's own bound is 128 MiB.
const MAX_COMPILED_BYTES: usize = 32 * 1024 * 1024;

/// The same for a pattern that is compiled while an event is worked on: it takes up to a tenth of a second,
/// in which nothing stops it.
const MAX_COMPILED_IN_RUN: usize = 8 * 1024 * 1024;

/// Compiles `pattern` as Go's `regexp.Compile` would read it.
///
/// # Errors
/// If Go would refuse the pattern, or if it is larger than the engine's bounds.
pub fn compile(pattern: &str) -> Result<Regex, Error> {
    if pattern.len() > MAX_LENGTH {
        return Err(Error {
            message: "expression too large".into(),
        });
    }
    let within = |size| {
        effort::take(size).map_err(|spent| Error {
            message: spent.to_string(),
        })
    };
    within(0)?;
    let most = if deadline::is_shared() {
        MAX_COMPILED_IN_RUN
    } else {
        MAX_COMPILED_BYTES
    };
    // Events may bring many.
    if deadline::is_over() {
        return Err(Error {
            message: TooLong.to_string(),
        });
    }
    let translated = translate::translate(pattern)?;
    // Finding out by building it takes up to a third of a second.
    let size = estimate(&translated);
    if size > 2 * most {
        return Err(Error {
            message: "expression too large".into(),
        });
    }
    within(size.min(most))?;
    Regex::new(translated, size, most)
}

/// The engine's message without the drawing of the translated pattern, which the user never wrote.
fn refusal(error: &regex_automata::meta::BuildError) -> String {
    if error.size_limit().is_some() {
        return "expression too large".into();
    }
    let text = match error.syntax_error() {
        Some(error) => error.to_string(),
        None => error.to_string(),
    };
    let line = text.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
