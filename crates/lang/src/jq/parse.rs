//! Reads programs in gojq's grammar, straight into the terms of jaq's core.
//!
//! jaq's own parser is not used, for it lacks some of gojq's constructs, has other precedences, and
//! does not bound its own nesting.

pub(super) mod lex;
mod term;
mod text;

use jaq_core::load::Arena;
use jaq_core::load::parse::{BinaryOp, Def, Pattern};
use jaq_core::ops::{Cmp, Math};

use self::lex::Token;
use super::CompileError;
use super::desugar::{Node, definition, destructure};
use super::native;

/// The longest program.
const MAX_SOURCE: usize = 64 * 1024;

/// How deep brackets, definitions and the like may nest in the text of a program.
const MAX_NESTING: u32 = 100;

/// How deep terms may nest, long chains of operators included: jaq recurses over them.
pub(super) const MAX_HEIGHT: u32 = 400;

type Parsed<T> = Result<T, CompileError>;

pub(super) struct Parser<'s> {
    source: &'s str,
    arena: &'s Arena,
    at: usize,
    /// Where the word last taken started.
    start: usize,
    depth: u32,
    internal: bool,
    /// Definitions around this place: name, arity, whether a call of it was seen in its body.
    open: Vec<(&'s str, usize, bool)>,
    /// All names the program defines, for those are no natives.
    defined: Vec<&'s str>,
    /// The filters the definitions around this place take as arguments.
    filters: Vec<&'s str>,
}

impl<'s> Parser<'s> {
    pub(super) fn new(source: &'s str, arena: &'s Arena) -> Self {
        Self {
            source,
            arena,
            at: 0,
            start: 0,
            depth: 0,
            internal: false,
            open: Vec::new(),
            defined: Vec::new(),
            filters: Vec::new(),
        }
    }

    /// Reads a whole program.
    pub(super) fn program(mut self) -> Parsed<Node<'s>> {
        if self.source.len() > MAX_SOURCE {
            return self.fail("the program is longer than 64 KiB");
        }
        if let Token::Keyword(word @ ("module" | "import" | "include")) = self.peek() {
            self.take();
            return self.fail(&format!("{word} is not available"));
        }
        if self.peek() == Token::End {
            self.take();
            return self.fail("the program is empty");
        }
        let node = self.query()?;
        match self.take() {
            Token::End => Ok(node),
            token => self.unexpected(token),
        }
    }

    /// Reads definitions of our own, which may name what programs cannot.
    pub(super) fn definitions(mut self) -> Parsed<Vec<Def<&'s str>>> {
        self.internal = true;
        let mut defs = Vec::new();
        while self.peek() != Token::End {
            defs.push(self.definition()?.0);
        }
        Ok(defs)
    }

    fn peek(&self) -> Token<'s> {
        lex::next(
            self.source,
            lex::skip_blanks(self.source, self.at),
            self.internal,
        )
        .0
    }

    fn take(&mut self) -> Token<'s> {
        self.start = lex::skip_blanks(self.source, self.at);
        let (token, end) = lex::next(self.source, self.start, self.internal);
        self.at = end;
        token
    }

    fn take_if(&mut self, sign: &'static str) -> bool {
        let found = self.peek() == Token::Sign(sign);
        if found {
            self.take();
        }
        found
    }

    fn take_word(&mut self, word: &'static str) -> bool {
        let found = self.peek() == Token::Keyword(word);
        if found {
            self.take();
        }
        found
    }

    fn expect(&mut self, sign: &'static str) -> Parsed<()> {
        match self.take() {
            Token::Sign(found) if found == sign => Ok(()),
            token => self.unexpected(token),
        }
    }

    fn expect_word(&mut self, word: &'static str) -> Parsed<()> {
        match self.take() {
            Token::Keyword(found) if found == word => Ok(()),
            token => self.unexpected(token),
        }
    }

    fn fail<T>(&self, message: &str) -> Parsed<T> {
        Err(CompileError::at(self.source, self.start, message))
    }

    fn unexpected<T>(&self, token: Token<'_>) -> Parsed<T> {
        if token == Token::End {
            return self.fail("unexpected end of the program");
        }
        let word = &self.source[self.start..self.at];
        self.fail(&format!("unexpected token {word:?}"))
    }

    fn keep(&self, text: String) -> &'s str {
        self.arena.alloc(text)
    }

    /// Runs `f` one level deeper, and refuses what nests too deep.
    fn nested(&mut self, f: impl FnOnce(&mut Self) -> Parsed<Node<'s>>) -> Parsed<Node<'s>> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return self.fail("the program nests too deep");
        }
        let node = f(self)?;
        self.depth -= 1;
        self.check(node)
    }

    fn check(&self, node: Node<'s>) -> Parsed<Node<'s>> {
        if node.height > MAX_HEIGHT {
            return self.fail("the program nests too deep");
        }
        Ok(node)
    }

    /// `query | query`; commas bind tighter.
    fn query(&mut self) -> Parsed<Node<'s>> {
        self.nested(|parser| {
            let mut stages = vec![parser.commas()?];
            while parser.take_if("|") {
                stages.push(parser.commas()?);
            }
            let last = stages.pop().unwrap_or_else(Node::identity);
            Ok(stages
                .into_iter()
                .rev()
                .fold(last, |right, left| left.pipe(right)))
        })
    }

    fn commas(&mut self) -> Parsed<Node<'s>> {
        let mut node = self.item()?;
        while self.take_if(",") {
            let right = self.item()?;
            node = self.check(node.comma(right))?;
        }
        Ok(node)
    }

    /// What takes all that follows as its body (`def`, `label`, `as`), or an expression.
    fn item(&mut self) -> Parsed<Node<'s>> {
        match self.peek() {
            Token::Keyword("def") => {
                let defined = self.defined.len();
                let (def, height) = self.definition()?;
                let body = self.query()?;
                self.defined.truncate(defined);
                Ok(Node::define(def, height, body))
            }
            Token::Keyword("label") => {
                self.take();
                let name = self.variable()?;
                self.expect("|")?;
                Ok(Node::label(name, self.query()?))
            }
            _ => {
                let node = self.expression(0)?;
                if self.take_word("as") {
                    self.binding(node)
                } else {
                    Ok(node)
                }
            }
        }
    }

    fn binding(&mut self, source: Node<'s>) -> Parsed<Node<'s>> {
        let mut patterns = vec![self.pattern()?];
        while self.take_if("?//") {
            patterns.push(self.pattern()?);
        }
        self.expect("|")?;
        let body = self.query()?;
        if patterns.len() > 1 {
            let mut names = Vec::new();
            for pattern in &patterns {
                collect_names(pattern, &mut names);
            }
            return Ok(destructure(source, patterns, &names, body));
        }
        match patterns.pop() {
            Some(pattern) => Ok(source.bind(pattern, body)),
            None => Ok(source),
        }
    }

    /// `def name(args): body;`
    fn definition(&mut self) -> Parsed<(Def<&'s str>, u32)> {
        self.expect_word("def")?;
        let name = match self.take() {
            Token::Name(name) => name,
            token => return self.unexpected(token),
        };
        let mut args = Vec::new();
        if self.take_if("(") {
            loop {
                match self.take() {
                    Token::Name(arg) | Token::Variable(arg) => args.push(arg),
                    token => return self.unexpected(token),
                }
                if !self.take_if(";") {
                    break;
                }
            }
            self.expect(")")?;
        }
        self.expect(":")?;
        let outside = self.defined.len();
        self.defined.push(name);
        self.defined
            .extend(args.iter().map(|arg| arg.trim_start_matches('$')));
        self.open.push((name, args.len(), false));
        let taken = self.filters.len();
        self.filters
            .extend(args.iter().filter(|arg| !arg.starts_with('$')));
        let body = self.query()?;
        self.filters.truncate(taken);
        self.expect(";")?;
        let recursive = self.open.pop().is_some_and(|(_, _, called)| called);
        self.defined.truncate(outside + 1);
        let takes_filters = args.iter().any(|arg| !arg.starts_with('$'));
        let body = with_filter_names(&args, body);
        if self.internal && !recursive {
            let height = body.height;
            return Ok((
                Def {
                    name,
                    args,
                    body: body.term,
                },
                height,
            ));
        }
        Ok(definition(name, args, body, recursive && takes_filters))
    }

    fn variable(&mut self) -> Parsed<&'s str> {
        match self.take() {
            Token::Variable(name) => Ok(name),
            token => self.unexpected(token),
        }
    }

    fn expression(&mut self, min: u8) -> Parsed<Node<'s>> {
        let mut left = self.postfix()?;
        while let Some((level, op)) = operator(self.peek()).filter(|(level, _)| *level >= min) {
            self.take();
            let right = self.nested(|parser| parser.expression(op.right_level(level)))?;
            left = self.check(op.apply(left, right))?;
            let again = operator(self.peek()).is_some_and(|(next, _)| next == level);
            if op.is_alone() && again {
                let token = self.take();
                return self.unexpected(token);
            }
        }
        Ok(left)
    }
}

/// `def f($a): …` also defines the filter `a`.
fn with_filter_names<'s>(args: &[&'s str], body: Node<'s>) -> Node<'s> {
    args.iter()
        .filter_map(|arg| arg.strip_prefix('$').map(|name| (*arg, name)))
        .rev()
        .fold(body, |body, (arg, name)| {
            let def = Def {
                name,
                args: Vec::new(),
                body: Node::variable(arg).term,
            };
            Node::define(def, 1, body)
        })
}

fn collect_names<'s>(pattern: &Pattern<&'s str>, names: &mut Vec<&'s str>) {
    match pattern {
        Pattern::Var(name) if names.contains(name) => {}
        Pattern::Var(name) => names.push(name),
        Pattern::Arr(items) => items.iter().for_each(|item| collect_names(item, names)),
        Pattern::Obj(members) => members
            .iter()
            .for_each(|(_, item)| collect_names(item, names)),
    }
}

#[derive(Clone, Copy)]
enum Operator {
    Alternative,
    Assign,
    Modify,
    ModifyMath(Math),
    ModifyAlternative,
    Or,
    And,
    Compare(Cmp),
    Math(Math),
}

/// The operator a word is, and how tight it binds.
fn operator(token: Token<'_>) -> Option<(u8, Operator)> {
    use Operator::{Alternative, And, Assign, Compare, Modify, ModifyAlternative, ModifyMath, Or};
    Some(match token {
        Token::Keyword("or") => (2, Or),
        Token::Keyword("and") => (3, And),
        Token::Sign(sign) => match sign {
            "//" => (0, Alternative),
            "=" => (1, Assign),
            "|=" => (1, Modify),
            "+=" => (1, ModifyMath(Math::Add)),
            "-=" => (1, ModifyMath(Math::Sub)),
            "*=" => (1, ModifyMath(Math::Mul)),
            "/=" => (1, ModifyMath(Math::Div)),
            "%=" => (1, ModifyMath(Math::Rem)),
            "//=" => (1, ModifyAlternative),
            "==" => (4, Compare(Cmp::Eq)),
            "!=" => (4, Compare(Cmp::Ne)),
            "<" => (4, Compare(Cmp::Lt)),
            "<=" => (4, Compare(Cmp::Le)),
            ">" => (4, Compare(Cmp::Gt)),
            ">=" => (4, Compare(Cmp::Ge)),
            "+" => (5, Operator::Math(Math::Add)),
            "-" => (5, Operator::Math(Math::Sub)),
            "*" => (6, Operator::Math(Math::Mul)),
            "/" => (6, Operator::Math(Math::Div)),
            "%" => (6, Operator::Math(Math::Rem)),
            _ => return None,
        },
        _ => return None,
    })
}

impl Operator {
    /// `//` groups to the right, all others to the left.
    fn right_level(self, level: u8) -> u8 {
        if matches!(self, Self::Alternative) {
            level
        } else {
            level + 1
        }
    }

    /// Whether it cannot stand beside its like without brackets.
    fn is_alone(self) -> bool {
        !matches!(
            self,
            Self::Alternative | Self::Or | Self::And | Self::Math(_)
        )
    }

    fn apply<'s>(self, left: Node<'s>, right: Node<'s>) -> Node<'s> {
        match self {
            Self::Alternative => left.alternative(right),
            Self::Assign => left.assign(right),
            Self::Modify => left.modify(right),
            Self::ModifyMath(op) => left.modify_by(right, |old, by| old.math(op, by)),
            Self::ModifyAlternative => left.modify_by(right, Node::alternative),
            Self::Or => left.logic(BinaryOp::Or, right),
            Self::And => left.logic(BinaryOp::And, right),
            Self::Compare(op) => left.compare(op, right),
            Self::Math(op) => left.math(op, right),
        }
    }
}
