//! The pattern language of Go's `printf`: flags, width, precision, argument indexes, and what is
//! printed where pattern and arguments do not fit.

use super::super::limit::{Budget, Outcome};
use super::super::value::Value;
use super::Printer;
use super::verb::{Flags, write_verb};

/// The largest width or precision; Go refuses larger ones.
const MAX_NUMBER: i64 = 1_000_000;

/// `fmt.Sprintf`.
pub(in super::super) fn sprintf(
    budget: &Budget,
    pattern: &[u8],
    values: &[Value],
) -> Outcome<Vec<u8>> {
    let mut reader = Reader {
        pattern,
        values,
        at: 0,
        next: 0,
        reordered: false,
        good_index: true,
        after_index: false,
    };
    let mut out = Printer::new(budget);
    while reader.at < pattern.len() {
        let rest = &pattern[reader.at..];
        let text = rest
            .iter()
            .position(|byte| *byte == b'%')
            .unwrap_or(rest.len());
        out.push(&rest[..text])?;
        reader.at += text;
        if reader.at < pattern.len() {
            reader.at += 1;
            reader.directive(&mut out)?;
        }
    }
    if !reader.reordered && reader.next < values.len() {
        out.push(b"%!(EXTRA ")?;
        for (index, value) in values[reader.next..].iter().enumerate() {
            if index > 0 {
                out.push(b", ")?;
            }
            if !value.is_nothing() {
                out.push(format!("{}=", value.type_name()))?;
            }
            write_verb(&mut out, value, 'v', &Flags::default())?;
        }
        out.push(b")")?;
    }
    Ok(out.into_bytes())
}

struct Reader<'a> {
    pattern: &'a [u8],
    values: &'a [Value],
    at: usize,
    /// The argument that the next verb takes.
    next: usize,
    /// Whether any `[n]` was seen: then unused arguments are fine.
    reordered: bool,
    good_index: bool,
    after_index: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.pattern.get(self.at).copied()
    }

    /// Reads what follows a `%`, and writes what it prints.
    fn directive(&mut self, out: &mut Printer<'_>) -> Outcome<()> {
        self.good_index = true;
        self.after_index = false;
        let mut flags = self.flags();
        self.argument_index();
        self.width(&mut flags, out)?;
        self.precision(&mut flags, out)?;
        if !self.after_index {
            self.argument_index();
        }
        let Some(verb) = self.verb() else {
            return out.push(b"%!(NOVERB)");
        };
        if verb == '%' {
            return out.push(b"%");
        }
        if !self.good_index {
            return out.push(format!("%!{verb}(BADINDEX)"));
        }
        let Some(value) = self.values.get(self.next) else {
            return out.push(format!("%!{verb}(MISSING)"));
        };
        self.next += 1;
        if verb == 'v' {
            flags.syntax = std::mem::take(&mut flags.sharp);
            flags.plus = false;
        }
        write_verb(out, value, verb, &flags)
    }

    fn flags(&mut self) -> Flags {
        let mut flags = Flags::default();
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
        flags
    }

    fn width(&mut self, flags: &mut Flags, out: &mut Printer<'_>) -> Outcome<()> {
        if self.peek() == Some(b'*') {
            self.at += 1;
            match self.number_argument() {
                Some(width) => {
                    if width < 0 {
                        flags.minus = true;
                        flags.zero = false;
                    }
                    flags.width = usize::try_from(width.unsigned_abs()).ok();
                }
                None => out.push(b"%!(BADWIDTH)")?,
            }
            self.after_index = false;
        } else {
            flags.width = self.number();
            if self.after_index && flags.width.is_some() {
                self.good_index = false;
            }
        }
        Ok(())
    }

    fn precision(&mut self, flags: &mut Flags, out: &mut Printer<'_>) -> Outcome<()> {
        if self.peek() != Some(b'.') {
            return Ok(());
        }
        self.at += 1;
        if self.after_index {
            self.good_index = false;
        }
        self.argument_index();
        if self.peek() == Some(b'*') {
            self.at += 1;
            match self.number_argument() {
                // A negative precision counts as none, and is told.
                Some(precision) if precision >= 0 => {
                    flags.precision = usize::try_from(precision).ok();
                }
                _ => out.push(b"%!(BADPREC)")?,
            }
            self.after_index = false;
        } else {
            flags.precision = Some(self.number().unwrap_or(0));
        }
        Ok(())
    }

    /// Reads `[n]`, which says what argument comes next.
    fn argument_index(&mut self) {
        self.after_index = false;
        if self.peek() != Some(b'[') {
            return;
        }
        self.reordered = true;
        let rest = &self.pattern[self.at..];
        let Some(close) = rest
            .iter()
            .position(|byte| *byte == b']')
            .filter(|_| rest.len() >= 3)
        else {
            self.good_index = false;
            self.at += 1;
            return;
        };
        let number = std::str::from_utf8(&rest[1..close])
            .ok()
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse::<usize>().ok());
        self.at += close + 1;
        match number {
            Some(number) if (1..=self.values.len()).contains(&number) => {
                self.next = number - 1;
                self.after_index = true;
            }
            number => {
                self.good_index = false;
                self.after_index = number.is_some();
            }
        }
    }

    /// A decimal number; one that is too large swallows the rest of the pattern, as in Go.
    fn number(&mut self) -> Option<usize> {
        let mut number: Option<i64> = None;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            let value = number.unwrap_or(0);
            if value > MAX_NUMBER {
                self.at = self.pattern.len();
                return None;
            }
            number = Some(value * 10 + i64::from(digit - b'0'));
            self.at += 1;
        }
        number.and_then(|number| usize::try_from(number).ok())
    }

    /// The argument that a `*` takes, if it is a number of fitting size.
    fn number_argument(&mut self) -> Option<i64> {
        let value = self.values.get(self.next)?;
        self.next += 1;
        let unsigned = value.as_uint().and_then(|uint| i64::try_from(uint).ok());
        value
            .as_int()
            .or(unsigned)
            .filter(|number| (-MAX_NUMBER..=MAX_NUMBER).contains(number))
    }

    fn verb(&mut self) -> Option<char> {
        let rest = &self.pattern[self.at..];
        let first = *rest.first()?;
        if first.is_ascii() {
            self.at += 1;
            return Some(char::from(first));
        }
        let chunk = rest.utf8_chunks().next()?;
        if let Some(char) = chunk.valid().chars().next() {
            self.at += char.len_utf8();
            Some(char)
        } else {
            self.at += 1;
            Some(char::REPLACEMENT_CHARACTER)
        }
    }
}
