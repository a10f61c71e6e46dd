//! The `argoWorkflow` trigger: acts on an Argo Workflow, in the words of the `argo` program.
//!
//! Argo Events runs that program; tiphys speaks to the Kubernetes API, so `args` are those which can
//! be said there.

mod arguments;
mod made;
mod perform;
mod retry;
mod steps;

use serde::Serialize;
use std::hash::{Hash as _, Hasher};
use tiphys_api::{ArgoWorkflowTrigger, Problem, TriggerKind, TriggerParameter, TriggerTemplate};
use tiphys_lang::json::Value;

pub use steps::Requirement;

use super::fire::Input;
use super::k8s::{Executor, LabelPolicy, Ownership};
use super::object::{Base, Object};
use super::perform::Context;
use super::{Caller, FireError, Kind, Part, PerformError, Unmet};
use crate::parameter::Parameter;

/// Something to be done to an Argo Workflow.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// What.
    pub operation: Operation,
    /// The workflow, or the template that it is made from.
    #[serde(flatten)]
    pub object: Object,
    /// What is different in the workflow that is created, or which of its steps are meant.
    #[serde(skip_serializing_if = "Arguments::is_empty")]
    pub arguments: Arguments,
    /// The labels that the workflow must get before the action counts as a success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<LabelPolicy>,
    /// Labels and annotations of the workflow that is created.
    #[serde(skip)]
    pub ownership: Ownership,
}

/// What can be done to a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Creates it.
    Submit,
    /// Creates one from a template.
    SubmitFrom,
    /// Creates the same once more.
    Resubmit,
    /// Lets it run again from where it has failed.
    Retry,
    /// Starts no further steps.
    Suspend,
    /// Goes on after a suspension.
    Resume,
    /// Starts no further steps but exit handlers.
    Stop,
    /// Ends at once.
    Terminate,
}

/// What the arguments of the `argo` program say: what is different in a workflow that is created, and
/// which steps of another one are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Arguments {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What its name starts with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generate_name: Option<String>,
    /// Parameters by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<(String, String)>,
    /// Labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(String, String)>,
    /// The service account of its pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// Its place in the controller's queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// The template that it starts with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<String>,
    /// Which steps that wait are ended, or run again. Empty: all, or the workflow as a whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Requirement>,
    /// These steps run again although they have succeeded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub restart_successful: bool,
    /// What is said of these steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 8] = [
        Self::Submit,
        Self::SubmitFrom,
        Self::Resubmit,
        Self::Retry,
        Self::Suspend,
        Self::Resume,
        Self::Stop,
        Self::Terminate,
    ];

    /// Its name in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::SubmitFrom => "submit-from",
            Self::Resubmit => "resubmit",
            Self::Retry => "retry",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::Terminate => "terminate",
        }
    }
}

impl Arguments {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A compiled `argoWorkflow` template.
#[derive(Debug)]
pub(super) struct Template {
    base: Base,
    operation: Operation,
    arguments: Arguments,
    parameters: Vec<Parameter>,
}

impl Kind for Template {
    type Spec = ArgoWorkflowTrigger;
    type Action = Action;
    const KIND: TriggerKind = TriggerKind::ArgoWorkflow;
    const REPEATABLE: bool = true;

    fn spec(template: &TriggerTemplate) -> Option<&ArgoWorkflowTrigger> {
        template.argo_workflow.as_deref()
    }

    fn written(spec: &ArgoWorkflowTrigger) -> &[TriggerParameter] {
        &spec.parameters
    }

    fn compile(
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

    fn render(&self, input: &mut Input<'_, '_>) -> Result<Action, FireError> {
        let place = "template.argoWorkflow.parameters";
        Ok(Action {
            operation: self.operation,
            object: self.base.render(&self.parameters, place, input)?,
            arguments: self.arguments.clone(),
            policy: input.policy.labels.clone(),
            ownership: input.ownership(),
        })
    }

    fn unmet(&self, action: Option<&Action>) -> Vec<Unmet> {
        let demand = |object: &Value, ()| perform::unmet(object, self.operation, &self.arguments);
        match action {
            Some(action) => action.object.known((), demand),
            None => self.base.known((), demand),
        }
    }

    fn target(action: &Action, target: &mut impl Hasher) {
        action.operation.name().hash(target);
        action.object.target(target);
    }

    fn describe(action: &Action) -> Vec<Part> {
        let act = Part::Act(action.operation.name().to_owned());
        let mut parts = vec![act];
        parts.extend(action.object.describe());
        if !action.arguments.is_empty() {
            parts.push(Part::Line("# with these arguments:".to_owned()));
            parts.push(Part::document(&action.arguments));
        }
        parts
    }

    async fn warm(&self, context: &Context, namespace: &str) {
        if let Ok(executor) = Executor::new(context) {
            executor.warm(&self.base, namespace).await;
        }
    }

    async fn perform(
        action: &Action,
        context: &Context,
        _: Caller<'_>,
    ) -> Result<(), PerformError> {
        perform::perform(Executor::new(context)?, action).await
    }
}

fn operation(text: &str, field: &str, problems: &mut Vec<Problem>) -> Option<Operation> {
    if text.is_empty() {
        return Some(Operation::Submit);
    }
    let known = Operation::ALL
        .into_iter()
        .find(|known| known.name() == text);
    if known.is_none() {
        let message = format!("unknown operation type {text}");
        let hint = format!("one of {}", Operation::ALL.map(Operation::name).join(", "));
        problems.push(Problem::error(format!("{field}.operation"), message).with_hint(hint));
    }
    known
}
