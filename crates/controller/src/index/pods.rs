//! The pods of event sources and sensors: how they are, and what they report. And those of buses,
//! which report nothing.

mod trouble;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{NotUsed, Object, ObjectMeta};
use serde::Deserialize;
use tiphys_api::worker::{Report, SPEC_HASH_ANNOTATION};

use super::children::{Key, controller};
pub(crate) use trouble::Trouble;

/// The kind of what the servers of a bus belong to: they make no reports.
pub(crate) const STATEFUL_SET: &str = "StatefulSet";

/// The label by which Deployments distinguish the pods of their revisions.
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
    /// The spec that its annotation names.
    pub spec_hash: Option<String>,
    /// Its probes say that it works.
    pub is_ready: bool,
    /// It is being deleted, or has ended.
    pub is_ending: bool,
    /// Why it does not start.
    pub trouble: Option<Trouble>,
    /// Its last report.
    pub report: Option<Arc<Report>>,
}

/// All pods, by the Deployment or StatefulSet that they belong to, and by name.
#[derive(Debug, Default)]
pub struct Pods {
    by_owner: Mutex<ByOwner>,
}

type ByOwner = HashMap<Key, BTreeMap<String, Pod>>;

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
            .map(|pods| pods.values().cloned().collect())
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
        found.cloned().collect()
    }

    /// A pod is there or has changed. What the same one has reported is kept.
    pub(crate) fn seen(&self, owner: &Key, mut pod: Pod) {
        let mut pods = self.lock();
        let known = pods.entry(owner.clone()).or_default();
        if let Some(before) = known.remove(&pod.name)
            && before.uid == pod.uid
            && before.ip == pod.ip
            && !pod.is_ending
        {
            pod.report = before.report;
        }
        known.insert(pod.name.clone(), pod);
    }

    /// A pod is gone.
    pub(crate) fn gone(&self, owner: &Key, name: &str) {
        let mut pods = self.lock();
        let Some(known) = pods.get_mut(owner) else {
            return;
        };
        known.remove(name);
        if known.is_empty() {
            pods.remove(owner);
        }
    }

    /// All pods have been listed: others are gone, and are returned with their owners.
    pub(crate) fn listed_only(&self, listed: &BTreeMap<Key, Vec<String>>) -> Vec<(Key, String)> {
        let known: Vec<(Key, String)> = {
            let pods = self.lock();
            let names = pods.iter().flat_map(|(owner, pods)| {
                pods.keys().map(move |name| (owner.clone(), name.clone()))
            });
            names.collect()
        };
        let is_listed = |(owner, name): &(Key, String)| {
            let names = listed.get(owner);
            names.is_some_and(|names| names.contains(name))
        };
        let gone: Vec<_> = known.into_iter().filter(|pod| !is_listed(pod)).collect();
        for (owner, name) in &gone {
            self.gone(owner, name);
        }
        gone
    }

    /// Keeps what a pod reports; returns whether it is the one that is known.
    pub(crate) fn reported(&self, owner: &Key, uid: &str, report: Option<Arc<Report>>) -> bool {
        let mut pods = self.lock();
        let known = pods
            .get_mut(owner)
            .into_iter()
            .flat_map(|pods| pods.values_mut());
        let Some(pod) = known.into_iter().find(|pod| pod.uid == uid) else {
            return false;
        };
        pod.report = report;
        true
    }

    fn lock(&self) -> MutexGuard<'_, ByOwner> {
        // Nothing panics while it is held.
        self.by_owner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The Deployment that a pod belongs to: its ReplicaSet is named after it and the revision. Or its
/// StatefulSet.
pub(crate) fn owner_of(metadata: &ObjectMeta) -> Option<Key> {
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

impl Pod {
    /// What is kept of a pod.
    pub(crate) fn new(seen: SeenPod) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Key {
        key("ns", "web")
    }

    fn pod(uid: &str, ip: &str) -> Pod {
        Pod {
            name: "web-1".to_owned(),
            uid: uid.to_owned(),
            ip: Some(ip.to_owned()),
            ..Pod::default()
        }
    }

    fn has_report(pods: &Pods) -> Vec<bool> {
        let pods = pods.of("ns", "web");
        pods.iter().map(|pod| pod.report.is_some()).collect()
    }

    #[test]
    fn a_report_is_kept_for_the_pod_that_made_it() {
        let pods = Pods::default();
        let report = || Some(Arc::new(Report::default()));
        pods.seen(&owner(), pod("a", "10.0.0.1"));
        assert!(pods.reported(&owner(), "a", report()));
        pods.seen(&owner(), pod("a", "10.0.0.1"));
        assert_eq!(has_report(&pods), [true]);
        // Another pod has its name.
        pods.seen(&owner(), pod("b", "10.0.0.1"));
        assert_eq!(has_report(&pods), [false]);
        assert!(!pods.reported(&owner(), "a", report()));
        // One that ends works no more.
        assert!(pods.reported(&owner(), "b", report()));
        let ending = Pod {
            is_ending: true,
            ..pod("b", "10.0.0.1")
        };
        pods.seen(&owner(), ending);
        assert_eq!(has_report(&pods), [false]);
    }

    #[test]
    fn pods_that_are_not_listed_are_gone() {
        let pods = Pods::default();
        pods.seen(&owner(), pod("a", "10.0.0.1"));
        pods.seen(&key("ns", "other"), pod("b", "10.0.0.2"));
        let listed = BTreeMap::from([(owner(), vec!["web-1".to_owned()])]);
        assert_eq!(
            pods.listed_only(&listed),
            [(key("ns", "other"), "web-1".to_owned())]
        );
        assert_eq!(pods.of("ns", "web").len(), 1);
        assert_eq!(pods.of("ns", "other").len(), 0);
    }
}
