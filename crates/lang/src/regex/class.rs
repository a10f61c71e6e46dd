//! Sets of characters: Perl, POSIX and Unicode classes as Go defines them, folded, negated, and
//! written as plain ranges that the engine cannot read otherwise.

use std::fmt::Write as _;

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// A set of characters under construction.
#[derive(Debug, Clone)]
pub(super) struct Set(ClassUnicode);

impl Set {
    pub(super) fn empty() -> Self {
        Self(ClassUnicode::empty())
    }

    /// Adds the code points from `low` to `high`; surrogates, which no text holds, fall away.
    pub(super) fn add(&mut self, low: u32, high: u32) {
        let pieces = [(low, high.min(0xd7ff)), (low.max(0xe000), high)];
        for (low, high) in pieces {
            if let (true, Some(low), Some(high)) =
                (low <= high, char::from_u32(low), char::from_u32(high))
            {
                self.0.push(ClassUnicodeRange::new(low, high));
            }
        }
    }

    pub(super) fn union(&mut self, other: &Self) {
        self.0.union(&other.0);
    }

    pub(super) fn negate(&mut self) {
        self.0.negate();
    }

    /// Adds what differs from a member in case only.
    pub(super) fn fold(&mut self) {
        // Fails only without the case folding tables, which the workspace compiles in.
        self.0.try_case_fold_simple().unwrap_or_default();
    }

    /// The set as a pattern.
    pub(super) fn write(&self, out: &mut String) {
        let mut pattern = String::from("[");
        for range in self.0.ranges() {
            let (low, high) = (u32::from(range.start()), u32::from(range.end()));
            // Writing to a String cannot fail.
            write!(pattern, "\\x{{{low:X}}}").unwrap_or_default();
            if low < high {
                write!(pattern, "-\\x{{{high:X}}}").unwrap_or_default();
            }
        }
        pattern.push(']');
        // An empty set must be spelled as what it leaves out.
        out.push_str(if self.0.ranges().is_empty() {
            "[^\\x{0}-\\x{10FFFF}]"
        } else {
            &pattern
        });
    }
}

fn ascii(ranges: &[(u8, u8)]) -> Set {
    let mut set = Set::empty();
    for (low, high) in ranges {
        set.add((*low).into(), (*high).into());
    }
    set
}

fn finish(mut set: Set, negated: bool, fold: bool) -> Set {
    if fold {
        set.fold();
    }
    if negated {
        set.negate();
    }
    set
}

/// `\d`, `\s` or `\w` and their upper case negations; ASCII, and `\s` without the vertical tab.
pub(super) fn perl(letter: char, fold: bool) -> Option<Set> {
    let ranges: &[(u8, u8)] = match letter.to_ascii_lowercase() {
        'd' => &[(b'0', b'9')],
        's' => &[(b'\t', b'\n'), (0x0c, b'\r'), (b' ', b' ')],
        'w' => &[(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')],
        _ => return None,
    };
    Some(finish(ascii(ranges), letter.is_ascii_uppercase(), fold))
}

/// The class of `[:name:]` or `[:^name:]`.
pub(super) fn posix(name: &str, fold: bool) -> Option<Set> {
    let (name, negated) = match name.strip_prefix('^') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let ranges: &[(u8, u8)] = match name {
        "alnum" => &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
        "alpha" => &[(b'A', b'Z'), (b'a', b'z')],
        "ascii" => &[(0, 0x7f)],
        "blank" => &[(b'\t', b'\t'), (b' ', b' ')],
        "cntrl" => &[(0, 0x1f), (0x7f, 0x7f)],
        "digit" => &[(b'0', b'9')],
        "graph" => &[(b'!', b'~')],
        "lower" => &[(b'a', b'z')],
        "print" => &[(b' ', b'~')],
        "punct" => &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')],
        "space" => &[(b'\t', b'\r'), (b' ', b' ')],
        "upper" => &[(b'A', b'Z')],
        "word" => &[(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')],
        "xdigit" => &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')],
        _ => return None,
    };
    Some(finish(ascii(ranges), negated, fold))
}

/// The class of a general category or script, named loosely (`Lu`, `greek`, `Decimal_Number`).
pub(super) fn unicode(name: &str, negated: bool, fold: bool) -> Option<Set> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ');
    if name.is_empty() || !name.chars().all(plain) {
        return None;
    }
    // Naming the kind keeps out the binary properties (`Alphabetic`), which Go does not know.
    let kinds = if name.len() == 1 {
        &["gc"][..]
    } else {
        &["gc", "sc"][..]
    };
    kinds.iter().find_map(|kind| {
        let hir = regex_syntax::parse(&format!("\\p{{{kind}={name}}}")).ok()?;
        let HirKind::Class(Class::Unicode(class)) = hir.into_kind() else {
            return None;
        };
        Some(finish(Set(class), negated, fold))
    })
}
