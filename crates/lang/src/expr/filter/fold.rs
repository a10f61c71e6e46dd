//! Simplifies a checked tree where that changes the answer: `x && false` does not look at `x`, the
//! first of a filtered list ends the search, a list of literal texts takes only texts.

use super::Fault;
use super::builtins::Builtin;
use super::syntax::{Binary, Find, Kind, Node, Unary};

pub(super) fn fold(root: &mut Node) -> Result<(), Fault> {
    root.walk(&mut in_texts);
    let mut fault = None;
    root.walk(&mut |node| {
        if let Some(found) = constant(node)
            && fault.is_none()
        {
            fault = Some(found);
        }
    });
    if let Some(fault) = fault {
        return Err(fault);
    }
    root.walk(&mut first_of_filtered);
    Ok(())
}

fn take(node: &mut Node) -> Kind {
    std::mem::replace(&mut node.kind, Kind::Nil)
}

/// Takes a part that stands for the whole, its place in `at`.
fn take_at(node: &mut Node, at: &mut usize) -> Kind {
    *at = node.at;
    take(node)
}

fn in_texts(node: &mut Node) {
    let Kind::Binary(Binary::In, _, right) = &node.kind else {
        return;
    };
    let Kind::Array(items) = &right.kind else {
        return;
    };
    let texts: Option<_> = items
        .iter()
        .map(|item| match &item.kind {
            Kind::Text(text) => Some(text.clone()),
            _ => None,
        })
        .collect();
    if let (Some(texts), false) = (texts, items.is_empty())
        && let Kind::Binary(_, left, _) = take(node)
    {
        node.kind = Kind::InTexts(left, texts);
    }
}

/// Computes what is constant. Says what can never work.
fn constant(node: &mut Node) -> Option<Fault> {
    let at = &mut node.at;
    let kind = match &mut node.kind {
        Kind::Unary(operator, inner) => match (*operator, &inner.kind) {
            (Unary::Not, Kind::Bool(bool)) => Kind::Bool(!bool),
            (Unary::Minus, Kind::Int(int)) => Kind::Int(int.wrapping_neg()),
            (Unary::Minus, Kind::Float(float)) => Kind::Float(-float),
            (Unary::Plus, Kind::Int(_) | Kind::Float(_)) => take(inner),
            _ => return None,
        },
        Kind::StrictEqual(left, right) => match (&left.kind, &right.kind) {
            (Kind::Int(left), Kind::Int(right)) => Kind::Bool(left == right),
            (Kind::Text(left), Kind::Text(right)) => Kind::Bool(left == right),
            _ => return None,
        },
        Kind::Binary(operator, left, right) => match (*operator, &left.kind, &right.kind) {
            (Binary::Modulo, Kind::Int(_), Kind::Int(0)) => {
                return Some(Fault {
                    message: "integer divide by zero".into(),
                    at: *at,
                });
            }
            (Binary::Equal, Kind::Bool(left), Kind::Bool(right)) => Kind::Bool(left == right),
            (Binary::And, Kind::Bool(true), _) | (Binary::Or, Kind::Bool(false), _) => {
                take_at(right, at)
            }
            (Binary::And, _, Kind::Bool(true)) | (Binary::Or, _, Kind::Bool(false)) => {
                take_at(left, at)
            }
            (Binary::And, Kind::Bool(false), _) | (Binary::And, _, Kind::Bool(false)) => {
                Kind::Bool(false)
            }
            (Binary::Or, Kind::Bool(true), _) | (Binary::Or, _, Kind::Bool(true)) => {
                Kind::Bool(true)
            }
            (Binary::Add, Kind::Text(left), Kind::Text(right)) => Kind::Text(left.clone() + right),
            (operator, left, right) => arithmetic(operator, left, right)?,
        },
        _ => return None,
    };
    node.kind = kind;
    None
}

fn arithmetic(operator: Binary, left: &Kind, right: &Kind) -> Option<Kind> {
    if let (Kind::Int(left), Kind::Int(right)) = (left, right) {
        return Some(Kind::Int(match operator {
            Binary::Add => left.wrapping_add(*right),
            Binary::Subtract => left.wrapping_sub(*right),
            Binary::Multiply => left.wrapping_mul(*right),
            Binary::Modulo => left.wrapping_rem(*right),
            _ => return None,
        }));
    }
    None
}

/// `filter(list, p)[0]`, `first(filter(list, p))` and their ends, and `len(filter(list, p))`.
fn first_of_filtered(node: &mut Node) {
    let (filtered, last, throws) = match &mut node.kind {
        Kind::Member {
            base,
            property,
            optional: false,
        } => match &property.kind {
            Kind::Int(0) => (base, false, true),
            Kind::Int(-1) => (base, true, true),
            _ => return,
        },
        Kind::Builtin(Builtin::First | Builtin::Last | Builtin::Len, arguments)
            if arguments.len() != 1 =>
        {
            return;
        }
        Kind::Builtin(Builtin::Len, arguments) => {
            if let Kind::Builtin(Builtin::Filter, inner) = &mut arguments[0].kind {
                node.kind = Kind::Builtin(Builtin::Count, std::mem::take(inner));
            }
            return;
        }
        Kind::Builtin(builtin @ (Builtin::First | Builtin::Last), arguments) => {
            let last = *builtin == Builtin::Last;
            let Kind::Builtin(Builtin::Filter, _) = &arguments[0].kind else {
                return;
            };
            let mut inner = arguments.remove(0);
            node.kind = find(&mut inner, last, false).unwrap_or(Kind::Nil);
            return;
        }
        _ => return,
    };
    if let Some(kind) = find(filtered, last, throws) {
        node.kind = kind;
    }
}

fn find(filter: &mut Node, last: bool, throws: bool) -> Option<Kind> {
    let Kind::Builtin(Builtin::Filter, arguments) = &mut filter.kind else {
        return None;
    };
    let mut arguments = std::mem::take(arguments).into_iter();
    let (items, predicate) = (Box::new(arguments.next()?), Box::new(arguments.next()?));
    Some(Kind::Find(Find {
        list: items,
        predicate,
        last,
        throws,
    }))
}
