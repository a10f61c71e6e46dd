//! Splits an expression into tokens.

use super::Fault;

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    End,
    Identifier,
    Number,
    Text,
    Operator,
    Bracket,
}

/// A token: its text (of a [`Kind::Text`] the unescaped content) and where it starts, in bytes.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) value: String,
    pub(super) at: usize,
}

/// Letters, decimal digits, `_` and `$`; numerals such as `½` and `Ⅷ` are neither.
pub(super) fn is_word(char: char) -> bool {
    matches!(char, '_' | '$')
        || char.is_ascii_alphanumeric()
        || (!char.is_ascii() && char.is_alphabetic() && !char.is_numeric())
}

const OPERATOR_WORDS: [&str; 9] = [
    "not",
    "in",
    "or",
    "and",
    "matches",
    "contains",
    "startsWith",
    "endsWith",
    "let",
];

/// All tokens of `text`, a [`Kind::End`] last.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let mut lexer = Lexer {
        text,
        at: 0,
        start: 0,
        tokens: Vec::new(),
    };
    while lexer.step()? {}
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    start: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn accept(&mut self, set: &str) -> bool {
        match self.peek() {
            Some(char) if set.contains(char) => {
                self.at += char.len_utf8();
                true
            }
            _ => false,
        }
    }

    fn run(&mut self, belongs: impl Fn(char) -> bool) {
        while let Some(char) = self.peek().filter(|char| belongs(*char)) {
            self.at += char.len_utf8();
        }
    }

    fn emit(&mut self, kind: Kind) {
        let value = self.text[self.start..self.at].to_owned();
        self.tokens.push(Token {
            kind,
            value,
            at: self.start,
        });
        self.start = self.at;
    }

    fn fault<T>(&self, message: impl Into<String>) -> Result<T, Fault> {
        Err(Fault {
            message: message.into(),
            at: self.start,
        })
    }

    /// Reads one token; false at the end.
    fn step(&mut self) -> Result<bool, Fault> {
        self.run(char::is_whitespace);
        self.start = self.at;
        let Some(char) = self.peek() else {
            self.emit(Kind::End);
            return Ok(false);
        };
        self.at += char.len_utf8();
        match char {
            '\'' | '"' => self.string(char)?,
            '0'..='9' => self.number()?,
            '?' => self.operator(".?"),
            '/' if self.accept("/") => self.run(|char| char != '\n'),
            '/' if self.accept("*") => match self.text[self.at..].find("*/") {
                Some(length) => self.at += length + 2,
                None => return self.fault("unclosed comment"),
            },
            '#' => {
                self.operator("#");
                self.run(is_word);
                if self.at > self.start {
                    self.emit(Kind::Identifier);
                }
            }
            '|' => self.operator("|"),
            '(' | '[' | '{' | ')' | ']' | '}' => self.emit(Kind::Bracket),
            '/' | ',' | ':' | ';' | '%' | '+' | '-' | '^' => self.emit(Kind::Operator),
            '&' | '!' | '=' | '*' | '<' | '>' => self.operator("&=*"),
            '.' if self.peek().is_some_and(|next| next.is_ascii_digit()) => self.number()?,
            '.' => self.operator("."),
            _ if is_word(char) => {
                self.run(is_word);
                let word = &self.text[self.start..self.at];
                let operator = OPERATOR_WORDS.contains(&word);
                self.emit(if operator {
                    Kind::Operator
                } else {
                    Kind::Identifier
                });
            }
            _ => return self.fault(format!("unrecognized character {char:?}")),
        }
        Ok(true)
    }

    fn operator(&mut self, second: &str) {
        self.accept(second);
        self.emit(Kind::Operator);
    }

    fn number(&mut self) -> Result<(), Fault> {
        let hex =
            self.text[self.start..].starts_with("0x") || self.text[self.start..].starts_with("0X");
        if hex {
            self.at += 1;
        }
        let digits = move |char: char| {
            char.is_ascii_digit() || char == '_' || (hex && char.is_ascii_hexdigit())
        };
        self.run(digits);
        let before_dot = self.at;
        if self.accept(".") {
            // `1..3` is a range.
            if self.peek() == Some('.') {
                self.at = before_dot;
                self.emit(Kind::Number);
                return Ok(());
            }
            self.run(digits);
        }
        if self.accept("eE") {
            self.accept("+-");
            self.run(digits);
        }
        if self.peek().is_some_and(is_word) {
            return self.fault(format!("bad number '{}'", &self.text[self.start..self.at]));
        }
        self.emit(Kind::Number);
        Ok(())
    }

    fn string(&mut self, quote: char) -> Result<(), Fault> {
        let mut value = String::new();
        loop {
            match self.peek() {
                None | Some('\n') => return self.fault("text is not terminated"),
                Some('\\') => {
                    self.at += 1;
                    value.push(self.escape(quote)?);
                }
                Some(char) => {
                    self.at += char.len_utf8();
                    if char == quote {
                        break;
                    }
                    value.push(if char == '\r' { '\n' } else { char });
                }
            }
        }
        self.tokens.push(Token {
            kind: Kind::Text,
            value,
            at: self.start,
        });
        Ok(())
    }

    fn escape(&mut self, quote: char) -> Result<char, Fault> {
        let Some(char) = self.peek() else {
            return self.fault("text is not terminated");
        };
        self.at += char.len_utf8();
        let (count, radix) = match char {
            'a' => return Ok('\u{7}'),
            'b' => return Ok('\u{8}'),
            'f' => return Ok('\u{c}'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\u{b}'),
            '\\' => return Ok('\\'),
            _ if char == quote => return Ok(quote),
            'x' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            '0'..='3' => {
                self.at -= 1;
                (3, 8)
            }
            _ => return self.fault("invalid escape"),
        };
        let digits = self.text.get(self.at..self.at + count);
        let code = digits
            .filter(|digits| digits.chars().all(|char| char.is_digit(radix)))
            .and_then(|digits| u32::from_str_radix(digits, radix).ok());
        match code {
            Some(code) if code <= 0x10_ffff => {
                self.at += count;
                Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            _ => self.fault("invalid escape"),
        }
    }
}
