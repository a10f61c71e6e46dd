//! gojq's constructs in the terms of jaq's core.
//!
//! jaq's own operators differ from gojq's in what they do with paths that do not exist, with several
//! outputs and with errors. So everything but the plain core becomes a call of a definition or a
//! native whose name starts with `!`, which no program can name. Here too the ticks are put in that
//! bound a run: before the body of each definition, before the right side of each comma, before each
//! update of a fold. There is no endless program without one of these.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::ops::{Cmp, Math};
use jaq_core::path::{Opt, Part, Path};

/// A term with what is known about it.
#[derive(Debug, Clone)]
pub(super) struct Node<'s> {
    pub(super) term: Term<&'s str>,
    /// How deep terms nest in it.
    pub(super) height: u32,
    /// Whether it surely has one output at most.
    pub(super) single: bool,
}

/// A suffix of a term, until it is known whether a `?` follows.
#[derive(Debug, Clone)]
pub(super) enum Suffix<'s> {
    Index(Node<'s>),
    Slice(Option<Node<'s>>, Option<Node<'s>>),
    Iterate,
}

fn boxed(node: Node<'_>) -> Box<Term<&str>> {
    Box::new(node.term)
}

impl<'s> Node<'s> {
    pub(super) fn leaf(term: Term<&'s str>) -> Self {
        Self {
            term,
            height: 1,
            single: true,
        }
    }

    fn over(term: Term<&'s str>, height: u32, single: bool) -> Self {
        Self {
            term,
            height: height + 1,
            single,
        }
    }

    pub(super) fn identity() -> Self {
        Self::leaf(Term::Id)
    }

    pub(super) fn recurse() -> Self {
        Self {
            single: false,
            ..Self::leaf(Term::Recurse)
        }
    }

    pub(super) fn number(text: &'s str) -> Self {
        Self::leaf(Term::Num(text))
    }

    pub(super) fn text(text: &'s str) -> Self {
        Self::leaf(Term::Str(None, vec![StrPart::Str(text)]))
    }

    pub(super) fn variable(name: &'s str) -> Self {
        Self::leaf(Term::Var(name))
    }

    /// `null`, `true`, `false`, `[]`
    pub(super) fn constant(name: &'s str) -> Self {
        Self::leaf(Term::Call(name, Vec::new()))
    }

    pub(super) fn object(members: Vec<(Self, Self)>) -> Self {
        let height = members
            .iter()
            .map(|(key, value)| key.height.max(value.height))
            .max();
        let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let single = members
            .iter()
            .all(|(key, value)| key.single && value.single);
        let members = members
            .into_iter()
            .map(|(key, value)| (key.term, Some(value.term)));
        // jaq adds the members up, one nested in the other.
        let height = height.unwrap_or(0).saturating_add(count);
        Self::over(Term::Obj(members.collect()), height, single)
    }

    pub(super) fn array(items: Self) -> Self {
        let height = items.height;
        Self::over(Term::Arr(Some(boxed(items))), height, true)
    }

    /// A call; `single` if the native called has one output at most.
    pub(super) fn call(name: &'s str, args: Vec<Self>, single: bool) -> Self {
        let height = args.iter().map(|arg| arg.height).max().unwrap_or(0);
        Self::over(
            Term::Call(name, args.into_iter().map(|arg| arg.term).collect()),
            height,
            single,
        )
    }

    /// The same, counted as a step that leads deeper.
    pub(super) fn entered(self) -> Self {
        Self::call("!enter", Vec::new(), true).pipe(self)
    }

    fn binary(self, op: BinaryOp<&'s str>, right: Self) -> Self {
        let (height, single) = (self.height.max(right.height), self.single && right.single);
        Self::over(Term::BinOp(boxed(self), op, boxed(right)), height, single)
    }

    pub(super) fn pipe(self, right: Self) -> Self {
        if matches!(self.term, Term::Id) {
            return right;
        }
        self.binary(BinaryOp::Pipe(None), right)
    }

    pub(super) fn bind(self, pattern: Pattern<&'s str>, body: Self) -> Self {
        let variable = matches!(pattern, Pattern::Var(_));
        let node = self.binary(BinaryOp::Pipe(Some(pattern)), body);
        Self {
            single: node.single && variable,
            ..node
        }
    }

    pub(super) fn comma(self, right: Self) -> Self {
        let right = tick().pipe(right);
        Self {
            single: false,
            ..self.binary(BinaryOp::Comma, right)
        }
    }

    pub(super) fn logic(self, op: BinaryOp<&'s str>, right: Self) -> Self {
        self.binary(op, right)
    }

    /// An operator over two values: all outputs of the left side for each of the right side.
    pub(super) fn operate(self, op: BinaryOp<&'s str>, right: Self) -> Self {
        if self.single || right.single {
            return self.binary(op, right);
        }
        let operation = self.binary(op, Self::variable("$!right"));
        right.bind(Pattern::Var("$!right"), operation)
    }

    pub(super) fn math(self, op: Math, right: Self) -> Self {
        self.operate(BinaryOp::Math(op), right)
    }

    pub(super) fn compare(self, op: Cmp, right: Self) -> Self {
        self.operate(BinaryOp::Cmp(op), right)
    }

    /// `self // right`; in paths too only what is neither `null` nor `false` counts.
    pub(super) fn alternative(self, right: Self) -> Self {
        let single = self.single;
        let truthy = self.pipe(Self::branch(
            Self::identity(),
            Self::identity(),
            Self::call("!none", Vec::new(), true),
        ));
        Self {
            single: single && right.single,
            ..truthy.binary(BinaryOp::Alt, right)
        }
    }

    pub(super) fn branch(condition: Self, then: Self, other: Self) -> Self {
        let height = condition.height.max(then.height).max(other.height);
        let single = condition.single && then.single && other.single;
        let branches = vec![(condition.term, then.term)];
        Self::over(
            Term::IfThenElse(branches, Some(boxed(other))),
            height,
            single,
        )
    }

    pub(super) fn attempt(self, catch: Option<Self>) -> Self {
        let height = catch
            .as_ref()
            .map_or(0, |catch| catch.height)
            .max(self.height);
        // After outputs may come an error, and then the outputs of `catch`.
        let single = self.single && catch.as_ref().is_none_or(|catch| catch.single);
        Self::over(
            Term::TryCatch(boxed(self), catch.map(boxed)),
            height,
            single,
        )
    }

    pub(super) fn negate(self) -> Self {
        let (height, single) = (self.height, self.single);
        Self::over(Term::Neg(boxed(self)), height, single)
    }

    pub(super) fn label(name: &'s str, body: Self) -> Self {
        let height = body.height;
        Self::over(Term::Label(name, boxed(body)), height, false)
    }

    pub(super) fn leave(name: &'s str) -> Self {
        Self {
            single: false,
            ..Self::leaf(Term::Break(name))
        }
    }

    pub(super) fn define(def: Def<&'s str>, height: u32, body: Self) -> Self {
        let (height, single) = (height.max(body.height), body.single);
        match body.term {
            Term::Def(mut defs, body) => {
                defs.insert(0, def);
                Self {
                    term: Term::Def(defs, body),
                    height,
                    single,
                }
            }
            term => Self::over(Term::Def(vec![def], Box::new(term)), height, single),
        }
    }

    pub(super) fn suffixed(self, suffix: Suffix<'s>) -> Self {
        let (part, height, single) = match suffix {
            Suffix::Index(index) => (Part::Index(index.term), index.height, index.single),
            Suffix::Iterate => (Part::Range(None, None), 0, false),
            Suffix::Slice(start, end) => {
                let ends = || start.iter().chain(&end);
                let height = ends().map(|end| end.height).max().unwrap_or(0);
                let single = ends().all(|end| end.single);
                (
                    Part::Range(start.map(|end| end.term), end.map(|end| end.term)),
                    height,
                    single,
                )
            }
        };
        let (height, single) = (self.height.max(height), self.single && single);
        let part = (part, Opt::Essential);
        match self.term {
            Term::Path(base, mut path) => {
                path.0.push(part);
                Self {
                    term: Term::Path(base, path),
                    height: height + 1,
                    single,
                }
            }
            term => Self::over(Term::Path(Box::new(term), Path(vec![part])), height, single),
        }
    }

    /// `self = value`
    pub(super) fn assign(self, value: Self) -> Self {
        let single = value.single;
        Self::call("!assign", vec![self, value], single)
    }

    /// `self |= f`
    pub(super) fn modify(self, f: Self) -> Self {
        Self::call("!modify", vec![self, f], true)
    }

    /// `self += value` and the like.
    pub(super) fn modify_by(self, value: Self, op: impl FnOnce(Self, Self) -> Self) -> Self {
        let change = op(Self::identity(), Self::variable("$!by"));
        value.bind(Pattern::Var("$!by"), self.modify(change))
    }

    pub(super) fn reduce(
        source: Self,
        pattern: Pattern<&'s str>,
        init: Self,
        update: Self,
    ) -> Self {
        let update = if update.single {
            update
        } else {
            Self::call("!last", vec![update], true)
        };
        fold(
            "reduce",
            source,
            pattern,
            init,
            vec![Self::call("!grow", Vec::new(), true).pipe(update)],
        )
    }

    /// The state becomes each output of `update` in turn; without output it stays.
    pub(super) fn foreach(
        source: Self,
        pattern: Pattern<&'s str>,
        init: Self,
        update: Self,
        extract: Option<Self>,
    ) -> Self {
        let grow = Self::call("!grow", Vec::new(), true);
        if update.single && !may_be_empty(&update.term) {
            let steps = std::iter::once(grow.pipe(update)).chain(extract).collect();
            return fold("foreach", source, pattern, init, steps);
        }
        let field = |index| Self::identity().suffixed(Suffix::Index(Self::number(index)));
        let update = grow.pipe(Self::call("!advance", vec![update], true));
        let outputs = field("1").suffixed(Suffix::Iterate);
        let init = Self::call("!state", vec![init], false);
        let extract = outputs.pipe(extract.unwrap_or_else(Self::identity));
        fold("foreach", source, pattern, init, vec![update, extract])
    }
}

/// Whether a term of one output at most may have none.
fn may_be_empty(term: &Term<&str>) -> bool {
    match term {
        Term::Id | Term::Num(_) | Term::Str(..) | Term::Arr(_) | Term::Var(_) => false,
        Term::Path(base, _) => may_be_empty(base),
        Term::Neg(inner) => may_be_empty(inner),
        Term::BinOp(left, BinaryOp::Pipe(_) | BinaryOp::Math(_) | BinaryOp::Cmp(_), right) => {
            may_be_empty(left) || may_be_empty(right)
        }
        Term::IfThenElse(branches, other) => {
            let mut terms = branches
                .iter()
                .flat_map(|(condition, then)| [condition, then]);
            terms.any(may_be_empty) || other.as_deref().is_some_and(may_be_empty)
        }
        Term::Obj(members) => members
            .iter()
            .any(|(key, value)| may_be_empty(key) || value.as_ref().is_some_and(may_be_empty)),
        Term::Call(name, args) => !args.is_empty() || *name == "!none",
        _ => true,
    }
}

fn fold<'s>(
    kind: &'s str,
    source: Node<'s>,
    pattern: Pattern<&'s str>,
    init: Node<'s>,
    steps: Vec<Node<'s>>,
) -> Node<'s> {
    // An initial value that is bound lets jaq forget the inputs it has seen.
    let (bound, init) = if init.single {
        (None, init)
    } else {
        (Some(init), Node::variable("$!init"))
    };
    let nodes = || steps.iter().chain([&source, &init]);
    let height = nodes().map(|node| node.height).max().unwrap_or(0);
    let single = kind == "reduce" && init.single;
    let args = std::iter::once(init.term).chain(steps.into_iter().map(|step| step.term));
    let term = Term::Fold(kind, Box::new(source.term), pattern, args.collect());
    let node = Node::over(term, height, single);
    match bound {
        Some(init) => init.bind(Pattern::Var("$!init"), node),
        None => node,
    }
}

/// Passes its input on while the run may go on.
fn tick<'s>() -> Node<'s> {
    Node::call("!tick", Vec::new(), true)
}

/// A definition whose every call is counted; `linked` if calls of it nest jaq's environments.
pub(super) fn definition<'s>(
    name: &'s str,
    args: Vec<&'s str>,
    body: Node<'s>,
    linked: bool,
) -> (Def<&'s str>, u32) {
    let counted = Node::call(if linked { "!link" } else { "!call" }, Vec::new(), true).pipe(body);
    (
        Def {
            name,
            args,
            body: counted.term,
        },
        counted.height,
    )
}

/// `source as first ?// second | body`: the first pattern that leads to no error.
pub(super) fn destructure<'s>(
    source: Node<'s>,
    patterns: Vec<Pattern<&'s str>>,
    names: &[&'s str],
    body: Node<'s>,
) -> Node<'s> {
    let args = || names.iter().map(|name| Node::variable(name)).collect();
    let (def, height) = definition("!body", names.to_vec(), body, false);
    let bound = |pattern| {
        let call = Node::call("!body", args(), false);
        let node = Node::variable("$!source").bind(pattern, call);
        names.iter().fold(node, |node, name| {
            Node::constant("!null").bind(Pattern::Var(name), node)
        })
    };
    let mut tried = patterns.into_iter().rev().map(bound);
    let Some(last) = tried.next() else {
        return source;
    };
    let chain = tried.fold(last, |next, node| {
        let catch = Node::variable("$!input").pipe(next);
        let attempt = node.attempt(Some(catch));
        Node::identity().binary(BinaryOp::Pipe(Some(Pattern::Var("$!input"))), attempt)
    });
    let node = source.bind(Pattern::Var("$!source"), chain);
    Node {
        single: false,
        ..Node::define(def, height, node)
    }
}
