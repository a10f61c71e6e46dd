//! Where the characters of a text stand in its file: a fault on line 2 of a program is on line 45 of the
//! manifest around it.

use serde_saphyr::granit_parser::{ScalarStyle, Span};

use super::document::Place;

/// Where a text begins whose characters stand in the file as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begin {
    place: Place,
    /// Its lines are lines of the file, from the same column on.
    is_block: bool,
}

impl Begin {
    /// Where `text` begins. `None` if characters of the file are written in another way than they read:
    /// folded lines, escapes.
    pub(super) fn find(
        text: &str,
        style: ScalarStyle,
        span: &Span,
        lines: &[&str],
    ) -> Option<Self> {
        match style {
            ScalarStyle::Literal => block(text, span),
            ScalarStyle::Folded => None,
            ScalarStyle::Plain | ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                let is_quoted = style != ScalarStyle::Plain;
                let column = span.start.col() + 1 + usize::from(is_quoted);
                let line = span.start.line();
                let written = lines.get(line.checked_sub(1)?)?.chars().skip(column - 1);
                // Compared with what it reads as: that knows every kind of escape and fold.
                let is_as_written = text.chars().eq(written.take(text.chars().count()));
                is_as_written.then_some(Self {
                    place: Place { line, column },
                    is_block: false,
                })
            }
        }
    }

    /// Where the character at `line` and `column` of the text stands.
    pub(super) fn place(self, (line, column): (usize, usize)) -> Option<Place> {
        let (down, right) = (line.checked_sub(1)?, column.checked_sub(1)?);
        (down == 0 || self.is_block).then_some(Place {
            line: self.place.line + down,
            column: self.place.column + right,
        })
    }
}

/// A block's span begins with its first line that is not empty, behind the indentation.
fn block(text: &str, span: &Span) -> Option<Begin> {
    let empty = text.lines().take_while(|line| line.is_empty()).count();
    Some(Begin {
        place: Place {
            line: span.start.line().checked_sub(empty)?,
            column: span.start.col() + 1,
        },
        is_block: true,
    })
}
