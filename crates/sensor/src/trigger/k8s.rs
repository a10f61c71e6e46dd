//! The `k8s` trigger: creates, updates, patches or deletes a Kubernetes object.

mod demand;
mod labels;
mod merge;
mod perform;

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use tiphys_api::{
    K8sOperation, Problem, StandardK8sTrigger, TriggerKind, TriggerParameter, TriggerTemplate,
};
use tiphys_clients::kubernetes::PatchStrategy;
use tiphys_lang::json::Value;

use super::fire::Input;
use super::object::{Base, Object};
use super::perform::Context;
use super::{Caller, FireError, Kind, Part, PerformError, Unmet};
use crate::parameter::Parameter;

pub(super) use demand::{Sent, text, unmet};
pub(super) use perform::{CONFLICTS, Executor, member};

/// Something to be done to a Kubernetes object.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
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
    pub ownership: Ownership,
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
pub struct Ownership {
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
    /// Where the firing stands among those about the same object. `None`: they have no order.
    pub turn: Option<Turn>,
    /// The dead letter of which it is a forced replay: what was created before by the same events, or by later
    /// ones, does not count as its own.
    pub forced: Option<String>,
}

/// Where a firing stands among those of its trigger that are about the same object: they run in the order
/// in which the bus took in their events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The object.
    pub object: u64,
    /// When the bus took the event in.
    pub stored_at: Timestamp,
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

impl Ownership {
    /// The labels of created objects, as Argo Events sets them.
    pub fn labels(&self, now_ms: i64) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            (Self::SENSOR_LABEL, self.sensor.clone()),
            (Self::TRIGGER_LABEL, self.trigger.clone()),
            (Self::TIMESTAMP_LABEL, now_ms.to_string()),
        ])
    }

    /// The label with the name of the sensor that created an object.
    pub const SENSOR_LABEL: &str = "events.argoproj.io/sensor";

    /// The label with the name of its trigger.
    pub const TRIGGER_LABEL: &str = "events.argoproj.io/trigger";

    /// The label with the moment, in milliseconds since 1970.
    pub const TIMESTAMP_LABEL: &str = "events.argoproj.io/action-timestamp";

    /// The annotation that names the events a created object goes back to.
    pub const EVENT_ANNOTATION: &str = "events.argoproj.io/event-id";

    /// The annotation that says where the firing stands that has created an object.
    pub const TURN_ANNOTATION: &str = "events.argoproj.io/event-turn";

    /// The annotation that names the dead letter by whose forced replay an object was created.
    pub const REPLAY_ANNOTATION: &str = "events.argoproj.io/replay-of";

    /// The value of [`Self::TURN_ANNOTATION`]: what the firing has to be in order with, and its place. These
    /// stand on objects for as long as those live: what they are made of never changes.
    pub fn turn(&self) -> Option<String> {
        let Turn { object, stored_at } = self.turn?;
        Some(format!("{} {stored_at}", self.line(object)))
    }

    /// Whether a later firing about the same object has created what bears this annotation: so this one has
    /// had its turn.
    pub fn is_before(&self, annotation: &str) -> bool {
        let Some(Turn { object, stored_at }) = self.turn else {
            return false;
        };
        let Some((line, time)) = annotation.split_once(' ') else {
            return false;
        };
        let is_later = |time: Timestamp| time > stored_at;
        line == self.line(object) && time.parse().is_ok_and(is_later)
    }

    /// Names all firings of a trigger about an object.
    fn line(&self, object: u64) -> String {
        let Self {
            sensor,
            trigger,
            namespace,
            ..
        } = self;
        let text = format!("{namespace}\n{sensor}\n{trigger}\n{object}");
        HEXLOWER.encode(&Sha256::digest(text)[..8])
    }
}

/// A compiled `k8s` template.
#[derive(Debug)]
pub(super) struct Template {
    base: Base,
    operation: K8sOperation,
    patch: PatchStrategy,
    live_object: bool,
    parameters: Vec<Parameter>,
}

impl Kind for Template {
    type Spec = StandardK8sTrigger;
    type Action = Action;
    const KIND: TriggerKind = TriggerKind::K8s;
    const REPEATABLE: bool = true;

    fn spec(template: &TriggerTemplate) -> Option<&StandardK8sTrigger> {
        template.k8s.as_deref()
    }

    fn written(spec: &StandardK8sTrigger) -> &[TriggerParameter] {
        &spec.parameters
    }

    fn compile(
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

    fn render(&self, input: &mut Input<'_, '_>) -> Result<Action, FireError> {
        let object = if self.live_object && self.operation == K8sOperation::Update {
            self.base.render_live(&self.parameters, input)?
        } else {
            let place = "template.k8s.parameters";
            self.base.render(&self.parameters, place, input)?
        };
        let patch = (self.operation == K8sOperation::Patch).then_some(self.patch);
        let object = match (patch, object) {
            (Some(PatchStrategy::Json), Object::Known { object }) => Object::Known {
                object: Arc::new(operations(Arc::unwrap_or_clone(object))),
            },
            (_, object) => object,
        };
        // What is deleted gets no labels.
        let policy = input
            .policy
            .labels
            .clone()
            .filter(|_| self.operation != K8sOperation::Delete);
        Ok(Action {
            operation: self.operation,
            patch,
            object,
            policy,
            ownership: input.ownership(),
        })
    }

    fn unmet(&self, action: Option<&Action>) -> Vec<Unmet> {
        let patch = (self.operation == K8sOperation::Patch).then_some(self.patch);
        let sent = demand::Sent::of(self.operation, patch);
        match action {
            Some(action) => action.object.known(sent, demand::unmet),
            None => self.base.known(sent, demand::unmet),
        }
    }

    fn target(action: &Action, target: &mut impl Hasher) {
        action.operation.name().hash(target);
        action.object.target(target);
    }

    fn describe(action: &Action) -> Vec<Part> {
        let name = action.operation.name();
        let act = match action.patch {
            Some(patch) => format!("{name} ({})", patch.content_type()),
            None => name.to_owned(),
        };
        let mut parts = vec![Part::Act(act)];
        match (action.patch, &action.object) {
            (Some(PatchStrategy::Json), Object::Known { object }) => {
                let text = |path: &[&str]| demand::text(object, path).unwrap_or_default();
                let (kind, name) = (text(&["kind"]), text(&["metadata", "name"]));
                let place = match text(&["metadata", "namespace"]) {
                    "" => name.to_owned(),
                    namespace => format!("{namespace}/{name}"),
                };
                parts.push(Part::Line(format!("# to {kind} {place}:")));
                parts.extend(object.get("patch").map(Part::document));
            }
            (_, object) => parts.extend(object.describe()),
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
        Executor::new(context)?.perform(action).await
    }
}

/// Leaves of the object of a JSON patch what names it, and the operations: nothing else is sent.
fn operations(mut object: Value) -> Value {
    if let Value::Object(members) = &mut object {
        members
            .retain(|key, _| ["apiVersion", "kind", "metadata", "patch"].contains(&key.as_str()));
        if let Some(Value::Object(metadata)) = members.get_mut("metadata") {
            metadata.retain(|key, _| ["name", "generateName", "namespace"].contains(&key.as_str()));
        }
    }
    object
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ownership(trigger: &str, object: u64, second: i64) -> Ownership {
        Ownership {
            sensor: "orders".into(),
            trigger: trigger.into(),
            namespace: "shop".into(),
            turn: Some(Turn {
                object,
                stored_at: Timestamp::from_second(second).unwrap(),
            }),
            ..Ownership::default()
        }
    }

    #[test]
    fn a_firing_is_before_a_later_one_about_the_same_object() {
        let later = ownership("t", 7, 2).turn().unwrap();
        assert_eq!(later, "3863bef12824eaed 1970-01-01T00:00:02Z");
        assert!(ownership("t", 7, 1).is_before(&later));
        assert!(!ownership("t", 7, 2).is_before(&later));
        assert!(!ownership("t", 7, 3).is_before(&later));
        assert!(!ownership("t", 8, 1).is_before(&later));
        assert!(!ownership("u", 7, 1).is_before(&later));
        assert!(!Ownership::default().is_before(&later));
        for other in ["", "x", "3863bef12824eaed ", "3863bef12824eaed tomorrow"] {
            assert!(!ownership("t", 7, 1).is_before(other), "{other:?}");
        }
    }
}
