//! Runs a template, by the rules of Go's `text/template`: what nil is where, which values have
//! fields, in which order arguments are checked.

use std::sync::Arc;

use super::format::{self, Printer};
use super::function::{Args, Function, Param, Scope};
use super::limit::{Fault, MAX_DEPTH, Outcome};
use super::method;
use super::node::{Block, Branch, Command, Ideal, Node, Number, Operand, Pipeline, Templates, Term};
use super::parse::MAIN;
use super::value::{Element, Text, Value};

/// Why a run stopped, and where in the source.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) message: String,
    pub(super) offset: usize,
}

/// Runs the main template with `data` as its dot, and returns what it wrote.
pub(super) fn run(templates: &Templates, scope: &Scope, data: Value) -> Result<Vec<u8>, Stop> {
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
    match run.block(&data, main) {
        Ok(_) => Ok(run.out.into_bytes()),
        Err(Fault(message)) => Err(Stop { message: message.into_owned(), offset: run.offset }),
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
                    (_, true) if matches!(node, Node::With(_)) => self.block(&value, &branch.then)?,
                    (_, true) => self.block(dot, &branch.then)?,
                    (Some(otherwise), false) => self.block(dot, otherwise)?,
                    (None, false) => Flow::Next,
                };
                self.variables.truncate(declared);
                return Ok(flow);
            }
            Node::Range(branch) => return self.range(dot, branch),
            Node::Template { name, argument, offset } => {
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
                    if self.iteration(branch, index, item.clone())? == Flow::Break {
                        break;
                    }
                }
                !list.items().is_empty()
            }
            Value::Map(map) => {
                let members = map.snapshot(&self.scope.budget)?;
                let is_empty = members.is_empty();
                for (key, member) in members {
                    if self.iteration(branch, Value::Text(key), member)? == Flow::Break {
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
        let unsigned = value.as_uint().map(|uint| i64::try_from(uint).unwrap_or(i64::MAX));
        let end = value.as_int().or(unsigned).unwrap_or(0);
        for int in 0..end {
            if self.iteration(branch, Value::Missing, make(int))? == Flow::Break {
                break;
            }
        }
        Ok(end > 0)
    }

    fn iteration(&mut self, branch: &Branch, index: Value, item: Value) -> Outcome<Flow> {
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
        let flow = self.block(&item, &branch.then)?;
        self.variables.truncate(declared);
        Ok(flow)
    }

    fn assign(&mut self, name: &str, value: Value) -> Outcome<()> {
        match self.variables.iter_mut().rev().find(|(known, _)| **known == *name) {
            Some(slot) => {
                slot.1 = value;
                Ok(())
            }
            None => Err(format!("undefined variable: {name}").into()),
        }
    }

    fn pipeline(&mut self, dot: &Value, pipeline: &Pipeline) -> Outcome<Value> {
        let mut value = None;
        for command in &pipeline.commands {
            let result = self.command(dot, command, value.take())?;
            // What is nil at the end of a command is no value at all for the next one.
            value = Some(if result.is_nothing() { Value::Missing } else { result });
        }
        let value = value.unwrap_or(Value::Missing);
        for name in &pipeline.variables {
            if pipeline.is_assignment {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((name.clone(), value.clone()));
            }
        }
        Ok(value)
    }

    /// Evaluates a command; `last` is the value of the command before it in the pipeline.
    fn command(&mut self, dot: &Value, command: &Command, last: Option<Value>) -> Outcome<Value> {
        let Some((first, rest)) = command.operands.split_first() else {
            return Err("empty command".into());
        };
        self.offset = first.offset;
        match &first.term {
            Term::Field(fields) => self.fields(dot, dot.clone(), fields, rest, last),
            Term::Chain { base, fields } => {
                let base = self.chain_base(dot, base)?;
                self.fields(dot, base, fields, rest, last)
            }
            Term::Variable { name, fields } if !fields.is_empty() => {
                let value = self.variable(name)?;
                self.fields(dot, value, fields, rest, last)
            }
            Term::Function(function) => {
                self.call(dot, function, None, rest, last)
            }
            _ if !rest.is_empty() || last.is_some() => {
                Err("can't give argument to non-function".into())
            }
            Term::Pipeline(pipeline) => self.nested_pipeline(dot, pipeline),
            Term::Variable { name, .. } => self.variable(name),
            Term::Dot => Ok(dot.clone()),
            Term::Nil => Err("nil is not a command".into()),
            Term::Bool(value) => Ok(Value::Bool(*value)),
            Term::Number(number) => ideal(*number),
            Term::Text(text) => Ok(Value::Text(text.clone())),
        }
    }

    fn nested_pipeline(&mut self, dot: &Value, pipeline: &Pipeline) -> Outcome<Value> {
        self.enter()?;
        let value = self.pipeline(dot, pipeline)?;
        self.depth -= 1;
        Ok(value)
    }

    fn variable(&self, name: &str) -> Outcome<Value> {
        match self.variables.iter().rev().find(|(known, _)| **known == *name) {
            Some((_, value)) => Ok(value.clone()),
            None => Err(format!("undefined variable: {name}").into()),
        }
    }

    fn chain_base(&mut self, dot: &Value, base: &Operand) -> Outcome<Value> {
        match &base.term {
            Term::Pipeline(pipeline) => self.nested_pipeline(dot, pipeline),
            Term::Function(function) => self.call(dot, function, None, &[], None),
            _ => Err("only a pipeline or a function has fields".into()),
        }
    }

    /// `.a.b.c argument…`: only the last name can be a method with arguments.
    fn fields(
        &mut self,
        dot: &Value,
        mut value: Value,
        fields: &[Text],
        arguments: &[Operand],
        last: Option<Value>,
    ) -> Outcome<Value> {
        let Some((final_name, names)) = fields.split_last() else {
            return Ok(value);
        };
        for name in names {
            value = self.field(dot, value, name, &[], None)?;
        }
        self.field(dot, value, final_name, arguments, last)
    }

    fn field(
        &mut self,
        dot: &Value,
        receiver: Value,
        name: &Text,
        arguments: &[Operand],
        last: Option<Value>,
    ) -> Outcome<Value> {
        let shown = String::from_utf8_lossy(name);
        match &receiver {
            Value::Missing => return Ok(Value::Missing),
            Value::Nil => {
                return Err(format!("nil pointer evaluating interface {{}}.{shown}").into());
            }
            Value::Map(_) if !arguments.is_empty() || last.is_some() => {
                return Err(format!("{shown} is not a method but has arguments").into());
            }
            Value::Map(map) => return Ok(map.get(name).unwrap_or(Value::Missing)),
            _ => {}
        }
        if let Some(method) = method::find(&receiver, &shown) {
            return self.call(dot, method, Some(receiver), arguments, last);
        }
        Err(format!("can't evaluate field {shown} in type {}", receiver.type_name()).into())
    }

    /// Calls a function, or a method of `receiver`. The value of the command before comes last.
    fn call(
        &mut self,
        dot: &Value,
        function: &'static Function,
        receiver: Option<Value>,
        arguments: &[Operand],
        last: Option<Value>,
    ) -> Outcome<Value> {
        let offset = self.offset;
        function.check_count(arguments.len() + usize::from(last.is_some()))?;
        self.enter()?;
        if matches!(function.name, "and" | "or") {
            let value = self.and_or(dot, function.name == "or", arguments, last)?;
            self.depth -= 1;
            return Ok(value);
        }
        let mut values = Vec::with_capacity(arguments.len() + 2);
        values.extend(receiver);
        let own = values.len();
        for operand in arguments {
            let param = function.param(values.len() - own).unwrap_or(Param::Any);
            values.push(self.argument(dot, param, operand)?);
        }
        if let Some(last) = last {
            let param = function.param(values.len() - own).unwrap_or(Param::Any);
            self.offset = offset;
            values.push(param.check(last)?);
        }
        self.offset = offset;
        let result = (function.run)(&Args { scope: self.scope, values })
            .map_err(|Fault(message)| format!("error calling {}: {message}", function.name))?;
        self.depth -= 1;
        Ok(result)
    }

    /// `and` and `or` evaluate their arguments only as far as needed.
    fn and_or(
        &mut self,
        dot: &Value,
        stop_at: bool,
        arguments: &[Operand],
        last: Option<Value>,
    ) -> Outcome<Value> {
        let mut value = Value::Missing;
        for operand in arguments {
            value = self.argument(dot, Param::Raw, operand)?;
            if value.is_true() == stop_at {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    fn argument(&mut self, dot: &Value, param: Param, operand: &Operand) -> Outcome<Value> {
        self.offset = operand.offset;
        let value = match &operand.term {
            Term::Dot => dot.clone(),
            Term::Nil => return nil_argument(param),
            Term::Field(fields) => self.fields(dot, dot.clone(), fields, &[], None)?,
            Term::Variable { name, fields } => {
                let value = self.variable(name)?;
                self.fields(dot, value, fields, &[], None)?
            }
            Term::Pipeline(pipeline) => self.nested_pipeline(dot, pipeline)?,
            Term::Function(function) => self.call(dot, function, None, &[], None)?,
            Term::Chain { base, fields } => {
                let base = self.chain_base(dot, base)?;
                self.fields(dot, base, fields, &[], None)?
            }
            Term::Bool(value) => return constant(param, Value::Bool(*value)),
            Term::Text(text) => return constant(param, Value::Text(text.clone())),
            Term::Number(number) => return number_argument(param, *number),
        };
        self.offset = operand.offset;
        param.check(value)
    }
}

fn ideal(number: Number) -> Outcome<Value> {
    match (number.ideal, number.int, number.float) {
        (Ideal::Int, Some(int), _) => Ok(Value::Int(int)),
        (Ideal::Float, _, Some(float)) => Ok(Value::Float(float)),
        _ => Err("the number overflows int".into()),
    }
}

fn nil_argument(param: Param) -> Outcome<Value> {
    match param {
        Param::Any => Ok(Value::Nil),
        Param::Raw => Ok(Value::Missing),
        Param::Dict => Ok(Value::Map(super::value::Map::nil(Element::Any))),
        other => Err(format!("cannot assign nil to {}", other.name()).into()),
    }
}

fn constant(param: Param, value: Value) -> Outcome<Value> {
    match (param, &value) {
        (Param::Any | Param::Raw, _)
        | (Param::Bool, Value::Bool(_))
        | (Param::Text, Value::Text(_)) => Ok(value),
        _ => Err(format!("expected {}; found a {}", param.name(), value.type_name()).into()),
    }
}

/// A number constant takes the type of its parameter if it can.
fn number_argument(param: Param, number: Number) -> Outcome<Value> {
    match (param, number.int, number.float) {
        (Param::Any | Param::Raw, ..) => ideal(number),
        (Param::Int, Some(int), _) => Ok(Value::Int(int)),
        (Param::Duration, Some(int), _) => Ok(Value::Duration(int)),
        (Param::Float, _, Some(float)) => Ok(Value::Float(float)),
        _ => Err(format!("expected {}; found a number", param.name()).into()),
    }
}
