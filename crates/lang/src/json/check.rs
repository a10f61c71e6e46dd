//! Whether a text is JSON, without building anything: every filter and parameter asks.

use super::MAX_DEPTH;
use super::scan::{number_end, string_end};

/// Whether `text` is one JSON document that nests no deeper than [`MAX_DEPTH`].
///
/// Says yes to exactly what [`super::from_slice`] reads.
pub fn is_valid(text: &[u8]) -> bool {
    is_valid_for(text, &mut Nobody)
}

/// Hears of the parts of a text while it is checked, in the order of the text.
pub(crate) trait Listen {
    /// An array or an object begins.
    fn opened(&mut self) {}
    /// The innermost of them has this key, without its quotes, as it was written.
    fn key(&mut self, _written: &[u8]) {}
    /// The innermost of them ends, and where it began.
    fn closed(&mut self, _start: u32, _end: u32) {}
}

struct Nobody;

impl Listen for Nobody {}

/// As [`is_valid`], with somebody who listens.
pub(crate) fn is_valid_for(text: &[u8], listener: &mut impl Listen) -> bool {
    // Positions are counted in 32 bits; no event comes near.
    let Ok(_) = u32::try_from(text.len()) else {
        return false;
    };
    let checker = Checker {
        text,
        at: 0,
        objects: [0; MAX_DEPTH / 64],
        opened: [0; MAX_DEPTH],
        depth: 0,
        listener,
    };
    checker.document().is_some()
}

struct Checker<'a, L> {
    text: &'a [u8],
    at: usize,
    /// Which of the open containers are objects, a bit for each.
    objects: [u64; MAX_DEPTH / 64],
    /// Where the open containers begin.
    opened: [u32; MAX_DEPTH],
    depth: usize,
    listener: &'a mut L,
}

/// What may follow.
enum Next {
    Value,
    /// After a value: a comma or the end of its container.
    Rest,
}

impl<L: Listen> Checker<'_, L> {
    /// `None`: no document, as with all functions here.
    fn document(mut self) -> Option<()> {
        let mut next = Next::Value;
        loop {
            next = match next {
                Next::Value => self.value()?,
                Next::Rest if self.depth == 0 => {
                    return (self.after_space().is_none()).then_some(());
                }
                Next::Rest => self.rest()?,
            };
        }
    }

    fn value(&mut self) -> Option<Next> {
        let byte = self.after_space()?;
        self.at += 1;
        match byte {
            b'"' => self.at = string_end(self.text, self.at).ok()?,
            b'{' => {
                self.open(true)?;
                if self.after_space()? != b'}' {
                    self.key()?;
                    return Some(Next::Value);
                }
                self.close();
            }
            b'[' => {
                self.open(false)?;
                if self.after_space()? != b']' {
                    return Some(Next::Value);
                }
                self.close();
            }
            b't' => self.word(b"rue")?,
            b'f' => self.word(b"alse")?,
            b'n' => self.word(b"ull")?,
            b'-' | b'0'..=b'9' => self.at = number_end(self.text, self.at - 1).ok()?,
            _ => return None,
        }
        Some(Next::Rest)
    }

    fn rest(&mut self) -> Option<Next> {
        let is_object = self.is_object();
        match (self.after_space()?, is_object) {
            (b',', true) => {
                self.at += 1;
                self.key()?;
                Some(Next::Value)
            }
            (b',', false) => {
                self.at += 1;
                Some(Next::Value)
            }
            (b'}', true) | (b']', false) => {
                self.close();
                Some(Next::Rest)
            }
            _ => None,
        }
    }

    /// A key and its colon.
    fn key(&mut self) -> Option<()> {
        if self.after_space()? != b'"' {
            return None;
        }
        let start = self.at + 1;
        self.at = string_end(self.text, start).ok()?;
        self.listener.key(&self.text[start..self.at - 1]);
        (self.after_space()? == b':').then(|| self.at += 1)
    }

    /// Skips white space; what is there then.
    fn after_space(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.get(self.at)?;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn open(&mut self, is_object: bool) -> Option<()> {
        let word = self.objects.get_mut(self.depth / 64)?;
        let bit = 1 << (self.depth % 64);
        *word = if is_object { *word | bit } else { *word & !bit };
        self.opened[self.depth] = position(self.at - 1);
        self.depth += 1;
        self.listener.opened();
        Some(())
    }

    /// Steps over a closing bracket.
    fn close(&mut self) {
        self.at += 1;
        self.depth -= 1;
        let (start, end) = (self.opened[self.depth], position(self.at));
        self.listener.closed(start, end);
    }

    fn is_object(&self) -> bool {
        let innermost = self.depth - 1;
        self.objects[innermost / 64] >> (innermost % 64) & 1 == 1
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        self.text[self.at..]
            .starts_with(rest)
            .then(|| self.at += rest.len())
    }
}

/// Fits, because the length of the text does.
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_valid_and_nothing_else() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let (fits, too_deep) = (deep(MAX_DEPTH), deep(MAX_DEPTH + 1));
        let mixed = format!("{}1{}", "[{\"a\":".repeat(200), "}]".repeat(200));
        for (text, expected) in [
            ("", false),
            (" ", false),
            ("1", true),
            (" [ ] ", true),
            ("{ }", true),
            ("{\"a\" : [ 1 , {\"b\":null} ] , \"c\":true}", true),
            ("{\"a\":1,}", false),
            ("[1,]", false),
            ("[,1]", false),
            ("{,}", false),
            ("[1}", false),
            ("{\"a\":1]", false),
            ("{\"a\"}", false),
            ("{\"a\" 1}", false),
            ("{1:2}", false),
            ("[1 2]", false),
            ("1 2", false),
            ("[", false),
            ("{\"a\":", false),
            ("01", false),
            ("-", false),
            ("-0", true),
            ("-0.5e+10", true),
            ("1.", false),
            (".5", false),
            ("1e", false),
            ("1e+", false),
            ("+1", false),
            ("tru", false),
            ("nullx", false),
            ("false", true),
            ("\"", false),
            ("\"abc", false),
            ("\"abcdefgh\"", true),
            ("\"abcdefg\u{1}\"", false),
            ("\"\u{7f}\u{20ac}\"", true),
            ("\"\\u00e9\\ud83d\\\\\"", true),
            ("\"\\u00g9\"", false),
            ("\"\\u00e", false),
            ("\"\\x\"", false),
            ("\"\\", false),
            ("\"12345678\\\"90\"", true),
            (fits.as_str(), true),
            (too_deep.as_str(), false),
            (mixed.as_str(), true),
        ] {
            assert_eq!(is_valid(text.as_bytes()), expected, "{text}");
            assert_eq!(
                super::super::from_slice(text.as_bytes()).is_ok(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn parts_are_told_in_the_order_of_the_text() {
        #[derive(Default)]
        struct Heard(Vec<String>);
        impl Listen for Heard {
            fn opened(&mut self) {
                self.0.push("(".to_owned());
            }
            fn key(&mut self, written: &[u8]) {
                self.0.push(String::from_utf8_lossy(written).into_owned());
            }
            fn closed(&mut self, start: u32, end: u32) {
                self.0.push(format!("{start}-{end})"));
            }
        }
        let mut heard = Heard::default();
        assert!(is_valid_for(
            b" {\"a\":[1,{}],\"\\u0062\":\"}\"}",
            &mut heard
        ));
        assert_eq!(heard.0.join(" "), r"( a ( ( 9-11) 6-12) \u0062 1-26)");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_read_as_go_reads_them() {
        assert!(is_valid(b"\"\xff\xc0\""));
        assert!(!is_valid(b"\xff"));
    }
}
