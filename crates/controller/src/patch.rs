//! Changes of the objects that users write: their finalizers and their status, nothing else of them.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Context, Error, FIELD_MANAGER};

/// Sets the finalizers of an object, in the version that was seen. That it is gone is a success.
///
/// # Errors
/// If the API server refuses; `verb` says what was attempted.
pub(crate) async fn finalizers<K>(
    context: &Context,
    object: &K,
    finalizers: &[String],
    verb: &'static str,
) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let patch = json!({
        "metadata": {"resourceVersion": object.resource_version(), "finalizers": finalizers},
    });
    context.metrics.wrote(K::kind(&()), "patch");
    let patched = api(context, object)
        .patch_metadata(&object.name_any(), &params(), &Patch::Merge(&patch))
        .await;
    outcome(object, verb, patched)
}

/// Merges `status` into the status of an object. That it is gone is a success: its watch says so.
///
/// # Errors
/// If the API server refuses.
pub(crate) async fn status<K>(context: &Context, object: &K, status: Value) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    // The uid refuses a write to an object that has been made anew.
    let patch = json!({"metadata": {"uid": object.uid()}, "status": status});
    context.metrics.wrote(K::kind(&()), "status");
    let patched = api(context, object)
        .patch_status(&object.name_any(), &params(), &Patch::Merge(&patch))
        .await;
    outcome(object, "write the status of", patched)
}

fn api<K>(context: &Context, object: &K) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let namespace = object.namespace().unwrap_or_default();
    Api::namespaced(context.client.clone(), &namespace)
}

fn params() -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

fn outcome<K: Resource<DynamicType = ()>, T>(
    object: &K,
    verb: &'static str,
    patched: kube::Result<T>,
) -> Result<(), Error> {
    match patched {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(Error::request(
            verb,
            K::kind(&()),
            object.name_any(),
            source,
        )),
    }
}
