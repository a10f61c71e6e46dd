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
    /// Where `text` begins in its `file`. `None` if characters of the file are written in another way than
    /// they read: folded lines, escapes.
    pub(super) fn find(text: &str, style: ScalarStyle, span: &Span, file: &str) -> Option<Self> {
        match style {
            ScalarStyle::Literal => block(text, span),
            ScalarStyle::Folded => None,
            ScalarStyle::Plain | ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                let quote = usize::from(style != ScalarStyle::Plain);
                // By its offset: to count from the begin of its line for each text of a file that is one
                // long line takes the square of its length.
                let written = file.get(span.start.byte_offset()? + quote..)?;
                // Compared with what it reads as: that knows every kind of escape and fold.
                written.starts_with(text).then_some(Self {
                    place: Place {
                        line: span.start.line(),
                        column: span.start.col() + 1 + quote,
                    },
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
