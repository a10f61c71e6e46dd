//! Patterns of `*` (any characters) and `?` (one character); a backslash takes the next one as it is.
//!
//! gjson tries alternatives recursively and gives up after 10,000 steps per byte; here a star is
//! only ever extended at its last position, which is exact and at worst quadratic.

use super::work::Work;

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Exactly(char),
    /// A backslash that escapes nothing.
    Never,
}

impl Pattern {
    pub(super) fn new(mut text: &[u8]) -> Self {
        let mut tokens = Vec::new();
        while !text.is_empty() {
            let (char, length) = decode(text);
            text = &text[length..];
            let token = match char {
                '*' if tokens.last() == Some(&Token::Any) => continue,
                '*' => Token::Any,
                '?' => Token::One,
                // Behind a star the pattern is read backwards, where it is an ordinary character.
                '\\' if text.is_empty() && tokens.contains(&Token::Any) => Token::Exactly('\\'),
                '\\' if text.is_empty() => Token::Never,
                '\\' => {
                    let (char, length) = decode(text);
                    text = &text[length..];
                    Token::Exactly(char)
                }
                char => Token::Exactly(char),
            };
            tokens.push(token);
        }
        Self { tokens }
    }

    /// Whether all of `text` fits.
    pub(super) fn matches(&self, text: &[u8], work: &mut Work) -> bool {
        let mut at = 0;
        let mut token = 0;
        let mut star: Option<(usize, usize)> = None;
        let mut steps = 0;
        let fits = loop {
            steps += 1;
            if steps > work.fuel() {
                break false;
            }
            let next = text.get(at..).filter(|rest| !rest.is_empty()).map(decode);
            match (self.tokens.get(token), next) {
                (Some(Token::Any), _) => {
                    token += 1;
                    star = Some((token, at));
                }
                (Some(Token::One), Some((_, length))) => {
                    at += length;
                    token += 1;
                }
                (Some(Token::Exactly(wanted)), Some((char, length))) if *wanted == char => {
                    at += length;
                    token += 1;
                }
                (None, None) => break true,
                (_, None) => break false,
                (_, Some(_)) => {
                    let Some((after_star, from)) = star else {
                        break false;
                    };
                    let from = from + decode(&text[from..]).1;
                    star = Some((after_star, from));
                    (token, at) = (after_star, from);
                }
            }
        };
        work.spend(steps);
        fits
    }
}

/// The first character and its length; a byte that is not UTF-8 is U+FFFD of length 1.
fn decode(text: &[u8]) -> (char, usize) {
    match text.first() {
        Some(byte) if byte.is_ascii() => (char::from(*byte), 1),
        _ => {
            let head = &text[..text.len().min(4)];
            match head
                .utf8_chunks()
                .next()
                .and_then(|chunk| chunk.valid().chars().next())
            {
                Some(char) => (char, char.len_utf8()),
                None => (char::REPLACEMENT_CHARACTER, 1),
            }
        }
    }
}
