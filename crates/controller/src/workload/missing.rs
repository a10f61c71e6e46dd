//! Secrets and ConfigMaps that keep pods from starting.
//!
//! A pod whose volumes cannot be mounted waits, and its status does not say for what: only the
//! kubelet's Events do. The API server is asked instead, and only while a pod waits.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use tiphys_api::BusConfig;
use tiphys_base::Reason;

use super::Workload;
use super::mounts::{Origin, needed};
use crate::Context;
use crate::condition::{Verdict, joined};
use crate::index::pods::Pod;

/// A pod that has no address for so long waits for something.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often the API server is asked while a pod waits.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(5);

/// True if a pod waits to be started, and nobody says for what.
pub(super) fn waits(pods: &[Pod]) -> bool {
    pods.iter()
        .any(|pod| pod.ip.is_none() && !pod.is_ending && pod.trouble.is_none())
}

/// What the pods that wait lack; `None` if that is not it, or they wait for a moment only.
pub(super) async fn missing<K: Workload>(
    context: &Context,
    object: &K,
    bus: &BusConfig,
    pods: &[Pod],
) -> Option<Verdict> {
    let now = (context.now)();
    let is_late = |pod: &Pod| pod.ip.is_none() && !pod.is_ending && is_late(pod.created, now);
    if !pods.iter().any(is_late) {
        return None;
    }
    let namespace = object.meta().namespace.as_deref().unwrap_or_default();
    let mut messages = Vec::new();
    for (origin, name, keys) in needed(bus, &object.key_refs()) {
        let kind = match origin {
            Origin::Secret => "Secret",
            Origin::ConfigMap => "ConfigMap",
        };
        // What cannot be asked is not known to be missing.
        let Ok(found) = keys_of(context, namespace, origin, &name).await else {
            continue;
        };
        match found {
            None => messages.push(format!("{kind} {name} does not exist")),
            Some(found) => {
                let lacking = keys.into_iter().filter(|key| !found.contains(key));
                messages.extend(lacking.map(|key| format!("{kind} {name} has no key {key}")));
            }
        }
    }
    (!messages.is_empty()).then(|| Verdict::fails(Reason::MissingKeys, joined(&messages)))
}

fn is_late(created: Option<Timestamp>, now: Timestamp) -> bool {
    created.is_some_and(|created| now.duration_since(created).unsigned_abs() > PATIENCE)
}

/// The keys of a Secret or ConfigMap; `None` if there is no such object.
async fn keys_of(
    context: &Context,
    namespace: &str,
    origin: Origin,
    name: &str,
) -> kube::Result<Option<BTreeSet<String>>> {
    let client = context.client.clone();
    Ok(match origin {
        Origin::Secret => {
            let found = Api::<Secret>::namespaced(client, namespace)
                .get_opt(name)
                .await?;
            found.map(|found| found.data.unwrap_or_default().into_keys().collect())
        }
        Origin::ConfigMap => {
            let found = Api::<ConfigMap>::namespaced(client, namespace)
                .get_opt(name)
                .await?;
            found.map(|found| {
                let binary = found.binary_data.unwrap_or_default().into_keys();
                found
                    .data
                    .unwrap_or_default()
                    .into_keys()
                    .chain(binary)
                    .collect()
            })
        }
    })
}
