//! Acts on Kubernetes objects.
//!
//! Every action of this kind can tell whether it has been done (`docs/compatibility.md`): a created object carries the ids of its events, deleting what is gone is a
//! success, an update or patch of the same event is the same again.

mod discovery;
mod merge;
mod policy;
mod request;
mod workflow;

use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use sha2::{Digest, Sha256};
use tiphys_api::K8sOperation;
use tiphys_lang::json::{self, Map, Value};

use super::Error;
use super::artifact::Fetcher;
use crate::action::{K8sAction, Marks, Object, PatchStrategy};
use discovery::Discovery;
use request::{Answer, Target};

pub(super) use request::classify;

/// How often an update meets a conflict before it counts as refused.
///
/// Each conflict means that somebody else succeeded; fifty writers on one object need about as many
/// rounds in the worst case.
const CONFLICTS: u32 = 64;

/// By how much the wait after a conflict grows with each.
const CONFLICT_WAIT: Duration = Duration::from_millis(5);

/// How many characters of a generated name come from the ids of the events.
const SUFFIX: usize = 10;

/// The API server cuts the base of a generated name so that name and suffix fit a DNS label.
const NAME_LENGTH: usize = 63;

/// Performs actions on Kubernetes objects with one client, that is as one user.
#[derive(Debug)]
pub struct Executor {
    client: request::Requests,
    discovery: Discovery,
    fetcher: Fetcher,
    now: fn() -> Timestamp,
}

impl Executor {
    /// Acts with `client` on objects that `fetcher` fetches. `now` stamps created objects.
    pub(super) fn new(client: Client, fetcher: Fetcher, now: fn() -> Timestamp) -> Self {
        Self {
            fetcher,
            discovery: Discovery::new(client.clone()),
            client: request::Requests::new(client),
            now,
        }
    }

    /// Performs an action once.
    pub(super) async fn perform(&self, action: &K8sAction) -> Result<(), Error> {
        let object = read(&self.fetcher.object(&action.object).await?)?;
        let target = self.target(&object, &action.marks).await?;
        match action.operation {
            K8sOperation::Create => self.create(object, &target, &action.marks).await,
            K8sOperation::Update => self.update(object, &target, action).await,
            K8sOperation::Patch => self.patch(object, &target, action).await,
            K8sOperation::Delete => self.delete(&target).await,
        }?;
        match &action.policy {
            Some(policy) => self.wait_for_labels(&target, policy).await,
            None => Ok(()),
        }
    }

    async fn target(&self, object: &Value, marks: &Marks) -> Result<Target, Error> {
        let text = |name| match object.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
            _ => Err(Error::Refused(format!("the object has no `{name}`"))),
        };
        let kind = self
            .discovery
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
            .then(|| metadata("namespace").unwrap_or_else(|| marks.namespace.clone()));
        let name = metadata("name")
            .or_else(|| metadata("generateName").map(|base| generated_name(&base, marks)));
        let name = name.ok_or_else(|| {
            Error::Refused(
                "the object has neither `metadata.name` nor `metadata.generateName`".into(),
            )
        })?;
        Ok(Target::new(&kind, namespace.as_deref(), &name))
    }

    async fn create(&self, object: Value, target: &Target, marks: &Marks) -> Result<(), Error> {
        match self.try_create(object, target, marks).await? {
            Answer::Conflict(reason) => match self.client.get(target).await? {
                Some(live) if is_marked(&live, marks) => Ok(()),
                _ => Err(Error::Refused(format!("create {target}: {reason}"))),
            },
            answer => answer.accept(&format!("create {target}")),
        }
    }

    async fn try_create(
        &self,
        mut object: Value,
        target: &Target,
        marks: &Marks,
    ) -> Result<Answer, Error> {
        mark(&mut object, target, marks, (self.now)());
        self.client.create(target, object.to_go_json()).await
    }

    async fn update(
        &self,
        object: Value,
        target: &Target,
        action: &K8sAction,
    ) -> Result<(), Error> {
        let act = format!("update {target}");
        let live_edits = match &action.object {
            Object::Live { live_edits, .. } => Some(live_edits),
            Object::Known { .. } | Object::Fetched { .. } => None,
        };
        for attempt in 0..CONFLICTS {
            give_way(attempt).await;
            let Some(live) = self.client.get(target).await? else {
                if live_edits.is_some() {
                    return Err(Error::Refused(format!(
                        "{act}: the live object does not exist"
                    )));
                }
                match self
                    .try_create(object.clone(), target, &action.marks)
                    .await?
                {
                    // Created in between: the next round merges.
                    Answer::Conflict(_) => continue,
                    answer => return answer.accept(&act),
                }
            };
            let wanted = match live_edits {
                None => {
                    let mut merged = live.clone();
                    merge::merge(&mut merged, &object);
                    merged
                }
                Some(edits) => {
                    let mut text = live.to_go_json().into_bytes();
                    for edit in edits {
                        edit.apply(&mut text)
                            .map_err(|error| Error::Refused(format!("{act}: {error}")))?;
                    }
                    read(&text)?
                }
            };
            if wanted == live {
                return Ok(());
            }
            match self.client.replace(target, wanted.to_go_json()).await? {
                // Deleted in between: the next round creates it.
                Answer::Conflict(_) | Answer::Missing(_) => {}
                answer => return answer.accept(&act),
            }
        }
        Err(Error::Refused(format!(
            "{act}: {CONFLICTS} conflicts in a row"
        )))
    }

    async fn patch(&self, object: Value, target: &Target, action: &K8sAction) -> Result<(), Error> {
        let strategy = action.patch.unwrap_or(PatchStrategy::Merge);
        let act = format!("patch {target}");
        let body = match (strategy, object.get("patch")) {
            (PatchStrategy::Json, Some(operations @ Value::Array(_))) => operations.to_go_json(),
            (PatchStrategy::Json, _) => {
                return Err(Error::Refused(format!(
                    "{act}: a JSON patch needs its list of operations in the object's field `patch`"
                )));
            }
            _ => object.to_go_json(),
        };
        for _ in 0..CONFLICTS {
            match self.client.patch(target, strategy, body.clone()).await? {
                Answer::Missing(_) if strategy != PatchStrategy::Json => {}
                answer => return answer.accept(&act),
            }
            match self
                .try_create(object.clone(), target, &action.marks)
                .await?
            {
                // Created by somebody else in between: the next round patches it.
                Answer::Conflict(_) => {}
                answer => return answer.accept(&format!("create {target}")),
            }
        }
        Err(Error::Refused(format!(
            "{act}: it came and went {CONFLICTS} times in a row"
        )))
    }

    async fn delete(&self, target: &Target) -> Result<(), Error> {
        match self.client.delete(target).await? {
            Answer::Missing(_) => Ok(()),
            answer => answer.accept(&format!("delete {target}")),
        }
    }
}

/// Waits a little, longer after each conflict and not all for the same time: writers that meet again
/// and again would get nowhere.
async fn give_way(attempt: u32) {
    if attempt > 0 {
        let longest = CONFLICT_WAIT * attempt.min(20);
        tokio::time::sleep(longest.mul_f64(crate::run::fraction())).await;
    }
}

fn read(text: &[u8]) -> Result<Value, Error> {
    json::from_slice(text).map_err(|error| Error::Refused(format!("read the object: {error}")))
}

/// The name that takes the place of the API server's random one: the same firing gets the same
/// name, so a repeated create meets its own object.
fn generated_name(base: &str, marks: &Marks) -> String {
    const ALPHABET: &[u8; 32] = b"bcdfghjklmnpqrstvwxz2456789abcde";
    let digest = Sha256::digest(format!(
        "{}\n{}\n{}\n{}\n{}",
        marks.namespace, marks.sensor, marks.trigger, marks.event_ids, marks.dependencies
    ));
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
fn mark(object: &mut Value, target: &Target, marks: &Marks, now: Timestamp) {
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
    for (key, label) in marks.labels(now.as_millisecond()) {
        member(metadata, "labels").insert(key.into(), Value::String(label));
    }
    member(metadata, "annotations").insert(
        Marks::EVENT_ANNOTATION.into(),
        Value::String(marks.event_ids.clone()),
    );
}

/// The object under `key`, put there if it is missing or something else.
fn member<'m>(map: &'m mut Map, key: &str) -> &'m mut Map {
    let value = map.entry(key.to_owned()).or_default();
    if !matches!(value, Value::Object(_)) {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it was just made an object"),
    }
}

fn is_marked(live: &Value, marks: &Marks) -> bool {
    let annotation = live
        .get("metadata")
        .and_then(|metadata| metadata.get("annotations"))
        .and_then(|annotations| annotations.get(Marks::EVENT_ANNOTATION));
    annotation == Some(&Value::String(marks.event_ids.clone()))
}

/// How long one call to the API server may take before it counts as unavailable.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(ids: &str) -> Marks {
        Marks {
            event_ids: ids.into(),
            ..Marks::default()
        }
    }

    #[test]
    fn the_same_firing_generates_the_same_name() {
        let name = generated_name("job-", &marks("a"));
        assert_eq!(name, generated_name("job-", &marks("a")));
        assert_ne!(name, generated_name("job-", &marks("b")));
        let other = Marks {
            dependencies: "other".into(),
            ..marks("a")
        };
        assert_ne!(name, generated_name("job-", &other));
        assert_eq!(name.len(), "job-".len() + SUFFIX);
        assert_eq!(
            generated_name(&"x".repeat(80), &marks("a")).len(),
            NAME_LENGTH
        );
    }
}
