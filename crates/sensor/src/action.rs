//! Actions: what a firing asks for, as data. Executors perform them, `simulate` prints them.
//!
//! An action names Secrets and `ConfigMaps`, and never holds their values: it is logged, shown and
//! stored in dead letters.

mod artifact;
mod http;
mod nats;
mod reference;
mod workflow;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use tiphys_api::K8sOperation;

use crate::parameter::Edit;

pub use artifact::{Artifact, GitFile, GitLogin, GitRef, S3Object, UrlDocument};
pub use http::{BasicAuth, HttpAction, SecureHeader};
pub use nats::{NatsAction, NatsAuth};
pub use reference::{KeyOf, Tls, ValueRef};
pub use workflow::{WorkflowAction, WorkflowArguments, WorkflowOperation};

/// Something to be done in the world.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Something to be done to a Kubernetes object.
    K8s(K8sAction),
    /// Something to be done to an Argo Workflow.
    ArgoWorkflow(WorkflowAction),
    /// A request to be sent.
    Http(HttpAction),
    /// A message to be published.
    Nats(NatsAction),
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
    /// The object.
    #[serde(flatten)]
    pub object: Object,
    /// The labels that it must get before the action counts as a success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<LabelPolicy>,
    /// Labels and annotations of objects that this action creates.
    #[serde(skip)]
    pub marks: Marks,
}

/// The object of an action, as far as it is known when the action is rendered.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Object {
    /// All of it.
    Known {
        /// As it is sent, apart from what marks it as ours.
        object: Box<RawValue>,
    },
    /// The object in the cluster, with edits.
    Live {
        /// Names the object.
        object: Box<RawValue>,
        /// What is changed in it.
        live_edits: Vec<Edit>,
    },
    /// What is fetched when the action is performed, with edits.
    Fetched {
        /// Where it is.
        base: Box<Artifact>,
        /// What is changed in it.
        edits: Vec<Edit>,
    },
}

/// The labels that mean success, and how often the object is looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelPolicy {
    /// All of them have to be there, with these values.
    pub labels: BTreeMap<String, String>,
    /// How often the object is looked at.
    pub attempts: u32,
    /// The wait after the first look.
    #[serde(serialize_with = "seconds")]
    pub wait: Duration,
    /// What the wait is multiplied with after each look.
    pub factor: f64,
    /// The share of the wait that is added at random at most.
    pub jitter: f64,
    /// It is a failure if the labels do not appear.
    pub error_on_timeout: bool,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
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
    /// The dependencies they came for, in the same form: one event may fire a trigger for several.
    pub dependencies: String,
    /// The sensor's namespace: the object's, if it names none.
    pub namespace: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
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
            Self::ArgoWorkflow(_) => "ArgoWorkflow",
            Self::Http(_) => "HTTP",
            Self::Nats(_) => "NATS",
            Self::Log(_) => "Log",
        }
    }

    /// Whether performing it a second time can be told from the first, and does no harm.
    pub fn is_recognisable(&self) -> bool {
        match self {
            Self::K8s(_) | Self::ArgoWorkflow(_) => true,
            Self::Http(_) | Self::Nats(_) | Self::Log(_) => false,
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
