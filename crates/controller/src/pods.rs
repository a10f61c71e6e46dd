//! The pods of event sources and sensors: how they are, and what they say of themselves. And those
//! of buses, which say nothing.

mod report;
mod trouble;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{NotUsed, Object, ObjectMeta};
use kube::runtime::watcher::Event;
use serde::Deserialize;
use tiphys_api::worker::{Report, SPEC_HASH_ANNOTATION};
use tokio::task::{AbortHandle, JoinSet};

use crate::children::{Key, controller};
use crate::context::Context;
use crate::run::Wakes;
pub use trouble::Trouble;

/// The kind of what the servers of a bus belong to: they make no reports.
const STATEFUL_SET: &str = "StatefulSet";

/// What Deployments tell the pods of their revisions apart by.
const REVISION_LABEL: &str = "pod-template-hash";

/// A pod.
#[derive(Clone, Debug, Default)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Where it is.
    pub ip: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// The revision of its StatefulSet that it is of.
    pub revision: Option<String>,
    /// The spec that it was told to have.
    pub spec_hash: Option<String>,
    /// Its probes say that it works.
    pub is_ready: bool,
    /// It is being deleted, or has ended.
    pub is_ending: bool,
    /// Why it does not start.
    pub trouble: Option<Trouble>,
    /// What it says of itself.
    pub report: Option<Arc<Report>>,
}

/// All pods, by the Deployment or StatefulSet that they belong to.
#[derive(Debug, Default)]
pub struct Pods {
    by_deployment: Mutex<HashMap<Key, BTreeMap<String, Entry>>>,
}

#[derive(Debug)]
struct Entry {
    pod: Pod,
    /// Reads its reports from this address.
    reader: Option<(String, AbortHandle)>,
}

/// What is read of a pod.
pub(crate) type SeenPod = Object<NotUsed, PodStatus>;

/// The part of a pod's status that is kept.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PodStatus {
    phase: String,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    conditions: Vec<PodCondition>,
    init_container_statuses: Vec<ContainerStatus>,
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct PodCondition {
    r#type: String,
    status: String,
    reason: String,
    message: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus {
    state: ContainerState,
    last_state: ContainerState,
    restart_count: i32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerState {
    waiting: Option<Waiting>,
    running: Option<NotUsed>,
    terminated: Option<Terminated>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: String,
    message: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    reason: String,
    message: String,
    exit_code: i32,
}

impl Pods {
    /// The pods of a Deployment, by name.
    pub fn of(&self, namespace: &str, deployment: &str) -> Vec<Pod> {
        let pods = self.lock();
        let found = pods.get(&key(namespace, deployment));
        found
            .map(|pods| pods.values().map(|entry| entry.pod.clone()).collect())
            .unwrap_or_default()
    }

    /// The pods of a StatefulSet, by name.
    pub fn of_stateful_set(&self, namespace: &str, name: &str) -> Vec<Pod> {
        let key = Key {
            kind: STATEFUL_SET.into(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let pods = self.lock();
        let found = pods.get(&key).into_iter().flat_map(BTreeMap::values);
        found.map(|entry| entry.pod.clone()).collect()
    }

    /// Keeps what a pod says; returns whether it is the one that is known.
    fn reported(&self, deployment: &Key, uid: &str, report: Option<Arc<Report>>) -> bool {
        let mut pods = self.lock();
        let known = pods
            .get_mut(deployment)
            .into_iter()
            .flat_map(|pods| pods.values_mut());
        let Some(entry) = known.into_iter().find(|entry| entry.pod.uid == uid) else {
            return false;
        };
        entry.pod.report = report;
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, BTreeMap<String, Entry>>> {
        // Nothing panics while it is held.
        self.by_deployment
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows the pods and their reports, and wakes whom they concern.
pub(crate) async fn run(
    context: Arc<Context>,
    wakes: Wakes,
    events: impl Stream<Item = Event<SeenPod>> + Send,
) {
    let mut events = std::pin::pin!(events);
    let mut readers = JoinSet::new();
    let mut listed: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    loop {
        let event = tokio::select! {
            Some(event) = events.next() => event,
            Some(_) = readers.join_next() => continue,
            else => return,
        };
        let mut woken = Vec::new();
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(seen) | Event::Apply(seen) => {
                if let Some(deployment) = deployment_of(&seen.metadata) {
                    let name = seen.metadata.name.clone().unwrap_or_default();
                    listed.entry(deployment.clone()).or_default().push(name);
                    see(&context, &wakes, &deployment, seen, &mut readers);
                    woken.push(deployment);
                }
            }
            Event::InitDone => {
                let names = std::mem::take(&mut listed);
                woken.extend(forget_others(&context.pods, &names));
            }
            Event::Delete(seen) => {
                if let Some(deployment) = deployment_of(&seen.metadata) {
                    let name = seen.metadata.name.unwrap_or_default();
                    forget(&context.pods, &deployment, &name);
                    woken.push(deployment);
                }
            }
        }
        for deployment in woken {
            wake(&context, &wakes, &deployment).await;
        }
    }
}

/// Wakes the reconciler of the object that a Deployment is for.
async fn wake(context: &Context, wakes: &Wakes, deployment: &Key) {
    let child = context.children.get(deployment);
    if let Some(owner) = child.as_ref().and_then(|child| child.owner.as_ref()) {
        wakes
            .wake(&owner.kind, &deployment.namespace, &owner.name)
            .await;
    }
}

fn see(
    context: &Arc<Context>,
    wakes: &Wakes,
    deployment: &Key,
    seen: SeenPod,
    readers: &mut JoinSet<()>,
) {
    let mut pod = Pod::new(seen);
    let mut pods = context.pods.lock();
    let known = pods.entry(deployment.clone()).or_default();
    let mut reader = None;
    if let Some(before) = known.remove(&pod.name) {
        if before.pod.uid == pod.uid && before.pod.ip == pod.ip && !pod.is_ending {
            pod.report = before.pod.report;
            reader = before.reader;
        } else {
            before.stop();
        }
    }
    if reader.is_none()
        && !pod.is_ending
        && deployment.kind != STATEFUL_SET
        && let Some(ip) = &pod.ip
    {
        let reading = report::Reader {
            context: Arc::clone(context),
            wakes: wakes.clone(),
            deployment: deployment.clone(),
            uid: pod.uid.clone(),
            address: ip.clone(),
        };
        reader = Some((ip.clone(), readers.spawn(reading.run())));
    }
    known.insert(pod.name.clone(), Entry { pod, reader });
}

fn forget(pods: &Pods, deployment: &Key, name: &str) {
    let mut pods = pods.lock();
    let Some(known) = pods.get_mut(deployment) else {
        return;
    };
    if let Some(entry) = known.remove(name) {
        entry.stop();
    }
    if known.is_empty() {
        pods.remove(deployment);
    }
}

/// Forgets the pods that were not listed; returns their Deployments.
fn forget_others(pods: &Pods, listed: &BTreeMap<Key, Vec<String>>) -> Vec<Key> {
    let known: Vec<(Key, String)> = {
        let pods = pods.lock();
        let names = pods.iter().flat_map(|(deployment, pods)| {
            pods.keys()
                .map(move |name| (deployment.clone(), name.clone()))
        });
        names.collect()
    };
    let gone = known.into_iter().filter(|(deployment, name)| {
        listed
            .get(deployment)
            .is_none_or(|names| !names.contains(name))
    });
    gone.map(|(deployment, name)| {
        forget(pods, &deployment, &name);
        deployment
    })
    .collect()
}

/// The Deployment that a pod belongs to: its ReplicaSet is named after it and the revision. Or its
/// StatefulSet.
fn deployment_of(metadata: &ObjectMeta) -> Option<Key> {
    let owner = controller(metadata.owner_references.clone().unwrap_or_default())?;
    if owner.kind == STATEFUL_SET {
        return Some(Key {
            kind: STATEFUL_SET.into(),
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: owner.name,
        });
    }
    let revision = metadata.labels.as_ref()?.get(REVISION_LABEL)?;
    let deployment = owner.name.strip_suffix(revision)?.strip_suffix('-')?;
    (owner.kind == "ReplicaSet").then(|| {
        key(
            metadata.namespace.as_deref().unwrap_or_default(),
            deployment,
        )
    })
}

fn key(namespace: &str, deployment: &str) -> Key {
    Key {
        kind: "Deployment".into(),
        namespace: namespace.to_owned(),
        name: deployment.to_owned(),
    }
}

impl Entry {
    fn stop(self) {
        if let Some((_, reader)) = self.reader {
            reader.abort();
        }
    }
}

impl Pod {
    fn new(seen: SeenPod) -> Self {
        let metadata = seen.metadata;
        let status = seen.status.unwrap_or_default();
        let has_ended = status.phase == "Failed" || status.phase == "Succeeded";
        let annotations = metadata.annotations.unwrap_or_default();
        let labels = metadata.labels.unwrap_or_default();
        Self {
            trouble: trouble::of(&status),
            is_ready: status
                .conditions
                .iter()
                .any(|condition| condition.r#type == "Ready" && condition.status == "True"),
            is_ending: has_ended || metadata.deletion_timestamp.is_some(),
            name: metadata.name.unwrap_or_default(),
            uid: metadata.uid.unwrap_or_default(),
            ip: status.pod_ip.filter(|ip| !ip.is_empty()),
            created: metadata.creation_timestamp.map(|Time(created)| created),
            revision: labels.get("controller-revision-hash").cloned(),
            spec_hash: annotations.get(SPEC_HASH_ANNOTATION).cloned(),
            report: None,
        }
    }
}
