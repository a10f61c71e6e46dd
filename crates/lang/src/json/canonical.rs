//! Objects whose text is what Go's `json.Marshal` would write for them: who only hands such an object
//! on need not read it.

use super::MAX_DEPTH;
use super::scan::number_end;
use super::write::{next_special, write_float};

/// Where the object ends that begins at `at`, and how deep it nests, if it would be written again
/// exactly so: members sorted by keys that occur once, no space, no escape that is not needed, the
/// shortest digits. `None` for anything else, a text that is no JSON included.
pub(crate) fn object_end(text: &str, at: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut scan = Scan { bytes, at };
    let depth = scan.object(1)?;
    Some((scan.at, depth))
}

struct Scan<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl<'t> Scan<'t> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn step(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Steps over a value; returns how deep it nests.
    fn value(&mut self, depth: usize) -> Option<usize> {
        match self.peek()? {
            b'{' => self.object(depth + 1),
            b'[' => self.array(depth + 1),
            b'"' => self.string().map(|_| 0),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<usize> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.step(b'{')?;
        let (mut deepest, mut last) = (0, None);
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(1);
        }
        loop {
            let key = self.string()?;
            // With an escape, the order of the texts says nothing about that of the keys.
            if key.contains(&b'\\') || last.is_some_and(|last| last >= key) {
                return None;
            }
            last = Some(key);
            self.step(b':')?;
            deepest = deepest.max(self.value(depth)?);
            if !self.goes_on(b'}')? {
                return Some(deepest + 1);
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<usize> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.step(b'[')?;
        let mut deepest = 0;
        if self.peek()? == b']' {
            self.at += 1;
            return Some(1);
        }
        loop {
            deepest = deepest.max(self.value(depth)?);
            if !self.goes_on(b']')? {
                return Some(deepest + 1);
            }
        }
    }

    /// Steps over a comma (true) or the closing bracket (false).
    fn goes_on(&mut self, close: u8) -> Option<bool> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b',' => Some(true),
            byte if byte == close => Some(false),
            _ => None,
        }
    }

    fn word(&mut self, word: &str) -> Option<usize> {
        let found = self.bytes[self.at..].starts_with(word.as_bytes());
        self.at += word.len();
        found.then_some(0)
    }

    fn number(&mut self) -> Option<usize> {
        let end = number_end(self.bytes, self.at).ok()?;
        let text = std::str::from_utf8(&self.bytes[self.at..end]).ok()?;
        self.at = end;
        if text.contains(['.', 'e', 'E']) {
            let float: f64 = text.parse().ok().filter(|float: &f64| float.is_finite())?;
            let mut written = String::new();
            write_float(float, &mut written);
            return (written == text).then_some(0);
        }
        Some(0)
    }

    /// Steps over a text; returns what is between its quotes.
    fn string(&mut self) -> Option<&'t [u8]> {
        self.step(b'"')?;
        let start = self.at;
        loop {
            self.at = next_special(self.bytes, self.at, true)?;
            match self.bytes[self.at] {
                b'"' => {
                    self.at += 1;
                    return Some(&self.bytes[start..self.at - 1]);
                }
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let length = match self.bytes.get(self.at + 1)? {
            b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' => {
                let digits = self.bytes.get(self.at + 2..self.at + 6)?;
                match digits {
                    b"003c" | b"003e" | b"0026" | b"2028" | b"2029" => 6,
                    _ => return None,
                }
            }
            _ => return None,
        };
        self.at += length;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::from_slice;
    use super::*;

    #[test]
    fn what_is_taken_is_written_again_as_it_is() {
        let taken = [
            ("{}", 1),
            (r#"{"a":1,"b":-0,"c":12345678901234567890123}"#, 1),
            (r#"{"a":{"x":[{}]},"ab":null,"b":true}"#, 4),
            (r#"{"":"","a":"\"\\\b\f\n\r\t\u003c\u2028é😄"}"#, 1),
            (r#"{"a":0.5,"b":1e+21,"c":1e-7,"d":-1.25}"#, 1),
        ];
        for (text, depth) in taken {
            assert_eq!(object_end(text, 0), Some((text.len(), depth)), "{text}");
            let written = from_slice(text.as_bytes()).unwrap().to_go_json();
            assert_eq!(written, text);
        }
        assert_eq!(object_end(r#"[{"a":{}},1]"#, 1), Some((9, 2)));
    }

    #[test]
    fn what_would_be_written_otherwise_is_not_taken() {
        for text in [
            r#"{"b":1,"a":1}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a": 1}"#,
            r#"{ "a":1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e3}"#,
            r#"{"a":1e999}"#,
            r#"{"a":"<"}"#,
            "{\"a\":\"\u{2028}\"}",
            "{\"a\":\"\u{1}\"}",
            r#"{"a":"\u00e9"}"#,
            r#"{"a":"\u003C"}"#,
            r#"{"a":"\/"}"#,
            r#"{"a":"\ufffd"}"#,
            r#"{"\n":1}"#,
        ] {
            assert_eq!(object_end(text, 0), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_not_taken() {
        for text in [
            "",
            "{",
            r#"{"a""#,
            r#"{"a":}"#,
            r#"{"a":tru}"#,
            r#"{"a":1"#,
            r#"{"a":1,}"#,
            r#"{"a":1]"#,
            r#"{"a":[1}"#,
            r#"{"a":"\"#,
            r#"{"a":"\u00"#,
            r#"{"a":01}"#,
            r#"{"a":-}"#,
            r#"{"a":x}"#,
        ] {
            assert_eq!(object_end(text, 0), None, "{text}");
        }
        let deep = format!("{}1{}", r#"{"a":"#.repeat(513), "}".repeat(513));
        assert_eq!(object_end(&deep, 0), None);
        assert_eq!(object_end(&deep, 5), Some((deep.len() - 1, 512)));
    }
}
