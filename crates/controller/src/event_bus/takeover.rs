//! Takes over the StatefulSet of a bus that Argo Events has made.
//!
//! Server-side apply leaves the fields of others alone, so Argo Events' exporter, reloader and delays
//! of probes would stay for ever. What Argo Events has written becomes ours, as if we had applied it:
//! then the next apply removes what it does not name.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::{Context, Error, FIELD_MANAGER};

/// What Argo Events leaves on its objects.
const ARGO_ANNOTATION: &str = "resource-spec-hash";

/// Takes a StatefulSet over, if Argo Events made it and nobody has taken it yet.
///
/// # Errors
/// If the API server refuses.
pub(super) async fn take_over(context: &Context, live: &StatefulSet) -> Result<(), Error> {
    let Some(fields) = taken(live) else {
        return Ok(());
    };
    let patch = json!({
        "metadata": {
            "uid": live.uid(),
            "resourceVersion": live.resource_version(),
            "managedFields": fields,
        },
    });
    let name = live.name_any();
    let namespace = live.namespace().unwrap_or_default();
    let api: Api<StatefulSet> = Api::namespaced(context.client.clone(), &namespace);
    context.metrics.wrote("StatefulSet", "patch");
    api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .map(|_| ())
        .map_err(|source| Error::request("take over", "StatefulSet", name, source))
}

/// Who owns which fields afterwards; `None` if nothing is to be done.
fn taken(live: &StatefulSet) -> Option<Vec<ManagedFieldsEntry>> {
    live.annotations().get(ARGO_ANNOTATION)?;
    let fields = live.managed_fields();
    let is_ours = |entry: &ManagedFieldsEntry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER)
            && entry.operation.as_deref() == Some("Apply")
    };
    let is_theirs = |entry: &&ManagedFieldsEntry| {
        entry.operation.as_deref() == Some("Update") && entry.subresource.is_none()
    };
    if fields.iter().any(is_ours) {
        return None;
    }
    let theirs = fields.iter().find(is_theirs)?.clone();
    let others = fields.iter().filter(|entry| **entry != theirs).cloned();
    let ours = ManagedFieldsEntry {
        manager: Some(FIELD_MANAGER.to_owned()),
        operation: Some("Apply".to_owned()),
        ..theirs.clone()
    };
    Some(std::iter::once(ours).chain(others).collect())
}
