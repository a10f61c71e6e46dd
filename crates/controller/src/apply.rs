//! Sends what should be, unless it is there already.
//!
//! Server-side apply: the fields of others stay, ours are put right. An object of ours that somebody
//! has edited or deleted is noticed by its generation, labels and annotations, or its version where
//! it has no generation.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, Preconditions};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::Context;
use crate::index::children::{Child, Key, Sent, controller};
use crate::takeover::{ARGO_ANNOTATION, take_over};
use crate::{CONTROLLER_LABEL, Error, FIELD_MANAGER, OWNER_LABEL};

/// What came of an apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything was as it should be; nothing was sent.
    Unchanged,
    /// It was sent.
    Sent,
}

/// Applies an object that its owner controls. It needs a name, a namespace, and a controller among
/// its owner references.
///
/// # Errors
/// If the API server refuses, or if an object of that name belongs to somebody else.
pub(crate) async fn apply<K>(context: &Context, desired: &K) -> Result<Outcome, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    let key = key_of(desired);
    let hash = hash(&key, desired)?;
    let live = context.children.get(&key);
    let sent = context.children.sent(&key);
    if live.as_ref().is_some_and(|live| live.is_deleting) {
        // Its end wakes the owner, who makes another one.
        return Ok(Outcome::Unchanged);
    }
    if is_there(sent.as_ref(), live.as_deref(), hash, desired.meta()) {
        return Ok(Outcome::Unchanged);
    }
    let api: Api<K> = Api::namespaced(context.client.clone(), &key.namespace);
    if sent.is_none() {
        ensure_ours(&api, &key, live.as_deref(), desired.meta()).await?;
        let is_argos = |live: &Child| live.annotations.contains_key(ARGO_ANNOTATION);
        if live.as_deref().is_some_and(is_argos) {
            take_over::<K>(context, &key).await?;
        }
    }
    context.metrics.wrote(key.kind.clone(), "apply");
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let applied = api.patch(&key.name, &params, &Patch::Apply(desired)).await;
    let applied = applied
        .map_err(|source| Error::request("apply", key.kind.clone(), key.name.clone(), source))?;
    context.children.note(key, Sent::new(hash, applied.meta()));
    Ok(Outcome::Sent)
}

/// True if [`apply`] would send nothing.
///
/// # Errors
/// If the object cannot be written as JSON.
pub(crate) fn is_applied<K>(context: &Context, desired: &K) -> Result<bool, Error>
where
    K: Resource<DynamicType = ()> + Serialize,
{
    let key = key_of(desired);
    let live = context.children.get(&key);
    let sent = context.children.sent(&key);
    let hash = hash(&key, desired)?;
    Ok(is_there(
        sent.as_ref(),
        live.as_deref(),
        hash,
        desired.meta(),
    ))
}

/// Deletes an object that is ours, with everything that it owns. That it is gone already is a
/// success.
///
/// # Errors
/// If the API server refuses.
pub(crate) async fn delete<K>(context: &Context, key: &Key, child: &Child) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    if child.is_deleting {
        return Ok(());
    }
    let api: Api<K> = Api::namespaced(context.client.clone(), &key.namespace);
    let params = DeleteParams::background().preconditions(Preconditions {
        uid: Some(child.uid.clone()),
        resource_version: None,
    });
    context.metrics.wrote(key.kind.clone(), "delete");
    context.children.forget(key);
    match api.delete(&key.name, &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        Err(source) => Err(Error::request(
            "delete",
            key.kind.clone(),
            key.name.clone(),
            source,
        )),
    }
}

/// Deletes this very object, by its uid; that it is gone already is a success.
///
/// # Errors
/// If the API server refuses.
pub(crate) async fn delete_this<K>(
    context: &Context,
    object: &K,
    params: DeleteParams,
) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let (kind, name) = (K::kind(&()).into_owned(), object.name_any());
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<K> = Api::namespaced(context.client.clone(), &namespace);
    let params = params.preconditions(Preconditions {
        uid: object.uid(),
        resource_version: None,
    });
    context.metrics.wrote(kind.clone(), "delete");
    match api.delete(&name, &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(source) => Err(Error::request("delete", kind, name, source)),
    }
}

/// The key of an object.
pub(crate) fn key_of<K: Resource<DynamicType = ()>>(object: &K) -> Key {
    Key {
        kind: K::kind(&()),
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
    }
}

fn hash<K: Serialize>(key: &Key, desired: &K) -> Result<[u8; 16], Error> {
    let bytes = serde_json::to_vec(desired).map_err(|source| Error::Encode {
        what: format!("{} {}", key.kind, key.name),
        source,
    })?;
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest[..16]);
    Ok(hash)
}

/// True if this very object was sent, and nobody has touched it.
fn is_there(
    sent: Option<&Sent>,
    live: Option<&Child>,
    hash: [u8; 16],
    desired: &ObjectMeta,
) -> bool {
    sent.is_some_and(|sent| {
        sent.hash == hash && live.is_none_or(|live| is_as_sent(live, sent, desired))
    })
}

/// True if nobody has touched the object since it was sent. The watch may be behind what was sent.
fn is_as_sent(live: &Child, sent: &Sent, desired: &ObjectMeta) -> bool {
    if live.uid != sent.uid {
        return live.resource_version <= sent.resource_version;
    }
    if live.resource_version <= sent.resource_version {
        return true;
    }
    match (live.generation, sent.generation) {
        (Some(live_generation), Some(sent_generation)) => {
            live_generation <= sent_generation
                && contains(&live.labels, desired.labels.as_ref())
                && contains(&live.annotations, desired.annotations.as_ref())
                && live.owner == controller(desired.owner_references.clone().unwrap_or_default())
        }
        _ => false,
    }
}

fn contains(live: &BTreeMap<String, String>, desired: Option<&BTreeMap<String, String>>) -> bool {
    let mut desired = desired.into_iter().flatten();
    desired.all(|(key, value)| live.get(key) == Some(value))
}

/// Refuses to take what somebody else has made.
async fn ensure_ours<K>(
    api: &Api<K>,
    key: &Key,
    live: Option<&Child>,
    desired: &ObjectMeta,
) -> Result<(), Error>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let found;
    let live = if let Some(live) = live {
        live
    } else {
        let metadata = api
            .get_metadata_opt(&key.name)
            .await
            .map_err(|source| Error::request("get", key.kind.clone(), key.name.clone(), source))?;
        let Some(metadata) = metadata else {
            return Ok(());
        };
        found = Child::new(metadata.metadata, None);
        &found
    };
    if is_ours(live, desired) {
        return Ok(());
    }
    Err(Error::Foreign {
        kind: key.kind.to_string(),
        name: key.name.clone(),
    })
}

/// Ours is what the owner controls (or one of its name did), and what nobody controls and bears our
/// labels.
fn is_ours(live: &Child, desired: &ObjectMeta) -> bool {
    let owner = controller(desired.owner_references.clone().unwrap_or_default());
    match (&live.owner, &owner) {
        (Some(live), Some(owner)) => live.kind == owner.kind && live.name == owner.name,
        (None, _) => [CONTROLLER_LABEL, OWNER_LABEL].iter().all(|label| {
            let wanted = desired
                .labels
                .as_ref()
                .and_then(|labels| labels.get(*label));
            wanted.is_some() && live.labels.get(*label) == wanted
        }),
        (Some(_), None) => false,
    }
}
