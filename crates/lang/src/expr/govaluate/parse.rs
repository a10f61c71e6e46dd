//! Builds the tree of an expression. All operators, `**` and `?` too, group from the left.

use super::Error;
use super::lex::{Operator, Token};
use super::value::Value;
use crate::regex::{self, Regex};

/// How deep a tree may be; evaluation recurses over it.
const MAX_DEPTH: usize = 400;

#[derive(Debug, Clone)]
pub(super) enum Node {
    Literal(Value),
    /// A literal right of `=~`, with its text, which counts in any other place.
    Pattern(Regex, String),
    Variable(String),
    /// A field of a Go structure: no value ever has one.
    Accessor(String),
    Unary(Operator, Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
}

pub(super) fn parse(tokens: Vec<Token>) -> Result<Node, Error> {
    let mut parser = Parser { tokens, at: 0 };
    // What follows a complete expression, as in `(a) b`, is ignored.
    parser.level(0, 0).map(|tree| tree.node)
}

struct Tree {
    node: Node,
    depth: usize,
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

/// Which level an operator joins on, loosest first.
fn level_of(token: &Token) -> Option<(usize, Operator)> {
    Some(match token {
        Token::Separator => (0, Operator::Separate),
        Token::Ternary(operator) => (1, *operator),
        Token::Logical(Operator::Or) => (2, Operator::Or),
        Token::Logical(operator) => (3, *operator),
        Token::Comparator(operator) => (4, *operator),
        Token::Modifier(operator) => match operator {
            Operator::BitAnd | Operator::BitOr | Operator::BitXor => (5, *operator),
            Operator::ShiftLeft | Operator::ShiftRight => (6, *operator),
            Operator::Add | Operator::Subtract => (7, *operator),
            Operator::Multiply | Operator::Divide | Operator::Modulus => (8, *operator),
            _ => (9, *operator),
        },
        _ => return None,
    })
}

const VALUE_LEVEL: usize = 10;

impl Parser {
    fn level(&mut self, level: usize, nesting: usize) -> Result<Tree, Error> {
        if nesting > MAX_DEPTH {
            return Err(Error::new("expression nests too deep"));
        }
        let mut left = self.value(nesting)?;
        while let Some((found, operator)) = self.tokens.get(self.at).and_then(level_of)
            && found >= level
        {
            self.at += 1;
            let right = match (operator, self.tokens.get(self.at)) {
                (Operator::Match | Operator::NotMatch, Some(Token::Text(pattern))) => {
                    let regex =
                        regex::compile(pattern).map_err(|error| Error::new(error.message))?;
                    self.at += 1;
                    let tree = Tree {
                        node: Node::Pattern(regex, pattern.clone()),
                        depth: 1,
                    };
                    self.continued(tree, found + 1, nesting)?
                }
                _ => self.level(found + 1, nesting + 1)?,
            };
            left = join(operator, left, right)?;
        }
        Ok(left)
    }

    /// Goes on after a value that is read already.
    fn continued(&mut self, mut left: Tree, level: usize, nesting: usize) -> Result<Tree, Error> {
        while let Some((found, operator)) = self.tokens.get(self.at).and_then(level_of)
            && found >= level
        {
            self.at += 1;
            let right = self.level(found + 1, nesting + 1)?;
            left = join(operator, left, right)?;
        }
        Ok(left)
    }

    fn value(&mut self, nesting: usize) -> Result<Tree, Error> {
        let Some(token) = self.tokens.get(self.at).cloned() else {
            return Ok(leaf(Node::Literal(Value::Null)));
        };
        self.at += 1;
        Ok(match token {
            Token::Number(number) | Token::Time(number) => {
                leaf(Node::Literal(Value::Number(number)))
            }
            Token::Bool(bool) => leaf(Node::Literal(Value::Bool(bool))),
            Token::Text(text) => leaf(Node::Literal(Value::String(text))),
            Token::Variable(name) => leaf(Node::Variable(name)),
            Token::Accessor(name) => {
                if matches!(self.tokens.get(self.at), Some(Token::Open)) {
                    self.value(nesting + 1)?;
                }
                leaf(Node::Accessor(name))
            }
            Token::Open => {
                let inner = self.level(0, nesting + 1)?;
                // Usually the closing parenthesis; in `((a) b)` it is the `b`.
                self.at += 1;
                inner
            }
            // An empty pair of parentheses, or an operator that lacks its right side: nothing.
            Token::Close => {
                self.at -= 1;
                leaf(Node::Literal(Value::Null))
            }
            Token::Prefix(operator) => {
                let inner = self.level(VALUE_LEVEL, nesting + 1)?;
                let depth = inner.depth + 1;
                Tree {
                    node: Node::Unary(operator, Box::new(inner.node)),
                    depth,
                }
            }
            _ => return Err(Error::new("a value is missing")),
        })
    }
}

fn leaf(node: Node) -> Tree {
    Tree { node, depth: 1 }
}

fn join(operator: Operator, left: Tree, right: Tree) -> Result<Tree, Error> {
    let depth = left.depth.max(right.depth) + 1;
    if depth > MAX_DEPTH {
        return Err(Error::new("expression nests too deep"));
    }
    let node = Node::Binary(operator, Box::new(left.node), Box::new(right.node));
    Ok(Tree { node, depth })
}
