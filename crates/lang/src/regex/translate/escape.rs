//! Escapes and bracketed classes of a pattern.

use super::super::Error;
use super::super::class::{self, Set};
use super::{Translator, fail};

impl Translator<'_> {
    /// `\d` and its kind, or `\pN`, `\p{Name}`, `\P{Name}`, `\p{^Name}`.
    pub(super) fn escaped_class(&mut self) -> Result<Option<Set>, Error> {
        let mut chars = self.rest.chars();
        chars.next();
        let Some(letter) = chars.next() else {
            return Ok(None);
        };
        if let Some(set) = class::perl(letter, self.flags.fold) {
            self.take(2);
            return Ok(Some(set));
        }
        if !matches!(letter, 'p' | 'P') {
            return Ok(None);
        }
        let (name, length) = match chars.next() {
            Some('{') => match self.rest.find('}') {
                Some(end) => (&self.rest[3..end], end + 1),
                None => return fail("invalid character class range", self.rest),
            },
            Some(char) => (&self.rest[2..2 + char.len_utf8()], 2 + char.len_utf8()),
            None => return fail("invalid character class range", self.rest),
        };
        let written = self.take(length);
        let (name, caret) = match name.strip_prefix('^') {
            Some(name) => (name, true),
            None => (name, false),
        };
        match class::unicode(name, (letter == 'P') != caret, self.flags.fold) {
            Some(set) => Ok(Some(set)),
            None => fail("invalid character class range", written),
        }
    }

    /// One escaped character: octal, hex, C or punctuation.
    pub(super) fn escape(&mut self) -> Result<u32, Error> {
        let whole = self.rest;
        let mut chars = whole.chars();
        chars.next();
        let Some(char) = chars.next() else {
            return fail("trailing backslash at end of expression", "");
        };
        let after = chars.as_str();
        let octal = after
            .bytes()
            .take_while(|byte| matches!(byte, b'0'..=b'7'))
            .take(2)
            .count();
        let code = match char {
            '0' | '1'..='7' if char == '0' || octal > 0 => {
                let code = u32::from_str_radix(&whole[1..2 + octal], 8).unwrap_or(0);
                self.take(2 + octal);
                return Ok(code);
            }
            'x' => return self.hex(),
            'a' => 0x07,
            'f' => 0x0c,
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            'v' => 0x0b,
            _ if char.is_ascii() && !char.is_ascii_alphanumeric() => char.into(),
            _ => return fail("invalid escape sequence", &whole[..=char.len_utf8()]),
        };
        self.take(1 + char.len_utf8());
        Ok(code)
    }

    /// `\xF5` or `\x{10FFFF}`.
    fn hex(&mut self) -> Result<u32, Error> {
        let whole = self.rest;
        let (digits, length) = match whole.as_bytes().get(2) {
            Some(b'{') => match whole.find('}') {
                Some(end) => (&whole[3..end], end + 1),
                None => return fail("invalid escape sequence", whole),
            },
            _ => (whole.get(2..4).unwrap_or_default(), 4),
        };
        let hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u32::from_str_radix(digits, 16) {
            Ok(code) if hex && code <= 0x10_ffff => {
                self.take(length);
                Ok(code)
            }
            _ => fail(
                "invalid escape sequence",
                whole.get(..length).unwrap_or(whole),
            ),
        }
    }

    /// `[...]`
    pub(super) fn bracket(&mut self) -> Result<(), Error> {
        let whole = self.rest;
        self.take(1);
        let negated = self.rest.starts_with('^');
        if negated {
            self.take(1);
        }
        let mut set = Set::empty();
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if let Some(member) = self.class_member()? {
                set.union(&member);
                continue;
            }
            let range = self.rest;
            let low = self.class_char(whole)?;
            let mut high = low;
            if self.rest.starts_with('-') && !self.rest[1..].starts_with(']') && self.rest.len() > 1
            {
                self.take(1);
                high = self.class_char(whole)?;
            }
            if high < low {
                let written = &range[..range.len() - self.rest.len()];
                return fail("invalid character class range", written);
            }
            let mut member = Set::empty();
            member.add(low, high);
            if self.flags.fold {
                member.fold();
            }
            set.union(&member);
        }
        self.take(1);
        if negated {
            set.negate();
        }
        self.set(&set);
        Ok(())
    }

    /// `[:name:]`, `\d`, `\pL` within brackets.
    fn class_member(&mut self) -> Result<Option<Set>, Error> {
        if let Some(named) = self.rest.strip_prefix("[:") {
            let Some(end) = named.find(":]") else {
                return Ok(None);
            };
            let written = self.take(end + 4);
            return match class::posix(&named[..end], self.flags.fold) {
                Some(set) => Ok(Some(set)),
                None => fail("invalid character class range", written),
            };
        }
        if self.rest.starts_with('\\') {
            self.escaped_class()
        } else {
            Ok(None)
        }
    }

    fn class_char(&mut self, whole: &str) -> Result<u32, Error> {
        match self.rest.chars().next() {
            None => fail("missing closing ]", whole),
            Some('\\') => self.escape(),
            Some(char) => {
                self.take(char.len_utf8());
                Ok(char.into())
            }
        }
    }
}
