//! Expressions: the grammar of 5.1, in which only `..` is written in another way.

use super::super::lex::{Fault, Kind};
use super::jump::Function;
use super::{Parser, TEXT};

/// What an expression is, as far as statements care.
#[derive(PartialEq, Clone, Copy)]
pub(super) enum Suffix {
    Variable,
    Call,
    Other,
}

impl Parser {
    pub(super) fn expressions(&mut self, function: &mut Function) -> Result<(), Fault> {
        self.expression(function)?;
        while self.sign() == "," {
            self.copy();
            self.expression(function)?;
        }
        Ok(())
    }

    /// Precedence matters only for `..`, whose operands are written as calls of [`TEXT`].
    pub(super) fn expression(&mut self, function: &mut Function) -> Result<(), Fault> {
        self.nested(|parser| {
            loop {
                parser.concatenation(function)?;
                match parser.sign() {
                    "and" | "or" | "<" | ">" | "<=" | ">=" | "~=" | "==" => parser.copy(),
                    _ => return Ok(()),
                }
            }
        })
    }

    fn concatenation(&mut self, function: &mut Function) -> Result<(), Fault> {
        let mut operand = self.operand(function)?;
        let mut chained = false;
        loop {
            let more = self.sign() == "..";
            if chained || more {
                self.as_text(operand);
            }
            if !more {
                return Ok(());
            }
            chained = true;
            self.copy();
            operand = self.operand(function)?;
        }
    }

    fn as_text(&mut self, (first, last): (usize, usize)) {
        if first == last && self.pieces[first].text.starts_with('"') {
            return;
        }
        self.pieces[first].before.insert_str(0, &format!("{TEXT}("));
        self.pieces[last].after.push(')');
    }

    /// Reads what binds closer than `..`; `not` in front of it reaches over comparison neither.
    fn operand(&mut self, function: &mut Function) -> Result<(usize, usize), Fault> {
        let first = self.pieces.len();
        loop {
            while matches!(self.sign(), "not" | "-" | "#") {
                self.copy();
            }
            self.simple(function)?;
            match self.sign() {
                "+" | "-" | "*" | "/" | "%" | "^" => self.copy(),
                _ => return Ok((first, self.pieces.len() - 1)),
            }
        }
    }

    fn simple(&mut self, function: &mut Function) -> Result<(), Fault> {
        match &self.peek().kind {
            Kind::Number(_) | Kind::Text(_) | Kind::Sign("nil" | "true" | "false" | "...") => {
                self.copy();
            }
            Kind::Sign("{") => self.nested(|parser| parser.table(function))?,
            Kind::Sign("function") => {
                self.copy();
                self.function_body()?;
            }
            _ => {
                self.primary(function)?;
            }
        }
        Ok(())
    }

    pub(super) fn primary(&mut self, function: &mut Function) -> Result<Suffix, Fault> {
        let mut kind = Suffix::Variable;
        if self.sign() == "(" {
            self.copy();
            self.expression(function)?;
            self.expect(")")?;
            kind = Suffix::Other;
        } else {
            self.name()?;
        }
        loop {
            match &self.peek().kind {
                Kind::Sign(".") => {
                    self.copy();
                    self.name()?;
                    kind = Suffix::Variable;
                }
                Kind::Sign("[") => {
                    self.copy();
                    self.expression(function)?;
                    self.expect("]")?;
                    kind = Suffix::Variable;
                }
                Kind::Sign(":") => {
                    self.copy();
                    self.name()?;
                    self.arguments(function)?;
                    kind = Suffix::Call;
                }
                Kind::Sign("(" | "{") | Kind::Text(_) => {
                    self.arguments(function)?;
                    kind = Suffix::Call;
                }
                _ => return Ok(kind),
            }
        }
    }

    fn arguments(&mut self, function: &mut Function) -> Result<(), Fault> {
        match &self.peek().kind {
            Kind::Text(_) => self.copy(),
            Kind::Sign("{") => self.nested(|parser| parser.table(function))?,
            Kind::Sign("(") => {
                if self.peek().line != self.tokens[self.at - 1].line {
                    return self.fail("ambiguous syntax (function call or new statement)");
                }
                self.copy();
                if self.sign() != ")" {
                    self.expressions(function)?;
                }
                self.expect(")")?;
            }
            _ => return self.unexpected(),
        }
        Ok(())
    }

    fn table(&mut self, function: &mut Function) -> Result<(), Fault> {
        self.expect("{")?;
        while self.sign() != "}" {
            let next = self.tokens.get(self.at + 1).map(|token| &token.kind);
            if self.sign() == "[" {
                self.copy();
                self.expression(function)?;
                self.expect("]")?;
                self.expect("=")?;
            } else if matches!(self.peek().kind, Kind::Name(_)) && next == Some(&Kind::Sign("=")) {
                self.copy();
                self.copy();
            }
            self.expression(function)?;
            if !matches!(self.sign(), "," | ";") {
                break;
            }
            self.copy();
        }
        self.expect("}")
    }
}
