//! Triggers that act on Kubernetes objects.

use crate::artifact::ArtifactLocation;
use crate::given::{Given, object};
use crate::parameter::TriggerParameter;

object! {
    /// Creates, updates, patches or deletes a Kubernetes object.
    pub struct StandardK8sTrigger {
        /// The object.
        source: Option<ArtifactLocation>,
        /// `create` (the default), `update`, `patch` or `delete`. A parameter of the trigger may
        /// write it.
        operation: Given<String>,
        /// Values of the events that are written into the object.
        parameters: Given<Vec<TriggerParameter>>,
        /// Content type of a patch. Default: `application/merge-patch+json`.
        patch_strategy: Given<String>,
        /// With `update`, parameters are written into the object as it is in the cluster. Default: false.
        live_object: Given<bool>,
    }
}

object! {
    /// Acts on an Argo Workflow.
    pub struct ArgoWorkflowTrigger {
        /// The workflow, or the template it is made from.
        source: Option<ArtifactLocation>,
        /// `submit` (the default), `submit-from`, `suspend`, `retry`, `resume`, `resubmit`,
        /// `terminate` or `stop`.
        operation: Given<String>,
        /// Values of the events that are written into the object.
        parameters: Given<Vec<TriggerParameter>>,
        /// Further arguments of the operation.
        args: Given<Vec<String>>,
    }
}

/// What a `k8s` trigger does with its object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum K8sOperation {
    /// Creates it.
    #[default]
    Create,
    /// Merges it over the one in the cluster, or creates it.
    Update,
    /// Patches the one in the cluster with it, or creates it.
    Patch,
    /// Deletes it.
    Delete,
}

impl K8sOperation {
    /// The texts that name an operation.
    pub const NAMES: [&'static str; 4] = ["create", "update", "patch", "delete"];

    /// Reads an operation; empty is `create`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "" | "create" => Some(Self::Create),
            "update" => Some(Self::Update),
            "patch" => Some(Self::Patch),
            "delete" => Some(Self::Delete),
            _ => None,
        }
    }

    /// The text that names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}
