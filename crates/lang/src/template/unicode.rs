//! Classes and case mappings of characters as Go's `unicode` package has them: one character
//! becomes one character (`ß` has no upper case), and `is_print` is what `%q` leaves unescaped.

use std::sync::LazyLock;

use ::regex::Regex;

type Class = LazyLock<Option<Regex>>;

static LETTER: Class = LazyLock::new(|| Regex::new(r"^\p{L}").ok());
static DIGIT: Class = LazyLock::new(|| Regex::new(r"^\p{Nd}").ok());
static PUNCTUATION: Class = LazyLock::new(|| Regex::new(r"^\p{P}").ok());
static PRINTABLE: Class = LazyLock::new(|| Regex::new(r"^[\p{L}\p{M}\p{N}\p{P}\p{S} ]").ok());

fn is_in(class: &Class, char: char) -> bool {
    class
        .as_ref()
        .is_some_and(|class| class.is_match(char.encode_utf8(&mut [0; 4])))
}

pub(super) fn is_letter(char: char) -> bool {
    if char.is_ascii() {
        char.is_ascii_alphabetic()
    } else {
        is_in(&LETTER, char)
    }
}

pub(super) fn is_digit(char: char) -> bool {
    if char.is_ascii() {
        char.is_ascii_digit()
    } else {
        is_in(&DIGIT, char)
    }
}

pub(super) fn is_punctuation(char: char) -> bool {
    is_in(&PUNCTUATION, char)
}

/// Letters, marks, numbers, punctuation, symbols and the ASCII space.
pub(super) fn is_print(char: char) -> bool {
    if char.is_ascii() {
        matches!(char, ' '..='~')
    } else {
        is_in(&PRINTABLE, char)
    }
}

pub(super) fn is_title(char: char) -> bool {
    matches!(char,
        '\u{1c5}' | '\u{1c8}' | '\u{1cb}' | '\u{1f2}' | '\u{1f88}'..='\u{1f8f}'
        | '\u{1f98}'..='\u{1f9f}' | '\u{1fa8}'..='\u{1faf}' | '\u{1fbc}' | '\u{1fcc}' | '\u{1ffc}')
}

pub(super) fn to_upper(char: char) -> char {
    let mut upper = char.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) => upper,
        _ => greek_iota(char).unwrap_or(char),
    }
}

pub(super) fn to_lower(char: char) -> char {
    let mut lower = char.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(lower), None) => lower,
        _ if char == '\u{130}' => 'i',
        _ => char,
    }
}

pub(super) fn to_title(char: char) -> char {
    match char {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        '\u{10d0}'..='\u{10ff}' => char,
        _ => to_upper(char),
    }
}

/// Letters with an iota subscript: their upper case as one character (the title case, in fact).
fn greek_iota(char: char) -> Option<char> {
    match char {
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => {
            char::from_u32(u32::from(char) + 8)
        }
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => char::from_u32(u32::from(char) + 9),
        _ => None,
    }
}
