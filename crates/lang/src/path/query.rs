//! The queries of gjson: `#(path op value)`.

use std::borrow::Cow;

use super::found::{go_float, parse_bool, unescape};
use super::wildcard::Pattern;
use super::work::Work;
use super::{Found, Kind, scan};

/// The condition of `#(path op value)`.
pub(super) struct Query<'p> {
    pub(super) path: &'p [u8],
    /// Every element that fulfils it, not only the first.
    pub(super) all: bool,
    test: Test<'p>,
}

enum Test<'p> {
    Exists,
    Compare(Compare, Cow<'p, [u8]>),
    /// `~true`, `~false`, `~null`, `~*`: compares what the value amounts to with `true`.
    Truth(Compare, Truth),
    Like {
        pattern: Pattern,
        wanted: bool,
    },
    Never,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy)]
enum Truth {
    Anything,
    Null,
    True,
    False,
}

impl<'p> Query<'p> {
    /// What an unreadable query amounts to.
    pub(super) fn of_anything() -> Self {
        Self {
            path: b"",
            all: false,
            test: Test::Exists,
        }
    }

    /// Reads the query `text` starts with; also where it ends.
    pub(super) fn parse(text: &'p [u8]) -> Option<(Self, usize)> {
        let QueryEnds {
            operator,
            close,
            escaped,
        } = QueryEnds::find(text)?;
        let all = text.get(close + 1) == Some(&b'#');
        let Some(operator) = operator else {
            let path = scan::trim(&text[2..close]);
            return Some((
                Self {
                    path,
                    all,
                    test: Test::Exists,
                },
                close + 1,
            ));
        };
        let path = scan::trim(&text[2..operator]);
        let condition = scan::trim(&text[operator..close]);
        Some((
            Self {
                path,
                all,
                test: Test::parse(condition, escaped),
            },
            close + 1,
        ))
    }

    pub(super) fn accepts(&self, value: &Found<'_>, work: &mut Work) -> bool {
        match &self.test {
            Test::Exists => value.exists(),
            Test::Compare(compare, wanted) => value.exists() && compare.holds(value, wanted),
            Test::Truth(compare, truth) => {
                let kind = if truth.is_of(value) {
                    Kind::True
                } else {
                    Kind::False
                };
                compare.holds(&Found::slice(kind, b"true"), b"true")
            }
            Test::Like { pattern, wanted } => {
                value.kind == Kind::String && pattern.matches(&value.bytes(), work) == *wanted
            }
            Test::Never => false,
        }
    }
}

struct QueryEnds {
    operator: Option<usize>,
    close: usize,
    /// Whether a text in it has escapes.
    escaped: bool,
}

impl QueryEnds {
    fn find(text: &[u8]) -> Option<Self> {
        let mut ends = Self {
            operator: None,
            close: 0,
            escaped: false,
        };
        let mut depth = 1_usize;
        let mut at = 2;
        while let Some(byte) = text.get(at) {
            match byte {
                b'!' | b'=' | b'<' | b'>' | b'%' if depth == 1 && ends.operator.is_none() => {
                    ends.operator = Some(at);
                }
                b'\\' => at += 1,
                b'[' | b'(' => depth += 1,
                b']' | b')' => {
                    depth -= 1;
                    if depth == 0 {
                        ends.close = at;
                        return Some(ends);
                    }
                }
                b'"' => match scan::string_end(text, at + 1) {
                    Some((end, escaped)) => {
                        ends.escaped |= escaped;
                        at = end;
                    }
                    None => return None,
                },
                _ => {}
            }
            at += 1;
        }
        None
    }
}

impl<'p> Test<'p> {
    /// Reads an operator and the value behind it.
    fn parse(text: &'p [u8], escaped: bool) -> Self {
        let (operator, value) = split_operator(text);
        let value = scan::trim(value);
        let value = match value {
            [b'"', inner @ .., b'"'] if escaped => unescape(inner),
            [b'"', inner @ .., b'"'] => Cow::Borrowed(inner),
            _ => Cow::Borrowed(value),
        };
        let compare = match operator {
            b"=" => Some(Compare::Equal),
            b"!=" => Some(Compare::NotEqual),
            b"<" => Some(Compare::Less),
            b"<=" => Some(Compare::LessOrEqual),
            b">" => Some(Compare::Greater),
            b">=" => Some(Compare::GreaterOrEqual),
            _ => None,
        };
        if let Some(truth) = value.strip_prefix(b"~") {
            return Self::of_truth(compare, truth);
        }
        match (compare, operator) {
            (Some(compare), _) => Self::Compare(compare, value),
            (None, b"") => Self::Exists,
            (None, b"%") => Self::Like {
                pattern: Pattern::new(&value),
                wanted: true,
            },
            (None, b"!%") => Self::Like {
                pattern: Pattern::new(&value),
                wanted: false,
            },
            (None, _) => Self::Never,
        }
    }

    fn of_truth(compare: Option<Compare>, name: &[u8]) -> Self {
        let truth = match name {
            b"*" => Truth::Anything,
            b"null" => Truth::Null,
            b"true" => Truth::True,
            b"false" => Truth::False,
            _ => return Self::Never,
        };
        compare.map_or(Self::Never, |compare| Self::Truth(compare, truth))
    }
}

fn split_operator(text: &[u8]) -> (&[u8], &[u8]) {
    match text {
        [_] => (text, b""),
        [b'!', b'=' | b'%', rest @ ..] | [b'<' | b'>', b'=', rest @ ..] => (&text[..2], rest),
        [b'=', b'=', rest @ ..] => (b"=", rest),
        [b'<' | b'>' | b'=' | b'%', rest @ ..] => (&text[..1], rest),
        _ => (b"", text),
    }
}

impl Truth {
    fn is_of(self, value: &Found<'_>) -> bool {
        match (self, value.kind) {
            (Self::Anything, _) => value.exists(),
            (Self::Null, kind) => kind == Kind::Null,
            (Self::True, Kind::True) | (Self::False, Kind::Null | Kind::False) => true,
            (Self::True, Kind::Number) => value.as_f64() != 0.0,
            (Self::False, Kind::Number) => value.as_f64() == 0.0,
            (Self::True, Kind::String) => parse_bool(&value.bytes()) == Some(true),
            (Self::False, Kind::String) => parse_bool(&value.bytes()) == Some(false),
            (Self::True | Self::False, _) => false,
        }
    }
}

impl Compare {
    fn holds(self, value: &Found<'_>, wanted: &[u8]) -> bool {
        match value.kind {
            Kind::String => self.compare(&*value.bytes(), wanted),
            Kind::Number => self.compare(&value.as_f64(), &go_float(wanted)),
            Kind::True => match self {
                Self::Equal => wanted == b"true",
                Self::NotEqual => wanted != b"true",
                Self::Greater => wanted == b"false",
                Self::GreaterOrEqual => true,
                Self::Less | Self::LessOrEqual => false,
            },
            Kind::False => match self {
                Self::Equal => wanted == b"false",
                Self::NotEqual => wanted != b"false",
                Self::Less => wanted == b"true",
                Self::LessOrEqual => true,
                Self::Greater | Self::GreaterOrEqual => false,
            },
            Kind::Null | Kind::Json => false,
        }
    }

    fn compare<T: PartialOrd + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}
