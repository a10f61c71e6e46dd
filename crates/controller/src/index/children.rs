//! What is: of everything that the reconcilers own, the metadata and what its status says.
//!
//! Kept from watches, and only what a reconcile asks for, since there are several objects for each
//! one that a user writes. Beside it stands what was sent, so that nothing is sent twice.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, OwnerReference, Time};
use kube::api::ObjectMeta;
use tokio::sync::watch;

use crate::FIELD_MANAGER;

/// Names one object that a reconciler owns.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its kind, such as `Deployment`.
    pub kind: Cow<'static, str>,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// An object that a reconciler owns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Child {
    /// Its uid.
    pub uid: String,
    /// Its version: grows with every change of the object.
    pub resource_version: u64,
    /// The generation of its spec; ConfigMaps and Services have none.
    pub generation: Option<i64>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Whose it is.
    pub owner: Option<Owner>,
    /// It is being deleted.
    pub is_deleting: bool,
    /// How its pods are, if it has pods.
    pub workload: Option<Workload>,
}

/// The controller of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Owner {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// How the pods of a Deployment or StatefulSet are.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Workload {
    /// How many there should be, as its spec says.
    #[serde(skip)]
    pub wanted_replicas: Option<i32>,
    /// The generation that the rest speaks of.
    pub observed_generation: i64,
    /// How many there are.
    pub replicas: i32,
    /// How many are as the spec wants them.
    pub updated_replicas: i32,
    /// How many are ready.
    pub ready_replicas: i32,
    /// How many are ready for long enough.
    pub available_replicas: i32,
    /// The revision of the pods that are as the spec wants them; for StatefulSets.
    pub update_revision: Option<String>,
    /// What else is to be said.
    pub conditions: Vec<WorkloadCondition>,
}

/// A condition of a Deployment or StatefulSet.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub struct WorkloadCondition {
    /// What it is about, such as `ReplicaFailure`.
    pub r#type: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word for the cause.
    pub reason: String,
    /// The cause in words.
    pub message: String,
}

/// What was sent last, and what it became.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// Hash of what was sent.
    pub hash: [u8; 16],
    /// The uid of the object that it became.
    pub uid: String,
    /// Its version.
    pub resource_version: u64,
    /// Its generation.
    pub generation: Option<i64>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When what was sent has changed it last.
    pub written: Option<Timestamp>,
}

impl Sent {
    /// `metadata` is that of the answer.
    pub fn new(hash: [u8; 16], metadata: &ObjectMeta) -> Self {
        Self {
            hash,
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: version(metadata.resource_version.as_deref()),
            generation: metadata.generation,
            created: metadata.creation_timestamp.as_ref().map(|Time(time)| *time),
            written: metadata.managed_fields.as_deref().and_then(written),
        }
    }
}

/// All objects that reconcilers own.
#[derive(Debug)]
pub struct Children {
    inner: Mutex<Inner>,
    listed: watch::Sender<BTreeSet<&'static str>>,
}

#[derive(Debug, Default)]
struct Inner {
    live: HashMap<Key, Arc<Child>>,
    by_owner: HashMap<String, BTreeSet<Key>>,
    sent: HashMap<Key, Sent>,
}

impl Default for Children {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            listed: watch::Sender::new(BTreeSet::new()),
        }
    }
}

impl Children {
    /// The object of this name.
    pub fn get(&self, key: &Key) -> Option<Arc<Child>> {
        self.lock().live.get(key).cloned()
    }

    /// True if there is an object of this name, or there will be as soon as its watch says so.
    pub fn is_made(&self, key: &Key) -> bool {
        let inner = self.lock();
        inner.live.contains_key(key) || inner.sent.contains_key(key)
    }

    /// Everything that the object of this uid owns.
    pub fn of(&self, owner_uid: &str) -> Vec<(Key, Arc<Child>)> {
        let inner = self.lock();
        let keys = inner.by_owner.get(owner_uid).into_iter().flatten();
        keys.filter_map(|key| Some((key.clone(), inner.live.get(key)?.clone())))
            .collect()
    }

    /// What was sent last for an object.
    pub fn sent(&self, key: &Key) -> Option<Sent> {
        self.lock().sent.get(key).cloned()
    }

    /// Notes what was sent.
    pub fn note(&self, key: Key, sent: Sent) {
        self.lock().sent.insert(key, sent);
    }

    /// Forgets what was sent, so that it is sent again.
    pub fn forget(&self, key: &Key) {
        self.lock().sent.remove(key);
    }

    /// Waits until each of these kinds has been listed once.
    pub async fn listed(&self, kinds: &[&'static str]) {
        let mut listed = self.listed.subscribe();
        let all = |listed: &BTreeSet<&str>| kinds.iter().all(|kind| listed.contains(kind));
        // The sender lives as long as `self`.
        listed.wait_for(all).await.ok();
    }

    /// An object is there or has changed. Returns the owners to wake.
    pub(crate) fn seen(&self, key: Key, child: Child) -> Vec<Owner> {
        let mut inner = self.lock();
        let mut owners: Vec<Owner> = child.owner.clone().into_iter().collect();
        if let Some(before) = inner.live.get(&key).cloned() {
            if let Some(owner) = before
                .owner
                .as_ref()
                .filter(|owner| !owners.contains(owner))
            {
                owners.push(owner.clone());
            }
            inner.disown(&key, &before);
        }
        if let Some(owner) = &child.owner {
            let owned = inner.by_owner.entry(owner.uid.clone()).or_default();
            owned.insert(key.clone());
        }
        inner.live.insert(key, Arc::new(child));
        owners
    }

    /// An object is gone. Returns the owner to wake.
    pub(crate) fn gone(&self, key: &Key) -> Option<Owner> {
        let mut inner = self.lock();
        let child = inner.live.remove(key)?;
        inner.disown(key, &child);
        if inner
            .sent
            .get(key)
            .is_some_and(|sent| sent.uid == child.uid)
        {
            inner.sent.remove(key);
        }
        child.owner.clone()
    }

    /// All objects of a kind have been listed: others are gone. Returns the owners to wake, with
    /// their namespaces.
    pub(crate) fn listed_only(
        &self,
        kind: &'static str,
        names: &BTreeSet<(String, String)>,
    ) -> Vec<(String, Owner)> {
        let is_gone = |key: &Key| {
            key.kind == kind && !names.contains(&(key.namespace.clone(), key.name.clone()))
        };
        let gone: Vec<Key> = {
            let mut inner = self.lock();
            inner.sent.retain(|key, _| !is_gone(key));
            inner
                .live
                .keys()
                .filter(|key| is_gone(key))
                .cloned()
                .collect()
        };
        let owners = gone
            .into_iter()
            .filter_map(|key| self.gone(&key).map(|owner| (key.namespace, owner)))
            .collect();
        self.note_listed(kind);
        owners
    }

    /// All objects of a kind have been listed.
    pub(crate) fn note_listed(&self, kind: &'static str) {
        self.listed.send_if_modified(|listed| listed.insert(kind));
    }

    /// Forgets everything that was sent for the objects of an owner that is gone.
    pub(crate) fn forget_owner(&self, uid: &str) {
        let mut inner = self.lock();
        let keys = inner.by_owner.get(uid).cloned().unwrap_or_default();
        for key in keys {
            inner.sent.remove(&key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn disown(&mut self, key: &Key, child: &Child) {
        let Some(owner) = &child.owner else { return };
        if let Some(owned) = self.by_owner.get_mut(&owner.uid) {
            owned.remove(key);
            if owned.is_empty() {
                self.by_owner.remove(&owner.uid);
            }
        }
    }
}

impl Child {
    /// What is kept of an object.
    pub fn new(metadata: ObjectMeta, workload: Option<Workload>) -> Self {
        let owners = metadata.owner_references.unwrap_or_default();
        Self {
            uid: metadata.uid.unwrap_or_default(),
            resource_version: version(metadata.resource_version.as_deref()),
            generation: metadata.generation,
            labels: metadata.labels.unwrap_or_default(),
            annotations: metadata.annotations.unwrap_or_default(),
            owner: controller(owners),
            is_deleting: metadata.deletion_timestamp.is_some(),
            workload,
        }
    }
}

/// A resourceVersion as a number, which it is since Kubernetes 1.35, and was before.
pub(crate) fn version(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// When our part of an object was changed last.
fn written(fields: &[ManagedFieldsEntry]) -> Option<Timestamp> {
    let ours = fields.iter().find(|entry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER)
            && entry.operation.as_deref() == Some("Apply")
    });
    ours?.time.as_ref().map(|Time(time)| *time)
}

pub(crate) fn controller(owners: Vec<OwnerReference>) -> Option<Owner> {
    let owner = owners
        .into_iter()
        .find(|owner| owner.controller == Some(true))?;
    Some(Owner {
        kind: owner.kind,
        name: owner.name,
        uid: owner.uid,
    })
}
