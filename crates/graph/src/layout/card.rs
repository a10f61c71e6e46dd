//! Cards: their texts in lines, and how tall that makes them.

use crate::layout::width;
use crate::model::{Node, NodeKind};
use crate::text::{self, Font, wrap};

/// Space between the left border and the text: the stripe, and some air.
pub(crate) const LEFT: i64 = 16;
const RIGHT: i64 = 12;
/// Room of the icon in front of the first line.
pub(crate) const ICON: i64 = 22;
const BADGE_HEIGHT: i64 = 18;
const BADGE_GAP: i64 = 5;
const MAX_BADGE_ROWS: i64 = 3;

/// The texts of a card with their places, relative to its upper left corner.
#[derive(Clone, Debug, Default)]
pub(crate) struct CardText {
    pub(crate) lines: Vec<Line>,
    pub(crate) badges: Vec<Badge>,
    pub(crate) height: i64,
}

/// A line of text.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) x: i64,
    /// The baseline.
    pub(crate) y: i64,
    pub(crate) style: Style,
    pub(crate) text: String,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Which one of its kind a node is.
    Tag,
    /// Its name.
    Title,
    /// What else to know.
    Detail,
}

impl Style {
    pub(crate) fn font(self) -> Font {
        match self {
            // Letters are spaced, which makes them as wide as a size more.
            Self::Tag => Font {
                size: 11,
                is_bold: true,
            },
            Self::Title => Font {
                size: 13,
                is_bold: true,
            },
            Self::Detail => Font {
                size: 11,
                is_bold: false,
            },
        }
    }
}

/// A word in a pill.
#[derive(Clone, Debug)]
pub(crate) struct Badge {
    pub(crate) x: i64,
    pub(crate) y: i64,
    pub(crate) width: i64,
    pub(crate) text: String,
}

impl CardText {
    /// Breaks the texts of a node into lines.
    pub(crate) fn new(node: &Node) -> Self {
        let room = width(node.kind) - LEFT - RIGHT;
        let (title_lines, detail_lines) = match node.kind {
            NodeKind::Condition => (4, 1),
            NodeKind::Target => (3, 2),
            _ => (2, 2),
        };
        let mut card = Self {
            height: 12,
            ..Self::default()
        };
        let tag = node.tag.to_uppercase();
        card.push(&tag, Style::Tag, room - ICON, 1);
        for line in &mut card.lines {
            line.x += ICON;
        }
        card.height += 5;
        card.push(or_dash(&node.title), Style::Title, room, title_lines);
        card.push(&node.detail, Style::Detail, room, detail_lines);
        card.badges(&node.badges, room);
        card.height += 11;
        card
    }

    fn push(&mut self, text: &str, style: Style, room: i64, max_lines: usize) {
        let font = style.font();
        for text in wrap(text, font, room, max_lines) {
            let y = self.height + font.size;
            self.lines.push(Line {
                x: LEFT,
                y,
                style,
                text,
            });
            self.height += font.size + 4;
        }
    }

    fn badges(&mut self, badges: &[String], room: i64) {
        let font = Font {
            size: 10,
            is_bold: false,
        };
        let (mut x, mut rows) = (0, 0);
        for badge in badges {
            let Some(text) = wrap(badge, font, room - 14, 1).pop() else {
                continue;
            };
            let width = text::width(&text, font) + 14;
            if rows == 0 || x + width > room {
                if rows == MAX_BADGE_ROWS {
                    break;
                }
                x = 0;
                rows += 1;
            }
            let y = self.height + 4 + (rows - 1) * (BADGE_HEIGHT + BADGE_GAP);
            self.badges.push(Badge {
                x: LEFT + x,
                y,
                width,
                text,
            });
            x += width + BADGE_GAP;
        }
        if rows > 0 {
            self.height += 4 + rows * (BADGE_HEIGHT + BADGE_GAP) - BADGE_GAP;
        }
    }
}

/// A card without a name would look broken.
fn or_dash(title: &str) -> &str {
    if title.trim().is_empty() {
        "–"
    } else {
        title
    }
}
