//! The types functions and methods take and give.

use super::builtins::Builtin;
use super::moment;
use super::types::Type;

/// What a parameter takes.
#[derive(Clone, Copy)]
enum Wants {
    Anything,
    Text,
    Int,
    Texts,
    List,
}

impl Wants {
    fn takes(self, kind: &Type) -> bool {
        match (self, kind) {
            (Self::Anything, _) | (_, Type::Any | Type::Nil) => true,
            (Self::Text, kind) => *kind == Type::Text,
            (Self::Int, kind) => matches!(kind, Type::Int | Type::Duration),
            (Self::Texts, Type::List(item)) => **item == Type::Text,
            (Self::List, Type::List(item)) => **item == Type::Any,
            _ => false,
        }
    }
}

impl Builtin {
    /// The parameter lists of functions over plain types, and the type of the result.
    fn signatures(self) -> (&'static [&'static [Wants]], Type) {
        use Wants::{Anything, Int, List, Text, Texts};
        let text_list = || Type::List(Box::new(Type::Text));
        match self {
            Self::Type | Self::String | Self::ToJson => (&[&[Anything]], Type::Text),
            Self::Trim | Self::TrimPrefix | Self::TrimSuffix => {
                (&[&[Text], &[Text, Text]], Type::Text)
            }
            Self::Upper | Self::Lower | Self::ToBase64 | Self::FromBase64 => {
                (&[&[Text]], Type::Text)
            }
            Self::Split | Self::SplitAfter => (&[&[Text, Text], &[Text, Text, Int]], text_list()),
            Self::Replace => (&[&[Text, Text, Text], &[Text, Text, Text, Int]], Type::Text),
            Self::Repeat => (&[&[Text, Int]], Type::Text),
            Self::Join => (
                &[&[Texts, Text], &[List, Text], &[List], &[Texts]],
                Type::Text,
            ),
            Self::IndexOf | Self::LastIndexOf => (&[&[Text, Text]], Type::Int),
            Self::HasPrefix | Self::HasSuffix => (&[&[Text, Text]], Type::Bool),
            Self::FromJson => (&[&[Text]], Type::Any),
            Self::Now => (&[&[]], Type::Time),
            Self::Duration => (&[&[Text]], Type::Duration),
            Self::Date => (&[&[Text], &[Text, Text], &[Text, Text, Text]], Type::Time),
            _ => (&[], Type::Any),
        }
    }

    /// The type of a call with arguments of these types.
    pub(super) fn result_type(self, arguments: &[Type]) -> Result<Type, String> {
        let (signatures, result) = self.signatures();
        if !signatures.is_empty() {
            let fits = signatures.iter().any(|wants| {
                wants.len() == arguments.len()
                    && wants
                        .iter()
                        .zip(arguments)
                        .all(|(wants, kind)| wants.takes(kind))
            });
            return if fits {
                Ok(result)
            } else {
                Err(self.misuse(arguments))
            };
        }
        if matches!(self, Self::Max | Self::Min) {
            let Some(first) = arguments.first() else {
                return Err(format!("'{}' needs an argument", self.name()));
            };
            for kind in arguments {
                if *kind == Type::Any {
                    return Ok(Type::Any);
                }
                if !kind.is_number() {
                    return Err(self.misuse(arguments));
                }
            }
            return Ok(first.clone());
        }
        self.loose_type(arguments)
            .ok_or_else(|| self.misuse(arguments))
    }

    fn misuse(self, arguments: &[Type]) -> String {
        let names: Vec<_> = arguments.iter().map(Type::name).collect();
        format!("'{}' does not take ({})", self.name(), names.join(", "))
    }

    /// Functions whose result depends on what they are given.
    fn loose_type(self, arguments: &[Type]) -> Option<Type> {
        let [first, rest @ ..] = arguments else {
            return None;
        };
        let known_list = matches!(first, Type::List(_));
        let list = known_list || *first == Type::Any;
        let number = first.is_number() || *first == Type::Any;
        let texts = rest
            .iter()
            .all(|kind| matches!(kind, Type::Text | Type::Any));
        match (self, rest.len()) {
            (Self::Sort, 0 | 1) | (Self::SortBy, 1 | 2) if list && texts => Some(Type::any_list()),
            (Self::Get, 1) => match (first, &rest[0]) {
                (Type::Any, _) | (Type::Map, Type::Text | Type::Any) => Some(Type::Any),
                (Type::List(item), Type::Int | Type::Any) => Some((**item).clone()),
                (Type::Groups, key) if *key != Type::Nil => Some(Type::any_list()),
                _ => None,
            },
            (Self::Take, 1) if list && matches!(rest[0], Type::Int | Type::Any) => {
                Some(first.clone())
            }
            (_, 1..) => None,
            (Self::Len, _) => {
                let sized = matches!(first, Type::Map | Type::Groups | Type::Text);
                (list || sized).then_some(Type::Int)
            }
            (Self::Abs, _) => number.then(|| first.clone()),
            (Self::Ceil | Self::Floor | Self::Round, _) => number.then_some(Type::Float),
            (Self::Int, _) => (number || *first == Type::Text).then_some(Type::Int),
            (Self::Float, _) => (number || *first == Type::Text).then_some(Type::Float),
            (Self::Sum, _) => list.then_some(Type::Any),
            (Self::Mean | Self::Median, _) => list.then_some(Type::Float),
            (Self::First | Self::Last, _) => match first {
                Type::Any => Some(Type::Any),
                Type::List(item) => Some((**item).clone()),
                _ => None,
            },
            (Self::Keys | Self::Values | Self::ToPairs, _) => {
                matches!(first, Type::Any | Type::Map | Type::Groups).then(Type::any_list)
            }
            (Self::FromPairs, _) => list.then_some(Type::Map),
            _ => None,
        }
    }
}

/// Whether values of this type have a method `name`.
pub(super) fn has_method(kind: &Type, name: &str) -> bool {
    match kind {
        Type::Time => moment::TIME_METHODS.contains(&name),
        Type::Duration => moment::DURATION_METHODS.contains(&name),
        _ => false,
    }
}

/// The type a method gives.
pub(super) fn method_type(name: &str, arguments: &[Type]) -> Result<Type, String> {
    let (wanted, kind) = match name {
        "Year" | "Day" | "Hour" | "Minute" | "Second" | "Nanosecond" | "YearDay" | "Unix"
        | "UnixMilli" | "UnixMicro" | "UnixNano" | "Milliseconds" | "Microseconds"
        | "Nanoseconds" => (0, Type::Int),
        "Hours" | "Minutes" | "Seconds" => (0, Type::Float),
        "IsZero" => (0, Type::Bool),
        "UTC" => (0, Type::Time),
        "Abs" => (0, Type::Duration),
        "String" => (0, Type::Text),
        "Before" | "After" | "Equal" => (1, Type::Bool),
        "Add" | "Truncate" | "Round" => (1, Type::Any),
        "Sub" => (1, Type::Duration),
        "AddDate" => (3, Type::Time),
        _ => (0, Type::Any),
    };
    if arguments.len() != wanted {
        return Err(format!("'{name}' takes {wanted} arguments"));
    }
    Ok(kind)
}
