//! The tree of an expression.

use std::collections::BTreeSet;

use super::builtins::Builtin;
use crate::regex::Regex;

/// How high a tree may be: everything recurses over it.
pub(super) const MAX_HEIGHT: usize = 300;

/// A part of an expression and where it stands, in bytes.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) height: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// A variable, a key of the payload or a function.
    Name(String),
    Unary(Unary, Box<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    /// `==` between what the checker knows to be two numbers or two texts: nil is an error.
    StrictEqual(Box<Node>, Box<Node>),
    /// `matches` with a literal pattern.
    Matches(Box<Node>, Regex),
    /// `in` with a list of literal texts.
    InTexts(Box<Node>, BTreeSet<String>),
    /// Ends at the first `?.` that meets nil.
    Chain(Box<Node>),
    Member {
        base: Box<Node>,
        property: Box<Node>,
        optional: bool,
    },
    Slice {
        base: Box<Node>,
        from: Option<Box<Node>>,
        to: Option<Box<Node>>,
    },
    Call {
        callee: Box<Node>,
        arguments: Vec<Node>,
    },
    Builtin(Builtin, Vec<Node>),
    /// A predicate over a filtered list: it stops at the first (or last) hit.
    Find(Find),
    /// `#`, `#index`, `#acc`
    Pointer(Pointer),
    Let {
        name: String,
        value: Box<Node>,
        body: Box<Node>,
    },
    Conditional(Box<[Node; 3]>),
    Array(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// `filter(list, predicate)` of which one element is wanted.
#[derive(Debug, Clone)]
pub(super) struct Find {
    pub(super) list: Box<Node>,
    pub(super) predicate: Box<Node>,
    pub(super) last: bool,
    /// Whether it is an error to find nothing.
    pub(super) throws: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pointer {
    Item,
    Index,
    Accumulator,
    /// Any other name: an error once the place is checked.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Minus,
    Plus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    Greater,
    LessEqual,
    GreaterEqual,
    In,
    Matches,
    Contains,
    StartsWith,
    EndsWith,
    Range,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Coalesce,
}

impl Binary {
    /// The operator spelled `text` and how tightly it binds.
    pub(super) fn of(text: &str) -> Option<(Self, u16)> {
        Some(match text {
            "or" | "||" => (Self::Or, 10),
            "and" | "&&" => (Self::And, 15),
            "==" => (Self::Equal, 20),
            "!=" => (Self::NotEqual, 20),
            "<" => (Self::Less, 20),
            ">" => (Self::Greater, 20),
            "<=" => (Self::LessEqual, 20),
            ">=" => (Self::GreaterEqual, 20),
            "in" => (Self::In, 20),
            "matches" => (Self::Matches, 20),
            "contains" => (Self::Contains, 20),
            "startsWith" => (Self::StartsWith, 20),
            "endsWith" => (Self::EndsWith, 20),
            ".." => (Self::Range, 25),
            "+" => (Self::Add, 30),
            "-" => (Self::Subtract, 30),
            "*" => (Self::Multiply, 60),
            "/" => (Self::Divide, 60),
            "%" => (Self::Modulo, 60),
            "**" | "^" => (Self::Power, 100),
            "??" => (Self::Coalesce, 500),
            _ => return None,
        })
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::Greater => ">",
            Self::LessEqual => "<=",
            Self::GreaterEqual => ">=",
            Self::In => "in",
            Self::Matches => "matches",
            Self::Contains => "contains",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Range => "..",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Power => "**",
            Self::Coalesce => "??",
        }
    }
}

impl Node {
    /// A node, its height taken from its children.
    pub(super) fn new(at: usize, kind: Kind) -> Self {
        let mut height = 0;
        kind.each_child(&mut |child| height = height.max(child.height));
        Self {
            at,
            height: height + 1,
            kind,
        }
    }

    /// Visits the tree from the leaves to the root.
    pub(super) fn walk(&mut self, visit: &mut dyn FnMut(&mut Self)) {
        self.kind.each_child_mut(&mut |child| child.walk(visit));
        visit(self);
    }
}

/// Two functions over the same children, one of them mutable.
macro_rules! children {
    ($name:ident, $($mutable:tt)?) => {
        fn $name(&$($mutable)? self, visit: &mut dyn FnMut(&$($mutable)? Node)) {
            match self {
                Self::Nil
                | Self::Bool(_)
                | Self::Int(_)
                | Self::Float(_)
                | Self::Text(_)
                | Self::Name(_)
                | Self::Pointer(_) => {}
                Self::Unary(_, node)
                | Self::Matches(node, _)
                | Self::InTexts(node, _)
                | Self::Chain(node) => visit(node),
                Self::Binary(_, left, right) | Self::StrictEqual(left, right) => {
                    visit(left);
                    visit(right);
                }
                Self::Member { base, property, .. } => {
                    visit(base);
                    visit(property);
                }
                Self::Slice { base, from, to } => {
                    visit(base);
                    for node in [from, to].into_iter().flatten() {
                        visit(node);
                    }
                }
                Self::Call { callee, arguments } => {
                    visit(callee);
                    for node in arguments {
                        visit(node);
                    }
                }
                Self::Find(find) => {
                    visit(& $($mutable)? find.list);
                    visit(& $($mutable)? find.predicate);
                }
                Self::Let { value, body, .. } => {
                    visit(value);
                    visit(body);
                }
                Self::Conditional(parts) => {
                    let [condition, then, otherwise] = & $($mutable)? **parts;
                    visit(condition);
                    visit(then);
                    visit(otherwise);
                }
                Self::Builtin(_, nodes) | Self::Array(nodes) => {
                    for node in nodes {
                        visit(node);
                    }
                }
                Self::Map(pairs) => {
                    for (key, value) in pairs {
                        visit(key);
                        visit(value);
                    }
                }
            }
        }
    };
}

impl Kind {
    children!(each_child,);
    children!(each_child_mut, mut);
}
