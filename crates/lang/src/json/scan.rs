//! Finds the ends of texts, eight bytes at a time.

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
