//! Objects that are paused: they have no pods, and everything else that there should be.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use tiphys_api::pause::{PAUSED_ANNOTATION, is_paused};
use tiphys_base::Reason;

use super::Workload;
use crate::condition::Verdict;
use crate::index::children::{Child, Key};
use crate::{Context, Error, FIELD_MANAGER};

/// How many pods there should be.
pub(super) fn pod_count<K: Workload>(object: &K) -> i32 {
    if is_paused(object.meta()) {
        0
    } else {
        object.replica_count()
    }
}

/// Why a paused object has no pods; `None` if it is not paused.
pub(super) fn verdict<K: Workload>(object: &K) -> Option<Verdict> {
    if !is_paused(object.meta()) {
        return None;
    }
    let (name, namespace) = (object.name_any(), object.namespace().unwrap_or_default());
    let message = format!(
        "paused by its annotation {PAUSED_ANNOTATION}: {} (`tiphys resume {}/{name} -n {namespace}` \
         resumes it)",
        K::WHILE_PAUSED,
        K::ARGUMENT,
    );
    Some(Verdict::fails(Reason::Paused, message))
}

/// Pauses or resumes the pods that are there, when the whole Deployment cannot be computed: for a spec
/// with faults, or without a bus, what was deployed before stays.
///
/// # Errors
/// If the API server refuses.
pub(super) async fn scale<K: Workload>(
    object: &K,
    context: &Context,
    key: &Key,
) -> Result<(), Error> {
    let Some(child) = context.children.get(key) else {
        return Ok(());
    };
    let Some(replicas) = scaled(object, &child) else {
        return Ok(());
    };
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = json!({"metadata": {"uid": child.uid}, "spec": {"replicas": replicas}});
    let api: Api<Deployment> = Api::namespaced(context.client.clone(), &key.namespace);
    context.metrics.wrote("Deployment", "patch");
    match api.patch(&key.name, &params, &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        // It has gone, or another one has its name: its watch says so.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(source) => Err(Error::request(
            "scale",
            "Deployment",
            key.name.clone(),
            source,
        )),
    }
}

/// How many pods a Deployment should have instead, if a pause or its end says so.
fn scaled<K: Workload>(object: &K, deployment: &Child) -> Option<i32> {
    let uid = object.meta().uid.as_ref();
    let is_own = deployment.owner.as_ref().map(|owner| &owner.uid) == uid;
    let replicas = deployment.workload.as_ref()?.wanted_replicas?;
    let wanted = pod_count(object);
    // Any other number is that of the last good spec.
    let has_changed = (replicas == 0) != (wanted == 0);
    (is_own && has_changed && !deployment.is_deleting).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use tiphys_api::{ConditionStatus, EventSource, Sensor};

    use super::*;
    use crate::index::children::{Owner, Workload as Counts};

    fn sensor(annotation: &str) -> Sensor {
        let object = json!({"metadata": {"name": "sn", "namespace": "ns", "uid": "u",
            "annotations": {"events.argoproj.io/paused": annotation}}, "spec": {"replicas": 3}});
        serde_json::from_value(object).unwrap()
    }

    fn deployment(uid: &str, replicas: i32) -> Child {
        Child {
            owner: Some(Owner {
                kind: "Sensor".to_owned(),
                name: "sn".to_owned(),
                uid: uid.to_owned(),
            }),
            workload: Some(Counts {
                wanted_replicas: Some(replicas),
                ..Counts::default()
            }),
            ..Child::default()
        }
    }

    #[test]
    fn a_paused_object_has_no_pods_and_says_how_it_is_resumed() {
        assert_eq!(pod_count(&sensor("true")), 0);
        assert_eq!(pod_count(&sensor("false")), 3);
        assert_eq!(verdict(&sensor("false")), None);
        let said = verdict(&sensor("true")).unwrap();
        assert_eq!(said.status, ConditionStatus::False);
        assert_eq!(said.reason.as_str(), "Paused");
        assert_eq!(
            said.message,
            "paused by its annotation events.argoproj.io/paused: its events wait on the bus \
             (`tiphys resume sensor/sn -n ns` resumes it)"
        );
        let source = json!({"metadata": {"name": "es", "namespace": "ns",
            "annotations": {"events.argoproj.io/paused": "true"}}, "spec": {}});
        let source: EventSource = serde_json::from_value(source).unwrap();
        assert_eq!(
            verdict(&source).unwrap().message,
            "paused by its annotation events.argoproj.io/paused: it receives and publishes nothing \
             (`tiphys resume eventsource/es -n ns` resumes it)"
        );
    }

    #[test]
    fn what_was_deployed_for_an_older_spec_is_paused_and_resumed_too() {
        assert_eq!(scaled(&sensor("true"), &deployment("u", 2)), Some(0));
        assert_eq!(scaled(&sensor("true"), &deployment("u", 0)), None);
        assert_eq!(scaled(&sensor("false"), &deployment("u", 0)), Some(3));
        // A faulty spec changes nothing else.
        assert_eq!(scaled(&sensor("false"), &deployment("u", 2)), None);
        assert_eq!(scaled(&sensor("true"), &deployment("other", 2)), None);
    }
}
