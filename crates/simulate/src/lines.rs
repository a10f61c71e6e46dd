//! Texts for people: lines that no text of an event can break, forge or colour.

use std::fmt;

use tiphys_base::text::one_line;

/// A text that grows by lines.
#[derive(Debug, Default)]
pub(crate) struct Lines(String);

impl Lines {
    /// Adds a line; what is in it stays in it.
    pub(crate) fn line(&mut self, line: fmt::Arguments<'_>) {
        self.0.push_str(&one_line(&line.to_string()));
        self.0.push('\n');
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        self.0
    }
}

/// Adds a line to a text.
macro_rules! line {
    ($lines:expr, $($line:tt)*) => {
        $lines.line(format_args!($($line)*))
    };
}
pub(crate) use line;
