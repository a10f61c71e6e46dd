//! Texts in pictures: made harmless, measured and broken into lines without a font at hand.
//!
//! The widths are those of a wide typeface (`DejaVu Sans`, Verdana), so that a text that fits here
//! fits in the narrower ones that most systems show.

/// Characters that one line takes at most, however narrow they are.
const MAX_LINE_CHARS: usize = 200;

/// Size and weight of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Font {
    /// Height in pixels.
    pub(crate) size: i64,
    pub(crate) is_bold: bool,
}

/// A text without the characters that XML does not allow or that change how others are shown.
pub(crate) use tiphys_base::text::one_line as clean;

/// A text of at most `chars` characters, with an ellipsis if it was longer.
pub(crate) fn shorten(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some(_) => text
            .chars()
            .take(chars.saturating_sub(1))
            .chain(['…'])
            .collect(),
    }
}

/// Width in pixels, rounded up.
pub(crate) fn width(text: &str, font: Font) -> i64 {
    let sum: i64 = text.chars().map(char_width).sum();
    (scaled(sum, font) + 999) / 1000
}

/// Width in thousandths of a pixel.
fn scaled(thousandths_of_em: i64, font: Font) -> i64 {
    let weight = if font.is_bold { 113 } else { 101 };
    thousandths_of_em * font.size * weight / 100
}

/// Breaks a text into at most `max_lines` lines of a width, the last of which ends in an ellipsis if
/// not all fits.
pub(crate) fn wrap(text: &str, font: Font, max_width: i64, max_lines: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() && lines.len() < max_lines {
        let end = fitting(rest, font, max_width);
        if end == rest.len() {
            lines.push(rest.to_owned());
            break;
        }
        if lines.len() + 1 == max_lines {
            let end = fitting(rest, font, max_width - width("…", font));
            lines.push(format!("{}…", rest[..end].trim_end()));
            break;
        }
        let end = break_point(&rest[..end], &rest[end..]);
        lines.push(rest[..end].trim_end().to_owned());
        rest = rest[end..].trim_start();
    }
    lines
}

/// Bytes at the start of a text that fit into a width: at least one character.
fn fitting(text: &str, font: Font, max_width: i64) -> usize {
    let mut sum = 0;
    for (taken, (at, c)) in text.char_indices().enumerate() {
        sum += char_width(c);
        let is_over = scaled(sum, font) > max_width * 1000 && char_width(c) > 0;
        if taken > 0 && (is_over || taken >= MAX_LINE_CHARS) {
            return at;
        }
    }
    text.len()
}

/// Where a line that is full ends: behind a space or slash, or else behind another mark that parts
/// words, if that is not too near its start.
fn break_point(line: &str, rest: &str) -> usize {
    if rest.starts_with(' ') {
        return line.len();
    }
    let behind = |marks: &[char]| {
        let end = line.rfind(marks).map(|at| at + 1);
        end.filter(|&end| end * 10 > line.len() * 3)
    };
    behind(&[' ', '/'])
        .or_else(|| behind(&['-', '.', '_', ':', ',', '&', '|', '=', '?', ')']))
        .unwrap_or(line.len())
}

/// Width in thousandths of the font's size.
fn char_width(c: char) -> i64 {
    match c {
        'i' | 'l' | 'j' | '\'' => 280,
        'I' | ' ' | '.' | ',' | ':' | ';' | '|' | '/' | '\\' | '·' => 340,
        'f' | 'r' | 't' | '-' | '(' | ')' | '[' | ']' | '!' => 415,
        's' | 'z' | 'c' | '_' | '*' | '`' | '"' | '?' => 555,
        'm' | 'W' | '@' | '%' | '…' => 1000,
        'w' | '+' | '=' | '<' | '>' | '~' | '^' | '#' | 'M' => 865,
        'A'..='Z' | '&' => 790,
        ' '..='~' => 640,
        '→' | '←' => 840,
        '\u{300}'..='\u{36f}' | '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{a0}'..='\u{17f}' | '\u{1e00}'..='\u{1eff}' => 800,
        '\u{370}'..='\u{5ff}' => 950,
        // Ideographs, emoji and everything rare: an em and a bit.
        _ => 1100,
    }
}

#[cfg(test)]
mod tests {
    use super::{Font, clean, shorten, width, wrap};

    const FONT: Font = Font {
        size: 10,
        is_bold: false,
    };

    #[test]
    fn lines_break_behind_marks() {
        assert_eq!(
            wrap("ingress-controller", FONT, 70, 2),
            ["ingress-", "controller"]
        );
    }

    #[test]
    fn a_text_that_is_too_long_ends_in_an_ellipsis() {
        assert_eq!(
            wrap("aaaaaaaaaaaaaaaaaaaa", FONT, 40, 2),
            ["aaaaaa", "aaaa…"]
        );
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        for text in [
            "漢字漢字漢字漢字漢字漢字",
            "WWWWWWWWWWWWWW",
            "a b c d e f g h i j k l m",
            "🚢🚢🚢🚢🚢🚢🚢",
        ] {
            for line in wrap(text, FONT, 60, 3) {
                assert!(width(&line, FONT) <= 60, "{line}");
            }
        }
    }

    #[test]
    fn one_character_is_taken_even_if_it_does_not_fit() {
        assert_eq!(wrap("WW", FONT, 1, 3), ["W", "W"]);
    }

    #[test]
    fn marks_over_letters_stay_with_them_and_are_bounded() {
        let text = format!("a{}", "\u{301}".repeat(100_000));
        let lines = wrap(&text, FONT, 60, 2);
        assert!(lines.iter().all(|line| line.chars().count() <= 201));
    }

    #[test]
    fn what_xml_or_readers_trip_over_is_replaced() {
        assert_eq!(
            clean("a\0b\nc\u{202e}d\u{ffff}e"),
            "a\u{fffd}b c\u{fffd}d\u{fffd}e"
        );
    }

    #[test]
    fn shortened_texts_have_an_ellipsis() {
        assert_eq!(shorten("abc", 3), "abc");
        assert_eq!(shorten("abcd", 3), "ab…");
    }
}
