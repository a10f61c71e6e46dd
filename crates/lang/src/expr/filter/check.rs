//! Checks the types of an expression before it runs, as far as they are known: a key of the payload
//! may be anything, a literal and the result of a function may not.

use super::builtins::Builtin;
use super::syntax::{Binary, Kind, Node, Pointer, Unary};
use super::types::{Known, Type, result_of};
use super::{Fault, signatures};
use crate::regex;

/// Which names there are besides functions.
pub(super) enum Names<'a> {
    /// Any, of unknown type.
    Any,
    /// Only these, and they are texts.
    Texts(&'a [&'a str]),
}

/// Checks `root`, and marks comparisons that may not meet nil.
pub(super) fn check(root: &mut Node, names: &Names<'_>) -> Result<(), Fault> {
    Checker {
        names,
        scopes: Vec::new(),
        variables: Vec::new(),
    }
    .visit(root)?;
    Ok(())
}

struct Scope {
    item: Type,
    index: bool,
    accumulator: bool,
}

struct Checker<'a> {
    names: &'a Names<'a>,
    scopes: Vec<Scope>,
    variables: Vec<(String, Known)>,
}

fn fault<T>(node: &Node, message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault {
        message: message.into(),
        at: node.at,
    })
}

impl Checker<'_> {
    /// One arm per kind of node.
    fn visit(&mut self, node: &mut Node) -> Result<Known, Fault> {
        let at = node.at;
        let here = |message: String| Err(Fault { message, at });
        let kind = match &mut node.kind {
            Kind::Nil => Type::Nil,
            Kind::Bool(_) => Type::Bool,
            Kind::Int(_) => Type::Int,
            Kind::Float(_) => Type::Float,
            Kind::Text(_) => Type::Text,
            Kind::Name(name) => match self.name(name) {
                Ok(known) => return Ok(known),
                Err(message) => return here(message),
            },
            Kind::Unary(operator, inner) => {
                let inner = self.visit(inner)?.kind;
                match (*operator, &inner) {
                    (Unary::Not, Type::Bool | Type::Any) => Type::Bool,
                    (Unary::Minus | Unary::Plus, kind) if kind.is_number() => inner,
                    (Unary::Minus | Unary::Plus, Type::Any) => Type::Any,
                    _ => return here(format!("operator does not take a {}", inner.name())),
                }
            }
            Kind::Binary(..) => return self.binary(node).map(Known::from),
            Kind::Chain(inner) => return self.visit(inner),
            Kind::Member { .. } => self.member(node)?,
            Kind::Slice { .. } => self.slice(node)?,
            Kind::Call { callee, arguments } => self.call(at, callee, arguments)?,
            Kind::Builtin(builtin, arguments) => {
                let builtin = *builtin;
                if builtin.takes_predicate() {
                    self.predicate(builtin, arguments)?
                } else {
                    self.function(at, builtin, arguments)?
                }
            }
            Kind::Pointer(pointer) => match self.pointer(*pointer) {
                Some(kind) => kind,
                None => return here("there is no such '#' here".into()),
            },
            Kind::Let { name, value, body } => {
                if let Err(message) = self.declarable(name) {
                    return here(message);
                }
                let value = self.visit(value)?;
                self.variables.push((name.clone(), value));
                let body = self.visit(body);
                self.variables.pop();
                return body;
            }
            Kind::Conditional(parts) => self.conditional(parts)?,
            Kind::Array(nodes) => return self.array(nodes),
            Kind::Map(pairs) => {
                for (key, value) in pairs {
                    self.visit(key)?;
                    self.visit(value)?;
                }
                Type::Map
            }
            // Made from checked nodes only.
            Kind::StrictEqual(..) | Kind::Matches(..) | Kind::InTexts(..) | Kind::Find(_) => {
                Type::Any
            }
        };
        Ok(kind.into())
    }

    fn variable(&self, name: &str) -> Option<&Known> {
        self.variables
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, known)| known)
    }

    fn name(&self, name: &str) -> Result<Known, String> {
        if let Some(known) = self.variable(name) {
            return Ok(known.clone());
        }
        if name == "$env" {
            return Ok(Type::Map.into());
        }
        self.global(name).map(Known::from)
    }

    fn global(&self, name: &str) -> Result<Type, String> {
        if Builtin::of(name).is_some() {
            return Ok(Type::Function);
        }
        match self.names {
            Names::Any => Ok(Type::Any),
            Names::Texts(names) if names.contains(&name) => Ok(Type::Text),
            Names::Texts(_) => Err(format!("unknown name '{name}'")),
        }
    }

    fn declarable(&self, name: &str) -> Result<(), String> {
        let known = matches!(self.names, Names::Texts(names) if names.contains(&name));
        if known || Builtin::of(name).is_some() || self.variable(name).is_some() {
            return Err(format!("cannot declare '{name}' again"));
        }
        Ok(())
    }

    fn pointer(&self, pointer: Pointer) -> Option<Type> {
        let scope = self.scopes.last()?;
        match pointer {
            Pointer::Item => Some(scope.item.clone()),
            Pointer::Index => scope.index.then_some(Type::Int),
            Pointer::Accumulator => scope.accumulator.then_some(Type::Any),
            Pointer::Unknown => None,
        }
    }

    fn binary(&mut self, node: &mut Node) -> Result<Type, Fault> {
        let at = node.at;
        let Kind::Binary(operator, left_node, right_node) = &mut node.kind else {
            return Ok(Type::Any);
        };
        let operator = *operator;
        let left = self.visit(left_node)?.kind;
        let right = self.visit(right_node)?;
        let strict = operator == Binary::Equal
            && matches!(
                (&left, &right.kind),
                (Type::Int, Type::Int) | (Type::Text, Type::Text)
            );
        let pattern = match (operator, &right_node.kind) {
            (Binary::Matches, Kind::Text(pattern)) => {
                Some(regex::compile(pattern).map_err(|error| Fault {
                    message: error.message,
                    at,
                })?)
            }
            _ => None,
        };
        let Some(kind) = result_of(operator, &left, &right) else {
            let shadowed = shadowed(left_node, &left, &right.kind)
                .or_else(|| shadowed(right_node, &right.kind, &left))
                .unwrap_or_default();
            let message = format!(
                "'{}' does not take {} and {}{shadowed}",
                operator.text(),
                left.name(),
                right.kind.name()
            );
            return fault(node, message);
        };
        mark(node, strict, pattern);
        Ok(kind)
    }

    fn member(&mut self, node: &mut Node) -> Result<Type, Fault> {
        let at = node.at;
        let Kind::Member {
            base: base_node,
            property: property_node,
            ..
        } = &mut node.kind
        else {
            return Ok(Type::Any);
        };
        let base = self.visit(base_node)?.kind;
        let property = self.visit(property_node)?.kind;
        let literal = match &property_node.kind {
            Kind::Text(text) => Some(text.as_str()),
            _ => None,
        };
        if matches!(&base_node.kind, Kind::Name(name) if name == "$env") {
            return match literal {
                Some(name) => self.global(name).map_err(|message| Fault { message, at }),
                None => Ok(Type::Any),
            };
        }
        match (&base, literal) {
            (Type::Any, _) => return Ok(Type::Any),
            (Type::Time | Type::Duration, Some(name)) if signatures::has_method(&base, name) => {
                return Ok(Type::Method(name.to_owned()));
            }
            (Type::Map, _) if matches!(property, Type::Text | Type::Any | Type::Nil) => {
                return Ok(Type::Any);
            }
            (Type::Groups, _) => return Ok(Type::any_list()),
            (Type::List(item), _) if property.is_integer() || property == Type::Any => {
                return Ok((**item).clone());
            }
            _ => {}
        }
        fault(
            node,
            format!("cannot look up a {} in a {}", property.name(), base.name()),
        )
    }

    fn slice(&mut self, node: &mut Node) -> Result<Type, Fault> {
        let Kind::Slice { base, from, to } = &mut node.kind else {
            return Ok(Type::Any);
        };
        let kind = self.visit(base)?.kind;
        if !matches!(kind, Type::Any | Type::Text | Type::List(_)) {
            return fault(base, format!("cannot slice a {}", kind.name()));
        }
        for bound in [from, to].into_iter().flatten() {
            let bound_kind = self.visit(bound)?.kind;
            if !bound_kind.is_integer() && bound_kind != Type::Any {
                return fault(bound, "a bound of a slice is an int");
            }
        }
        Ok(kind)
    }

    fn call(&mut self, at: usize, callee: &mut Node, nodes: &mut [Node]) -> Result<Type, Fault> {
        let callee = self.visit(callee)?.kind;
        if callee == Type::Any {
            // What an unknown function is given is not looked at before it runs.
            return Ok(Type::Any);
        }
        let mut arguments = Vec::with_capacity(nodes.len());
        for node in nodes.iter_mut() {
            arguments.push(self.visit(node)?.kind);
        }
        match callee {
            Type::Method(name) => {
                signatures::method_type(&name, &arguments).map_err(|message| Fault { message, at })
            }
            other => Err(Fault {
                message: format!("cannot call a {}", other.name()),
                at,
            }),
        }
    }

    fn function(&mut self, at: usize, builtin: Builtin, nodes: &mut [Node]) -> Result<Type, Fault> {
        let node_count = nodes.len();
        let whole =
            matches!(nodes.first(), Some(Node { kind: Kind::Name(name), .. }) if name == "$env");
        if builtin == Builtin::Get && nodes.len() == 2 && whole {
            return Ok(match nodes[1].kind {
                Kind::Text(_) => Type::Nil,
                _ => Type::Any,
            });
        }
        let mut arguments = Vec::with_capacity(nodes.len());
        for node in nodes.iter_mut() {
            arguments.push(self.visit(node)?.kind);
            if builtin == Builtin::Get && node_count == 2 && arguments == [Type::Any] {
                // The key is not looked at.
                return Ok(Type::Any);
            }
        }
        builtin
            .result_type(&arguments)
            .map_err(|message| Fault { message, at })
    }

    fn predicate(&mut self, builtin: Builtin, nodes: &mut [Node]) -> Result<Type, Fault> {
        let [list_node, predicate_node, rest @ ..] = nodes else {
            return Ok(Type::Any);
        };
        let list = self.visit(list_node)?.kind;
        let item = match &list {
            Type::Any => Type::Any,
            Type::List(item) => (**item).clone(),
            other => {
                return fault(
                    list_node,
                    format!("'{}' takes a list, not a {}", builtin.name(), other.name()),
                );
            }
        };
        let reduce = builtin == Builtin::Reduce;
        self.scopes.push(Scope {
            item: item.clone(),
            index: reduce || builtin == Builtin::Map,
            accumulator: reduce,
        });
        let result = self.visit(predicate_node);
        self.scopes.pop();
        let result = result?.kind;
        for node in rest {
            self.visit(node)?;
        }
        if result == Type::Nil {
            return fault(predicate_node, "a predicate cannot be nil");
        }
        let kind = match builtin {
            Builtin::Reduce => return Ok(result),
            Builtin::GroupBy => return Ok(Type::Groups),
            Builtin::Map => return Ok(Type::List(Box::new(result))),
            Builtin::Filter => Type::List(Box::new(item)),
            Builtin::Find | Builtin::FindLast => item,
            Builtin::Count | Builtin::FindIndex | Builtin::FindLastIndex => Type::Int,
            _ => Type::Bool,
        };
        if !matches!(result, Type::Bool | Type::Any) {
            return fault(
                predicate_node,
                format!("a predicate is a bool, not a {}", result.name()),
            );
        }
        Ok(kind)
    }

    fn conditional(&mut self, parts: &mut [Node; 3]) -> Result<Type, Fault> {
        let [condition_node, then, otherwise] = parts;
        let condition = self.visit(condition_node)?.kind;
        if !matches!(condition, Type::Bool | Type::Any) {
            return fault(
                condition_node,
                format!("a condition is a bool, not a {}", condition.name()),
            );
        }
        let then = self.visit(then)?.kind;
        let otherwise = self.visit(otherwise)?.kind;
        Ok(match (then, otherwise) {
            (Type::Nil, kind) | (kind, Type::Nil) => kind,
            (then, otherwise) if then.fits(&otherwise) => then,
            _ => Type::Any,
        })
    }

    fn array(&mut self, nodes: &mut [Node]) -> Result<Known, Fault> {
        let mut shared: Option<Type> = None;
        let mut same = true;
        for node in nodes {
            let kind = self.visit(node)?.kind;
            if let Some(shared) = &shared {
                let nil = kind == Type::Nil || *shared == Type::Nil;
                same &= !nil && kind.same_kind(shared);
            }
            shared = Some(kind);
        }
        let element = shared.filter(|kind| same && *kind != Type::Nil);
        Ok(Known {
            kind: Type::any_list(),
            element,
        })
    }
}

/// Puts what the check found out into the tree.
fn mark(node: &mut Node, strict: bool, pattern: Option<regex::Regex>) {
    if !strict && pattern.is_none() {
        return;
    }
    if let Kind::Binary(_, left, right) = std::mem::replace(&mut node.kind, Kind::Nil) {
        node.kind = match pattern {
            Some(pattern) => Kind::Matches(left, pattern),
            None => Kind::StrictEqual(left, right),
        };
    }
}

/// How the field is had whose name is that of a function, if `node` is such a name and `other` what it is wanted as.
fn shadowed(node: &Node, of: &Type, other: &Type) -> Option<String> {
    let (Kind::Name(name), Type::Function) = (&node.kind, of) else {
        return None;
    };
    let conversion = match other {
        Type::Text => "string",
        Type::Int => "int",
        Type::Float => "float",
        _ => return Some(format!(": {name} is a function")),
    };
    Some(format!(
        ": {name} is a function, and {conversion}({name}) the field of this name"
    ))
}
