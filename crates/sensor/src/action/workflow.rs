//! Something to be done to an Argo Workflow, in the words of the `argo` program.

use serde::Serialize;

use super::{LabelPolicy, Marks, Object};

/// Something to be done to an Argo Workflow.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowAction {
    /// What.
    pub operation: WorkflowOperation,
    /// The workflow, or the template that it is made from.
    #[serde(flatten)]
    pub object: Object,
    /// What is different in the workflow that is created.
    #[serde(skip_serializing_if = "WorkflowArguments::is_empty")]
    pub arguments: WorkflowArguments,
    /// The labels that the workflow must get before the action counts as a success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<LabelPolicy>,
    /// Labels and annotations of the workflow that is created.
    #[serde(skip)]
    pub marks: Marks,
}

/// What can be done to a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkflowOperation {
    /// Creates it.
    Submit,
    /// Creates one from a template.
    SubmitFrom,
    /// Starts no further steps.
    Suspend,
    /// Goes on after a suspension.
    Resume,
    /// Starts no further steps but exit handlers.
    Stop,
    /// Ends at once.
    Terminate,
}

/// What the arguments of `argo submit` change in a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowArguments {
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
}

impl WorkflowOperation {
    /// All operations.
    pub const ALL: [Self; 6] = [
        Self::Submit,
        Self::SubmitFrom,
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
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::Terminate => "terminate",
        }
    }

    /// Whether it makes a new workflow.
    pub fn creates(self) -> bool {
        matches!(self, Self::Submit | Self::SubmitFrom)
    }
}

impl WorkflowArguments {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
