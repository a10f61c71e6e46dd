//! Actions: what a firing asks for, as data. Executors perform them, `simulate` prints them.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use tiphys_api::K8sOperation;

use crate::parameter::Edit;

/// Something to be done in the world.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Something to be done to a Kubernetes object.
    K8s(K8sAction),
    /// Events to be printed.
    Log(LogAction),
}

/// Something to be done to a Kubernetes object.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct K8sAction {
    /// What.
    #[serde(serialize_with = "operation_name")]
    pub operation: K8sOperation,
    /// How a patch is meant; only for [`K8sOperation::Patch`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<PatchStrategy>,
    /// The object as it is sent, apart from what marks it as ours.
    pub object: Box<RawValue>,
    /// The object in the cluster is the base, and these edits are made to it. Empty unless the
    /// trigger has `liveObject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_edits: Option<Vec<Edit>>,
    /// Labels and annotations of objects that this action creates.
    #[serde(skip)]
    pub marks: Marks,
}

/// What marks an object as created by a trigger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// Name of the Sensor.
    pub sensor: String,
    /// Name of the trigger.
    pub trigger: String,
    /// Ids of the events of the firing, sorted and joined by commas: the same firing has the same.
    pub event_ids: String,
    /// The sensor's namespace: the object's, if it names none.
    pub namespace: String,
}

fn operation_name<S: Serializer>(
    operation: &K8sOperation,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(operation.name())
}

/// Content types of patches (RFC 7386, RFC 6902, and Kubernetes' own).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum PatchStrategy {
    /// JSON merge patch, the default.
    #[serde(rename = "application/merge-patch+json")]
    Merge,
    /// Lists are merged by their keys.
    #[serde(rename = "application/strategic-merge-patch+json")]
    Strategic,
    /// JSON patch: a list of operations.
    #[serde(rename = "application/json-patch+json")]
    Json,
    /// Server-side apply, under the field manager `argo-events-sensor`.
    #[serde(rename = "application/apply-patch+yaml")]
    Apply,
}

impl PatchStrategy {
    /// All strategies.
    pub const ALL: [Self; 4] = [Self::Merge, Self::Strategic, Self::Json, Self::Apply];

    /// The content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Json => "application/json-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

/// Events to be printed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogAction {
    /// One line an event.
    pub lines: Vec<LogLine>,
    /// At most one firing's lines are printed within this many seconds; 0: all.
    pub interval_seconds: u64,
}

/// A line to be printed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// The payload: as it is if it is JSON or plain text, base64 otherwise.
    pub message: String,
    /// Name of the dependency.
    pub dependency_name: String,
    /// The event's attributes, as JSON.
    pub event_context: Box<RawValue>,
}

impl Action {
    /// The name of its kind of trigger in Argo Events' logs.
    pub fn trigger_type(&self) -> &'static str {
        match self {
            Self::K8s(_) => "Kubernetes",
            Self::Log(_) => "Log",
        }
    }

    /// Whether performing it a second time can be told from the first, and does no harm.
    pub fn is_recognisable(&self) -> bool {
        match self {
            Self::K8s(_) => true,
            Self::Log(_) => false,
        }
    }
}

impl Marks {
    /// The labels of created objects, as Argo Events sets them.
    pub fn labels(&self, now_ms: i64) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("events.argoproj.io/sensor", self.sensor.clone()),
            ("events.argoproj.io/trigger", self.trigger.clone()),
            ("events.argoproj.io/action-timestamp", now_ms.to_string()),
        ])
    }

    /// The annotation that names the events a created object goes back to.
    pub const EVENT_ANNOTATION: &str = "events.argoproj.io/event-id";
}
