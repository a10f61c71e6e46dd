//! Reads a template: the grammar of Go's `text/template/parse`. Unknown functions and variables
//! are found here, before any event.

mod pipeline;

use std::collections::HashMap;
use std::sync::Arc;

use super::lex::{Kind, LexError, Lexer, Token};
use super::literal;
use super::node::{Block, Branch, Node, Templates};
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
    Err(LexError {
        message: message.into(),
        offset: token.offset,
    })
}

fn unexpected<T>(token: Token<'_>, context: &str) -> Result<T, LexError> {
    if token.kind == Kind::Eof {
        return fail(
            token,
            format!("unexpected end of the template in {context}"),
        );
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
        if token.kind == kind {
            Ok(token)
        } else {
            unexpected(token, context)
        }
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
                Kind::LeftDelimiter if self.peek_word()?.kind == Kind::Define => {
                    self.next_word()?;
                    self.definition()?;
                    continue;
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
            return fail(
                token,
                format!("{{{{{}}}}} outside {{{{range}}}}", token.text),
            );
        }
        Ok(node)
    }

    fn block_action(&mut self) -> Result<Node, LexError> {
        let context = "block clause";
        let token = self.next_word()?;
        let name = template_name(token, context)?;
        let argument = Some(self.pipeline(context, Kind::RightDelimiter)?);
        self.named(name.clone(), token.offset, context)?;
        Ok(Node::Template {
            name,
            argument,
            offset: token.offset,
        })
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
        Ok(Node::Template {
            name,
            argument,
            offset,
        })
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
        Ok(Branch {
            pipeline,
            then,
            otherwise,
        })
    }

    fn otherwise(&mut self, kind: Kind) -> Result<Block, LexError> {
        let token = self.peek()?;
        if kind == token.kind && matches!(kind, Kind::If | Kind::With) {
            self.next()?;
            let branch = self.nested(|parser| parser.branch(kind))?;
            return Ok(vec![if kind == Kind::If {
                Node::If(branch)
            } else {
                Node::With(branch)
            }]);
        }
        let (block, stop, offset) = self.block()?;
        match stop {
            Stop::End => Ok(block),
            Stop::Else => Err(LexError {
                message: "expected end; found {{else}}".into(),
                offset,
            }),
        }
    }
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
    block
        .iter()
        .all(|node| matches!(node, Node::Text(text) if text.trim_ascii().is_empty()))
}
