//! Runs a template, by the rules of Go's `text/template`: what nil is where, which values have
//! fields, in which order arguments are checked.

mod evaluate;

use std::sync::Arc;

use super::format::{self, Printer};
use super::function::Scope;
use super::limit::{Fault, MAX_DEPTH, Outcome};
use super::node::{Block, Branch, Node, Pipeline, Templates};
use super::parse::MAIN;
use super::value::{Text, Value};

/// Why a run stopped, and where in the source.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) message: String,
    pub(super) offset: usize,
}

/// Runs the main template with `data` as its dot, and returns what it wrote.
pub(super) fn run(templates: &Templates, scope: &Scope, data: &Value) -> Result<Vec<u8>, Stop> {
    let mut run = Run {
        templates,
        scope,
        out: Printer::new(&scope.budget),
        variables: vec![("$".into(), data.clone())],
        offset: 0,
        depth: 0,
    };
    let Some(main) = templates.get(MAIN) else {
        return Ok(Vec::new());
    };
    match run.block(data, main) {
        Ok(_) => Ok(run.out.into_bytes()),
        Err(Fault(message)) => Err(Stop {
            message: message.into_owned(),
            offset: run.offset,
        }),
    }
}

struct Run<'a> {
    templates: &'a Templates,
    scope: &'a Scope,
    out: Printer<'a>,
    /// All that were declared, the innermost last.
    variables: Vec<(Arc<str>, Value)>,
    /// Where in the source the run is, for errors.
    offset: usize,
    depth: usize,
}

/// How a block ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

impl Run<'_> {
    fn enter(&mut self) -> Outcome<()> {
        if self.depth >= MAX_DEPTH {
            return Err("the template nests too deep".into());
        }
        self.depth += 1;
        self.scope.budget.step()
    }

    fn block(&mut self, dot: &Value, block: &Block) -> Outcome<Flow> {
        self.enter()?;
        for node in block {
            let flow = self.node(dot, node)?;
            if flow != Flow::Next {
                self.depth -= 1;
                return Ok(flow);
            }
        }
        self.depth -= 1;
        Ok(Flow::Next)
    }

    fn node(&mut self, dot: &Value, node: &Node) -> Outcome<Flow> {
        match node {
            Node::Text(text) => self.out.push(text)?,
            Node::Action(pipeline) => {
                let value = self.pipeline(dot, pipeline)?;
                if pipeline.variables.is_empty() {
                    self.print(&value)?;
                }
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
            Node::If(branch) | Node::With(branch) => {
                let declared = self.variables.len();
                let value = self.pipeline(dot, &branch.pipeline)?;
                let flow = match (&branch.otherwise, value.is_true()) {
                    (_, true) if matches!(node, Node::With(_)) => {
                        self.block(&value, &branch.then)?
                    }
                    (_, true) => self.block(dot, &branch.then)?,
                    (Some(otherwise), false) => self.block(dot, otherwise)?,
                    (None, false) => Flow::Next,
                };
                self.variables.truncate(declared);
                return Ok(flow);
            }
            Node::Range(branch) => return self.range(dot, branch),
            Node::Template {
                name,
                argument,
                offset,
            } => {
                self.template(dot, name, argument.as_ref(), *offset)?;
            }
        }
        Ok(Flow::Next)
    }

    fn print(&mut self, value: &Value) -> Outcome<()> {
        match value {
            Value::Missing => self.out.push(b"<no value>"),
            value => format::write_plain(&mut self.out, value),
        }
    }

    fn template(
        &mut self,
        dot: &Value,
        name: &Text,
        argument: Option<&Pipeline>,
        offset: usize,
    ) -> Outcome<()> {
        self.offset = offset;
        let Some(block) = self.templates.get(name).map(Arc::clone) else {
            return Err(format!("template {:?} not defined", String::from_utf8_lossy(name)).into());
        };
        let dot = match argument {
            Some(pipeline) => self.pipeline(dot, pipeline)?,
            None => Value::Missing,
        };
        // A template sees none of its caller's variables.
        let outer = std::mem::replace(&mut self.variables, vec![("$".into(), dot.clone())]);
        self.block(&dot, &block)?;
        self.variables = outer;
        Ok(())
    }

    fn range(&mut self, dot: &Value, branch: &Branch) -> Outcome<Flow> {
        let declared = self.variables.len();
        let over = self.pipeline(dot, &branch.pipeline)?;
        let ran = match &over {
            Value::List(list) => {
                for (index, item) in list.items().iter().enumerate() {
                    let index = Value::Int(i64::try_from(index).unwrap_or(i64::MAX));
                    if self.iteration(branch, index, item)? == Flow::Break {
                        break;
                    }
                }
                !list.items().is_empty()
            }
            Value::Map(map) => {
                let members = map.snapshot(&self.scope.budget)?;
                let is_empty = members.is_empty();
                for (key, member) in members {
                    if self.iteration(branch, Value::Text(key), &member)? == Flow::Break {
                        break;
                    }
                }
                !is_empty
            }
            Value::Missing | Value::Nil => false,
            value => self.count(branch, value)?,
        };
        let flow = match &branch.otherwise {
            Some(otherwise) if !ran => self.block(dot, otherwise)?,
            _ => Flow::Next,
        };
        self.variables.truncate(declared);
        Ok(flow)
    }

    /// Ranges over a whole number; returns whether there was anything to range over.
    fn count(&mut self, branch: &Branch, value: &Value) -> Outcome<bool> {
        let make: fn(i64) -> Value = match value {
            Value::Int(_) => Value::Int,
            Value::Int64(_) => Value::Int64,
            Value::Uint8(_) => |int| Value::Uint8(u8::try_from(int).unwrap_or(u8::MAX)),
            Value::Uint64(_) => |int| Value::Uint64(u64::try_from(int).unwrap_or(0)),
            Value::Duration(_) => Value::Duration,
            Value::Month(_) => Value::Month,
            Value::Weekday(_) => Value::Weekday,
            other => {
                let text = format::plain(&self.scope.budget, other)?;
                let text = String::from_utf8_lossy(&text);
                return Err(format!("range can't iterate over {text}").into());
            }
        };
        if branch.pipeline.variables.len() > 1 {
            return Err("a number can't be iterated over with two variables".into());
        }
        let unsigned = value
            .as_uint()
            .map(|uint| i64::try_from(uint).unwrap_or(i64::MAX));
        let end = value.as_int().or(unsigned).unwrap_or(0);
        for int in 0..end {
            if self.iteration(branch, Value::Missing, &make(int))? == Flow::Break {
                break;
            }
        }
        Ok(end > 0)
    }

    fn iteration(&mut self, branch: &Branch, index: Value, item: &Value) -> Outcome<Flow> {
        self.scope.budget.step()?;
        let variables = &branch.pipeline.variables;
        let values = match variables.len() {
            0 => vec![],
            1 => vec![item.clone()],
            _ => vec![index, item.clone()],
        };
        if branch.pipeline.is_assignment {
            for (name, value) in variables.iter().zip(values) {
                self.assign(name, value)?;
            }
        } else {
            // The pipeline declared them; each round gives them new values.
            let first = self.variables.len().saturating_sub(values.len());
            for (slot, value) in self.variables[first..].iter_mut().zip(values) {
                slot.1 = value;
            }
        }
        let declared = self.variables.len();
        let flow = self.block(item, &branch.then)?;
        self.variables.truncate(declared);
        Ok(flow)
    }

    fn assign(&mut self, name: &str, value: Value) -> Outcome<()> {
        match self
            .variables
            .iter_mut()
            .rev()
            .find(|(known, _)| **known == *name)
        {
            Some(slot) => {
                slot.1 = value;
                Ok(())
            }
            None => Err(format!("undefined variable: {name}").into()),
        }
    }
}
