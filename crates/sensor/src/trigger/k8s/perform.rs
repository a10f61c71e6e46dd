//! Acts on objects in a cluster.
//!
//! Every action of this kind can tell whether it has been done (`docs/compatibility.md`): a created object
//! carries the ids of its events and where their firing stands among those about the same object, so that
//! also a firing recognises itself whose object was replaced since; deleting what is gone is a success, an
//! update or patch of the same event is the same again.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tiphys_api::K8sOperation;
use tiphys_base::Failure;
use tiphys_clients::Error;
use tiphys_clients::kubernetes::{Answer, Cluster, PatchStrategy, Target};
use tiphys_lang::json::{self, Map, Value};

use super::demand::{Sent, unmet};
use super::merge::merge;
use super::{Action, Ownership};
use crate::trigger::artifact::Fetcher;
use crate::trigger::object::{Base, Object};
use crate::trigger::perform::Context;

/// How often an update meets a conflict before it counts as refused.
///
/// Each conflict means that somebody else succeeded; fifty writers on one object need about as many
/// rounds in the worst case.
pub(in crate::trigger) const CONFLICTS: u32 = 64;

/// By how much the wait after a conflict grows with each.
const CONFLICT_WAIT: Duration = Duration::from_millis(5);

/// How many characters of a generated name come from the ids of the events.
const SUFFIX: usize = 10;

/// The API server cuts the base of a generated name so that name and suffix fit a DNS label.
const NAME_LENGTH: usize = 63;

/// Performs actions on objects of one cluster.
#[derive(Debug, Clone, Copy)]
pub(in crate::trigger) struct Executor<'e> {
    pub(in crate::trigger) cluster: &'e Cluster,
    pub(in crate::trigger) fetcher: &'e Fetcher,
    /// Stamps created objects.
    pub(in crate::trigger) now: fn() -> Timestamp,
}

impl<'e> Executor<'e> {
    /// Acts on the cluster, if there is one.
    pub(in crate::trigger) fn new(context: &'e Context) -> Result<Self, Error> {
        Ok(Self {
            cluster: context.clients.cluster()?,
            fetcher: &context.fetcher,
            now: context.now,
        })
    }

    /// The object of an action.
    pub(in crate::trigger) async fn object(&self, object: &Object) -> Result<Arc<Value>, Error> {
        self.fetcher.object(object).await
    }

    /// Finds out what the cluster serves of the kind of an object, and gets the object if it has to be
    /// fetched.
    pub(in crate::trigger) async fn warm(&self, base: &Base, namespace: &str) {
        let Ok(object) = base.render_plain(namespace) else {
            return;
        };
        let Ok(object) = self.object(&object).await else {
            return;
        };
        let text = |name| match object.get(name) {
            Some(Value::String(text)) => text.as_str(),
            _ => "",
        };
        drop(self.cluster.kind(text("apiVersion"), text("kind")).await);
    }

    /// Performs an action once.
    pub(in crate::trigger) async fn perform(&self, action: &Action) -> Result<(), Error> {
        let object = self.object(&action.object).await?;
        // What was fetched is known only now.
        if matches!(action.object, Object::Fetched { .. }) {
            demand(&object, Sent::of(action.operation, action.patch))?;
        }
        let target = self.target(&object, &action.ownership).await?;
        match action.operation {
            K8sOperation::Create => self.create(&object, &target, &action.ownership).await,
            K8sOperation::Update => self.update(&object, &target, action).await,
            K8sOperation::Patch => self.patch(&object, &target, action).await,
            K8sOperation::Delete => self.delete(&target).await,
        }?;
        match &action.policy {
            Some(policy) => self.wait_for_labels(&target, policy).await,
            None => Ok(()),
        }
    }

    pub(in crate::trigger) async fn target(
        &self,
        object: &Value,
        ownership: &Ownership,
    ) -> Result<Target, Error> {
        let text = |name| match object.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
            _ => Err(Error::refused(format!("the object has no `{name}`"))),
        };
        let kind = self
            .cluster
            .kind(text("apiVersion")?, text("kind")?)
            .await?;
        let metadata = |name| match object
            .get("metadata")
            .and_then(|metadata| metadata.get(name))
        {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        let namespace = kind
            .namespaced
            .then(|| metadata("namespace").unwrap_or_else(|| ownership.namespace.clone()));
        let name = metadata("name")
            .or_else(|| metadata("generateName").map(|base| generated_name(&base, ownership)));
        let name = name.ok_or_else(|| {
            Error::refused("the object has neither `metadata.name` nor `metadata.generateName`")
        })?;
        Target::new(&kind, namespace.as_deref(), &name)
    }

    pub(in crate::trigger) async fn create(
        &self,
        object: &Value,
        target: &Target,
        ownership: &Ownership,
    ) -> Result<(), Error> {
        match self.try_create(object, target, ownership).await? {
            Answer::Conflict(reason) => match self.cluster.get(target).await? {
                Some(live) if is_owned(&live, ownership) => Ok(()),
                // All acknowledgements since were lost: it was done, and what it made was deleted.
                Some(live) if is_succeeded(&live, ownership) => Ok(()),
                _ => Answer::Conflict(reason).accept(&format!("create {target}")),
            },
            answer => answer.accept(&format!("create {target}")),
        }
    }

    async fn try_create(
        &self,
        object: &Value,
        target: &Target,
        ownership: &Ownership,
    ) -> Result<Answer, Error> {
        let mut object = object.clone();
        own(&mut object, target, ownership, (self.now)());
        self.cluster.create(target, object.to_go_json()).await
    }

    async fn update(&self, object: &Value, target: &Target, action: &Action) -> Result<(), Error> {
        let act = format!("update {target}");
        let live_edits = match &action.object {
            Object::Live { live_edits, .. } => Some(live_edits),
            Object::Known { .. } | Object::Fetched { .. } => None,
        };
        for attempt in 0..CONFLICTS {
            give_way(attempt).await;
            let Some(live) = self.cluster.get(target).await? else {
                if live_edits.is_some() {
                    return Err(Error::refused(format!(
                        "{act}: the live object does not exist"
                    )));
                }
                match self.try_create(object, target, &action.ownership).await? {
                    // Created in between: the next round merges.
                    Answer::Conflict(_) => continue,
                    answer => return answer.accept(&act),
                }
            };
            let wanted = match live_edits {
                None => {
                    let mut merged = live.clone();
                    merge(&mut merged, object);
                    merged
                }
                Some(edits) => {
                    let mut text = live.to_go_json().into_bytes();
                    for edit in edits {
                        edit.apply(&mut text)
                            .map_err(|error| Error::refused(format!("{act}: {error}")))?;
                    }
                    read(&text)?
                }
            };
            if wanted == live {
                return Ok(());
            }
            match self.cluster.replace(target, wanted.to_go_json()).await? {
                // Deleted in between: the next round creates it.
                Answer::Conflict(_) | Answer::Missing(_) => {}
                answer => return answer.accept(&act),
            }
        }
        Err(Error::refused(format!(
            "{act}: {CONFLICTS} conflicts in a row"
        )))
    }

    async fn patch(&self, object: &Value, target: &Target, action: &Action) -> Result<(), Error> {
        let strategy = action.patch.unwrap_or(PatchStrategy::Merge);
        let act = format!("patch {target}");
        let body = match (strategy, object.get("patch")) {
            (PatchStrategy::Json, Some(operations)) => operations.to_go_json(),
            _ => object.to_go_json(),
        };
        for _ in 0..CONFLICTS {
            match self.cluster.patch(target, strategy, body.clone()).await? {
                Answer::Missing(_) if strategy != PatchStrategy::Json => {}
                answer => return answer.accept(&act),
            }
            match self.try_create(object, target, &action.ownership).await? {
                // Created by somebody else in between: the next round patches it.
                Answer::Conflict(_) => {}
                answer => return answer.accept(&format!("create {target}")),
            }
        }
        Err(Error::refused(format!(
            "{act}: it came and went {CONFLICTS} times in a row"
        )))
    }

    async fn delete(&self, target: &Target) -> Result<(), Error> {
        match self.cluster.delete(target).await? {
            Answer::Missing(_) => Ok(()),
            answer => answer.accept(&format!("delete {target}")),
        }
    }
}

/// Refuses what is no object that an API server takes.
fn demand(object: &Value, sent: Sent) -> Result<(), Error> {
    match unmet(object, sent).first() {
        Some(unmet) => Err(Error::Refused(Failure::with_values(
            unmet.to_string(),
            "the object is none that an API server takes",
        ))),
        None => Ok(()),
    }
}

/// Waits a little, longer after each conflict and not all for the same time: writers that meet again
/// and again would get nowhere.
async fn give_way(attempt: u32) {
    if attempt > 0 {
        let longest = CONFLICT_WAIT * attempt.min(20);
        tokio::time::sleep(longest.mul_f64(fastrand::f64())).await;
    }
}

fn read(text: &[u8]) -> Result<Value, Error> {
    json::from_slice(text).map_err(|error| Error::refused(format!("read the object: {error}")))
}

/// The name that takes the place of the API server's random one: the same firing gets the same
/// name, so a repeated create meets its own object.
fn generated_name(base: &str, ownership: &Ownership) -> String {
    const ALPHABET: &[u8; 32] = b"bcdfghjklmnpqrstvwxz2456789abcde";
    let mut text = format!(
        "{}\n{}\n{}\n{}\n{}",
        ownership.namespace,
        ownership.sensor,
        ownership.trigger,
        ownership.event_ids,
        ownership.dependencies
    );
    if let Some(letter) = &ownership.forced {
        text.extend(["\n", letter]);
    }
    let digest = Sha256::digest(text);
    let suffix: String = digest
        .iter()
        .take(SUFFIX)
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect();
    let mut base = base.to_owned();
    while base.len() > NAME_LENGTH - SUFFIX {
        base.pop();
    }
    base + &suffix
}

/// Sets what a created object carries: name, namespace, Argo Events' labels, the events' ids.
fn own(object: &mut Value, target: &Target, ownership: &Ownership, now: Timestamp) {
    let Value::Object(object) = object else {
        return;
    };
    let metadata = member(object, "metadata");
    metadata.insert("name".into(), Value::String(target.name().into()));
    match target.namespace() {
        Some(namespace) => {
            metadata.insert("namespace".into(), Value::String(namespace.into()));
        }
        None => {
            metadata.shift_remove("namespace");
        }
    }
    for (key, label) in ownership.labels(now.as_millisecond()) {
        member(metadata, "labels").insert(key.into(), Value::String(label));
    }
    let annotations = member(metadata, "annotations");
    annotations.insert(
        Ownership::EVENT_ANNOTATION.into(),
        Value::String(ownership.event_ids.clone()),
    );
    if let Some(turn) = ownership.turn() {
        annotations.insert(Ownership::TURN_ANNOTATION.into(), Value::String(turn));
    }
    if let Some(letter) = &ownership.forced {
        let letter = Value::String(letter.clone());
        annotations.insert(Ownership::REPLAY_ANNOTATION.into(), letter);
    }
}

/// The object under `key`, put there if it is missing or something else.
pub(in crate::trigger) fn member<'m>(map: &'m mut Map, key: &str) -> &'m mut Map {
    let value = map.entry(key.to_owned()).or_default();
    if !matches!(value, Value::Object(_)) {
        *value = Value::Object(Map::default());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it was just made an object"),
    }
}

/// Whether this firing has created an object.
fn is_owned(live: &Value, ownership: &Ownership) -> bool {
    let is_of_events = annotation(live, Ownership::EVENT_ANNOTATION) == Some(&ownership.event_ids);
    let replay = annotation(live, Ownership::REPLAY_ANNOTATION);
    is_of_events && (ownership.forced.is_none() || replay == ownership.forced.as_ref())
}

/// Whether a later firing about the same object has created it.
fn is_succeeded(live: &Value, ownership: &Ownership) -> bool {
    if ownership.forced.is_some() {
        return false;
    }
    annotation(live, Ownership::TURN_ANNOTATION).is_some_and(|turn| ownership.is_before(turn))
}

fn annotation<'v>(live: &'v Value, name: &str) -> Option<&'v String> {
    let metadata = live.get("metadata")?;
    match metadata.get("annotations")?.get(name)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiphys_clients::kubernetes::Kind;

    fn of_events(ids: &str) -> Ownership {
        Ownership {
            event_ids: ids.into(),
            ..Ownership::default()
        }
    }

    #[test]
    fn a_forced_replay_has_a_name_of_its_own_and_recognises_nothing_but_itself() {
        let forced = |letter: &str| Ownership {
            forced: Some(letter.into()),
            ..of_events("a")
        };
        let names = [of_events("a"), forced("7@x"), forced("8@x")];
        let names = names.map(|ownership| generated_name("job-", &ownership));
        assert_eq!(names[0], "job-slczlrvdbw");
        assert!(names[0] != names[1] && names[1] != names[2], "{names:?}");

        let created_by = |ownership: &Ownership| {
            let kind = Kind {
                api_version: "v1".to_owned(),
                plural: "configmaps".to_owned(),
                namespaced: true,
            };
            let target = Target::new(&kind, Some("n"), "x").unwrap();
            let mut object = Value::Object(Map::default());
            own(&mut object, &target, ownership, Timestamp::UNIX_EPOCH);
            object
        };
        let plain = created_by(&of_events("a"));
        assert!(is_owned(&plain, &of_events("a")));
        assert!(!is_owned(&plain, &forced("7@x")));
        let replayed = created_by(&forced("7@x"));
        assert!(is_owned(&replayed, &forced("7@x")));
        assert!(!is_owned(&replayed, &forced("8@x")));
        assert!(is_owned(&replayed, &of_events("a")));
    }

    /// After an upgrade the same firing has to meet its own object: these names never change.
    #[test]
    fn the_same_firing_generates_the_same_name() {
        let firing = |event_ids: &str| Ownership {
            sensor: "orders".into(),
            trigger: "ship".into(),
            event_ids: event_ids.into(),
            dependencies: "paid,placed".into(),
            namespace: "shop".into(),
            turn: None,
            forced: None,
        };
        assert_eq!(
            generated_name("job-", &firing("0a1b,2c3d")),
            "job-kcxb4ptmc8"
        );
        assert_eq!(generated_name("job-", &firing("0a1b")), "job-vfw7sxdaxd");
        let long = generated_name(&"x".repeat(80), &of_events("a"));
        assert_eq!(long, format!("{}slczlrvdbw", "x".repeat(53)));
    }
}
