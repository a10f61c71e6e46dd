//! Cuts the source of a template into tokens, as Go's `text/template/parse` does: texts outside of
//! `{{ }}`, words inside, with trim markers applied.

use super::unicode::{is_digit, is_letter, is_print};

/// What kind of token it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Assign,
    Block,
    Bool,
    Break,
    /// A printable character that means nothing by itself, such as a comma.
    Char,
    CharConstant,
    Complex,
    Continue,
    Declare,
    Define,
    Dot,
    Else,
    End,
    Eof,
    Field,
    Identifier,
    If,
    LeftDelimiter,
    LeftParenthesis,
    Nil,
    Number,
    Pipe,
    Range,
    RawText,
    RightDelimiter,
    RightParenthesis,
    Space,
    Template,
    /// Outside of actions.
    Text,
    /// A text in double quotes.
    Quoted,
    Variable,
    With,
}

/// A piece of the source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) offset: usize,
}

/// What the lexer cannot read, and where.
#[derive(Debug)]
pub(super) struct LexError {
    pub(super) message: String,
    pub(super) offset: usize,
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const TRIM_LENGTH: usize = 2;

/// Reads tokens one after the other.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    source: &'a str,
    at: usize,
    start: usize,
    in_action: bool,
    parentheses: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self {
            source,
            at: 0,
            start: 0,
            in_action: false,
            parentheses: 0,
        }
    }

    /// The next token; `Eof` again and again at the end.
    pub(super) fn next_token(&mut self) -> Result<Token<'a>, LexError> {
        if self.in_action {
            self.action_token()
        } else {
            self.text_token()
        }
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += char.len_utf8();
        Some(char)
    }

    fn skip_while(&mut self, mut fits: impl FnMut(char) -> bool) {
        while self.peek().is_some_and(&mut fits) {
            self.bump();
        }
    }

    fn emit(&mut self, kind: Kind) -> Token<'a> {
        let token = Token {
            kind,
            text: &self.source[self.start..self.at],
            offset: self.start,
        };
        self.start = self.at;
        token
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, LexError> {
        Err(LexError {
            message: message.into(),
            offset: self.start,
        })
    }

    fn text_token(&mut self) -> Result<Token<'a>, LexError> {
        loop {
            let Some(length) = self.rest().find(LEFT) else {
                self.at = self.source.len();
                let kind = if self.at > self.start {
                    Kind::Text
                } else {
                    Kind::Eof
                };
                return Ok(self.emit(kind));
            };
            let delimiter = self.at + length;
            let is_trimmed = has_left_trim(&self.source[delimiter + LEFT.len()..]);
            let text = &self.source[self.start..delimiter];
            let text = if is_trimmed {
                text.trim_end_matches(is_space)
            } else {
                text
            };
            if !text.is_empty() {
                let token = Token {
                    kind: Kind::Text,
                    text,
                    offset: self.start,
                };
                self.start = delimiter;
                self.at = delimiter;
                return Ok(token);
            }
            self.start = delimiter;
            self.at = delimiter + LEFT.len();
            let inside = self.at + if is_trimmed { TRIM_LENGTH } else { 0 };
            if self.source[inside..].starts_with("/*") {
                self.at = inside;
                self.comment()?;
                continue;
            }
            let token = self.emit(Kind::LeftDelimiter);
            self.at = inside;
            self.start = inside;
            self.in_action = true;
            self.parentheses = 0;
            return Ok(token);
        }
    }

    fn comment(&mut self) -> Result<(), LexError> {
        let Some(length) = self.rest().find("*/") else {
            return self.fail("unclosed comment");
        };
        self.at += length + 2;
        let Some(is_trimmed) = self.right_delimiter() else {
            return self.fail("comment ends before closing delimiter");
        };
        self.skip_right_delimiter(is_trimmed);
        self.start = self.at;
        Ok(())
    }

    /// Whether a closing delimiter stands here, and whether it trims the text that follows.
    fn right_delimiter(&self) -> Option<bool> {
        let rest = self.rest();
        if has_right_trim(rest) && rest[TRIM_LENGTH..].starts_with(RIGHT) {
            Some(true)
        } else {
            rest.starts_with(RIGHT).then_some(false)
        }
    }

    fn skip_right_delimiter(&mut self, is_trimmed: bool) {
        self.at += RIGHT.len();
        if is_trimmed {
            self.at += TRIM_LENGTH;
            self.skip_while(is_space);
        }
    }

    fn action_token(&mut self) -> Result<Token<'a>, LexError> {
        if let Some(is_trimmed) = self.right_delimiter() {
            if self.parentheses > 0 {
                return self.fail("unclosed left paren");
            }
            self.at += RIGHT.len();
            let token = self.emit(Kind::RightDelimiter);
            self.at -= RIGHT.len();
            self.skip_right_delimiter(is_trimmed);
            self.start = self.at;
            self.in_action = false;
            return Ok(token);
        }
        let Some(char) = self.bump() else {
            return self.fail("unclosed action");
        };
        match char {
            _ if is_space(char) => {
                // The space before a trim marker belongs to the delimiter.
                while self.right_delimiter().is_none() && self.peek().is_some_and(is_space) {
                    self.bump();
                }
                Ok(self.emit(Kind::Space))
            }
            '=' => Ok(self.emit(Kind::Assign)),
            ':' if self.peek() == Some('=') => {
                self.bump();
                Ok(self.emit(Kind::Declare))
            }
            ':' => self.fail("expected :="),
            '|' => Ok(self.emit(Kind::Pipe)),
            '"' => self.quoted('"', Kind::Quoted, "unterminated quoted string"),
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant"),
            '`' => self.raw_text(),
            '$' => self.word(Kind::Variable),
            '.' if !self.peek().is_some_and(|next| next.is_ascii_digit()) => self.word(Kind::Field),
            '.' | '+' | '-' | '0'..='9' => self.number(),
            '(' => {
                self.parentheses += 1;
                Ok(self.emit(Kind::LeftParenthesis))
            }
            ')' if self.parentheses == 0 => self.fail("unexpected right paren"),
            ')' => {
                self.parentheses -= 1;
                Ok(self.emit(Kind::RightParenthesis))
            }
            _ if is_alphanumeric(char) => self.identifier(),
            _ if char.is_ascii() && is_print(char) => Ok(self.emit(Kind::Char)),
            _ => self.fail(format!("unrecognized character in action: {char:?}")),
        }
    }

    fn quoted(
        &mut self,
        quote: char,
        kind: Kind,
        unterminated: &'static str,
    ) -> Result<Token<'a>, LexError> {
        loop {
            match self.bump() {
                Some('\\') => {
                    if self.bump().is_none_or(|escaped| escaped == '\n') {
                        return self.fail(unterminated);
                    }
                }
                Some(char) if char == quote => return Ok(self.emit(kind)),
                Some('\n') | None => return self.fail(unterminated),
                Some(_) => {}
            }
        }
    }

    fn raw_text(&mut self) -> Result<Token<'a>, LexError> {
        match self.rest().find('`') {
            Some(length) => {
                self.at += length + 1;
                Ok(self.emit(Kind::RawText))
            }
            None => self.fail("unterminated raw quoted string"),
        }
    }

    /// A field or a variable; the dot or dollar sign is read. Without a name it is the dot or `$`.
    fn word(&mut self, kind: Kind) -> Result<Token<'a>, LexError> {
        let name = self.at;
        self.skip_while(is_alphanumeric);
        if !self.at_terminator() {
            return self.bad_character();
        }
        let is_dot = kind == Kind::Field && self.at == name;
        Ok(self.emit(if is_dot { Kind::Dot } else { kind }))
    }

    fn identifier(&mut self) -> Result<Token<'a>, LexError> {
        self.skip_while(is_alphanumeric);
        if !self.at_terminator() {
            return self.bad_character();
        }
        let kind = match &self.source[self.start..self.at] {
            "block" => Kind::Block,
            "break" => Kind::Break,
            "continue" => Kind::Continue,
            "define" => Kind::Define,
            "else" => Kind::Else,
            "end" => Kind::End,
            "if" => Kind::If,
            "nil" => Kind::Nil,
            "range" => Kind::Range,
            "template" => Kind::Template,
            "with" => Kind::With,
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        Ok(self.emit(kind))
    }

    fn bad_character<T>(&self) -> Result<T, LexError> {
        match self.peek() {
            Some(char) => self.fail(format!("bad character {char:?}")),
            None => self.fail("unclosed action"),
        }
    }

    /// Whether a word may end here.
    fn at_terminator(&self) -> bool {
        match self.peek() {
            None => true,
            Some(char) => {
                is_space(char)
                    || matches!(char, '.' | ',' | '|' | ':' | ')' | '(')
                    || self.rest().starts_with(RIGHT)
            }
        }
    }

    fn number(&mut self) -> Result<Token<'a>, LexError> {
        self.at = self.start;
        let mut fits = self.scan_number();
        let mut kind = Kind::Number;
        if fits && matches!(self.peek(), Some('+' | '-')) {
            kind = Kind::Complex;
            fits = self.scan_number() && self.source[..self.at].ends_with('i');
        }
        if fits {
            return Ok(self.emit(kind));
        }
        let text = &self.source[self.start..self.at];
        self.fail(format!("bad number syntax: {text:?}"))
    }

    /// Reads what looks like a number; whether it is one is seen when its value is made.
    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut radix = 10;
        if self.accept("0") {
            if self.accept("xX") {
                radix = 16;
            } else if self.accept("oO") {
                radix = 8;
            } else if self.accept("bB") {
                radix = 2;
            }
        }
        let is_digit_here = |char: char| char == '_' || char.is_digit(radix);
        self.skip_while(is_digit_here);
        if self.accept(".") {
            self.skip_while(is_digit_here);
        }
        if (radix == 10 && self.accept("eE")) || (radix == 16 && self.accept("pP")) {
            self.accept("+-");
            self.skip_while(|char| char == '_' || char.is_ascii_digit());
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.bump();
            return false;
        }
        true
    }

    fn accept(&mut self, valid: &str) -> bool {
        let fits = self.peek().is_some_and(|char| valid.contains(char));
        if fits {
            self.bump();
        }
        fits
    }
}

fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\r' | '\n')
}

fn is_alphanumeric(char: char) -> bool {
    char == '_' || is_letter(char) || is_digit(char)
}

fn has_left_trim(text: &str) -> bool {
    text.starts_with('-') && text[1..].starts_with(is_space)
}

fn has_right_trim(text: &str) -> bool {
    text.starts_with(is_space) && text[1..].starts_with('-')
}
