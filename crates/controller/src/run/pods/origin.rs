//! Whose a pod is.
//!
//! The owner that a pod names is what whoever has made it wrote there. Only pods of a ReplicaSet which
//! our Deployment owns speak for an object.

use k8s_openapi::api::apps::v1::ReplicaSet;
use kube::Api;
use kube::api::ObjectMeta;

use crate::Context;
use crate::index::children::{Key, Owner, controller};

/// Whose a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// One of the Deployment's pods.
    Ours,
    /// Somebody else's.
    Foreign,
    /// That cannot be said at this moment.
    Unknown,
}

/// Whose the pod of a ReplicaSet is that is named after one of our Deployments.
pub(super) async fn of(context: &Context, deployment: &Key, replica_set: &Owner) -> Origin {
    let Some(child) = context.children.get(deployment) else {
        return Origin::Unknown;
    };
    let api: Api<ReplicaSet> = Api::namespaced(context.client.clone(), &deployment.namespace);
    match api.get_metadata_opt(&replica_set.name).await {
        Ok(live) => {
            let live = live.map(|live| live.metadata);
            origin(&child.uid, replica_set, live)
        }
        // A role of an older installation: what worked then goes on.
        Err(kube::Error::Api(status)) if status.code == 403 => {
            tracing::warn!(
                error = status.message,
                "May not look whose a pod is: its report is believed"
            );
            Origin::Ours
        }
        Err(_) => Origin::Unknown,
    }
}

fn origin(deployment_uid: &str, named: &Owner, live: Option<ObjectMeta>) -> Origin {
    let Some(live) = live else {
        return Origin::Foreign;
    };
    let owner = controller(live.owner_references.unwrap_or_default());
    let is_named = live.uid.as_ref() == Some(&named.uid);
    let is_ours =
        owner.is_some_and(|owner| owner.kind == "Deployment" && owner.uid == deployment_uid);
    if is_named && is_ours {
        Origin::Ours
    } else {
        Origin::Foreign
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(live: Option<serde_json::Value>, expected: Origin) {
        let named = Owner {
            kind: "ReplicaSet".to_owned(),
            name: "web-5d4f".to_owned(),
            uid: "rs".to_owned(),
        };
        let live = live.map(|live| serde_json::from_value(live).unwrap());
        assert_eq!(origin("d", &named, live), expected);
    }

    #[test]
    fn only_pods_of_our_deployments_replica_sets_are_ours() {
        let live = |uid: &str, kind: &str, owner: &str| {
            Some(json!({"name": "web-5d4f", "uid": uid, "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": kind, "name": "web", "uid": owner,
                "controller": true}]}))
        };
        check(live("rs", "Deployment", "d"), Origin::Ours);
        check(live("other", "Deployment", "d"), Origin::Foreign);
        check(live("rs", "Deployment", "other"), Origin::Foreign);
        check(live("rs", "Rollout", "d"), Origin::Foreign);
        check(Some(json!({"uid": "rs"})), Origin::Foreign);
        check(None, Origin::Foreign);
    }
}
