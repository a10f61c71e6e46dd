//! Finds the ends of texts and numbers, and reads escapes.

use super::Error;

/// Where the text that `at` is inside of goes on other than with plain bytes: at a quote, a
/// backslash or a control character.
#[inline]
pub(crate) fn text_end(json: &[u8], at: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // Bytes below `limit`. The lowest bit set is right, whatever a borrow does to those above it.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
    let rest = json.get(at..)?;
    let (words, tail) = rest.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = below(word ^ (ONES * u64::from(b'"')), 1)
            | below(word ^ (ONES * u64::from(b'\\')), 1)
            | below(word, 0x20);
        if found != 0 {
            return Some(at + index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let found = tail
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
    Some(at + words.len() * 8 + found)
}

/// What is wrong with the end of a `\u`.
pub(super) const NO_HEX: &str = "expected four hex digits";

/// Where the text ends whose first quote is before `at`: behind its last quote.
#[inline]
pub(crate) fn string_end(json: &[u8], at: usize) -> Result<usize, Error> {
    let mut at = at;
    loop {
        let fail = |message, offset| Err(Error { message, offset });
        let Some(end) = text_end(json, at) else {
            return fail("unexpected end of the text", json.len());
        };
        at = match json[end] {
            b'"' => return Ok(end + 1),
            b'\\' => end + 1,
            _ => return fail("control character in a text", end),
        };
        at += match json.get(at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 1,
            Some(b'u') if hex4(json, at + 1).is_some() => 5,
            Some(b'u') => return fail(NO_HEX, at + 1),
            _ => return fail("unknown escape", at),
        };
    }
}

/// Where the number ends that begins at `at`.
#[inline]
pub(crate) fn number_end(json: &[u8], at: usize) -> Result<usize, Error> {
    let mut at = at + usize::from(json.get(at) == Some(&b'-'));
    at = match json.get(at) {
        Some(b'0') => at + 1,
        _ => digits_end(json, at)?,
    };
    if json.get(at) == Some(&b'.') {
        at = digits_end(json, at + 1)?;
    }
    if let Some(b'e' | b'E') = json.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = json.get(at) {
            at += 1;
        }
        at = digits_end(json, at)?;
    }
    Ok(at)
}

/// Where the digits at `at` end, of which there must be one.
#[inline]
fn digits_end(json: &[u8], at: usize) -> Result<usize, Error> {
    let rest = json.get(at..).unwrap_or_default();
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return Err(Error {
            message: "expected a digit",
            offset: at,
        });
    }
    Ok(at + count)
}

/// The character whose `\u` ends before `at`, maybe with a second one, and where it ends. Half a
/// pair is no character.
pub(crate) fn unicode_escape(json: &[u8], at: usize) -> Option<(char, usize)> {
    let first = hex4(json, at)?;
    let at = at + 4;
    if let Some(rest) = json.get(at..)
        && rest.starts_with(b"\\u")
        && let Some(second) = hex4(json, at + 2)
        && let Some(Ok(char)) = char::decode_utf16([first, second]).next()
        && char.len_utf16() == 2
    {
        return Some((char, at + 6));
    }
    let char = char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER);
    Some((char, at))
}

fn hex4(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + 4)?;
    digits.iter().try_fold(0, |code, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some((code << 4) | u16::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_may_come_in_pairs() {
        let cases = [
            ("00e9", Some(('é', 4))),
            ("00E9x", Some(('é', 4))),
            (r"d83d\ude04", Some(('😄', 10))),
            (r"d83d\u0041", Some(('\u{fffd}', 4))),
            (r"d83d\ud83d", Some(('\u{fffd}', 4))),
            (r"d83d\u00", Some(('\u{fffd}', 4))),
            ("de04", Some(('\u{fffd}', 4))),
            (r"0041\u0042", Some(('A', 4))),
            ("00g9", None),
            ("+041", None),
            ("004", None),
        ];
        for (text, expected) in cases {
            assert_eq!(unicode_escape(text.as_bytes(), 0), expected, "{text}");
        }
    }

    #[test]
    fn faults_of_texts_name_their_place() {
        let cases = [
            (r#"a\n\u00e9"x"#, Ok(10)),
            ("abc", Err(("unexpected end of the text", 3))),
            ("a\u{1}", Err(("control character in a text", 1))),
            (r#"a\x""#, Err(("unknown escape", 2))),
            (r#"a\u00g0""#, Err((NO_HEX, 3))),
        ];
        for (text, expected) in cases {
            let found =
                string_end(text.as_bytes(), 0).map_err(|fault| (fault.message, fault.offset));
            assert_eq!(found, expected, "{text}");
        }
    }
}
