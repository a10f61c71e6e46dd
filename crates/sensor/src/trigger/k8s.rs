//! The `k8s` trigger: renders a Kubernetes object and says what is to be done with it.

use tiphys_api::{K8sOperation, Problem, StandardK8sTrigger};
use tiphys_lang::json::{self, Number, Value};

use super::base::Base;
use super::{FireError, Source, Steps};
use crate::action::{Action, K8sAction, PatchStrategy};
use crate::parameter::Parameter;
use crate::view::Views;

/// A compiled `k8s` template.
#[derive(Debug)]
pub(super) struct Template {
    base: Base,
    operation: K8sOperation,
    patch: PatchStrategy,
    live_object: bool,
    parameters: Vec<Parameter>,
}

impl Template {
    pub(super) fn compile(
        spec: &StandardK8sTrigger,
        field: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let missing = "trigger source for k8s is empty";
        let base = Base::compile(
            spec.source.as_ref(),
            missing,
            &format!("{field}.source"),
            problems,
        );
        let operation = operation(&spec.operation, field, problems);
        let patch = patch_strategy(&spec.patch_strategy, field, problems);
        let parameters =
            Parameter::compile_all(&spec.parameters, &format!("{field}.parameters"), problems);
        let live_object = *spec.live_object;
        Some(Self {
            base: base?,
            operation: operation?,
            patch: patch?,
            live_object,
            parameters,
        })
    }

    pub(super) fn render(
        &self,
        views: &Views<'_>,
        source: &Source<'_>,
        steps: &mut Steps,
    ) -> Result<Action, FireError> {
        let object = if self.live_object && self.operation == K8sOperation::Update {
            self.base.render_live(&self.parameters, views)?
        } else {
            let place = ("template.k8s.parameters", source.namespace);
            self.base.render(&self.parameters, place, views, steps)?
        };
        // What is deleted gets no labels.
        let policy = source
            .policy
            .labels
            .clone()
            .filter(|_| self.operation != K8sOperation::Delete);
        Ok(Action::K8s(K8sAction {
            operation: self.operation,
            patch: (self.operation == K8sOperation::Patch).then_some(self.patch),
            object,
            policy,
            marks: source.marks(views),
        }))
    }
}

/// An object as it is sent: whole numbers exact, keys sorted.
///
/// # Errors
/// If it is no JSON object, or has no `kind`.
pub fn render_object(text: &[u8]) -> Result<String, String> {
    let mut object = json::from_slice(text).map_err(|error| error.to_string())?;
    plain_numbers(&mut object);
    if !matches!(object.get("kind"), Some(Value::String(kind)) if !kind.is_empty()) {
        return Err("the object has no `kind`".to_owned());
    }
    Ok(object.to_go_json())
}

/// Writes numbers as the API server keeps them: `-0` is 0, and beyond 64 bits a number is written as
/// the double it becomes there, if that text is still the same number.
fn plain_numbers(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(plain_numbers),
        Value::Object(members) => members.values_mut().for_each(plain_numbers),
        Value::Number(Number::Float(float)) if *float == 0.0 => {
            *value = Value::Number(Number::Int(0));
        }
        Value::Number(Number::Big(digits)) => {
            let nearest: f64 = digits.parse().unwrap_or(f64::NAN);
            if nearest.to_string() == **digits {
                *value = Value::Number(Number::Float(nearest));
            }
        }
        _ => {}
    }
}

fn operation(text: &str, field: &str, problems: &mut Vec<Problem>) -> Option<K8sOperation> {
    let known = K8sOperation::from_name(text);
    if known.is_none() {
        let message = format!("unknown operation type {text}");
        problems.push(
            Problem::error(format!("{field}.operation"), message)
                .with_hint(format!("one of {}", K8sOperation::NAMES.join(", "))),
        );
    }
    known
}

fn patch_strategy(text: &str, field: &str, problems: &mut Vec<Problem>) -> Option<PatchStrategy> {
    if text.is_empty() {
        return Some(PatchStrategy::Merge);
    }
    let known = PatchStrategy::ALL
        .into_iter()
        .find(|known| known.content_type() == text);
    if known.is_none() {
        let names = PatchStrategy::ALL
            .map(PatchStrategy::content_type)
            .join(", ");
        problems.push(
            Problem::error(
                format!("{field}.patchStrategy"),
                format!("unknown patch strategy {text}"),
            )
            .with_hint(format!("one of {names}")),
        );
    }
    known
}
