//! Reads what stands in an action: pipelines, commands, operands, constants.

use std::sync::Arc;

use super::super::lex::{Kind, LexError, Token};
use super::super::literal;
use super::super::node::{Command, Ideal, Number, Operand, Pipeline, Term};
use super::super::sprig;
use super::super::value::{Text, float_equal};
use super::{Parser, fail, unexpected};

impl<'a> Parser<'a> {
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipeline, LexError> {
        let first = self.peek_word()?;
        let (variables, is_assignment) = self.declaration(context)?;
        let mut commands = Vec::new();
        loop {
            let token = self.next_word()?;
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawText
                | Kind::Quoted
                | Kind::Variable
                | Kind::LeftParenthesis => {
                    self.back(token);
                    commands.push(self.command()?);
                }
                _ => return unexpected(token, context),
            }
        }
        if commands.is_empty() {
            return fail(first, format!("missing value for {context}"));
        }
        for (index, command) in commands.iter().enumerate().skip(1) {
            if command
                .operands
                .first()
                .is_some_and(|operand| operand.term.is_constant())
            {
                let stage = index + 1;
                return fail(
                    first,
                    format!("non executable command in pipeline stage {stage}"),
                );
            }
        }
        Ok(Pipeline {
            variables,
            is_assignment,
            commands,
        })
    }

    /// `$x :=`, `$x =`, and in a `range` also `$x, $y :=`.
    fn declaration(&mut self, context: &str) -> Result<(Vec<Arc<str>>, bool), LexError> {
        let mut names = Vec::new();
        loop {
            let variable = self.peek_word()?;
            if variable.kind != Kind::Variable {
                return Ok((names, false));
            }
            self.next_word()?;
            let after = self.next()?;
            let next = if after.kind == Kind::Space {
                self.next_word()?
            } else {
                after
            };
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    self.declare(variable, &mut names);
                    return Ok((names, next.kind == Kind::Assign));
                }
                Kind::Char if next.text == "," => {
                    self.declare(variable, &mut names);
                    if context != "range" || names.len() >= 2 {
                        return fail(next, format!("too many declarations in {context}"));
                    }
                    match self.peek_word()?.kind {
                        Kind::Variable | Kind::RightDelimiter | Kind::RightParenthesis => {}
                        _ => return fail(next, "range can only initialize variables"),
                    }
                }
                _ => {
                    self.back(next);
                    if after.kind == Kind::Space {
                        self.back(after);
                    }
                    self.back(variable);
                    return Ok((names, false));
                }
            }
        }
    }

    fn declare(&mut self, variable: Token<'a>, names: &mut Vec<Arc<str>>) {
        let name: Arc<str> = variable.text.into();
        self.variables.push(name.clone());
        names.push(name);
    }

    fn command(&mut self) -> Result<Command, LexError> {
        let first = self.peek_word()?;
        let mut operands = Vec::new();
        loop {
            self.peek_word()?;
            if let Some(operand) = self.operand()? {
                operands.push(operand);
            }
            let token = self.next()?;
            match token.kind {
                Kind::Space => {}
                Kind::RightDelimiter | Kind::RightParenthesis => {
                    self.back(token);
                    break;
                }
                Kind::Pipe => break,
                _ => return unexpected(token, "operand"),
            }
        }
        if operands.is_empty() {
            return fail(first, "empty command");
        }
        Ok(Command { operands })
    }

    fn operand(&mut self) -> Result<Option<Operand>, LexError> {
        let start = self.peek_word()?;
        let Some(term) = self.term()? else {
            return Ok(None);
        };
        let mut chain = Vec::new();
        while self.peek()?.kind == Kind::Field {
            chain.push(field_name(self.next()?));
        }
        let offset = start.offset;
        if chain.is_empty() {
            return Ok(Some(Operand { term, offset }));
        }
        let term = match term {
            Term::Field(mut fields) => {
                fields.append(&mut chain);
                Term::Field(fields)
            }
            Term::Variable { name, mut fields } => {
                fields.append(&mut chain);
                Term::Variable { name, fields }
            }
            term if term.is_constant() => {
                return fail(start, format!("unexpected . after term {:?}", start.text));
            }
            term => Term::Chain {
                base: Box::new(Operand { term, offset }),
                fields: chain,
            },
        };
        Ok(Some(Operand { term, offset }))
    }

    fn term(&mut self) -> Result<Option<Term>, LexError> {
        let token = self.next_word()?;
        Ok(Some(match token.kind {
            Kind::Identifier => {
                Term::Function(sprig::function(token.text).or_else(|message| fail(token, message))?)
            }
            Kind::Dot => Term::Dot,
            Kind::Nil => Term::Nil,
            Kind::Bool => Term::Bool(token.text == "true"),
            Kind::Field => Term::Field(vec![field_name(token)]),
            Kind::Variable => match self.variables.iter().find(|name| ***name == *token.text) {
                Some(name) => Term::Variable {
                    name: name.clone(),
                    fields: Vec::new(),
                },
                None => return fail(token, format!("undefined variable {:?}", token.text)),
            },
            Kind::CharConstant | Kind::Number | Kind::Complex => {
                Term::Number(number(token).or_else(|message| fail(token, message))?)
            }
            Kind::Quoted | Kind::RawText => match literal::unquote(token.text) {
                Some(text) => Term::Text(text.into()),
                None => return fail(token, "invalid syntax"),
            },
            Kind::LeftParenthesis => {
                let pipeline = self.nested(|parser| {
                    parser.pipeline("parenthesized pipeline", Kind::RightParenthesis)
                })?;
                Term::Pipeline(Box::new(pipeline))
            }
            _ => {
                self.back(token);
                return Ok(None);
            }
        }))
    }
}

impl Term {
    /// What can neither be called nor have fields.
    fn is_constant(&self) -> bool {
        matches!(
            self,
            Self::Bool(_) | Self::Dot | Self::Nil | Self::Number(_) | Self::Text(_)
        )
    }
}

fn field_name(token: Token<'_>) -> Text {
    Text::from(token.text.trim_start_matches('.').as_bytes())
}

fn number(token: Token<'_>) -> Result<Number, String> {
    let text = token.text;
    if token.kind == Kind::CharConstant {
        let code = literal::char_code(text)
            .ok_or_else(|| format!("malformed character constant: {text}"))?;
        return Ok(whole(code));
    }
    if token.kind == Kind::Complex || text.ends_with('i') {
        return Err(format!("complex numbers are not supported: {text}"));
    }
    if let Some(int) = literal::parse_int(text) {
        return Ok(whole(int));
    }
    let looks_whole = !text.contains(['.', 'e', 'E', 'p', 'P']) || text.starts_with("0x");
    if let Some(uint) = literal::parse_uint(text) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "the nearest double is what Go takes"
        )]
        let float = uint as f64;
        return Ok(Number {
            int: None,
            float: Some(float),
            ideal: Ideal::Overflow,
        });
    }
    match literal::parse_float(text) {
        Some(_) if looks_whole && !text.contains(['p', 'P']) => {
            Err(format!("integer overflow: {text:?}"))
        }
        Some(float) => Ok(Number {
            int: float_as_int(float),
            float: Some(float),
            ideal: Ideal::Float,
        }),
        None => Err(format!("illegal number syntax: {text:?}")),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the nearest double is what Go takes"
)]
fn whole(int: i64) -> Number {
    Number {
        int: Some(int),
        float: Some(int as f64),
        ideal: Ideal::Int,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "checked after"
)]
fn float_as_int(float: f64) -> Option<i64> {
    let int = float as i64;
    float_equal(int as f64, float).then_some(int)
}
