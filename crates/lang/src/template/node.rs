//! The tree of a template. Everything that can be decided before an event comes is decided in it:
//! functions are looked up, constants are read.

use std::collections::HashMap;
use std::sync::Arc;

use super::function::Function;
use super::value::Text;

/// A list of things to do in order.
pub(super) type Block = Vec<Node>;

/// All named templates of a source.
pub(super) type Templates = HashMap<Text, Arc<Block>>;

/// One piece of a template.
#[derive(Debug)]
pub(super) enum Node {
    /// Text that is written as it is.
    Text(Text),
    /// `{{ pipeline }}`: its value is written unless it is given to a variable.
    Action(Pipeline),
    /// `{{ break }}`
    Break,
    /// `{{ continue }}`
    Continue,
    /// `{{ if }}`
    If(Branch),
    /// `{{ with }}`
    With(Branch),
    /// `{{ range }}`
    Range(Branch),
    /// `{{ template "name" pipeline }}`, also what is left of a `{{ block }}`
    Template {
        name: Text,
        argument: Option<Pipeline>,
        offset: usize,
    },
}

/// What `if`, `with` and `range` have in common.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) pipeline: Pipeline,
    pub(super) then: Block,
    pub(super) otherwise: Option<Block>,
}

/// `$x, $y := command | command`
#[derive(Debug)]
pub(super) struct Pipeline {
    /// The variables that get the value.
    pub(super) variables: Vec<Arc<str>>,
    /// `=` instead of `:=`
    pub(super) is_assignment: bool,
    pub(super) commands: Vec<Command>,
}

/// `function argument argument`, or a single operand.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) operands: Vec<Operand>,
}

/// One word of a command, and where it stands in the source.
#[derive(Debug)]
pub(super) struct Operand {
    pub(super) term: Term,
    pub(super) offset: usize,
}

/// What a word can be.
#[derive(Debug)]
pub(super) enum Term {
    /// `.`
    Dot,
    /// `nil`
    Nil,
    Bool(bool),
    Number(Number),
    Text(Text),
    /// `.a.b`
    Field(Vec<Text>),
    /// `$x.a.b`
    Variable {
        name: Arc<str>,
        fields: Vec<Text>,
    },
    /// A function's name.
    Function(&'static Function),
    /// `( pipeline )`
    Pipeline(Box<Pipeline>),
    /// `(pipeline).a.b`
    Chain {
        base: Box<Operand>,
        fields: Vec<Text>,
    },
}

/// A numeric constant: as what it can be passed depends on the parameter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    /// Its value if it is whole and fits (`1e3` does).
    pub(super) int: Option<i64>,
    /// Its value if it is not complex.
    pub(super) float: Option<f64>,
    /// What it is where any type will do.
    pub(super) ideal: Ideal,
}

/// The type that the way of writing gives a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ideal {
    Int,
    Float,
    /// Above the largest `int`.
    Overflow,
}
