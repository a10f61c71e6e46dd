//! Terms: everything that binds tighter than an operator.

use jaq_core::load::parse::{Pattern, Term};

use super::lex::Token;
use super::{Parsed, Parser, native};
use crate::jq::desugar::{Node, Suffix};

impl<'s> Parser<'s> {
    /// A term with its suffixes.
    pub(super) fn postfix(&mut self) -> Parsed<Node<'s>> {
        // The last suffix is kept apart: a `?` after it is about that suffix alone.
        let (mut node, mut last) = self.term()?;
        loop {
            let suffix = match self.peek() {
                Token::Field(name) => {
                    self.take();
                    Suffix::Index(Node::text(name))
                }
                Token::Sign("[") => self.bracket()?,
                Token::Sign(".") => {
                    self.take();
                    match self.peek() {
                        Token::Sign("[") => self.bracket()?,
                        Token::Quote => {
                            self.take();
                            Suffix::Index(self.text(None)?)
                        }
                        _ => {
                            let token = self.take();
                            return self.unexpected(token);
                        }
                    }
                }
                Token::Sign("?") => {
                    self.take();
                    node = match last.take() {
                        Some(suffix) => node.pipe(Node::identity().suffixed(suffix).attempt(None)),
                        None => node.attempt(None),
                    };
                    node = self.check(node)?;
                    continue;
                }
                _ => break,
            };
            if let Some(suffix) = last.replace(suffix) {
                node = self.check(node.suffixed(suffix))?;
            }
        }
        match last {
            Some(suffix) => self.check(node.suffixed(suffix)),
            None => Ok(node),
        }
    }

    /// `[]`, `[query]`, `[query:query]`
    fn bracket(&mut self) -> Parsed<Suffix<'s>> {
        self.expect("[")?;
        if self.take_if("]") {
            return Ok(Suffix::Iterate);
        }
        let start = if self.peek() == Token::Sign(":") {
            None
        } else {
            Some(self.query()?)
        };
        if !self.take_if(":") {
            self.expect("]")?;
            return Ok(start.map_or(Suffix::Iterate, Suffix::Index));
        }
        let open_end = start.is_some() && self.peek() == Token::Sign("]");
        let end = if open_end { None } else { Some(self.query()?) };
        self.expect("]")?;
        Ok(Suffix::Slice(start, end))
    }

    fn term(&mut self) -> Parsed<(Node<'s>, Option<Suffix<'s>>)> {
        let node = match self.take() {
            Token::Sign(".") => return self.dot(),
            Token::Field(name) => {
                return Ok((Node::identity(), Some(Suffix::Index(Node::text(name)))));
            }
            Token::Sign("..") => Node::recurse(),
            Token::Number(text) => Node::number(text),
            Token::Sign("-") => self.negative()?,
            Token::Sign("+") => {
                let node = self.nested(Self::postfix)?;
                node.pipe(Node::call("!plus", Vec::new(), true))
            }
            Token::Quote => self.text(None)?,
            Token::Format(format) => self.format(format)?,
            Token::Variable("$ENV") => Node::call("!env", Vec::new(), true),
            Token::Variable(name) => Node::variable(name),
            Token::Name(name) => self.call(name)?,
            Token::Sign("(") => {
                let node = self.query()?;
                self.expect(")")?;
                node
            }
            Token::Sign("[") => self.array()?,
            Token::Sign("{") => self.object()?,
            Token::Keyword(word) => self.construct(word)?,
            token => return self.unexpected(token),
        };
        Ok((node, None))
    }

    /// What follows a dot that is no field's.
    fn dot(&mut self) -> Parsed<(Node<'s>, Option<Suffix<'s>>)> {
        let suffix = match self.peek() {
            Token::Quote => {
                self.take();
                Some(Suffix::Index(self.text(None)?))
            }
            Token::Sign("[") => Some(self.bracket()?),
            _ => None,
        };
        Ok((Node::identity(), suffix))
    }

    fn negative(&mut self) -> Parsed<Node<'s>> {
        let node = self.nested(Self::postfix)?;
        Ok(match node.term {
            Term::Num(text) => Node::number(self.keep(format!("-{text}"))),
            _ => node.negate(),
        })
    }

    fn construct(&mut self, word: &'s str) -> Parsed<Node<'s>> {
        match word {
            "null" => Ok(Node::constant("!null")),
            "true" => Ok(Node::constant("!true")),
            "false" => Ok(Node::constant("!false")),
            "if" => self.conditional(),
            "try" => self.nested(|parser| {
                let body = parser.postfix()?;
                let catch = if parser.take_word("catch") {
                    Some(parser.postfix()?)
                } else {
                    None
                };
                Ok(body.attempt(catch))
            }),
            "reduce" | "foreach" => self.fold(word == "reduce"),
            "break" => Ok(Node::leave(self.variable()?)),
            _ => self.unexpected(Token::Keyword(word)),
        }
    }

    fn conditional(&mut self) -> Parsed<Node<'s>> {
        self.nested(|parser| {
            let condition = parser.query()?;
            parser.expect_word("then")?;
            let then = parser.query()?;
            let other = match parser.take() {
                Token::Keyword("elif") => parser.conditional()?,
                Token::Keyword("else") => {
                    let other = parser.query()?;
                    parser.expect_word("end")?;
                    other
                }
                Token::Keyword("end") => Node::identity(),
                token => return parser.unexpected(token),
            };
            Ok(Node::branch(condition, then, other))
        })
    }

    fn fold(&mut self, reduces: bool) -> Parsed<Node<'s>> {
        self.nested(|parser| {
            let source = parser.expression(0)?;
            parser.expect_word("as")?;
            let pattern = parser.pattern()?;
            parser.expect("(")?;
            let init = parser.query()?;
            parser.expect(";")?;
            let update = parser.query()?;
            let extract = if !reduces && parser.take_if(";") {
                Some(parser.query()?)
            } else {
                None
            };
            parser.expect(")")?;
            Ok(if reduces {
                Node::reduce(source, pattern, init, update)
            } else {
                Node::foreach(source, pattern, init, update, extract)
            })
        })
    }

    fn array(&mut self) -> Parsed<Node<'s>> {
        if self.take_if("]") {
            return Ok(Node::constant("!array"));
        }
        let items = self.query()?;
        self.expect("]")?;
        Ok(Node::array(items))
    }

    fn call(&mut self, name: &'s str) -> Parsed<Node<'s>> {
        let mut args = Vec::new();
        if self.take_if("(") {
            loop {
                args.push(self.query()?);
                if !self.take_if(";") {
                    break;
                }
            }
            self.expect(")")?;
        }
        for (open, arity, called) in &mut self.open {
            *called |= *open == name && *arity == args.len();
        }
        let single = args.iter().all(|arg| arg.single)
            && native::is_single(name, args.len())
            && !self.defined.contains(&name);
        if !single
            && args.len() > 1
            && !self.defined.contains(&name)
            && native::varies_first_argument_first(name, args.len())
        {
            return Ok(Self::call_by_last(name, args));
        }
        let is_filter = args.is_empty() && self.filters.contains(&name);
        let call = Node::call(name, args, single);
        // Filters that call filters nest without any definition being called.
        Ok(if is_filter && !self.internal {
            call.entered()
        } else {
            call
        })
    }

    /// A native gets all combinations of its arguments' values, the first argument's change fastest.
    fn call_by_last(name: &'s str, args: Vec<Node<'s>>) -> Node<'s> {
        const NAMES: [&str; 3] = ["$!first", "$!second", "$!third"];
        let variables = NAMES
            .iter()
            .take(args.len())
            .map(|name| Node::variable(name))
            .collect();
        let call = Node::call(name, variables, false);
        let bound = args.into_iter().zip(NAMES);
        bound.fold(call, |call, (arg, name)| arg.bind(Pattern::Var(name), call))
    }

    fn object(&mut self) -> Parsed<Node<'s>> {
        self.nested(|parser| {
            let mut members = Vec::new();
            while !parser.take_if("}") {
                members.push(parser.member()?);
                if !parser.take_if(",") {
                    parser.expect("}")?;
                    break;
                }
            }
            Ok(Node::object(members))
        })
    }

    fn member(&mut self) -> Parsed<(Node<'s>, Node<'s>)> {
        let (key, default) = match self.take() {
            Token::Name(name) | Token::Keyword(name) => {
                let key = Node::text(name);
                (
                    key.clone(),
                    Some(Node::identity().suffixed(Suffix::Index(key))),
                )
            }
            Token::Variable(name) => {
                let value = if name == "$ENV" {
                    Node::call("!env", Vec::new(), true)
                } else {
                    Node::variable(name)
                };
                if self.peek() == Token::Sign(":") {
                    (value, None)
                } else {
                    (Node::text(&name[1..]), Some(value))
                }
            }
            Token::Quote => {
                let key = self.text(None)?;
                (
                    key.clone(),
                    Some(Node::identity().suffixed(Suffix::Index(key))),
                )
            }
            Token::Sign("(") => {
                let key = self.query()?;
                self.expect(")")?;
                (key, None)
            }
            token => return self.unexpected(token),
        };
        match default {
            Some(value) if self.peek() != Token::Sign(":") => Ok((key, value)),
            _ => {
                self.expect(":")?;
                Ok((key, self.member_value()?))
            }
        }
    }

    /// A member's value: expressions joined by `|`, without commas.
    fn member_value(&mut self) -> Parsed<Node<'s>> {
        self.nested(|parser| {
            let mut stages = vec![parser.expression(0)?];
            while parser.take_if("|") {
                stages.push(parser.expression(0)?);
            }
            let last = stages.pop().unwrap_or_else(Node::identity);
            Ok(stages
                .into_iter()
                .rev()
                .fold(last, |right, left| left.pipe(right)))
        })
    }

    pub(super) fn pattern(&mut self) -> Parsed<Pattern<&'s str>> {
        self.depth += 1;
        if self.depth > super::MAX_NESTING {
            return self.fail("the program nests too deep");
        }
        let pattern = match self.take() {
            Token::Variable(name) => Pattern::Var(name),
            Token::Sign("[") => {
                let mut items = vec![self.pattern()?];
                while self.take_if(",") {
                    items.push(self.pattern()?);
                }
                self.expect("]")?;
                Pattern::Arr(items)
            }
            Token::Sign("{") => {
                let mut members = Vec::new();
                loop {
                    self.member_pattern(&mut members)?;
                    if !self.take_if(",") {
                        break;
                    }
                }
                self.expect("}")?;
                Pattern::Obj(members)
            }
            token => return self.unexpected(token),
        };
        self.depth -= 1;
        Ok(pattern)
    }

    fn member_pattern(
        &mut self,
        members: &mut Vec<(Term<&'s str>, Pattern<&'s str>)>,
    ) -> Parsed<()> {
        let key = match self.take() {
            Token::Name(name) | Token::Keyword(name) => Node::text(name),
            Token::Variable(name) => {
                let key = Node::text(&name[1..]);
                members.push((key.clone().term, Pattern::Var(name)));
                if self.peek() != Token::Sign(":") {
                    return Ok(());
                }
                key
            }
            Token::Quote => self.text(None)?,
            Token::Sign("(") => {
                let key = self.query()?;
                self.expect(")")?;
                key
            }
            token => return self.unexpected(token),
        };
        self.expect(":")?;
        members.push((key.term, self.pattern()?));
        Ok(())
    }
}
