//! The `conditions` of a trigger: which dependencies must have been satisfied for it to fire.
//!
//! The language is names of dependencies, `&&`, `||` and parentheses. Argo Events reads it in two
//! passes, through two other expression languages, so it refuses names such as `a.b`, `max` or `1x`
//! and takes `true` for a constant. Here a name is a name. What is not of this language but works in
//! Argo by accident (`[a]`, `"a"`, `a // both`) is read the way Argo does.

use super::filter;
use super::govaluate::{Expression, Value};

/// How long conditions may be.
const MAX_LENGTH: usize = 64 * 1024;

/// How deep parentheses may nest.
const MAX_NESTING: usize = 200;

/// Why conditions were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What is wrong, in one line.
    pub message: String,
    /// Where in the text, in bytes.
    pub offset: usize,
}

/// Compiled conditions.
#[derive(Debug, Clone)]
pub struct Conditions {
    expression: String,
    dependencies: Vec<String>,
    needs_and: bool,
    formula: Formula,
}

#[derive(Debug, Clone)]
enum Formula {
    /// A choice of [`Conditions::dependencies`].
    Tree(Node),
    /// What Argo's two passes make of a text that is not of this language.
    Accident(Expression),
}

#[derive(Debug, Clone)]
enum Node {
    Dependency(usize),
    All(Vec<Node>),
    Any(Vec<Node>),
}

impl Conditions {
    /// Compiles `text` over the declared `dependencies`; an empty text asks for all of them.
    ///
    /// `-` and `_` may stand for each other in a name, unless that is how two dependencies differ.
    ///
    /// # Errors
    /// If the text is not of the language, or names something that is not declared.
    pub fn compile(text: &str, dependencies: &[&str]) -> Result<Self, Error> {
        if text.len() > MAX_LENGTH {
            return Err(Error {
                message: "conditions are too long".into(),
                offset: MAX_LENGTH,
            });
        }
        if text.is_empty() {
            return Self::all(dependencies);
        }
        let mut parser = Parser {
            text,
            at: 0,
            declared: dependencies,
            used: Vec::new(),
        };
        match parser.whole() {
            Ok((node, expression)) => Ok(Self {
                expression,
                dependencies: parser.used,
                needs_and: node.has_all(),
                formula: Formula::Tree(node),
            }),
            Err(error) => accident(text, dependencies).ok_or(error),
        }
    }

    fn all(declared: &[&str]) -> Result<Self, Error> {
        if declared.is_empty() {
            return Err(Error {
                message: "there are no dependencies".into(),
                offset: 0,
            });
        }
        let mut used: Vec<String> = Vec::new();
        let nodes: Vec<_> = declared
            .iter()
            .map(|name| Node::Dependency(index_of(&mut used, name)))
            .collect();
        Ok(Self {
            expression: declared.join("&&"),
            dependencies: used,
            needs_and: nodes.len() > 1,
            formula: Formula::Tree(Node::All(nodes)),
        })
    }

    /// The conditions without blanks, names as they are declared.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// Whether events have to be kept until others join them. Without `&&` each event decides alone.
    pub fn needs_and(&self) -> bool {
        self.needs_and
    }

    /// The dependencies named, in order of appearance.
    pub fn dependencies(&self) -> &[String] {
        &self.dependencies
    }

    /// Whether the trigger fires when `satisfied` holds of exactly these dependencies.
    pub fn is_satisfied(&self, satisfied: impl Fn(&str) -> bool) -> bool {
        match &self.formula {
            Formula::Tree(node) => node.holds(&|index| satisfied(&self.dependencies[index])),
            // Without `&&` Argo fires on any event of a dependency that is named.
            Formula::Accident(_) if !self.needs_and => {
                self.dependencies.iter().any(|name| satisfied(name))
            }
            Formula::Accident(expression) => {
                let lookup = |name: &str| Some(Value::Bool(satisfied(name)));
                matches!(expression.eval(&lookup), Ok(Value::Bool(true)))
            }
        }
    }
}

impl Node {
    fn holds(&self, satisfied: &dyn Fn(usize) -> bool) -> bool {
        match self {
            Self::Dependency(index) => satisfied(*index),
            Self::All(nodes) => nodes.iter().all(|node| node.holds(satisfied)),
            Self::Any(nodes) => nodes.iter().any(|node| node.holds(satisfied)),
        }
    }

    fn has_all(&self) -> bool {
        match self {
            Self::Dependency(_) => false,
            Self::All(_) => true,
            Self::Any(nodes) => nodes.iter().any(Self::has_all),
        }
    }
}

fn index_of(used: &mut Vec<String>, name: &str) -> usize {
    used.iter()
        .position(|known| known == name)
        .unwrap_or_else(|| {
            used.push(name.to_owned());
            used.len() - 1
        })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    declared: &'a [&'a str],
    used: Vec<String>,
}

impl<'a> Parser<'a> {
    fn fail<T>(&self, message: impl Into<String>) -> Result<T, Error> {
        Err(Error {
            message: message.into(),
            offset: self.at,
        })
    }

    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.at..].trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    fn whole(&mut self) -> Result<(Node, String), Error> {
        let mut expression = String::new();
        let node = self.any(0, &mut expression)?;
        if self.rest().is_empty() {
            return Ok((node, expression));
        }
        self.fail("expected '&&', '||' or the end")
    }

    fn any(&mut self, nesting: usize, out: &mut String) -> Result<Node, Error> {
        let mut nodes = vec![self.all(nesting, out)?];
        while self.take("||") {
            out.push_str("||");
            nodes.push(self.all(nesting, out)?);
        }
        Ok(one_or(nodes, Node::Any))
    }

    fn all(&mut self, nesting: usize, out: &mut String) -> Result<Node, Error> {
        let mut nodes = vec![self.operand(nesting, out)?];
        while self.take("&&") {
            out.push_str("&&");
            nodes.push(self.operand(nesting, out)?);
        }
        Ok(one_or(nodes, Node::All))
    }

    fn operand(&mut self, nesting: usize, out: &mut String) -> Result<Node, Error> {
        if self.take("(") {
            if nesting >= MAX_NESTING {
                return self.fail("parentheses nest too deep");
            }
            out.push('(');
            let node = self.any(nesting + 1, out)?;
            if !self.take(")") {
                return self.fail("expected ')'");
            }
            out.push(')');
            return Ok(node);
        }
        let rest = self.rest();
        let in_name = |char: char| char.is_alphanumeric() || matches!(char, '-' | '_' | '.');
        let name = &rest[..rest.find(|char| !in_name(char)).unwrap_or(rest.len())];
        if name.is_empty() {
            return self.fail("expected the name of a dependency");
        }
        let Some(declared) = self.declared(name) else {
            return self.fail(format!("'{name}' is not a dependency"));
        };
        self.at += name.len();
        out.push_str(declared);
        Ok(Node::Dependency(index_of(&mut self.used, declared)))
    }

    /// The dependency meant: the one of that name, or the last that differs in `-` and `_` only.
    fn declared(&self, name: &str) -> Option<&'a str> {
        let alike = |declared: &&&str| declared.replace('-', "_") == name.replace('-', "_");
        let exact = self.declared.iter().find(|declared| **declared == name);
        exact
            .or_else(|| self.declared.iter().rev().find(alike))
            .copied()
    }
}

fn one_or(mut nodes: Vec<Node>, many: fn(Vec<Node>) -> Node) -> Node {
    match nodes.pop() {
        Some(only) if nodes.is_empty() => only,
        last => {
            nodes.extend(last);
            many(nodes)
        }
    }
}

/// Reads a text as Argo does: operators and parentheses become texts to be joined, the result is an
/// expression of govaluate.
fn accident(text: &str, dependencies: &[&str]) -> Option<Conditions> {
    let names: Vec<(String, String)> = dependencies
        .iter()
        .map(|name| (name.replace('-', "_"), (*name).to_owned()))
        .collect();
    let joined = text
        .replace('-', "_")
        .replace("&&", " + \"&&\" + ")
        .replace("||", " + \"||\" + ")
        .replace('(', "\"(\" + ")
        .replace(')', " + \")\"");
    let expression = filter::text_of(&joined, &names).ok()?.replace(' ', "");
    let compiled = Expression::compile(&expression.replace('-', "\\-")).ok()?;
    let known = |name: &String| dependencies.contains(&name.as_str());
    if !compiled.variables().iter().all(known) {
        return None;
    }
    Some(Conditions {
        dependencies: compiled.variables().to_vec(),
        needs_and: expression.contains('&'),
        expression,
        formula: Formula::Accident(compiled),
    })
}

#[cfg(test)]
mod tests;
