//! Rules of parameters.

use super::{Problems, silent};
use crate::field_path::index;
use crate::problem::Problem;
use crate::{EventDependency, ParameterOperation, TriggerParameter};

/// Where parameters stand and what they may refer to.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) dependencies: &'a [EventDependency],
    /// An empty `dest` makes one value the whole document.
    pub(super) may_lack_dest: bool,
    /// They are written into a Kubernetes object.
    pub(super) into_object: bool,
}

impl Scope<'_> {
    /// The same for parameters that are written into a Kubernetes object.
    pub(super) fn of_object(self) -> Self {
        Self {
            into_object: true,
            ..self
        }
    }
}

pub(super) fn parameters(
    path: &str,
    parameters: &[TriggerParameter],
    scope: Scope<'_>,
    problems: &mut Problems,
) {
    for (at, parameter) in parameters.iter().enumerate() {
        check(&index(path, at), parameter, scope, problems);
    }
}

fn check(path: &str, parameter: &TriggerParameter, scope: Scope<'_>, problems: &mut Problems) {
    match &parameter.src {
        None => problems.error(format!("{path}.src"), "parameter source can't be empty"),
        Some(source) => {
            let name_path = format!("{path}.src.dependencyName");
            let name = source.dependency_name.as_str();
            let mut known = scope
                .dependencies
                .iter()
                .map(|dependency| dependency.name.as_str());
            if name.is_empty() {
                problems.error(name_path, "parameter dependency name can't be empty");
            } else if known.all(|known| known != name) {
                let known = scope
                    .dependencies
                    .iter()
                    .map(|dependency| dependency.name.as_str());
                let message = format!("there is no dependency {name:?} in this sensor");
                problems.push(Problem::error(name_path, message).with_suggestion(name, known));
            }
            let data = !source.data_key.is_empty() || !source.data_template.is_empty();
            let context = [
                ("contextKey", &source.context_key),
                ("contextTemplate", &source.context_template),
            ];
            for (field, value) in context {
                if data && !value.is_empty() {
                    let message = "has no effect beside dataKey or dataTemplate";
                    problems.no_effect(format!("{path}.src.{field}"), message);
                }
            }
        }
    }
    if parameter.dest.is_empty() && !scope.may_lack_dest {
        problems.error(
            format!("{path}.dest"),
            "parameter destination can't be empty",
        );
    }
    silent::dest(path, &parameter.dest, scope.into_object, problems);
    silent::keys(path, parameter, problems);
    let operation = parameter.operation.as_str();
    if ParameterOperation::from_name(operation).is_none() {
        let message = format!("parameter operation {operation} is invalid");
        let path = format!("{path}.operation");
        problems.one_of(path, message, operation, &ParameterOperation::NAMES);
    }
}
