//! Evaluates pipelines: fields, methods and calls, with their arguments.

use super::super::function::{Args, Function, Param};
use super::super::limit::{Fault, Outcome};
use super::super::method;
use super::super::node::{Command, Ideal, Number, Operand, Pipeline, Term};
use super::super::value::{Element, Map, Text, Value};
use super::Run;

impl Run<'_> {
    pub(super) fn pipeline(&mut self, dot: &Value, pipeline: &Pipeline) -> Outcome<Value> {
        let mut value = None;
        for command in &pipeline.commands {
            let result = self.command(dot, command, value.take())?;
            // What is nil at the end of a command is no value at all for the next one.
            value = Some(if result.is_nothing() {
                Value::Missing
            } else {
                result
            });
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
            Term::Function(function) => self.call(dot, function, None, rest, last),
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
        match self
            .variables
            .iter()
            .rev()
            .find(|(known, _)| **known == *name)
        {
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
        Err(format!(
            "can't evaluate field {shown} in type {}",
            receiver.type_name()
        )
        .into())
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
        let result = (function.run)(&Args {
            scope: self.scope,
            values,
        })
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
        Param::Dict => Ok(Value::Map(Map::nil(Element::Any))),
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
