//! Takes over what Argo Events' controller has made.
//!
//! Server-side apply leaves the fields of others alone, so that a port or a label which Argo Events
//! has written would stay for ever. What it has written becomes ours, as if we had applied it: then
//! the next apply removes what it does not name.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::index::children::Key;
use crate::{Context, Error, FIELD_MANAGER};

/// What Argo Events leaves on its objects.
pub(crate) const ARGO_ANNOTATION: &str = "resource-spec-hash";

/// Takes an object over, if nobody has taken it yet.
///
/// # Errors
/// If the API server refuses.
pub(crate) async fn take_over<K>(context: &Context, key: &Key) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(context.client.clone(), &key.namespace);
    let failed = |source| Error::request("take over", key.kind.clone(), key.name.clone(), source);
    let found = api.get_metadata_opt(&key.name).await.map_err(failed)?;
    let Some(found) = found.map(|found| found.metadata) else {
        return Ok(());
    };
    let Some(fields) = taken(&found) else {
        return Ok(());
    };
    let patch = json!({
        "metadata": {
            "uid": found.uid,
            "resourceVersion": found.resource_version,
            "managedFields": fields,
        },
    });
    context.metrics.wrote(key.kind.clone(), "patch");
    let patch = Patch::Merge(&patch);
    let patched = api
        .patch_metadata(&key.name, &PatchParams::default(), &patch)
        .await;
    patched.map(drop).map_err(failed)
}

/// Who owns which fields afterwards; `None` if nothing is to be done.
fn taken(metadata: &ObjectMeta) -> Option<Vec<ManagedFieldsEntry>> {
    let fields = metadata.managed_fields.as_deref().unwrap_or_default();
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
