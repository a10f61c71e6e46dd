//! Finds the ends of keys and values in JSON text without building anything.
//!
//! The text is expected to be valid, as every event is; what is not is scanned to some end all the
//! same, with the tolerance gjson has (junk between values is skipped, an unclosed bracket ends
//! with the text), because intermediate texts of a path (`!abc`, `@fromstr`) need not be JSON.

use super::Kind;

/// What follows a position inside an array.
pub(super) enum Item {
    /// A value starts here.
    Value(usize),
    /// The array ends; the position is behind its bracket.
    End(usize),
}

/// What follows a position inside an object.
pub(super) enum Member {
    /// The next key.
    Key(Key),
    /// The object ends; the position is behind its bracket.
    End(usize),
}

/// A key of an object, without its quotes.
pub(super) struct Key {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) escaped: bool,
}

const VALUE: u8 = 1;
const CLOSE: u8 = 2;

/// Which bytes start a value, and which close an array.
static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let starts = b"\"{[ntf+-0123456789iIN";
    let mut index = 0;
    while index < starts.len() {
        table[starts[index] as usize] = VALUE;
        index += 1;
    }
    table[b']' as usize] = CLOSE;
    table
}

/// How a byte changes the nesting, counted from 1; 0 for all other bytes, 3 for a quote.
static NESTING: [u8; 256] = nesting();

const fn nesting() -> [u8; 256] {
    let mut table = [0; 256];
    table[b'{' as usize] = 2;
    table[b'[' as usize] = 2;
    table[b'(' as usize] = 2;
    table[b'}' as usize] = 1;
    table[b']' as usize] = 1;
    table[b')' as usize] = 1;
    table[b'"' as usize] = 3;
    table
}

/// The first position from `at` on where a value starts.
pub(super) fn value_start(json: &[u8], at: usize) -> Option<usize> {
    let rest = json.get(at..)?;
    let skipped = rest
        .iter()
        .position(|byte| CLASS[usize::from(*byte)] == VALUE)?;
    Some(at + skipped)
}

/// The next value of an array, from `at` on. The end of the text ends the array.
pub(super) fn item(json: &[u8], at: usize) -> Item {
    let rest = json.get(at..).unwrap_or_default();
    match rest.iter().position(|byte| CLASS[usize::from(*byte)] != 0) {
        Some(skipped) if rest[skipped] != b']' => Item::Value(at + skipped),
        Some(skipped) => Item::End(at + skipped + 1),
        None => Item::End(json.len() + 1),
    }
}

/// The next key of an object, from `at` on. The end of the text ends the object.
pub(super) fn member(json: &[u8], at: usize) -> Member {
    let rest = json.get(at..).unwrap_or_default();
    match rest.iter().position(|byte| matches!(byte, b'"' | b'}')) {
        Some(skipped) if rest[skipped] == b'"' => {
            let start = at + skipped + 1;
            match string_end(json, start) {
                Some((end, escaped)) => Member::Key(Key {
                    start,
                    end,
                    escaped,
                }),
                None => Member::End(json.len()),
            }
        }
        Some(skipped) => Member::End(at + skipped + 1),
        None => Member::End(json.len()),
    }
}

/// Kind and end of the value that starts at `start`. None for a text that is not closed.
pub(super) fn value_end(json: &[u8], start: usize) -> Option<(Kind, usize)> {
    Some(match json.get(start)? {
        b'"' => (Kind::String, string_end(json, start + 1)?.0 + 1),
        b'{' | b'[' => (Kind::Json, container_end(json, start + 1)),
        b't' => (Kind::True, word_end(json, start)),
        b'f' => (Kind::False, word_end(json, start)),
        b'n' if json.get(start + 1).is_none_or(|next| *next == b'u') => {
            (Kind::Null, word_end(json, start))
        }
        _ => (Kind::Number, number_end(json, start)),
    })
}

/// The position of the quote that closes the text starting at `at`, and whether it has escapes.
#[inline]
pub(super) fn string_end(json: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut escaped = false;
    loop {
        let rest = json.get(at..)?;
        let skipped = quote_or_escape(rest)?;
        at += skipped;
        if rest[skipped] == b'"' {
            return Some((at, escaped));
        }
        escaped = true;
        at += 2;
    }
}

/// The first quote or backslash.
///
/// Eight bytes at a time: most texts are too short for calling into a vectorised search.
#[inline]
fn quote_or_escape(text: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The lowest bit set is right, whatever a borrow does to those above it.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, tail) = text.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found =
            zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let found = tail.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    Some(words.len() * 8 + found)
}

/// The end of the array or object whose opening bracket is just before `at`.
pub(crate) fn container_end(json: &[u8], mut at: usize) -> usize {
    let mut depth = 1_usize;
    while let Some(byte) = json.get(at) {
        at += 1;
        match NESTING[usize::from(*byte)] {
            0 => {}
            1 => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            2 => depth += 1,
            _ => match string_end(json, at) {
                Some((end, _)) => at = end + 1,
                None => break,
            },
        }
    }
    json.len()
}

/// The end of what starts a text with a bracket or a quote: behind its counterpart.
pub(super) fn balanced_end(text: &[u8]) -> usize {
    if text.first() == Some(&b'"') {
        string_end(text, 1).map_or(text.len(), |(end, _)| end + 1)
    } else {
        container_end(text, 1)
    }
}

fn word_end(json: &[u8], start: usize) -> usize {
    let rest = &json[start + 1..];
    let letters = rest.iter().position(|byte| !byte.is_ascii_lowercase());
    start + 1 + letters.unwrap_or(rest.len())
}

fn number_end(json: &[u8], start: usize) -> usize {
    let rest = &json[start + 1..];
    let digits = rest
        .iter()
        .position(|byte| matches!(byte, 0..=b' ' | b',' | b']' | b'}'));
    start + 1 + digits.unwrap_or(rest.len())
}

/// Takes the bytes up to the blank off both ends.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let start = text
        .iter()
        .position(|byte| *byte > b' ')
        .unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|byte| *byte > b' ')
        .map_or(start, |last| last + 1);
    &text[start..end]
}
