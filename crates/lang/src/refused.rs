//! Why a program was refused, whatever its language.

/// The fault for which a program does not compile.
pub trait Refused: std::error::Error {
    /// Where in the program it is: line and character, from 1. `None` where the language does not say.
    fn place(&self) -> Option<(usize, usize)>;
}

impl Refused for crate::jq::CompileError {
    fn place(&self) -> Option<(usize, usize)> {
        Some((self.line, self.column))
    }
}

impl Refused for crate::lua::CompileError {
    /// Lua knows the line alone.
    fn place(&self) -> Option<(usize, usize)> {
        Some((self.line, 1))
    }
}

impl Refused for crate::template::CompileError {
    fn place(&self) -> Option<(usize, usize)> {
        Some((self.line, self.column))
    }
}

impl Refused for crate::expr::filter::Error {
    fn place(&self) -> Option<(usize, usize)> {
        Some((self.line, self.column))
    }
}

impl Refused for crate::expr::govaluate::Error {
    fn place(&self) -> Option<(usize, usize)> {
        None
    }
}

impl Refused for crate::path::Error {
    fn place(&self) -> Option<(usize, usize)> {
        None
    }
}

impl Refused for crate::regex::Error {
    fn place(&self) -> Option<(usize, usize)> {
        None
    }
}
