//! The volumes of a bus: they grow with it, and go when it goes.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use tiphys_base::Reason;

use super::change::Refusal;
use super::names::Names;
use crate::apply::{delete_this, key_of};
use crate::{Context, Error, FIELD_MANAGER};

/// Why volumes did not grow.
#[derive(Debug)]
pub(super) enum GrowError {
    /// The cluster cannot do it: the user has to know.
    Refused(Refusal),
    /// It may work later.
    Failed(Error),
}

/// Makes the volumes of a StatefulSet larger, and deletes the StatefulSet without its pods: its end
/// wakes the bus, and the one that is made then takes the pods over.
///
/// # Errors
/// If the volumes cannot grow; then nothing has changed.
pub(super) async fn grow(
    context: &Context,
    names: &Names,
    live: &StatefulSet,
    size: &Quantity,
) -> Result<(), GrowError> {
    let replicas = live.spec.as_ref().and_then(|spec| spec.replicas);
    let claims: Vec<String> = (0..replicas.unwrap_or(1))
        .map(|ordinal| format!("{}-{}-{ordinal}", names.volume, live.name_any()))
        .collect();
    let api: Api<PersistentVolumeClaim> = Api::namespaced(context.client.clone(), &names.namespace);
    let patch = json!({"spec": {"resources": {"requests": {"storage": size}}}});
    // All or none: what the API server would refuse for one is asked for before any is changed.
    for is_trial in [true, false] {
        let params = PatchParams {
            dry_run: is_trial,
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        for claim in &claims {
            if !is_trial {
                context.metrics.wrote("PersistentVolumeClaim", "patch");
            }
            match api.patch(claim, &params, &Patch::Merge(&patch)).await {
                Ok(_) => {}
                // It is made with its pod, in the size of the new StatefulSet.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(kube::Error::Api(status)) if matches!(status.code, 403 | 422) => {
                    return Err(GrowError::Refused(cannot_grow(size, &status.message)));
                }
                Err(source) => {
                    let kind = "PersistentVolumeClaim";
                    let error = Error::request("patch", kind, claim.clone(), source);
                    return Err(GrowError::Failed(error));
                }
            }
        }
    }
    context.children.forget(&key_of(live));
    delete_this(context, live, DeleteParams::orphan())
        .await
        .map_err(GrowError::Failed)
}

fn cannot_grow(size: &Quantity, why: &str) -> Refusal {
    Refusal {
        reason: Reason::ImmutablePersistence,
        message: format!(
            "spec.jetstream.persistence.volumeSize: the volumes cannot grow to {}: {why}: put it \
             back, or use a storage class with allowVolumeExpansion",
            size.0
        ),
    }
}

/// Deletes the volumes of all servers that the bus ever had.
///
/// # Errors
/// If the API server refuses.
pub(super) async fn remove(context: &Context, names: &Names) -> Result<(), Error> {
    let kind = "PersistentVolumeClaim";
    let api: Api<PersistentVolumeClaim> = Api::namespaced(context.client.clone(), &names.namespace);
    let params = ListParams::default().labels(&names.selector());
    let claims = api
        .list_metadata(&params)
        .await
        .map_err(|source| Error::request("list", kind, names.stateful_set.clone(), source))?;
    for claim in claims {
        if claim.metadata.deletion_timestamp.is_none() {
            let claim = PersistentVolumeClaim {
                metadata: claim.metadata,
                ..PersistentVolumeClaim::default()
            };
            delete_this(context, &claim, DeleteParams::background()).await?;
        }
    }
    Ok(())
}
