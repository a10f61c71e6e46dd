//! The `k8s` trigger: renders a Kubernetes object and says what is to be done with it.

use serde_json::value::RawValue;
use tiphys_api::{ArtifactLocation, K8sOperation, Problem, StandardK8sTrigger};
use tiphys_lang::json::{self, Number, Value};
use tiphys_lang::yaml;

use super::{FireError, ParameterStep, Source};
use crate::action::{Action, K8sAction, Marks, PatchStrategy};
use crate::parameter::{self, Edit, Parameter};
use crate::view::Views;

/// A compiled `k8s` template.
#[derive(Debug)]
pub(super) struct Template {
    object: Vec<u8>,
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
        let object = source(spec.source.as_ref(), &format!("{field}.source"), problems);
        let operation = operation(&spec.operation, field, problems);
        let patch = patch_strategy(&spec.patch_strategy, field, problems);
        let parameters =
            Parameter::compile_all(&spec.parameters, &format!("{field}.parameters"), problems);
        let live_object = *spec.live_object;
        Some(Self { object: object?, operation: operation?, patch: patch?, live_object, parameters })
    }

    pub(super) fn render(
        &self,
        views: &Views<'_>,
        source: &Source<'_>,
        steps: &mut Vec<ParameterStep>,
    ) -> Result<Action, FireError> {
        let live = self.live_object && self.operation == K8sOperation::Update;
        let mut live_edits = None;
        let object = if live {
            live_edits = Some(self.edits(views)?);
            self.object.clone()
        } else {
            let mut object = self.object.clone();
            let applied = parameter::apply(&self.parameters, &mut object, views)
                .map_err(|(index, source)| FireError::ResourceParameter { index, source })?;
            steps.extend(ParameterStep::list("template.k8s.parameters", &self.parameters, applied));
            object
        };
        let object = render_object(&object).map_err(FireError::Object)?;
        let mut ids: Vec<&str> = views.iter().map(|(_, v)| v.event().context.id.as_str()).collect();
        ids.sort_unstable();
        Ok(Action::K8s(K8sAction {
            operation: self.operation,
            patch: (self.operation == K8sOperation::Patch).then_some(self.patch),
            object: RawValue::from_string(object)
                .map_err(|error| FireError::Object(error.to_string()))?,
            live_edits,
            marks: Marks {
                sensor: source.sensor.to_owned(),
                trigger: source.trigger.to_owned(),
                event_ids: ids.join(","),
                namespace: source.namespace.to_owned(),
            },
        }))
    }

    /// The parameters as edits, for an object that is known only when the action is performed.
    fn edits(&self, views: &Views<'_>) -> Result<Vec<Edit>, FireError> {
        let mut edits = Vec::with_capacity(self.parameters.len());
        for (index, parameter) in self.parameters.iter().enumerate() {
            let edit = parameter
                .edit(views)
                .map_err(|source| FireError::ResourceParameter { index, source })?;
            edits.extend(edit);
        }
        Ok(edits)
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

/// The object that a template starts from, as JSON.
fn source(
    spec: Option<&ArtifactLocation>,
    field: &str,
    problems: &mut Vec<Problem>,
) -> Option<Vec<u8>> {
    let Some(spec) = spec else {
        problems.push(Problem::error(field.to_owned(), "trigger source for k8s is empty"));
        return None;
    };
    let refused = [
        ("s3", spec.s3.is_some()),
        ("file", spec.inline.is_none() && spec.file.is_some()),
        ("url", spec.inline.is_none() && spec.url.is_some()),
        ("git", spec.inline.is_none() && spec.git.is_some()),
        ("configmap", spec.inline.is_none() && spec.configmap.is_some()),
    ];
    if let Some((name, _)) = refused.into_iter().find(|(_, present)| *present) {
        let message = format!("objects from `{name}` are not fetched by this version of tiphys");
        problems.push(
            Problem::error(format!("{field}.{name}"), message)
                .with_hint("write the object under `resource`, or as text under `inline`"),
        );
        return None;
    }
    if let Some(text) = &spec.inline {
        return yaml::to_json(text.as_bytes())
            .map_err(|error| problems.push(Problem::error(format!("{field}.inline"), error.to_string())))
            .ok();
    }
    let resource = spec.resource.as_ref().map(|resource| resource.get().as_bytes().to_vec());
    if resource.is_none() {
        problems.push(
            Problem::error(field.to_owned(), "unknown artifact location")
                .with_hint("write the object under `resource`"),
        );
    }
    resource
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
    let known = PatchStrategy::ALL.into_iter().find(|known| known.content_type() == text);
    if known.is_none() {
        let names = PatchStrategy::ALL.map(PatchStrategy::content_type).join(", ");
        problems.push(
            Problem::error(format!("{field}.patchStrategy"), format!("unknown patch strategy {text}"))
                .with_hint(format!("one of {names}")),
        );
    }
    known
}
