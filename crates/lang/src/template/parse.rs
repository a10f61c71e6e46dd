//! Reads a template: the grammar of Go's `text/template/parse`. Unknown functions and variables
//! are found here, before any event.

use std::collections::HashMap;
use std::sync::Arc;

use super::lex::{Kind, LexError, Lexer, Token};
use super::literal;
use super::node::{
    Block, Branch, Command, Ideal, Node, Number, Operand, Pipeline, Templates, Term,
};
use super::sprig;
use super::value::Text;

/// The name of the template that the source itself is. Argo Events' name for those of parameters.
pub(super) const MAIN: &[u8] = b"param";

/// How deep actions and parentheses may nest. Go has no such bound, but its stack can grow.
const MAX_NESTING: usize = 100;

/// Reads `source` into its named templates; the one named [`MAIN`] is the source itself.
pub(super) fn parse(source: &str) -> Result<Templates, LexError> {
    let mut parser = Parser {
        lexer: Lexer::new(source),
        pending: Vec::new(),
        variables: vec!["$".into()],
        templates: HashMap::new(),
        range_depth: 0,
        nesting: 0,
    };
    let main = parser.main()?;
    parser.add(Text::from(MAIN), main, 0)?;
    Ok(parser.templates)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// Tokens that were looked at, the next one last.
    pending: Vec<Token<'a>>,
    /// The variables that are visible here.
    variables: Vec<Arc<str>>,
    templates: Templates,
    range_depth: usize,
    nesting: usize,
}

/// What ended a block.
enum Stop {
    End,
    Else,
}

/// A piece of a block, or its end.
enum Piece {
    Node(Node),
    Stop(Stop, usize),
}

fn fail<T>(token: Token<'_>, message: impl Into<String>) -> Result<T, LexError> {
    Err(LexError { message: message.into(), offset: token.offset })
}

fn unexpected<T>(token: Token<'_>, context: &str) -> Result<T, LexError> {
    if token.kind == Kind::Eof {
        return fail(token, format!("unexpected end of the template in {context}"));
    }
    fail(token, format!("unexpected {:?} in {context}", token.text))
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Result<Token<'a>, LexError> {
        match self.pending.pop() {
            Some(token) => Ok(token),
            None => self.lexer.next_token(),
        }
    }

    fn back(&mut self, token: Token<'a>) {
        self.pending.push(token);
    }

    fn peek(&mut self) -> Result<Token<'a>, LexError> {
        let token = self.next()?;
        self.back(token);
        Ok(token)
    }

    fn next_word(&mut self) -> Result<Token<'a>, LexError> {
        loop {
            let token = self.next()?;
            if token.kind != Kind::Space {
                return Ok(token);
            }
        }
    }

    fn peek_word(&mut self) -> Result<Token<'a>, LexError> {
        let token = self.next_word()?;
        self.back(token);
        Ok(token)
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token<'a>, LexError> {
        let token = self.next_word()?;
        if token.kind == kind { Ok(token) } else { unexpected(token, context) }
    }

    /// Runs `read` one level deeper.
    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, LexError>,
    ) -> Result<T, LexError> {
        if self.nesting >= MAX_NESTING {
            let token = self.peek()?;
            return fail(token, "nested too deep");
        }
        self.nesting += 1;
        let result = read(self);
        self.nesting -= 1;
        result
    }

    fn main(&mut self) -> Result<Block, LexError> {
        let mut block = Block::new();
        loop {
            let token = self.next()?;
            match token.kind {
                Kind::Eof => return Ok(block),
                Kind::LeftDelimiter => {
                    if self.peek_word()?.kind == Kind::Define {
                        self.next_word()?;
                        self.definition()?;
                        continue;
                    }
                }
                _ => {}
            }
            self.back(token);
            match self.piece()? {
                Piece::Node(node) => block.push(node),
                Piece::Stop(stop, offset) => {
                    let name = match stop {
                        Stop::End => "end",
                        Stop::Else => "else",
                    };
                    return Err(LexError {
                        message: format!("unexpected {{{{{name}}}}}"),
                        offset,
                    });
                }
            }
        }
    }

    /// Adds a template, unless one of that name that is not blank is there already.
    fn add(&mut self, name: Text, block: Block, offset: usize) -> Result<(), LexError> {
        match self.templates.get(&name) {
            Some(known) if !is_blank(known) => {
                if !is_blank(&block) {
                    let name = String::from_utf8_lossy(&name);
                    return Err(LexError {
                        message: format!("multiple definition of template {name:?}"),
                        offset,
                    });
                }
            }
            _ => {
                self.templates.insert(name, Arc::new(block));
            }
        }
        Ok(())
    }

    fn definition(&mut self) -> Result<(), LexError> {
        let context = "define clause";
        let token = self.next_word()?;
        let name = template_name(token, context)?;
        self.expect(Kind::RightDelimiter, context)?;
        self.named(name, token.offset, context)
    }

    /// Reads the body of a named template, which sees no variables but `$`.
    fn named(&mut self, name: Text, offset: usize, context: &str) -> Result<(), LexError> {
        let outer = std::mem::replace(&mut self.variables, vec!["$".into()]);
        let range_depth = std::mem::take(&mut self.range_depth);
        let (block, stop, end) = self.nested(Self::block)?;
        self.variables = outer;
        self.range_depth = range_depth;
        match stop {
            Stop::End => self.add(name, block, offset),
            Stop::Else => Err(LexError {
                message: format!("unexpected {{{{else}}}} in {context}"),
                offset: end,
            }),
        }
    }

    fn block(&mut self) -> Result<(Block, Stop, usize), LexError> {
        let mut block = Block::new();
        loop {
            let token = self.peek_word()?;
            if token.kind == Kind::Eof {
                return fail(token, "unexpected EOF");
            }
            match self.piece()? {
                Piece::Node(node) => block.push(node),
                Piece::Stop(stop, offset) => return Ok((block, stop, offset)),
            }
        }
    }

    fn piece(&mut self) -> Result<Piece, LexError> {
        let token = self.next_word()?;
        match token.kind {
            Kind::Text => Ok(Piece::Node(Node::Text(Text::from(token.text.as_bytes())))),
            Kind::LeftDelimiter => self.nested(Self::action),
            _ => unexpected(token, "input"),
        }
    }

    fn action(&mut self) -> Result<Piece, LexError> {
        let token = self.next_word()?;
        Ok(Piece::Node(match token.kind {
            Kind::Block => self.block_action()?,
            Kind::Break => self.loop_control(token, Node::Break)?,
            Kind::Continue => self.loop_control(token, Node::Continue)?,
            Kind::If => Node::If(self.branch(Kind::If)?),
            Kind::Range => Node::Range(self.branch(Kind::Range)?),
            Kind::With => Node::With(self.branch(Kind::With)?),
            Kind::Template => self.template_action(token.offset)?,
            Kind::Else => {
                // `{{else if` and `{{else with` leave their keyword to the branch.
                if !matches!(self.peek_word()?.kind, Kind::If | Kind::With) {
                    self.expect(Kind::RightDelimiter, "else")?;
                }
                return Ok(Piece::Stop(Stop::Else, token.offset));
            }
            Kind::End => {
                self.expect(Kind::RightDelimiter, "end")?;
                return Ok(Piece::Stop(Stop::End, token.offset));
            }
            _ => {
                self.back(token);
                Node::Action(self.pipeline("command", Kind::RightDelimiter)?)
            }
        }))
    }

    fn loop_control(&mut self, token: Token<'a>, node: Node) -> Result<Node, LexError> {
        self.expect(Kind::RightDelimiter, token.text)?;
        if self.range_depth == 0 {
            return fail(token, format!("{{{{{}}}}} outside {{{{range}}}}", token.text));
        }
        Ok(node)
    }

    fn block_action(&mut self) -> Result<Node, LexError> {
        let context = "block clause";
        let token = self.next_word()?;
        let name = template_name(token, context)?;
        let argument = Some(self.pipeline(context, Kind::RightDelimiter)?);
        self.named(name.clone(), token.offset, context)?;
        Ok(Node::Template { name, argument, offset: token.offset })
    }

    fn template_action(&mut self, offset: usize) -> Result<Node, LexError> {
        let context = "template clause";
        let token = self.next_word()?;
        let name = template_name(token, context)?;
        let next = self.next_word()?;
        let argument = if next.kind == Kind::RightDelimiter {
            None
        } else {
            self.back(next);
            Some(self.pipeline(context, Kind::RightDelimiter)?)
        };
        Ok(Node::Template { name, argument, offset })
    }

    fn branch(&mut self, kind: Kind) -> Result<Branch, LexError> {
        let visible = self.variables.len();
        let context = match kind {
            Kind::If => "if",
            Kind::Range => "range",
            _ => "with",
        };
        let pipeline = self.pipeline(context, Kind::RightDelimiter)?;
        self.range_depth += usize::from(kind == Kind::Range);
        let (then, stop, _) = self.block()?;
        self.range_depth -= usize::from(kind == Kind::Range);
        let otherwise = match stop {
            Stop::End => None,
            Stop::Else => Some(self.otherwise(kind)?),
        };
        self.variables.truncate(visible);
        Ok(Branch { pipeline, then, otherwise })
    }

    fn otherwise(&mut self, kind: Kind) -> Result<Block, LexError> {
        let token = self.peek()?;
        if kind == token.kind && matches!(kind, Kind::If | Kind::With) {
            self.next()?;
            let branch = self.nested(|parser| parser.branch(kind))?;
            return Ok(vec![if kind == Kind::If { Node::If(branch) } else { Node::With(branch) }]);
        }
        let (block, stop, offset) = self.block()?;
        match stop {
            Stop::End => Ok(block),
            Stop::Else => {
                Err(LexError { message: "expected end; found {{else}}".into(), offset })
            }
        }
    }

    fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipeline, LexError> {
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
            if command.operands.first().is_some_and(|operand| operand.term.is_constant()) {
                let stage = index + 1;
                return fail(first, format!("non executable command in pipeline stage {stage}"));
            }
        }
        Ok(Pipeline { variables, is_assignment, commands })
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
            let next = if after.kind == Kind::Space { self.next_word()? } else { after };
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
            term => Term::Chain { base: Box::new(Operand { term, offset }), fields: chain },
        };
        Ok(Some(Operand { term, offset }))
    }

    fn term(&mut self) -> Result<Option<Term>, LexError> {
        let token = self.next_word()?;
        Ok(Some(match token.kind {
            Kind::Identifier => Term::Function(
                sprig::function(token.text)
                    .or_else(|message| fail(token, message))?,
            ),
            Kind::Dot => Term::Dot,
            Kind::Nil => Term::Nil,
            Kind::Bool => Term::Bool(token.text == "true"),
            Kind::Field => Term::Field(vec![field_name(token)]),
            Kind::Variable => match self.variables.iter().find(|name| ***name == *token.text) {
                Some(name) => Term::Variable { name: name.clone(), fields: Vec::new() },
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
        matches!(self, Self::Bool(_) | Self::Dot | Self::Nil | Self::Number(_) | Self::Text(_))
    }
}

fn field_name(token: Token<'_>) -> Text {
    Text::from(token.text.trim_start_matches('.').as_bytes())
}

fn template_name(token: Token<'_>, context: &str) -> Result<Text, LexError> {
    match token.kind {
        Kind::Quoted | Kind::RawText => match literal::unquote(token.text) {
            Some(name) => Ok(name.into()),
            None => fail(token, "invalid syntax"),
        },
        _ => unexpected(token, context),
    }
}

/// Nothing but blanks: such a definition may be replaced.
fn is_blank(block: &Block) -> bool {
    block.iter().all(|node| matches!(node, Node::Text(text) if text.trim_ascii().is_empty()))
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
        #[expect(clippy::cast_precision_loss, reason = "the nearest double is what Go takes")]
        let float = uint as f64;
        return Ok(Number { int: None, float: Some(float), ideal: Ideal::Overflow });
    }
    match literal::parse_float(text) {
        Some(_) if looks_whole && !text.contains(['p', 'P']) => {
            Err(format!("integer overflow: {text:?}"))
        }
        Some(float) => Ok(Number { int: float_as_int(float), float: Some(float), ideal: Ideal::Float }),
        None => Err(format!("illegal number syntax: {text:?}")),
    }
}

#[expect(clippy::cast_precision_loss, reason = "the nearest double is what Go takes")]
fn whole(int: i64) -> Number {
    Number { int: Some(int), float: Some(int as f64), ideal: Ideal::Int }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "checked after")]
fn float_as_int(float: f64) -> Option<i64> {
    let int = float as i64;
    super::value::float_equal(int as f64, float).then_some(int)
}
