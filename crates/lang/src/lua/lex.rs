//! Splits a Lua 5.1 script into tokens, as gopher-lua does: `goto` is a word of the language, an
//! unknown escape is the character itself, a number with a leading zero is octal.

/// One token and where it starts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) line: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Name(String),
    Number(f64),
    Text(Vec<u8>),
    /// A word or a sign of the language.
    Sign(&'static str),
    End,
}

/// Why a script is not Lua.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) line: usize,
}

const WORDS: [&str; 22] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
    "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
];

/// Longest first, so that the first that fits is the right one.
const SIGNS: [&str; 26] = [
    "...", "..", "::", "==", "~=", "<=", ">=", "+", "-", "*", "/", "%", "^", "#", "<", ">", "=",
    "(", ")", "{", "}", "[", "]", ";", ":", ",",
];

/// All tokens of a script; the last one is [`Kind::End`].
pub(super) fn tokens(source: &str) -> Result<Vec<Token>, Fault> {
    let mut lexer = Lexer {
        text: source.as_bytes(),
        at: 0,
        line: 1,
    };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks()?;
        let line = lexer.line;
        let kind = lexer.token()?;
        let done = kind == Kind::End;
        tokens.push(Token { kind, line });
        if done {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl Lexer<'_> {
    fn fail<T>(&self, message: impl Into<String>) -> Result<T, Fault> {
        Err(Fault {
            message: message.into(),
            line: self.line,
        })
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn skip_blanks(&mut self) -> Result<(), Fault> {
        loop {
            match self.peek(0) {
                Some(b'\n') => {
                    self.line += 1;
                    self.at += 1;
                }
                Some(b' ' | b'\t' | b'\r' | 0x0b | 0x0c) => self.at += 1,
                Some(b'-') if self.peek(1) == Some(b'-') => {
                    self.at += 2;
                    self.skip_comment()?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn skip_comment(&mut self) -> Result<(), Fault> {
        if let Some(level) = self.long_bracket() {
            self.long_text(level)?;
            return Ok(());
        }
        while self.peek(0).is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
        Ok(())
    }

    fn token(&mut self) -> Result<Kind, Fault> {
        let Some(first) = self.peek(0) else {
            return Ok(Kind::End);
        };
        match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => Ok(self.word()),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_some_and(|byte| byte.is_ascii_digit()) => self.number(),
            b'"' | b'\'' => self.short_text(first),
            b'[' => match self.long_bracket() {
                Some(level) => self.long_text(level).map(Kind::Text),
                None => self.sign(),
            },
            _ => self.sign(),
        }
    }

    fn sign(&mut self) -> Result<Kind, Fault> {
        let rest = &self.text[self.at..];
        let known = SIGNS
            .iter()
            .chain(&["."])
            .find(|sign| rest.starts_with(sign.as_bytes()));
        if let Some(sign) = known {
            self.at += sign.len();
            return Ok(Kind::Sign(sign));
        }
        let shown = String::from_utf8_lossy(&rest[..rest.len().min(4)])
            .chars()
            .next();
        self.fail(format!("unexpected character '{}'", shown.unwrap_or('?')))
    }

    fn word(&mut self) -> Kind {
        let start = self.at;
        while self
            .peek(0)
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            self.at += 1;
        }
        let word = String::from_utf8_lossy(&self.text[start..self.at]).into_owned();
        match WORDS.iter().find(|known| **known == word) {
            Some(known) => Kind::Sign(known),
            None => Kind::Name(word),
        }
    }

    fn number(&mut self) -> Result<Kind, Fault> {
        let start = self.at;
        if self.peek(0) == Some(b'0') && matches!(self.peek(1), Some(b'x' | b'X')) {
            self.at += 2;
            self.skip_while(|byte| byte.is_ascii_hexdigit());
        } else {
            self.skip_while(|byte| byte.is_ascii_digit());
            if self.peek(0) == Some(b'.') {
                self.at += 1;
                self.skip_while(|byte| byte.is_ascii_digit());
            }
            if matches!(self.peek(0), Some(b'e' | b'E')) {
                self.at += 1;
                if matches!(self.peek(0), Some(b'+' | b'-')) {
                    self.at += 1;
                }
                self.skip_while(|byte| byte.is_ascii_digit());
            }
        }
        let text = String::from_utf8_lossy(&self.text[start..self.at]).into_owned();
        match super::number::literal(&text) {
            Some(number) => Ok(Kind::Number(number)),
            None => self.fail(format!("malformed number '{text}'")),
        }
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn short_text(&mut self, quote: u8) -> Result<Kind, Fault> {
        let mut out = Vec::new();
        self.at += 1;
        loop {
            let Some(byte) = self.peek(0) else {
                return self.fail("unfinished string");
            };
            self.at += 1;
            match byte {
                b'\n' => return self.fail("unfinished string"),
                b'\\' => self.escape(&mut out)?,
                _ if byte == quote => return Ok(Kind::Text(out)),
                _ => out.push(byte),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let Some(byte) = self.peek(0) else {
            return self.fail("unfinished string");
        };
        self.at += 1;
        out.push(match byte {
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'\n' => {
                self.line += 1;
                b'\n'
            }
            b'0'..=b'9' => {
                let mut code = usize::from(byte - b'0');
                for _ in 0..2 {
                    let Some(digit @ b'0'..=b'9') = self.peek(0) else {
                        break;
                    };
                    code = code * 10 + usize::from(digit - b'0');
                    self.at += 1;
                }
                match u8::try_from(code) {
                    Ok(byte) => byte,
                    Err(_) => return self.fail("escape sequence too large"),
                }
            }
            other => other,
        });
        Ok(())
    }

    /// The level of the long bracket that opens here, stepping over it.
    fn long_bracket(&mut self) -> Option<usize> {
        if self.peek(0) != Some(b'[') {
            return None;
        }
        let level = self.text[self.at + 1..]
            .iter()
            .take_while(|byte| **byte == b'=')
            .count();
        if self.peek(level + 1) != Some(b'[') {
            return None;
        }
        self.at += level + 2;
        Some(level)
    }

    fn long_text(&mut self, level: usize) -> Result<Vec<u8>, Fault> {
        if self.peek(0) == Some(b'\r') && self.peek(1) == Some(b'\n') {
            self.at += 1;
        }
        if self.peek(0) == Some(b'\n') {
            self.at += 1;
            self.line += 1;
        }
        let close = format!("]{}]", "=".repeat(level));
        let rest = &self.text[self.at..];
        let Some(length) = memchr::memmem::find(rest, close.as_bytes()) else {
            return self.fail("unfinished long string or comment");
        };
        let out = rest[..length].to_vec();
        self.line += memchr::memchr_iter(b'\n', &out).count();
        self.at += length + close.len();
        Ok(out)
    }
}
