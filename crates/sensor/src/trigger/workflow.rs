//! The `argoWorkflow` trigger: says what is to be done to a workflow.
//!
//! Argo Events runs the `argo` program; tiphys speaks to the Kubernetes API, so `args` are those of
//! that program which can be said there.

mod arguments;

use tiphys_api::{ArgoWorkflowTrigger, Problem};

use super::base::Base;
use super::{FireError, Source, Steps};
use crate::action::{Action, WorkflowAction, WorkflowArguments, WorkflowOperation};
use crate::parameter::Parameter;
use crate::view::Views;

/// A compiled `argoWorkflow` template.
#[derive(Debug)]
pub(super) struct Template {
    base: Base,
    operation: WorkflowOperation,
    arguments: WorkflowArguments,
    parameters: Vec<Parameter>,
}

impl Template {
    pub(super) fn compile(
        spec: &ArgoWorkflowTrigger,
        field: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let missing = "argoWorkflow trigger does not contain an absolute action";
        let base = Base::compile(
            spec.source.as_ref(),
            missing,
            &format!("{field}.source"),
            problems,
        );
        let operation = operation(&spec.operation, field, problems);
        let parameters =
            Parameter::compile_all(&spec.parameters, &format!("{field}.parameters"), problems);
        let arguments =
            arguments::compile(&spec.args, operation?, &format!("{field}.args"), problems)?;
        Some(Self {
            base: base?,
            operation: operation?,
            arguments,
            parameters,
        })
    }

    pub(super) fn render(
        &self,
        views: &Views<'_>,
        source: &Source<'_>,
        steps: &mut Steps,
    ) -> Result<Action, FireError> {
        let place = ("template.argoWorkflow.parameters", source.namespace);
        Ok(Action::ArgoWorkflow(WorkflowAction {
            operation: self.operation,
            object: self.base.render(&self.parameters, place, views, steps)?,
            arguments: self.arguments.clone(),
            policy: source.policy.labels.clone(),
            marks: source.marks(views),
        }))
    }
}

fn operation(text: &str, field: &str, problems: &mut Vec<Problem>) -> Option<WorkflowOperation> {
    if text.is_empty() {
        return Some(WorkflowOperation::Submit);
    }
    let known = WorkflowOperation::ALL
        .into_iter()
        .find(|known| known.name() == text);
    if known.is_none() {
        let (message, hint) = match text {
            "retry" | "resubmit" => (
                format!("the operation {text} is not run by this version of tiphys"),
                "it belongs to the Argo server: call that with an `http` trigger".to_owned(),
            ),
            _ => (
                format!("unknown operation type {text}"),
                format!(
                    "one of {}",
                    WorkflowOperation::ALL
                        .map(WorkflowOperation::name)
                        .join(", ")
                ),
            ),
        };
        problems.push(Problem::error(format!("{field}.operation"), message).with_hint(hint));
    }
    known
}
