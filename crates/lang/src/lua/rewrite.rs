//! Reads a script by the grammar of Lua 5.1 with `goto` and writes it anew for Luau, line by line.
//!
//! Luau is not a superset: it lacks `goto`, reads escapes and numbers differently, and has syntax
//! of its own that a script of Argo Events must not rely on. So everything that is not 5.1 is
//! refused here, and what Luau would read differently is written in another way. The result keeps
//! every statement on its line, so that faults at run time name the right one.

mod expression;
mod jump;

use expression::Suffix;
use jump::{Block, Function};

use super::lex::{Fault, Kind, Token, tokens};

/// The function every operand of `..` goes through, so that numbers print as gopher-lua prints them. No
/// script can name it: the word is one of the language there, and a name like others in Luau.
pub(super) const TEXT: &str = "goto";

/// How deep constructs may nest; the limit of the reference implementation of Lua 5.1.
const MAX_NESTING: usize = 200;

/// The largest script. Everything of a Kubernetes object together stays below.
const MAX_SOURCE: usize = 4 << 20;

/// The script as a Luau chunk that takes [`TEXT`] and returns the script as a function.
pub(super) fn rewrite(source: &str) -> Result<String, Fault> {
    if source.len() > MAX_SOURCE {
        return Err(Fault {
            message: "the script is too long".into(),
            line: 1,
        });
    }
    let tokens = tokens(source)?;
    let mut parser = Parser {
        pending: unused(&tokens),
        tokens,
        at: 0,
        line: 1,
        pieces: Vec::new(),
        inserts: Vec::new(),
        nesting: 0,
    };
    let mut function = Function::default();
    let start = parser.pieces.len();
    let block = parser.block(&mut function, false)?;
    if parser.sign() != "" || parser.peek().kind != Kind::End {
        return parser.unexpected();
    }
    parser.close_function(start, &function, block)?;
    let body = parser.finish();
    Ok(format!(
        "local {TEXT} = ... return function(...) {body} end"
    ))
}

/// A name that the script does not have.
fn unused(tokens: &[Token]) -> String {
    let is_used = |name: &String| {
        tokens
            .iter()
            .any(|token| matches!(&token.kind, Kind::Name(used) if used == name))
    };
    let mut name = "jump".to_owned();
    while is_used(&name) {
        name.push('_');
    }
    name
}

/// One token of the result.
#[derive(Debug, Default)]
struct Piece {
    /// Line breaks in front, to keep the line.
    breaks: usize,
    before: String,
    text: String,
    after: String,
}

/// Where an insertion goes: in front of a piece, and its order among others there.
type Place = (usize, u8, i64, u8);

struct Parser {
    tokens: Vec<Token>,
    /// The variable that says which jump is under way.
    pending: String,
    at: usize,
    /// The line the result has come to.
    line: usize,
    pieces: Vec<Piece>,
    inserts: Vec<(Place, String)>,
    nesting: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        // The last token is the end, which is never stepped over.
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    /// The sign or word that comes next, or nothing.
    fn sign(&self) -> &'static str {
        match self.peek().kind {
            Kind::Sign(sign) => sign,
            _ => "",
        }
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, Fault> {
        Err(Fault {
            message: message.into(),
            line: self.peek().line,
        })
    }

    fn unexpected<T>(&self) -> Result<T, Fault> {
        let near = match &self.peek().kind {
            Kind::Name(name) => format!("'{name}'"),
            Kind::Number(number) => format!("'{number}'"),
            Kind::Text(_) => "a string".into(),
            Kind::Sign(sign) => format!("'{sign}'"),
            Kind::End => "the end".into(),
        };
        self.fail(format!("syntax error near {near}"))
    }

    fn push(&mut self, text: String, line: usize) {
        let breaks = line.saturating_sub(self.line);
        self.line += breaks;
        self.pieces.push(Piece {
            breaks,
            text,
            ..Piece::default()
        });
    }

    /// Copies the next token.
    fn copy(&mut self) {
        let token = self.peek().clone();
        self.at += 1;
        let text = match token.kind {
            Kind::Name(name) => name,
            Kind::Number(number) if number.is_infinite() => "1e999".into(),
            Kind::Number(number) => format!("{number:?}"),
            Kind::Text(bytes) => quoted(&bytes),
            Kind::Sign(sign) => sign.into(),
            Kind::End => String::new(),
        };
        self.push(text, token.line);
    }

    fn expect(&mut self, sign: &str) -> Result<(), Fault> {
        if self.sign() != sign {
            return self.unexpected();
        }
        self.copy();
        Ok(())
    }

    fn name(&mut self) -> Result<String, Fault> {
        let Kind::Name(name) = self.peek().kind.clone() else {
            return self.unexpected();
        };
        self.copy();
        Ok(name)
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return self.fail("nested too deep");
        }
        let result = read(self);
        self.nesting -= 1;
        result
    }

    /// Reads statements up to a word that ends a block, and resolves the jumps inside.
    fn block(&mut self, function: &mut Function, in_repeat: bool) -> Result<Block, Fault> {
        let mut block = Block::new(in_repeat);
        loop {
            match self.sign() {
                ";" => self.empty_statement(&mut block),
                "end" | "else" | "elseif" | "until" => break,
                _ if self.peek().kind == Kind::End => break,
                "return" => {
                    block.begin(self.pieces.len(), false);
                    self.copy();
                    if !self.at_block_end() && self.sign() != ";" {
                        self.expressions(function)?;
                    }
                    self.last_statement()?;
                    break;
                }
                "break" => {
                    block.begin(self.pieces.len(), false);
                    block.jump(None, self.pieces.len(), self.peek().line);
                    self.copy();
                    self.last_statement()?;
                    break;
                }
                _ => self.nested(|parser| parser.statement(function, &mut block))?,
            }
        }
        self.resolve(function, &mut block)?;
        Ok(block)
    }

    fn at_block_end(&self) -> bool {
        matches!(self.sign(), "end" | "else" | "elseif" | "until") || self.peek().kind == Kind::End
    }

    fn last_statement(&mut self) -> Result<(), Fault> {
        if self.sign() == ";" {
            self.at += 1;
        }
        if self.at_block_end() {
            Ok(())
        } else {
            self.unexpected()
        }
    }

    /// Luau allows one semicolon after a statement and none elsewhere.
    fn empty_statement(&mut self, block: &mut Block) {
        if block.separate() {
            self.copy();
        } else {
            self.at += 1;
        }
    }

    fn statement(&mut self, function: &mut Function, block: &mut Block) -> Result<(), Fault> {
        let start = self.pieces.len();
        match self.sign() {
            "::" => return self.label(block),
            "goto" => {
                block.begin(start, false);
                let line = self.peek().line;
                self.at += 1;
                let Kind::Name(name) = self.peek().kind.clone() else {
                    return self.unexpected();
                };
                self.at += 1;
                self.push(String::new(), line);
                block.jump(Some(name), start, line);
            }
            "local" => {
                block.begin(start, true);
                self.local(function)?;
            }
            word => {
                block.begin(start, false);
                match word {
                    "if" => self.conditional(function, block)?,
                    "while" | "for" | "repeat" => self.repetition(function, block)?,
                    "do" => {
                        self.copy();
                        let inner = self.block(function, false)?;
                        self.expect("end")?;
                        block.take(inner);
                    }
                    "function" => self.function_statement()?,
                    _ => self.expression_statement(function)?,
                }
            }
        }
        Ok(())
    }

    fn label(&mut self, block: &mut Block) -> Result<(), Fault> {
        let line = self.peek().line;
        self.at += 1;
        let Kind::Name(name) = self.peek().kind.clone() else {
            return self.unexpected();
        };
        self.at += 1;
        if self.sign() != "::" {
            return self.unexpected();
        }
        self.at += 1;
        let separator = if block.separate() { ";" } else { "" };
        if !block.label(name.clone(), self.pieces.len()) {
            return Err(Fault {
                message: format!("label '{name}' is already defined"),
                line,
            });
        }
        self.push(separator.into(), line);
        Ok(())
    }

    fn conditional(&mut self, function: &mut Function, block: &mut Block) -> Result<(), Fault> {
        loop {
            let word = self.sign();
            self.copy();
            if word != "else" {
                self.expression(function)?;
                self.expect("then")?;
            }
            let inner = self.block(function, false)?;
            block.take(inner);
            match self.sign() {
                "elseif" | "else" if word != "else" => {}
                _ => return self.expect("end"),
            }
        }
    }

    fn repetition(&mut self, function: &mut Function, block: &mut Block) -> Result<(), Fault> {
        let word = self.sign();
        self.copy();
        if word == "repeat" {
            let inner = self.block(function, true)?;
            self.expect("until")?;
            self.expression(function)?;
            self.close_loop(function, block, inner);
            return Ok(());
        }
        if word == "while" {
            self.expression(function)?;
        } else {
            self.loop_head(function)?;
        }
        self.expect("do")?;
        let inner = self.block(function, false)?;
        self.expect("end")?;
        self.close_loop(function, block, inner);
        Ok(())
    }

    fn loop_head(&mut self, function: &mut Function) -> Result<(), Fault> {
        self.name()?;
        if self.sign() == "=" {
            self.copy();
            self.expression(function)?;
            self.expect(",")?;
            self.expression(function)?;
            if self.sign() == "," {
                self.copy();
                self.expression(function)?;
            }
            return Ok(());
        }
        while self.sign() == "," {
            self.copy();
            self.name()?;
        }
        self.expect("in")?;
        self.expressions(function)
    }

    fn local(&mut self, function: &mut Function) -> Result<(), Fault> {
        self.copy();
        if self.sign() == "function" {
            self.copy();
            self.name()?;
            return self.function_body();
        }
        self.name()?;
        while self.sign() == "," {
            self.copy();
            self.name()?;
        }
        if self.sign() == "=" {
            self.copy();
            self.expressions(function)?;
        }
        Ok(())
    }

    fn function_statement(&mut self) -> Result<(), Fault> {
        self.copy();
        self.name()?;
        while self.sign() == "." {
            self.copy();
            self.name()?;
        }
        if self.sign() == ":" {
            self.copy();
            self.name()?;
        }
        self.function_body()
    }

    fn function_body(&mut self) -> Result<(), Fault> {
        self.expect("(")?;
        while self.sign() != ")" {
            if self.sign() == "..." {
                self.copy();
                break;
            }
            self.name()?;
            if self.sign() != "," {
                break;
            }
            self.copy();
            if self.sign() == ")" {
                return self.unexpected();
            }
        }
        self.expect(")")?;
        let start = self.pieces.len();
        let mut function = Function::default();
        let block = self.nested(|parser| parser.block(&mut function, false))?;
        self.close_function(start, &function, block)?;
        self.expect("end")
    }

    fn expression_statement(&mut self, function: &mut Function) -> Result<(), Fault> {
        let mut last = self.primary(function)?;
        if last == Suffix::Call {
            return Ok(());
        }
        loop {
            if last != Suffix::Variable {
                return self.unexpected();
            }
            if self.sign() != "," {
                break;
            }
            self.copy();
            last = self.primary(function)?;
        }
        self.expect("=")?;
        self.expressions(function)
    }

    fn finish(mut self) -> String {
        self.inserts.sort_by_key(|(place, _)| *place);
        let mut inserts = self.inserts.into_iter().peekable();
        let mut out = String::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            while let Some((_, text)) = inserts.next_if(|(place, _)| place.0 <= index) {
                out.push(' ');
                out.push_str(&text);
            }
            out.extend(std::iter::repeat_n('\n', piece.breaks));
            out.push(' ');
            out.push_str(&piece.before);
            out.push_str(&piece.text);
            out.push_str(&piece.after);
        }
        for (_, text) in inserts {
            out.push(' ');
            out.push_str(&text);
        }
        out
    }
}

/// The text between double quotes, in plain ASCII and on one line.
fn quoted(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.extend(
                [
                    b'\\',
                    b'0' + byte / 100,
                    b'0' + byte / 10 % 10,
                    b'0' + byte % 10,
                ]
                .map(char::from),
            ),
        }
    }
    out.push('"');
    out
}
