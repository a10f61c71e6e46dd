//! What is known of values before an expression runs, and which operators take them.

use super::syntax::Binary;

/// What is known of a value before it is computed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Any,
    Nil,
    Bool,
    Int,
    Float,
    Text,
    Time,
    Duration,
    List(Box<Type>),
    Map,
    /// What `groupBy` gives: lists under keys of any type.
    Groups,
    /// A function that is not called.
    Function,
    /// A method of a date or duration.
    Method(String),
}

impl Type {
    pub(super) fn any_list() -> Self {
        Self::List(Box::new(Self::Any))
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Float | Self::Duration)
    }

    pub(super) fn is_integer(&self) -> bool {
        matches!(self, Self::Int | Self::Duration)
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Nil => "nil",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Text => "string",
            Self::Time => "time",
            Self::Duration => "duration",
            Self::List(_) => "array",
            Self::Map | Self::Groups => "map",
            Self::Function | Self::Method(_) => "function",
        }
    }

    /// Whether Go counts both among one kind.
    pub(super) fn same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
            || matches!(
                (self, other),
                (Self::Map | Self::Groups, Self::Map | Self::Groups)
            )
            || matches!(
                (self, other),
                (
                    Self::Function | Self::Method(_),
                    Self::Function | Self::Method(_)
                )
            )
    }

    fn comparable(&self, other: &Self) -> bool {
        matches!(self, Self::Any | Self::Nil)
            || matches!(other, Self::Any | Self::Nil)
            || self.same_kind(other)
            || (self.is_number() && other.is_number())
    }

    pub(super) fn fits(&self, wanted: &Self) -> bool {
        matches!(wanted, Self::Any) || self == wanted
    }
}

/// What an expression is: its type and, of a list literal, the type its elements share.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) kind: Type,
    pub(super) element: Option<Type>,
}

impl From<Type> for Known {
    fn from(kind: Type) -> Self {
        Self {
            kind,
            element: None,
        }
    }
}

/// Whether one side is unknown and the other unknown or wanted.
fn either(left: &Type, right: &Type, wanted: impl Fn(&Type) -> bool) -> bool {
    match (left, right) {
        (Type::Any, Type::Any) => true,
        (Type::Any, known) | (known, Type::Any) => wanted(known),
        _ => false,
    }
}

/// The type of an operation, or none if the operator does not take the operands.
pub(super) fn result_of(operator: Binary, left: &Type, right_known: &Known) -> Option<Type> {
    let right = &right_known.kind;
    let numbers = left.is_number() && right.is_number();
    let texts = *left == Type::Text && *right == Type::Text;
    let combined = || {
        if left == right {
            left.clone()
        } else if matches!(left, Type::Float) || matches!(right, Type::Float) {
            Type::Float
        } else {
            Type::Int
        }
    };
    let number = Type::is_number;
    match operator {
        Binary::Equal | Binary::NotEqual => left.comparable(right).then_some(Type::Bool),
        Binary::Or | Binary::And => {
            let bools = *left == Type::Bool && *right == Type::Bool;
            (bools || either(left, right, |kind| *kind == Type::Bool)).then_some(Type::Bool)
        }
        Binary::Less | Binary::Greater | Binary::LessEqual | Binary::GreaterEqual => {
            let ordered = |kind: &Type| kind.is_number() || matches!(kind, Type::Text | Type::Time);
            let times = *left == Type::Time && *right == Type::Time;
            (numbers || texts || times || either(left, right, ordered)).then_some(Type::Bool)
        }
        Binary::Subtract => match (left, right) {
            _ if numbers => Some(combined()),
            (Type::Time, Type::Time) => Some(Type::Duration),
            (Type::Time, Type::Duration) => Some(Type::Time),
            _ => either(left, right, |kind| kind.is_number() || *kind == Type::Time)
                .then_some(Type::Any),
        },
        Binary::Multiply if numbers => Some(combined()),
        Binary::Multiply => either(left, right, number).then_some(Type::Any),
        Binary::Divide | Binary::Power => {
            (numbers || either(left, right, number)).then_some(Type::Float)
        }
        Binary::Modulo if left.is_integer() && right.is_integer() => Some(combined()),
        Binary::Modulo => either(left, right, Type::is_integer).then_some(Type::Any),
        Binary::Add => match (left, right) {
            _ if numbers => Some(combined()),
            _ if texts => Some(Type::Text),
            (Type::Time, Type::Duration) | (Type::Duration, Type::Time) => Some(Type::Time),
            _ => either(left, right, |kind| {
                kind.is_number() || matches!(kind, Type::Text | Type::Time)
            })
            .then_some(Type::Any),
        },
        Binary::In => is_in(left, right_known).then_some(Type::Bool),
        Binary::Matches | Binary::Contains | Binary::StartsWith | Binary::EndsWith => {
            (texts || either(left, right, |kind| *kind == Type::Text)).then_some(Type::Bool)
        }
        Binary::Range => {
            let integers = left.is_integer() && right.is_integer();
            (integers || either(left, right, Type::is_integer))
                .then_some(Type::List(Box::new(Type::Int)))
        }
        Binary::Coalesce => Some(match (left, right) {
            (Type::Nil, kind) | (kind, Type::Nil) => kind.clone(),
            (left, right) if right.fits(left) => left.clone(),
            _ => Type::Any,
        }),
    }
}

fn is_in(left: &Type, right: &Known) -> bool {
    match &right.kind {
        Type::Map => matches!(left, Type::Nil | Type::Any | Type::Text),
        Type::Groups | Type::Any => true,
        Type::List(item) => {
            *left == Type::Nil
                || (left.comparable(item)
                    && right
                        .element
                        .as_ref()
                        .is_none_or(|element| left.comparable(element)))
        }
        Type::Time => matches!(left, Type::Text | Type::Any),
        Type::Text => *left == Type::Any,
        _ => false,
    }
}
