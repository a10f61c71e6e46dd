//! Words and their letters: case, wrapping, abbreviating. The rules are those of Go's `strings`,
//! of goutils (which looks at bytes, not characters) and of xstrings.

use super::super::format::Printer;
use super::super::function::Param::{Int, Text as TextParam};
use super::super::function::{Args, Function, fixed};
use super::super::limit::Outcome;
use super::super::unicode::{
    is_digit, is_letter, is_punctuation, is_title, to_lower, to_title, to_upper,
};
use super::super::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("title", &[TextParam], |args| {
        args.give(title(&args.text(0)))
    }),
    fixed("untitle", &[TextParam], |args| {
        args.give(untitle(&args.text(0)))
    }),
    fixed("swapcase", &[TextParam], |args| {
        args.give(swap_case(&args.text(0)))
    }),
    fixed("snakecase", &[TextParam], |args| snake_case(args, '_')),
    fixed("kebabcase", &[TextParam], |args| snake_case(args, '-')),
    fixed("camelcase", &[TextParam], |args| {
        args.give(pascal_case(&args.text(0)))
    }),
    fixed("nospace", &[TextParam], |args| {
        args.give(without_space(args.bytes(0)))
    }),
    fixed("initials", &[TextParam], |args| {
        args.give(initials(args.bytes(0)))
    }),
    fixed("abbrev", &[Int, TextParam], |args| {
        if args.int(0) < 4 {
            return Ok(args.any(1).clone());
        }
        args.give(abbreviate(args.bytes(1), 0, args.int(0)))
    }),
    fixed("abbrevboth", &[Int, Int, TextParam], |args| {
        let (left, right) = (args.int(0), args.int(1));
        if right < 4 || left > 0 && right < 7 {
            return Ok(args.any(2).clone());
        }
        args.give(abbreviate(args.bytes(2), left, right))
    }),
    fixed("wrap", &[Int, TextParam], |args| {
        wrap(args, args.bytes(1), b"\n", false)
    }),
    fixed("wrapWith", &[Int, TextParam, TextParam], |args| {
        let line_break = match args.bytes(1) {
            [] => b"\n",
            given => given,
        };
        wrap(args, args.bytes(2), line_break, true)
    }),
];

/// The first letter of every word in title case; the others stay.
fn title(text: &str) -> String {
    let mut previous = ' ';
    let capitalize = |char| {
        let starts = is_separator(previous);
        previous = char;
        if starts { to_title(char) } else { char }
    };
    text.chars().map(capitalize).collect()
}

fn is_separator(char: char) -> bool {
    if char.is_ascii() {
        return !char.is_ascii_alphanumeric() && char != '_';
    }
    !is_letter(char) && !is_digit(char) && char.is_whitespace()
}

fn untitle(text: &str) -> String {
    let mut starts = true;
    let lower = |char: char| {
        if char.is_whitespace() {
            starts = true;
            char
        } else if std::mem::take(&mut starts) {
            to_lower(char)
        } else {
            char
        }
    };
    text.chars().map(lower).collect()
}

fn swap_case(text: &str) -> String {
    let mut after_space = true;
    let swap = |char: char| {
        if char.is_uppercase() || is_title(char) {
            after_space = false;
            to_lower(char)
        } else if !char.is_lowercase() {
            after_space = char.is_whitespace();
            char
        } else if std::mem::take(&mut after_space) {
            to_title(char)
        } else {
            to_upper(char)
        }
    };
    text.chars().map(swap).collect()
}

/// Bytes taken for characters of Latin-1, without those that are white space. A text without any
/// white space stays as it is.
fn without_space(text: &[u8]) -> Vec<u8> {
    let kept: String = text
        .iter()
        .map(|byte| char::from(*byte))
        .filter(|char| !char.is_whitespace())
        .collect();
    if kept.chars().count() == text.len() {
        text.to_vec()
    } else {
        kept.into_bytes()
    }
}

/// The first byte of every word, taken for a character of Latin-1.
fn initials(text: &[u8]) -> String {
    let mut starts = true;
    let mut out = String::new();
    for char in text.iter().map(|byte| char::from(*byte)) {
        if char.is_whitespace() {
            starts = true;
        } else if std::mem::take(&mut starts) {
            out.push(char);
        }
    }
    out
}

/// Cuts a text to `width` bytes, dots included; an `offset` from 5 on also cuts its start.
fn abbreviate(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    if length <= width {
        return text.to_vec();
    }
    // Longer than the width, so all of these fit.
    let part = |from: i64, to: i64| {
        let position = |at: i64| usize::try_from(at.clamp(0, length)).unwrap_or(0);
        &text[position(from)..position(to.max(from))]
    };
    let kept = width - 3;
    let mut offset = offset.min(length);
    if length - offset < kept {
        offset = length - kept;
    }
    if offset <= 4 {
        return [part(0, kept), b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    if offset + kept < length {
        let inner = part(offset, length);
        return [b"...", &*abbreviate(inner, 0, kept)].concat();
    }
    [b"...", part(length - kept, length)].concat()
}

/// Breaks lines at spaces after at most `length` bytes; words that are longer only if asked.
fn wrap(args: &Args<'_>, text: &[u8], line_break: &[u8], cut_words: bool) -> Outcome<Value> {
    let length = usize::try_from(args.int(0)).unwrap_or(0).max(1);
    let mut out = Printer::new(args.budget());
    let mut at = 0;
    while text.len() - at > length {
        if text[at] == b' ' {
            at += 1;
            continue;
        }
        let line = &text[at..=at + length];
        let is_space = |byte: &u8| *byte == b' ';
        let (end, next) = if let Some(space) = line.iter().rposition(is_space) {
            (at + space, at + space + 1)
        } else if cut_words {
            (at + length, at + length)
        } else if let Some(space) = text[at + length..].iter().position(is_space) {
            (at + length + space, at + length + space + 1)
        } else {
            break;
        };
        out.push(&text[at..end])?;
        out.push(line_break)?;
        at = next;
    }
    out.push(&text[at..])?;
    Ok(Value::text(out.into_bytes()))
}

fn is_connector(char: char) -> bool {
    matches!(char, '-' | '_') || char.is_whitespace()
}

/// `some_name` as `SomeName`: connectors between words go, letters after the first of a word that
/// starts with an upper-case letter become lower case.
fn pascal_case(text: &str) -> String {
    let start = text.find(|char| !is_connector(char)).unwrap_or(text.len());
    let mut out = String::from(&text[..start]);
    let mut chars = text[start..].chars();
    let Some(first) = chars.next() else {
        // Nothing but connectors: the last one comes twice.
        out.extend(text.chars().next_back());
        return out;
    };
    let mut lowers = first.is_uppercase();
    let mut pending = to_upper(first);
    for char in chars {
        let previous = std::mem::replace(&mut pending, char);
        if is_connector(char) && is_connector(previous) {
            out.push(previous);
        } else if is_connector(previous) {
            lowers = char.is_uppercase();
            pending = to_upper(char);
        } else {
            if lowers {
                lowers = char.is_uppercase();
                if lowers {
                    pending = to_lower(char);
                }
            }
            out.push(previous);
        }
    }
    out.push(pending);
    out
}

/// A letter of a script that writes words with letters: Chinese characters are none.
fn is_alphabetic(char: char) -> bool {
    let is_chinese = matches!(char,
        '\u{3400}'..='\u{4d85}' | '\u{4e00}'..='\u{9fcc}' | '\u{20000}'..='\u{2b81d}');
    is_letter(char) && !is_chinese
}

/// What a word consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Number,
    /// Starts with an upper-case letter.
    Upper,
    /// Starts with any other letter.
    Lower,
    Connector,
    Punctuation,
    Other,
}

fn snake_case(args: &Args<'_>, connector: char) -> Outcome<Value> {
    let text = args.text(0);
    // Each character may be a word.
    args.budget()
        .take(text.len().saturating_mul(size_of::<(Word, &str)>()))?;
    args.give(lower_words(&text, connector))
}

/// `SomeName` as `some_name`: words are told apart by the case of their letters.
fn lower_words(text: &str, connector: char) -> String {
    let words = words(text);
    let mut out = String::with_capacity(text.len() + 8);
    let mut at = 0;
    let is_joined =
        |word: Option<&(Word, &str)>| matches!(word, Some((Word::Lower | Word::Number, _)));
    let starts_word = |word: Option<&(Word, &str)>| {
        word.is_some_and(|(kind, _)| !matches!(kind, Word::Connector | Word::Punctuation))
    };
    while let Some((kind, word)) = words.get(at) {
        write_word(&mut out, *kind, word, connector);
        at += 1;
        if at >= words.len() {
            break;
        }
        match kind {
            Word::Connector | Word::Punctuation => {}
            Word::Number => {
                while is_joined(words.get(at)) {
                    write_at(&mut out, &words, at, connector);
                    at += 1;
                }
                if starts_word(words.get(at)) {
                    out.push(connector);
                }
            }
            _ if words[at].0 != Word::Number => {
                if starts_word(words.get(at)) {
                    out.push(connector);
                }
            }
            // A number at the end belongs to the word before it.
            _ if at + 1 == words.len() => {}
            _ if words[at + 1].0 != Word::Lower => {
                write_at(&mut out, &words, at, connector);
                at += 1;
                if starts_word(words.get(at)) {
                    out.push(connector);
                }
            }
            // A number in front of lower-case letters starts a word with them.
            _ => {
                out.push(connector);
                while is_joined(words.get(at)) {
                    write_at(&mut out, &words, at, connector);
                    at += 1;
                }
                if starts_word(words.get(at)) {
                    out.push(connector);
                }
            }
        }
    }
    out
}

fn write_at(out: &mut String, words: &[(Word, &str)], at: usize, connector: char) {
    if let Some((kind, word)) = words.get(at) {
        write_word(out, *kind, word, connector);
    }
}

fn write_word(out: &mut String, kind: Word, word: &str, connector: char) {
    match kind {
        Word::Upper | Word::Connector => out.extend(word.chars().map(|char| {
            if is_connector(char) {
                connector
            } else if char.is_uppercase() {
                to_lower(char)
            } else {
                char
            }
        })),
        _ => out.push_str(word),
    }
}

/// Cuts a text into words.
fn words(text: &str) -> Vec<(Word, &str)> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let kind = if is_connector(first) {
            Word::Connector
        } else if is_punctuation(first) {
            Word::Punctuation
        } else if first.is_uppercase() {
            Word::Upper
        } else if is_alphabetic(first) {
            Word::Lower
        } else if first.is_numeric() {
            Word::Number
        } else {
            Word::Other
        };
        let length = match kind {
            Word::Connector => run(rest, is_connector),
            Word::Punctuation => run(rest, is_punctuation),
            Word::Upper => upper_run(rest),
            Word::Lower => run(rest, |char| is_alphabetic(char) && !char.is_uppercase()),
            Word::Number => run(rest, char::is_numeric),
            Word::Other => run(rest, |char| {
                !is_connector(char)
                    && !is_alphabetic(char)
                    && !char.is_numeric()
                    && !is_punctuation(char)
            }),
        };
        let (word, tail) = rest.split_at(length.max(first.len_utf8()));
        words.push((kind, word));
        rest = tail;
    }
    words
}

fn run(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.find(|char| !fits(char)).unwrap_or(text.len())
}

/// `Name`, or `HTTP` in front of what is no lower-case letter: of `HTTPServer` only `HTTP`.
fn upper_run(text: &str) -> usize {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let uppers = run(text, char::is_uppercase);
    if uppers == first {
        return first
            + run(&text[first..], |char| {
                is_alphabetic(char) && !char.is_uppercase()
            });
    }
    let last = text[..uppers].chars().next_back().map_or(0, char::len_utf8);
    if text[uppers..].starts_with(is_alphabetic) {
        uppers - last
    } else {
        uppers
    }
}
