//! Templates whose own `parameters` write to them: `http` and `nats`.
//!
//! Mended against Argo Events: what the parameters write counts, wherever they write to (there, the
//! subject of `nats` and the settings of a cached client stayed what they were).

use serde::Serialize;
use serde::de::DeserializeOwned;
use tiphys_api::{Problem, TriggerParameter};

use super::{FireError, Steps};
use crate::parameter::{self, Parameter};
use crate::view::Views;

/// A part of a template that can be compiled.
pub(super) trait Compile: Sized {
    /// What users write.
    type Spec: Serialize + DeserializeOwned;
    /// Its field in a template.
    const FIELD: &str;

    /// The parameters that write to it.
    fn parameters(spec: &Self::Spec) -> &[TriggerParameter];

    /// Compiles it; `field` is its field path. Faults are added to `problems`.
    fn compile(spec: &Self::Spec, field: &str, problems: &mut Vec<Problem>) -> Option<Self>;
}

/// A compiled part of a template, and the parameters that write to it.
#[derive(Debug)]
pub(super) struct Written<C> {
    parameters: Vec<Parameter>,
    text: Vec<u8>,
    compiled: C,
}

impl<C: Compile> Written<C> {
    pub(super) fn compile(
        spec: &C::Spec,
        field: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let place = format!("{field}.parameters");
        let parameters = Parameter::compile_all(C::parameters(spec), &place, problems);
        let text = serde_json::to_vec(spec)
            .map_err(|error| problems.push(Problem::error(field, error.to_string())))
            .ok();
        Some(Self {
            parameters,
            compiled: C::compile(spec, field, problems)?,
            text: text?,
        })
    }

    /// Renders with the parameters applied.
    pub(super) fn render<T>(
        &self,
        views: &Views<'_>,
        steps: &mut Steps,
        render: impl FnOnce(&C) -> Result<T, FireError>,
    ) -> Result<T, FireError> {
        if self.parameters.is_empty() {
            return render(&self.compiled);
        }
        let mut text = self.text.clone();
        let applied = parameter::apply(&self.parameters, &mut text, views)
            .map_err(|(index, source)| FireError::ResourceParameter { index, source })?;
        let place = format!("template.{}", C::FIELD);
        steps.add(|| format!("{place}.parameters"), &self.parameters, applied);
        let spec: C::Spec = serde_json::from_slice(&text).map_err(|error| {
            FireError::Template(vec![Problem::error(place.clone(), error.to_string())])
        })?;
        let mut problems = Vec::new();
        match C::compile(&spec, &place, &mut problems) {
            Some(compiled) if problems.is_empty() => render(&compiled),
            _ => Err(FireError::Template(problems)),
        }
    }
}

/// The payload that a list of parameters makes; without a list it is empty.
pub(super) fn payload(list: &[Parameter], views: &Views<'_>) -> Result<String, FireError> {
    let payload = parameter::payload(list, views)
        .map_err(|(index, source)| FireError::Payload { index, source })?;
    // Built from text, so this changes nothing.
    Ok(String::from_utf8_lossy(&payload).into_owned())
}
