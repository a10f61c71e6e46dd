//! Builds the tree of an expression.

use super::Fault;
use super::builtins::Builtin;
use super::lex::{Kind as TokenKind, Token, is_word};
use super::syntax::{Binary, Kind, MAX_HEIGHT, Node, Pointer, Unary};

/// How deep brackets and operators may nest.
const MAX_NESTING: usize = 100;

pub(super) fn parse(tokens: Vec<Token>) -> Result<Node, Fault> {
    let mut parser = Parser {
        tokens,
        at: 0,
        closures: 0,
        nesting: 0,
    };
    let node = parser.expression(0)?;
    match parser.current().kind {
        TokenKind::End => Ok(node),
        _ => parser.unexpected(),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    /// How many predicates surround this place.
    closures: usize,
    nesting: usize,
}

fn boxed(node: Node) -> Box<Node> {
    Box::new(node)
}

impl Parser {
    /// The token at hand; the last one is always an end.
    fn current(&self) -> &Token {
        &self.tokens[self.at]
    }

    fn is(&self, kind: TokenKind, value: &str) -> bool {
        let token = self.current();
        token.kind == kind && token.value == value
    }

    fn next(&mut self) -> Token {
        let token = self.tokens[self.at].clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn take(&mut self, kind: TokenKind, value: &str) -> bool {
        let found = self.is(kind, value);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, kind: TokenKind, value: &str) -> Result<(), Fault> {
        if self.take(kind, value) {
            Ok(())
        } else {
            self.unexpected()
        }
    }

    fn fault<T>(&self, message: impl Into<String>) -> Result<T, Fault> {
        Err(Fault {
            message: message.into(),
            at: self.current().at,
        })
    }

    fn unexpected<T>(&self) -> Result<T, Fault> {
        match self.current().kind {
            TokenKind::End => self.fault("unexpected end of the expression"),
            _ => self.fault(format!("unexpected '{}'", self.current().value)),
        }
    }

    fn node(&self, at: usize, kind: Kind) -> Result<Node, Fault> {
        let node = Node::new(at, kind);
        if node.height > MAX_HEIGHT {
            return self.fault("expression nests too deep");
        }
        Ok(node)
    }

    fn expression(&mut self, precedence: u16) -> Result<Node, Fault> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return self.fault("expression nests too deep");
        }
        let node = if precedence == 0 && self.is(TokenKind::Operator, "let") {
            self.declaration()?
        } else {
            let node = self.operators(precedence)?;
            if precedence == 0 {
                self.conditional(node)?
            } else {
                node
            }
        };
        self.nesting -= 1;
        Ok(node)
    }

    fn operators(&mut self, precedence: u16) -> Result<Node, Fault> {
        let mut left = self.primary()?;
        let mut after_coalesce = false;
        while self.current().kind == TokenKind::Operator {
            if precedence == 0 && self.take(TokenKind::Operator, "|") {
                left = self.pipe(left)?;
                after_coalesce = false;
                continue;
            }
            let negated = self.is(TokenKind::Operator, "not");
            let token = if negated {
                self.tokens.get(self.at + 1)
            } else {
                Some(self.current())
            };
            let found = token
                .filter(|token| token.kind == TokenKind::Operator)
                .and_then(|token| Binary::of(&token.value).map(|found| (token.at, found)));
            let Some((at, (operator, binds))) =
                found.filter(|(_, (_, binds))| *binds >= precedence)
            else {
                break;
            };
            if after_coalesce && operator != Binary::Coalesce {
                return self.fault(format!(
                    "'{}' and '??' cannot be mixed without parentheses",
                    operator.text()
                ));
            }
            let not = self.current().at;
            self.at += 1 + usize::from(negated);
            let right_associative = operator == Binary::Power;
            let right = self.expression(if right_associative { binds } else { binds + 1 })?;
            left = self.node(at, Kind::Binary(operator, boxed(left), boxed(right)))?;
            if negated {
                left = self.node(not, Kind::Unary(Unary::Not, boxed(left)))?;
            }
            after_coalesce = operator == Binary::Coalesce;
        }
        Ok(left)
    }

    fn declaration(&mut self) -> Result<Node, Fault> {
        self.next();
        if self.current().kind != TokenKind::Identifier {
            return self.unexpected();
        }
        let name = self.next();
        self.expect(TokenKind::Operator, "=")?;
        let value = boxed(self.expression(0)?);
        self.expect(TokenKind::Operator, ";")?;
        let body = boxed(self.expression(0)?);
        self.node(
            name.at,
            Kind::Let {
                name: name.value,
                value,
                body,
            },
        )
    }

    fn conditional(&mut self, mut node: Node) -> Result<Node, Fault> {
        while self.is(TokenKind::Operator, "?") {
            let at = self.next().at;
            let (then, otherwise) = if self.take(TokenKind::Operator, ":") {
                // `a ?: b`: a condition that holds is true.
                (self.node(at, Kind::Bool(true))?, self.expression(0)?)
            } else {
                let then = self.expression(0)?;
                self.expect(TokenKind::Operator, ":")?;
                (then, self.expression(0)?)
            };
            node = self.node(at, Kind::Conditional(Box::new([node, then, otherwise])))?;
        }
        Ok(node)
    }

    fn primary(&mut self) -> Result<Node, Fault> {
        let token = self.current().clone();
        if token.kind == TokenKind::Operator {
            let unary = match token.value.as_str() {
                "not" | "!" => Some((Unary::Not, 50)),
                "-" => Some((Unary::Minus, 90)),
                "+" => Some((Unary::Plus, 90)),
                _ => None,
            };
            if let Some((unary, binds)) = unary {
                self.next();
                let inner = boxed(self.expression(binds)?);
                let node = self.node(token.at, Kind::Unary(unary, inner))?;
                return self.postfix(node);
            }
            if matches!(token.value.as_str(), "#" | ".") {
                return self.pointer(&token);
            }
        }
        if self.take(TokenKind::Bracket, "(") {
            let node = self.expression(0)?;
            self.expect(TokenKind::Bracket, ")")?;
            return self.postfix(node);
        }
        self.secondary()
    }

    fn pointer(&mut self, token: &Token) -> Result<Node, Fault> {
        if self.closures == 0 {
            return self.fault("'#' and '.' stand for an element only within a predicate");
        }
        let mut pointer = Pointer::Item;
        if token.value == "#" {
            self.next();
            if self.current().kind == TokenKind::Identifier {
                pointer = match self.next().value.as_str() {
                    "index" => Pointer::Index,
                    "acc" => Pointer::Accumulator,
                    _ => Pointer::Unknown,
                };
            }
        }
        let node = self.node(token.at, Kind::Pointer(pointer))?;
        self.postfix(node)
    }

    fn secondary(&mut self) -> Result<Node, Fault> {
        let token = self.current().clone();
        let kind = match token.kind {
            TokenKind::Identifier => match token.value.as_str() {
                "true" => Kind::Bool(true),
                "false" => Kind::Bool(false),
                "nil" => Kind::Nil,
                _ => {
                    self.next();
                    let node = self.name_or_call(token)?;
                    return self.postfix(node);
                }
            },
            TokenKind::Number => self.number(&token.value)?,
            TokenKind::Text => Kind::Text(token.value),
            TokenKind::Bracket if token.value == "[" => {
                self.next();
                let node = self.array(token.at)?;
                return self.postfix(node);
            }
            TokenKind::Bracket if token.value == "{" => {
                self.next();
                let node = self.map(token.at)?;
                return self.postfix(node);
            }
            _ => return self.unexpected(),
        };
        self.next();
        self.node(token.at, kind)
    }

    fn number(&self, text: &str) -> Result<Kind, Fault> {
        let digits = text.replace('_', "");
        let kind = if let Some(hex) = digits.strip_prefix("0x") {
            i64::from_str_radix(hex, 16).ok().map(Kind::Int)
        } else if digits.contains(['.', 'e', 'E']) {
            digits
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite())
                .map(Kind::Float)
        } else {
            digits.parse().ok().map(Kind::Int)
        };
        kind.map_or_else(|| self.fault(format!("'{text}' is not a number")), Ok)
    }

    fn name_or_call(&mut self, name: Token) -> Result<Node, Fault> {
        if !self.is(TokenKind::Bracket, "(") {
            return self.node(name.at, Kind::Name(name.value));
        }
        match Builtin::of(&name.value) {
            Some(builtin) if builtin.takes_predicate() => {
                self.next();
                let list = self.expression(0)?;
                self.expect(TokenKind::Operator, ",")?;
                self.predicate(name.at, builtin, list)
            }
            _ => self.call(name, Vec::new()),
        }
    }

    /// The rest of a call whose opening parenthesis is next.
    fn call(&mut self, name: Token, mut arguments: Vec<Node>) -> Result<Node, Fault> {
        arguments.extend(self.arguments()?);
        if let Some(builtin) = Builtin::of(&name.value) {
            return self.node(name.at, Kind::Builtin(builtin, arguments));
        }
        let callee = boxed(self.node(name.at, Kind::Name(name.value))?);
        self.node(name.at, Kind::Call { callee, arguments })
    }

    /// The rest of `any(list, …)` after the comma.
    fn predicate(&mut self, at: usize, builtin: Builtin, list: Node) -> Result<Node, Fault> {
        let mut arguments = vec![list, self.closure()?];
        if builtin == Builtin::Reduce && self.take(TokenKind::Operator, ",") {
            arguments.push(self.expression(0)?);
        }
        self.expect(TokenKind::Bracket, ")")?;
        self.node(at, Kind::Builtin(builtin, arguments))
    }

    fn closure(&mut self) -> Result<Node, Fault> {
        let braces = self.take(TokenKind::Bracket, "{");
        self.closures += 1;
        let node = self.expression(0)?;
        self.closures -= 1;
        if braces {
            self.expect(TokenKind::Bracket, "}")?;
        }
        Ok(node)
    }

    fn pipe(&mut self, left: Node) -> Result<Node, Fault> {
        if self.current().kind != TokenKind::Identifier {
            return self.unexpected();
        }
        let name = self.next();
        match Builtin::of(&name.value) {
            Some(builtin) if builtin.takes_predicate() => {
                self.expect(TokenKind::Bracket, "(")?;
                self.predicate(name.at, builtin, left)
            }
            _ => self.call(name, vec![left]),
        }
    }

    fn arguments(&mut self) -> Result<Vec<Node>, Fault> {
        self.expect(TokenKind::Bracket, "(")?;
        let mut arguments = Vec::new();
        while !self.take(TokenKind::Bracket, ")") {
            if !arguments.is_empty() {
                self.expect(TokenKind::Operator, ",")?;
            }
            arguments.push(self.expression(0)?);
        }
        Ok(arguments)
    }

    fn array(&mut self, at: usize) -> Result<Node, Fault> {
        let mut nodes = Vec::new();
        while !self.take(TokenKind::Bracket, "]") {
            if !nodes.is_empty() {
                self.expect(TokenKind::Operator, ",")?;
                if self.take(TokenKind::Bracket, "]") {
                    break;
                }
            }
            nodes.push(self.expression(0)?);
        }
        self.node(at, Kind::Array(nodes))
    }

    fn map(&mut self, at: usize) -> Result<Node, Fault> {
        let mut pairs = Vec::new();
        while !self.take(TokenKind::Bracket, "}") {
            if !pairs.is_empty() {
                self.expect(TokenKind::Operator, ",")?;
                if self.take(TokenKind::Bracket, "}") {
                    break;
                }
            }
            let key = match self.current().kind {
                TokenKind::Number | TokenKind::Text | TokenKind::Identifier => {
                    let token = self.next();
                    self.node(token.at, Kind::Text(token.value))?
                }
                TokenKind::Bracket if self.is(TokenKind::Bracket, "(") => self.expression(0)?,
                _ => {
                    return self.fault("a key is a text, a number, a name or in parentheses");
                }
            };
            self.expect(TokenKind::Operator, ":")?;
            pairs.push((key, self.expression(0)?));
        }
        self.node(at, Kind::Map(pairs))
    }

    fn postfix(&mut self, mut node: Node) -> Result<Node, Fault> {
        loop {
            if self.is(TokenKind::Operator, ".") || self.is(TokenKind::Operator, "?.") {
                node = self.member(node)?;
            } else if self.is(TokenKind::Bracket, "[") {
                node = self.index(node)?;
            } else {
                return Ok(node);
            }
        }
    }

    fn member(&mut self, base: Node) -> Result<Node, Fault> {
        let optional = self.next().value == "?.";
        let name = self.current().clone();
        let is_name = name.kind == TokenKind::Identifier
            || (name.kind == TokenKind::Operator && name.value.chars().all(is_word));
        if !is_name {
            return self.fault("expected a name");
        }
        self.next();
        let (base, chained) = match base.kind {
            Kind::Chain(inner) => (inner, true),
            kind => (boxed(Node { kind, ..base }), false),
        };
        let property = boxed(self.node(name.at, Kind::Text(name.value))?);
        let mut node = self.node(
            name.at,
            Kind::Member {
                base,
                property,
                optional,
            },
        )?;
        if self.is(TokenKind::Bracket, "(") {
            let arguments = self.arguments()?;
            node = self.node(
                name.at,
                Kind::Call {
                    callee: boxed(node),
                    arguments,
                },
            )?;
        }
        if chained || optional {
            self.node(name.at, Kind::Chain(boxed(node)))
        } else {
            Ok(node)
        }
    }

    /// `[index]` or `[from:to]`
    fn index(&mut self, base: Node) -> Result<Node, Fault> {
        let at = self.next().at;
        let base = boxed(base);
        let from = if self.is(TokenKind::Operator, ":") {
            None
        } else {
            Some(self.expression(0)?)
        };
        if self.take(TokenKind::Operator, ":") {
            let open = self.is(TokenKind::Bracket, "]");
            let to = if open {
                None
            } else {
                Some(boxed(self.expression(0)?))
            };
            self.expect(TokenKind::Bracket, "]")?;
            return self.node(
                at,
                Kind::Slice {
                    base,
                    from: from.map(boxed),
                    to,
                },
            );
        }
        self.expect(TokenKind::Bracket, "]")?;
        match from {
            Some(property) => {
                let property = boxed(property);
                self.node(
                    at,
                    Kind::Member {
                        base,
                        property,
                        optional: false,
                    },
                )
            }
            None => self.unexpected(),
        }
    }
}
