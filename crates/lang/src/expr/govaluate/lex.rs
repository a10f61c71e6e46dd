//! Splits an expression into tokens and checks which may follow which.

use super::Error;
use crate::gotime;

/// The layouts in which a quoted text is taken for a date, in the order they are tried.
const DATES: [&str; 14] = [
    "Mon Jan _2 15:04:05 2006",
    "Mon Jan _2 15:04:05 MST 2006",
    "Mon Jan 02 15:04:05 -0700 2006",
    "3:04PM",
    "2006-01-02T15:04:05Z07:00",
    "2006-01-02T15:04:05.999999999Z07:00",
    "2006-01-02",
    "2006-01-02 15:04",
    "2006-01-02 15:04:05",
    "2006-01-02 15:04:05-07:00",
    "2006-01-02T15Z0700",
    "2006-01-02T15:04Z0700",
    "2006-01-02T15:04:05Z0700",
    "2006-01-02T15:04:05.999999999Z0700",
];

/// The smallest parts of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Bool(bool),
    Text(String),
    /// A quoted text that reads as a date: its Unix seconds.
    Time(f64),
    Variable(String),
    /// `a.Name`: fields of Go structures, which events do not have.
    Accessor(String),
    Prefix(Operator),
    Modifier(Operator),
    Logical(Operator),
    Comparator(Operator),
    Ternary(Operator),
    Separator,
    Open,
    Close,
}

/// What joins or changes values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Negate,
    Invert,
    Complement,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulus,
    Exponent,
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
    And,
    Or,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Match,
    NotMatch,
    In,
    Then,
    Else,
    Coalesce,
    Separate,
}

/// Which part of the grammar a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Start,
    Value,
    /// Dates may not be followed by `?`.
    Time,
    Variable,
    Accessor,
    Prefix,
    Modifier,
    Comparator,
    Logical,
    Ternary,
    Separator,
    Open,
    Close,
}

impl Token {
    fn kind(&self) -> Kind {
        match self {
            Self::Number(_) | Self::Bool(_) | Self::Text(_) => Kind::Value,
            Self::Time(_) => Kind::Time,
            Self::Variable(_) => Kind::Variable,
            Self::Accessor(_) => Kind::Accessor,
            Self::Prefix(_) => Kind::Prefix,
            Self::Modifier(_) => Kind::Modifier,
            Self::Logical(_) => Kind::Logical,
            Self::Comparator(_) => Kind::Comparator,
            Self::Ternary(_) => Kind::Ternary,
            Self::Separator => Kind::Separator,
            Self::Open => Kind::Open,
            Self::Close => Kind::Close,
        }
    }
}

impl Kind {
    /// Whether `next` may come after this.
    fn allows(self, next: &Token) -> bool {
        let operand = match next {
            Token::Number(_) | Token::Bool(_) | Token::Variable(_) | Token::Open => true,
            Token::Accessor(_) => self != Self::Close,
            Token::Text(_) => self != Self::Prefix,
            Token::Time(_) => !matches!(self, Self::Prefix | Self::Modifier),
            Token::Prefix(_) => !matches!(self, Self::Prefix | Self::Close),
            _ => false,
        };
        match self {
            Self::Start | Self::Separator => operand,
            Self::Ternary => operand || matches!(next, Token::Separator),
            Self::Open | Self::Modifier | Self::Comparator | Self::Logical | Self::Prefix => {
                operand || matches!(next, Token::Close)
            }
            Self::Close => operand || Self::Variable.allows(next),
            Self::Time => Self::Variable.allows(next) && !matches!(next, Token::Ternary(_)),
            Self::Accessor => Self::Variable.allows(next) || matches!(next, Token::Open),
            Self::Value | Self::Variable => matches!(
                next,
                Token::Modifier(_)
                    | Token::Comparator(_)
                    | Token::Logical(_)
                    | Token::Ternary(_)
                    | Token::Separator
                    | Token::Close
            ),
        }
    }

    fn may_end(self) -> bool {
        matches!(
            self,
            Self::Value | Self::Time | Self::Variable | Self::Accessor | Self::Close
        )
    }
}

/// Reads all tokens of `text` in an order the grammar allows.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Error> {
    let mut lexer = Lexer { rest: text };
    let mut tokens = Vec::new();
    let mut kind = Kind::Start;
    while let Some(token) = lexer.token(kind)? {
        kind = token.kind();
        tokens.push(token);
    }
    check_balance(&tokens)?;
    check_order(&tokens)?;
    Ok(tokens)
}

fn check_balance(tokens: &[Token]) -> Result<(), Error> {
    let mut open = 0_usize;
    for token in tokens {
        match token {
            Token::Open => open += 1,
            Token::Close if open == 0 => return Err(Error::new("unbalanced parenthesis")),
            Token::Close => open -= 1,
            _ => {}
        }
    }
    if open == 0 {
        Ok(())
    } else {
        Err(Error::new("unbalanced parenthesis"))
    }
}

fn check_order(tokens: &[Token]) -> Result<(), Error> {
    let mut kind = Kind::Start;
    let mut last: Option<&Token> = None;
    for token in tokens {
        if !kind.allows(token) {
            if let (Some(Token::Variable(name)), Token::Open) = (last, token) {
                return Err(Error::new(format!("undefined function {name}")));
            }
            return Err(Error::new(match last {
                Some(last) => format!("{} cannot follow {}", describe(token), describe(last)),
                None => format!("{} cannot begin an expression", describe(token)),
            }));
        }
        kind = token.kind();
        last = Some(token);
    }
    if kind.may_end() {
        Ok(())
    } else {
        Err(Error::new("unexpected end of expression"))
    }
}

fn describe(token: &Token) -> String {
    match token {
        Token::Number(number) => format!("the number {number}"),
        Token::Bool(bool) => format!("{bool}"),
        Token::Text(text) => format!("the text '{text}'"),
        Token::Time(_) => "a date".into(),
        Token::Variable(name) | Token::Accessor(name) => format!("the name '{name}'"),
        Token::Prefix(_) | Token::Modifier(_) => "an operator".into(),
        Token::Logical(_) => "a logical operator".into(),
        Token::Comparator(_) => "a comparison".into(),
        Token::Ternary(_) => "a '?' or ':'".into(),
        Token::Separator => "a comma".into(),
        Token::Open => "an opening parenthesis".into(),
        Token::Close => "a closing parenthesis".into(),
    }
}

struct Lexer<'a> {
    rest: &'a str,
}

fn is_quote(char: char) -> bool {
    matches!(char, '\'' | '"')
}

/// Letters and digits as Go's `unicode` sees them; `char::is_alphabetic` also takes marks, which no
/// name in use has.
fn is_letter(char: char) -> bool {
    char.is_alphabetic() && !char.is_numeric()
}

fn is_digit(char: char) -> bool {
    // Other digits begin a number in Go as well, one that never parses.
    char.is_ascii_digit()
}

fn is_symbol(char: char) -> bool {
    !(is_digit(char) || is_letter(char) || matches!(char, '(' | ')' | '[' | ']') || is_quote(char))
}

/// The seconds from 1970 to the date that `text` reads as.
#[expect(
    clippy::cast_precision_loss,
    reason = "every number of an expression is a double"
)]
fn date(text: &str) -> Option<f64> {
    gotime::parse_any(&DATES, text).map(|time| time.unix() as f64)
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let char = self.rest.chars().next()?;
        self.rest = &self.rest[char.len_utf8()..];
        Some(char)
    }

    /// The token that follows, or none at the end. What a `-` is depends on what came before.
    fn token(&mut self, before: Kind) -> Result<Option<Token>, Error> {
        self.rest = self.rest.trim_start();
        let Some(first) = self.rest.chars().next() else {
            return Ok(None);
        };
        let token = match first {
            '0'..='9' | '.' => self.number()?,
            _ if is_digit(first) => self.number()?,
            ',' => {
                self.next();
                Token::Separator
            }
            '[' => {
                self.next();
                let name = self.quoted(|char| char == ']')?;
                Token::Variable(name.ok_or_else(|| Error::new("unclosed parameter bracket"))?)
            }
            _ if is_letter(first) => self.word()?,
            '\'' | '"' => {
                self.next();
                let text = self.quoted(is_quote)?;
                let text = text.ok_or_else(|| Error::new("unclosed string literal"))?;
                date(&text).map_or(Token::Text(text), Token::Time)
            }
            '(' => {
                self.next();
                Token::Open
            }
            ')' => {
                self.next();
                Token::Close
            }
            _ => self.symbol(before)?,
        };
        Ok(Some(token))
    }

    fn number(&mut self) -> Result<Token, Error> {
        if let Some(hex) = self.rest.strip_prefix("0x")
            && !hex.is_empty()
        {
            self.rest = hex;
            let digits =
                self.run(|char| is_digit(char) || matches!(char, 'a'..='f' | 'A'..='F'))?;
            #[expect(clippy::cast_precision_loss, reason = "every number is a double")]
            return match u64::from_str_radix(&digits, 16) {
                Ok(number) if !digits.starts_with('+') => Ok(Token::Number(number as f64)),
                _ => Err(Error::new(format!("'0x{digits}' is not a number"))),
            };
        }
        let digits = self.run(|char| is_digit(char) || char == '.')?;
        let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'-' | b'+');
        match digits.parse::<f64>() {
            Ok(number) if number.is_finite() && digits.bytes().all(plain) => {
                Ok(Token::Number(number))
            }
            _ => Err(Error::new(format!("'{digits}' is not a number"))),
        }
    }

    fn word(&mut self) -> Result<Token, Error> {
        let word =
            self.run(|char| is_letter(char) || is_digit(char) || matches!(char, '_' | '.'))?;
        if let Some(dot) = word.find('.').filter(|dot| *dot > 0) {
            if word.ends_with('.') {
                return Err(Error::new(format!("nothing after the dot of '{word}'")));
            }
            let lower = |part: &str| {
                part.chars()
                    .next()
                    .is_some_and(|first| first.to_uppercase().ne([first]))
            };
            if word[dot + 1..].split('.').any(lower) {
                return Err(Error::new(format!(
                    "cannot look into '{word}': bind its path to a name instead"
                )));
            }
            return Ok(Token::Accessor(word));
        }
        Ok(match word.as_str() {
            "true" => Token::Bool(true),
            "false" => Token::Bool(false),
            "in" | "IN" => Token::Comparator(Operator::In),
            _ => Token::Variable(word),
        })
    }

    fn symbol(&mut self, before: Kind) -> Result<Token, Error> {
        let symbol = self.run(is_symbol)?;
        let prefix = match symbol.as_str() {
            "-" => Some(Operator::Negate),
            "!" => Some(Operator::Invert),
            "~" => Some(Operator::Complement),
            _ => None,
        };
        if let Some(prefix) = prefix.map(Token::Prefix)
            && before.allows(&prefix)
        {
            return Ok(prefix);
        }
        Ok(match symbol.as_str() {
            "+" => Token::Modifier(Operator::Add),
            "-" => Token::Modifier(Operator::Subtract),
            "*" => Token::Modifier(Operator::Multiply),
            "/" => Token::Modifier(Operator::Divide),
            "%" => Token::Modifier(Operator::Modulus),
            "**" => Token::Modifier(Operator::Exponent),
            "&" => Token::Modifier(Operator::BitAnd),
            "|" => Token::Modifier(Operator::BitOr),
            "^" => Token::Modifier(Operator::BitXor),
            "<<" => Token::Modifier(Operator::ShiftLeft),
            ">>" => Token::Modifier(Operator::ShiftRight),
            "&&" => Token::Logical(Operator::And),
            "||" => Token::Logical(Operator::Or),
            "==" => Token::Comparator(Operator::Equal),
            "!=" => Token::Comparator(Operator::NotEqual),
            ">" => Token::Comparator(Operator::Greater),
            ">=" => Token::Comparator(Operator::GreaterEqual),
            "<" => Token::Comparator(Operator::Less),
            "<=" => Token::Comparator(Operator::LessEqual),
            "=~" => Token::Comparator(Operator::Match),
            "!~" => Token::Comparator(Operator::NotMatch),
            "?" => Token::Ternary(Operator::Then),
            ":" => Token::Ternary(Operator::Else),
            "??" => Token::Ternary(Operator::Coalesce),
            _ => return Err(Error::new(format!("unknown operator '{symbol}'"))),
        })
    }

    /// Characters up to white space or one that does not belong; a backslash adds any.
    fn run(&mut self, belongs: impl Fn(char) -> bool) -> Result<String, Error> {
        let mut out = String::new();
        while let Some(char) = self.rest.chars().next() {
            if char == '\\' {
                self.next();
                out.push(self.escaped()?);
            } else if char.is_whitespace() {
                if !out.is_empty() {
                    break;
                }
                self.next();
            } else if belongs(char) {
                self.next();
                out.push(char);
            } else {
                break;
            }
        }
        Ok(out)
    }

    /// Everything up to `closes`, which is taken too; none if it does not come.
    fn quoted(&mut self, closes: impl Fn(char) -> bool) -> Result<Option<String>, Error> {
        let mut out = String::new();
        while let Some(char) = self.next() {
            match char {
                '\\' => out.push(self.escaped()?),
                _ if closes(char) => return Ok(Some(out)),
                _ => out.push(char),
            }
        }
        Ok(None)
    }

    fn escaped(&mut self) -> Result<char, Error> {
        self.next()
            .ok_or_else(|| Error::new("nothing after the backslash"))
    }
}
