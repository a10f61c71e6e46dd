//! The words of a program, as gojq's lexer cuts them. Texts are left to the parser, for queries may
//! be inside them.

/// A word of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'s> {
    /// A name that is no keyword.
    Name(&'s str),
    Keyword(&'s str),
    /// `$name`, with the sign.
    Variable(&'s str),
    /// `module::name`
    Module(&'s str),
    /// `.name`, without the dot.
    Field(&'s str),
    Number(&'s str),
    /// `@name`, with the sign.
    Format(&'s str),
    /// The quote that opens a text.
    Quote,
    /// An operator or bracket.
    Sign(&'static str),
    End,
    /// What no program contains.
    Unknown,
}

const KEYWORDS: [&str; 21] = [
    "or", "and", "module", "import", "include", "def", "as", "label", "break", "null", "true",
    "false", "if", "then", "elif", "else", "end", "try", "catch", "reduce", "foreach",
];

/// Longest first, so that the first that fits is the right one.
const SIGNS: [&str; 37] = [
    "?//", "//=", "|=", "+=", "-=", "*=", "/=", "%=", "==", "!=", ">=", "<=", "//", "..", ".", "[",
    "]", "(", ")", "{", "}", "|", ",", ";", ":", "=", "<", ">", "+", "-", "*", "/", "%", "?", "$",
    "@", "!",
];

/// Where the next word starts: after blanks and comments.
pub(super) fn skip_blanks(source: &str, mut at: usize) -> usize {
    let bytes = source.as_bytes();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            b'#' => at = skip_comment(bytes, at),
            _ => break,
        }
    }
    at
}

/// A comment ends with its line, unless the line ends with a backslash.
fn skip_comment(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\n' | b'\r' => break,
            b'\\' => {
                at += 1;
                match bytes.get(at) {
                    Some(b'\\' | b'\n') => at += 1,
                    Some(b'\r') => {
                        at += if bytes.get(at + 1) == Some(&b'\n') {
                            2
                        } else {
                            1
                        }
                    }
                    _ => {}
                }
            }
            _ => at += 1,
        }
    }
    at
}

/// The word at `at`, and where it ends. `internal` also knows names that start with `!`.
pub(super) fn next(source: &str, at: usize, internal: bool) -> (Token<'_>, usize) {
    let rest = &source[at..];
    let Some(first) = rest.bytes().next() else {
        return (Token::End, at);
    };
    let second = rest.as_bytes().get(1).copied().unwrap_or(0);
    match first {
        b'"' => (Token::Quote, at + 1),
        b'0'..=b'9' => number(source, at),
        b'.' if second.is_ascii_digit() => number(source, at),
        b'.' if starts_name(second) => {
            let end = name_end(source, at + 1);
            (Token::Field(&source[at + 1..end]), end)
        }
        b'$' if starts_name(second) => match qualified_end(source, at + 1) {
            (end, true) => (Token::Module(&source[at..end]), end),
            (end, false) => (Token::Variable(&source[at..end]), end),
        },
        b'@' if starts_name(second) || second.is_ascii_digit() => {
            let end = name_end(source, at + 1);
            (Token::Format(&source[at..end]), end)
        }
        b'!' if internal && starts_name(second) => {
            let end = name_end(source, at + 1);
            (Token::Name(&source[at..end]), end)
        }
        _ if starts_name(first) => match qualified_end(source, at) {
            (end, true) => (Token::Module(&source[at..end]), end),
            (end, false) if KEYWORDS.contains(&&source[at..end]) => {
                (Token::Keyword(&source[at..end]), end)
            }
            (end, false) => (Token::Name(&source[at..end]), end),
        },
        _ => match SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            Some("$" | "@" | "!") | None => (
                Token::Unknown,
                at + rest.chars().next().map_or(1, char::len_utf8),
            ),
            Some(sign) => (Token::Sign(sign), at + sign.len()),
        },
    }
}

fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn name_end(source: &str, start: usize) -> usize {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    start
        + source.as_bytes()[start..]
            .iter()
            .take_while(|byte| is_part(byte))
            .count()
}

/// The end of a name that may name a module before `::`, and whether it does.
fn qualified_end(source: &str, start: usize) -> (usize, bool) {
    let end = name_end(source, start);
    match source[end..]
        .strip_prefix("::")
        .and_then(|rest| rest.bytes().next())
    {
        Some(byte) if starts_name(byte) => (name_end(source, end + 2), true),
        _ => (end, false),
    }
}

/// Whether all of `text` is a number as programs write it, signed or not.
pub(in super::super) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let starts = digits.strip_prefix('.').unwrap_or(digits);
    starts.starts_with(|char: char| char.is_ascii_digit())
        && matches!(number(digits, 0), (Token::Number(_), end) if end == digits.len())
}

fn number(source: &str, start: usize) -> (Token<'_>, usize) {
    let bytes = source.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let mut end = digits(start);
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
        if bytes.get(end) == Some(&b'.') {
            return (Token::Unknown, end + 1);
        }
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        end += if let Some(b'+' | b'-') = bytes.get(end + 1) {
            2
        } else {
            1
        };
        let exponent = digits(end);
        if exponent == end {
            return (Token::Unknown, end);
        }
        end = exponent;
    }
    if bytes.get(end).is_some_and(|byte| starts_name(*byte)) {
        return (Token::Unknown, end + 1);
    }
    (Token::Number(&source[start..end]), end)
}
