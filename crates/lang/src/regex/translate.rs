//! Parses a pattern by the rules of Go's `regexp/syntax` in Perl mode and writes it down again for
//! the `regex` crate, free of flags: case folding becomes classes, greediness becomes `?`.

mod escape;

use super::Error;
use super::class::Set;

/// The largest count of a repetition, also of nested ones multiplied.
const MAX_REPEAT: u32 = 1000;

/// How deep groups may nest. Go allows 1000; the engine's compiler recurses.
const MAX_DEPTH: usize = 200;

/// Rewrites `pattern` (RE2 as Go reads it) for the `regex` crate.
pub(super) fn translate(pattern: &str) -> Result<String, Error> {
    let mut translator = Translator {
        rest: pattern,
        out: String::with_capacity(pattern.len() + 16),
        flags: Flags::default(),
        last: None,
        reps: 1,
        groups: Vec::new(),
    };
    translator.run()?;
    Ok(translator.out)
}

#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "RE2 has four independent flags"
)]
struct Flags {
    fold: bool,
    multi_line: bool,
    dot_all: bool,
    ungreedy: bool,
}

/// What a repetition operator would apply to.
#[derive(Debug, Clone, Copy)]
struct Atom {
    start: usize,
    repeated: bool,
    /// The product of the counts nested in it.
    reps: u32,
}

struct Group {
    start: usize,
    flags: Flags,
    /// The largest [`Atom::reps`] seen before it in the group around it.
    reps: u32,
}

struct Translator<'a> {
    rest: &'a str,
    out: String,
    flags: Flags,
    last: Option<Atom>,
    reps: u32,
    groups: Vec<Group>,
}

fn fail<T>(what: &str, part: &str) -> Result<T, Error> {
    Err(Error {
        message: format!("error parsing regexp: {what}: `{part}`"),
    })
}

impl<'a> Translator<'a> {
    fn run(&mut self) -> Result<(), Error> {
        let pattern = self.rest;
        let mut after_repeat = false;
        while let Some(next) = self.rest.chars().next() {
            let mut repeat = false;
            match next {
                '(' => self.open()?,
                ')' => self.close(pattern)?,
                '|' => {
                    self.take(1);
                    self.out.push('|');
                    self.last = None;
                }
                '^' => self.simple(
                    1,
                    if self.flags.multi_line {
                        "(?m:^)"
                    } else {
                        "\\A"
                    },
                ),
                '$' => self.simple(
                    1,
                    if self.flags.multi_line {
                        "(?m:$)"
                    } else {
                        "\\z"
                    },
                ),
                '.' => self.simple(
                    1,
                    if self.flags.dot_all {
                        "(?s:.)"
                    } else {
                        "[^\\n]"
                    },
                ),
                '[' => self.bracket()?,
                '*' | '+' | '?' | '{' => repeat = self.repetition(after_repeat)?,
                '\\' => self.backslash()?,
                _ => {
                    self.take(next.len_utf8());
                    self.literal(next.into());
                }
            }
            after_repeat = repeat;
        }
        if self.groups.is_empty() {
            Ok(())
        } else {
            fail("missing closing )", pattern)
        }
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    fn atom(&mut self, start: usize, reps: u32) {
        self.last = Some(Atom {
            start,
            repeated: false,
            reps,
        });
        self.reps = self.reps.max(reps);
    }

    fn simple(&mut self, bytes: usize, text: &str) {
        self.take(bytes);
        self.atom(self.out.len(), 1);
        self.out.push_str(text);
    }

    fn set(&mut self, set: &Set) {
        self.atom(self.out.len(), 1);
        set.write(&mut self.out);
    }

    fn literal(&mut self, code: u32) {
        let char = char::from_u32(code);
        if let Some(char) = char.filter(|char| !self.flags.fold || !char.is_alphabetic()) {
            self.atom(self.out.len(), 1);
            self.out
                .push_str(&regex_syntax::escape(char.encode_utf8(&mut [0; 4])));
            return;
        }
        let mut set = Set::empty();
        set.add(code, code);
        if self.flags.fold {
            set.fold();
        }
        self.set(&set);
    }

    fn open(&mut self) -> Result<(), Error> {
        let (text, inner) = if self.rest.starts_with("(?P<") || self.rest.starts_with("(?<") {
            (self.name()?, self.flags)
        } else if self.rest.starts_with("(?") {
            let (flags, scoped) = self.parse_flags()?;
            if !scoped {
                self.flags = flags;
                return Ok(());
            }
            ("(?:".to_owned(), flags)
        } else {
            self.take(1);
            ("(".to_owned(), self.flags)
        };
        if self.groups.len() >= MAX_DEPTH {
            return Err(Error {
                message: "expression nests too deeply".into(),
            });
        }
        let group = Group {
            start: self.out.len(),
            flags: self.flags,
            reps: self.reps,
        };
        self.groups.push(group);
        self.out.push_str(&text);
        self.flags = inner;
        self.last = None;
        self.reps = 1;
        Ok(())
    }

    fn close(&mut self, pattern: &str) -> Result<(), Error> {
        let Some(group) = self.groups.pop() else {
            return fail("unexpected )", pattern);
        };
        self.take(1);
        self.out.push(')');
        let inner = self.reps;
        self.flags = group.flags;
        self.reps = group.reps;
        self.atom(group.start, inner);
        Ok(())
    }

    /// `(?P<name>` or `(?<name>`.
    fn name(&mut self) -> Result<String, Error> {
        let Some(end) = self.rest.find('>') else {
            return fail("invalid named capture", self.rest);
        };
        let opening = self.take(end + 1);
        let name = opening.trim_start_matches("(?P<").trim_start_matches("(?<");
        let name = name.strip_suffix('>').unwrap_or(name);
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(word) {
            return fail("invalid named capture", opening);
        }
        // The engine's names do not start with a digit.
        let digit = name.starts_with(|c: char| c.is_ascii_digit());
        Ok(format!("(?P<{}{name}>", if digit { "_" } else { "" }))
    }

    /// `(?flags)` (false) or `(?flags:` (true).
    fn parse_flags(&mut self) -> Result<(Flags, bool), Error> {
        let whole = self.rest;
        let mut flags = self.flags;
        let (mut on, mut any) = (true, false);
        for (index, char) in whole.char_indices().skip(2) {
            let flag = match char {
                'i' => &mut flags.fold,
                'm' => &mut flags.multi_line,
                's' => &mut flags.dot_all,
                'U' => &mut flags.ungreedy,
                '-' if on => {
                    (on, any) = (false, false);
                    continue;
                }
                ':' | ')' if on || any => {
                    self.take(index + 1);
                    return Ok((flags, char == ':'));
                }
                _ => {
                    return fail(
                        "invalid or unsupported Perl syntax",
                        &whole[..index + char.len_utf8()],
                    );
                }
            };
            *flag = on;
            any = true;
        }
        fail("missing closing )", whole)
    }

    /// A repetition; false if it is a `{` that stands for itself.
    fn repetition(&mut self, after_repeat: bool) -> Result<bool, Error> {
        let before = self.rest;
        let (count, operator) = if before.starts_with('{') {
            let Some(counts) = counts(before) else {
                self.take(1);
                self.literal('{'.into());
                return Ok(false);
            };
            let operator = self.take(counts.length);
            let most = counts.most.unwrap_or(counts.least);
            if counts.least > MAX_REPEAT || most > MAX_REPEAT || most < counts.least {
                return fail("invalid repeat count", operator);
            }
            (Some(most), operator)
        } else {
            (None, self.take(1))
        };
        let mut lazy = self.flags.ungreedy;
        if self.rest.starts_with('?') {
            self.take(1);
            lazy = !lazy;
        }
        let written = &before[..before.len() - self.rest.len()];
        if after_repeat {
            return fail("invalid nested repetition operator", written);
        }
        let Some(atom) = self.last else {
            return fail("missing argument to repetition operator", written);
        };
        let reps = match count {
            None => atom.reps,
            Some(0) => 1,
            Some(count) => count.saturating_mul(atom.reps),
        };
        if reps > MAX_REPEAT && count.is_some_and(|count| count >= 2) {
            return fail("invalid repeat count", written);
        }
        self.repeat(atom, operator, lazy, reps);
        Ok(true)
    }

    fn repeat(&mut self, atom: Atom, operator: &str, lazy: bool, reps: u32) {
        if atom.repeated {
            self.out.insert_str(atom.start, "(?:");
            self.out.push(')');
        }
        self.out.push_str(operator);
        if lazy {
            self.out.push('?');
        }
        self.reps = self.reps.max(reps);
        self.last = Some(Atom {
            start: atom.start,
            repeated: true,
            reps,
        });
    }

    fn backslash(&mut self) -> Result<(), Error> {
        let escape = self.rest.chars().nth(1);
        match escape {
            Some('A') => self.simple(2, "\\A"),
            Some('z') => self.simple(2, "\\z"),
            Some('b') => self.simple(2, "(?-u:\\b)"),
            Some('B') => self.simple(2, "(?-u:\\B)"),
            Some('Q') => {
                self.take(2);
                let (text, skip) = match self.rest.find("\\E") {
                    Some(end) => (&self.rest[..end], 2),
                    None => (self.rest, 0),
                };
                text.chars().for_each(|char| self.literal(char.into()));
                self.take(text.len() + skip);
            }
            _ => {
                if let Some(set) = self.escaped_class()? {
                    self.set(&set);
                } else {
                    let code = self.escape()?;
                    self.literal(code);
                }
            }
        }
        Ok(())
    }
}

/// `{n}`, `{n,}` or `{n,m}`.
struct Counts {
    length: usize,
    least: u32,
    /// The end, if it has one.
    most: Option<u32>,
}

/// Reads a count; anything else is no repetition. Numbers out of all bounds saturate.
fn counts(text: &str) -> Option<Counts> {
    let inner = text.strip_prefix('{')?;
    let end = inner.find('}')?;
    let number = |digits: &str| -> Option<u32> {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let canonical = digits.len() == 1 || !digits.starts_with('0');
        (plain && canonical).then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let (least, most) = match inner[..end].split_once(',') {
        None => {
            let count = number(&inner[..end])?;
            (count, Some(count))
        }
        Some((least, "")) => (number(least)?, None),
        Some((least, most)) => (number(least)?, Some(number(most)?)),
    };
    Some(Counts {
        length: end + 2,
        least,
        most,
    })
}
