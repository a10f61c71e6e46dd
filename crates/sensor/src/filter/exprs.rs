//! Expression filters: govaluate expressions over values of the payload.

use tiphys_api::{ExprFilter, PayloadField};
use tiphys_eventbus::Event;
use tiphys_lang::expr::govaluate::{self, Expression, Value};
use tiphys_lang::path::{Document, Path};

use super::{Combine, Faults, Step, Verdict, json_payload, seen};

/// The entries of `exprs`.
#[derive(Debug)]
pub(super) struct Exprs {
    entries: Vec<Entry>,
    combine: Combine,
}

#[derive(Debug)]
struct Entry {
    source: String,
    expression: Result<Expression, String>,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    name: String,
    text: String,
    path: Result<Path, String>,
}

impl Exprs {
    pub(super) fn compile(specs: &[ExprFilter], combine: Combine, faults: &mut Faults<'_>) -> Self {
        let entry = |(index, spec): (usize, &ExprFilter)| Entry {
            source: spec.expr.to_string(),
            expression: faults.program(
                &format!("exprs[{index}].expr"),
                Expression::compile(&spec.expr),
            ),
            fields: spec
                .fields
                .iter()
                .enumerate()
                .map(|(at, field)| {
                    Field::compile(field, &format!("exprs[{index}].fields[{at}]"), faults)
                })
                .collect(),
        };
        Self {
            entries: specs.iter().enumerate().map(entry).collect(),
            combine,
        }
    }

    pub(super) fn check(&self, event: &Event) -> Verdict {
        if self.entries.is_empty() {
            return Verdict::Pass;
        }
        let payload = match json_payload(event) {
            None => return Verdict::Pass,
            Some(Ok(payload)) => payload,
            Some(Err(fault)) => return Verdict::fail(format_args!("expr filter error ({fault})")),
        };
        // An entry that binds no field is skipped.
        let checks = self
            .entries
            .iter()
            .filter(|entry| !entry.fields.is_empty())
            .map(|entry| (entry, entry.check(&payload)));
        match self.combine {
            Combine::And => all(checks),
            Combine::Or => any(checks),
        }
    }
}

impl Exprs {
    /// What each entry says, and what it saw. `verdict` is what they say together.
    pub(super) fn explain(&self, event: &Event, verdict: Verdict, steps: &mut Vec<Step>) {
        let Some(Ok(payload)) = json_payload(event) else {
            return steps.push(Step::new("exprs", verdict));
        };
        for (index, entry) in self.entries.iter().enumerate() {
            steps.push(entry.explain(index, &payload));
        }
        if self.combine == Combine::Or && self.entries.len() > 1 {
            steps.push(Step {
                asks: "one of them is enough (exprLogicalOperator: or)".to_owned(),
                ..Step::new("exprs", verdict)
            });
        }
    }
}

fn all<'e>(checks: impl Iterator<Item = (&'e Entry, Result<bool, String>)>) -> Verdict {
    for (entry, check) in checks {
        match check {
            Ok(true) => {}
            Ok(false) => return entry.reject(),
            Err(fault) => return Verdict::fail(format_args!("expr filter error ({fault})")),
        }
    }
    Verdict::Pass
}

fn any<'e>(checks: impl Iterator<Item = (&'e Entry, Result<bool, String>)>) -> Verdict {
    let mut faults = Vec::new();
    for (_, check) in checks {
        match check {
            Ok(true) => return Verdict::Pass,
            Ok(false) => {}
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() {
        Verdict::reject("no expression is true")
    } else {
        Verdict::fail(format_args!("expr filter errors [{}]", faults.join(" / ")))
    }
}

impl Entry {
    fn check(&self, payload: &Document<'_>) -> Result<bool, String> {
        let mut values = Vec::with_capacity(self.fields.len());
        let mut left = govaluate::MEMORY;
        for field in &self.fields {
            let value = field.value(payload)?;
            left = left
                .checked_sub(value.bytes())
                .ok_or(govaluate::NO_MEMORY)?;
            values.push((field.name.as_str(), value));
        }
        let expression = self.expression.as_ref().map_err(Clone::clone)?;
        let lookup = |name: &str| {
            values
                .iter()
                .rev()
                .find(|(field, _)| *field == name)
                .map(|(_, value)| value.clone())
        };
        match expression.eval(&lookup) {
            Ok(value) => Ok(value == Value::Bool(true)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn explain(&self, index: usize, payload: &Document<'_>) -> Step {
        let saw = self.fields.iter().map(|field| field.saw(payload));
        let saw: Vec<String> = saw.collect();
        let verdict = match self.check(payload) {
            // An entry that binds no field is skipped.
            _ if self.fields.is_empty() => Verdict::Pass,
            Ok(true) => Verdict::Pass,
            Ok(false) => Verdict::reject("it is not true"),
            Err(fault) => Verdict::Fail(fault),
        };
        Step {
            filter: format!("exprs[{index}]"),
            asks: self.source.clone(),
            saw: saw.join(", "),
            verdict,
        }
    }

    fn reject(&self) -> Verdict {
        Verdict::reject(format_args!("expression {:?} is not true", self.source))
    }
}

impl Field {
    fn compile(spec: &PayloadField, place: &str, faults: &mut Faults<'_>) -> Self {
        Self {
            name: spec.name.to_string(),
            text: spec.path.to_string(),
            path: faults.program(&format!("{place}.path"), Path::compile(&spec.path)),
        }
    }

    /// What the field has, for people.
    fn saw(&self, payload: &Document<'_>) -> String {
        let Self { name, path, .. } = self;
        match path {
            Err(fault) => format!("{name}: {fault}"),
            Ok(path) => match path.find(payload) {
                found if found.exists() => format!("{name} is {}", seen::value(&found)),
                _ => format!("{name} is {}", seen::missing(path, payload.json())),
            },
        }
    }

    fn value(&self, payload: &Document<'_>) -> Result<Value, String> {
        let found = self.path.as_ref().map_err(Clone::clone)?.find(payload);
        if !found.exists() {
            return Err(format!("path '{}' does not exist", self.text));
        }
        Ok(Value::from_json(found.raw()))
    }
}
