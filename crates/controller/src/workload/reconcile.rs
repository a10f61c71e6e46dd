//! Brings about what an event source or sensor asks for, and writes its status.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod as KubePod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use serde_json::json;
use tiphys_api::worker::SPEC_HASH_ANNOTATION;
use tiphys_api::{BusConfig, Problem};
use tiphys_base::Reason;

use super::desired::{Desired, deployment_name, desired};
use super::rollout::{AVAILABLE, DEPLOYED, Rollout};
use super::{Workload, bus, check, explain, missing, pause, status};
use crate::apply::{Outcome, apply, delete, key_of};
use crate::condition::{Conditions, DEAD_LETTER_ROOM, Verdict};
use crate::index::children::{Child, Key};
use crate::index::pods::Pod;
use crate::{Context, Error, patch};

/// Something that could not be brought about, with the reason and message that Argo Events has for it.
struct Failure {
    reason: Reason,
    message: &'static str,
    error: Error,
}

/// What is wrong with an object that was not checked yet.
async fn checked<K: Workload>(
    object: &K,
    context: &Context,
    uid: &str,
    generation: i64,
) -> Arc<[Problem]> {
    let copy = object.clone();
    let found = context.checks.run(move || copy.problems()).await;
    let problems: Arc<[Problem]> = match found {
        Ok(problems) => problems.into(),
        Err(error) => return [Problem::error("", format!("checking it failed: {error}"))].into(),
    };
    context
        .memory
        .note_problems(uid, generation, Arc::clone(&problems));
    problems
}

/// Brings about what the object asks for, and writes its status.
pub(crate) async fn reconcile<K: Workload>(object: &K, context: &Context) -> Result<Action, Error> {
    drop_finalizer(object, context).await?;
    if object.meta().deletion_timestamp.is_some() {
        // What it owns goes with it.
        return Ok(Action::await_change());
    }
    let namespace = object.namespace().unwrap_or_default();
    let name = object.name_any();
    let mut conditions = Conditions::default();
    let uid = object.meta().uid.as_deref().unwrap_or_default();
    let generation = object.meta().generation.unwrap_or_default();
    let problems = match context.memory.problems(uid, generation) {
        Some(problems) => problems,
        None => checked(object, context, uid, generation).await,
    };
    check::set::<K>(&problems, &mut conditions);
    let is_faulty = problems.iter().any(Problem::is_error);
    let bus = context.event_bus(&namespace, object.bus_name());
    let deployment = Key {
        kind: "Deployment".into(),
        namespace: namespace.clone(),
        name: deployment_name::<K>(&name),
    };
    let named = bus::Named {
        namespace: &namespace,
        name: object.bus_name(),
        found: bus.as_deref(),
        has_pods: context.children.is_made(&deployment),
    };
    let config = named.config(|| bus::names(&context.event_buses.state(), &namespace));
    let (deployed, failed) = bring_about(object, &config, is_faulty, &deployment, context).await;
    conditions.set(DEPLOYED, deployed);
    let pods = context.pods.of(&namespace, &deployment.name);
    let child = context.children.get(&deployment);
    let rollout = Rollout {
        deployment: child.as_deref(),
        pods: &pods,
        replicas: object.replica_count(),
        generation: object.meta().generation.filter(|_| !is_faulty),
    };
    let paused = pause::verdict(object);
    let mut look_again = None;
    if paused.is_none() {
        rollout.set_conditions(K::parts_condition(), &mut conditions);
        look_again = set_missing(object, &pods, config.ok(), context, &mut conditions).await;
    }
    let next = explain::explain(object, named, context, &mut conditions);
    if let Some(paused) = paused {
        conditions.set(AVAILABLE, paused);
    }
    let mut conditions = conditions.with_ready(Reason::Running, "everything works");
    if let Some(verdict) = rollout.dead_letter_room() {
        conditions.set(DEAD_LETTER_ROOM, verdict);
    }
    let wait = status::write(context, object, &conditions, rollout.counts()).await?;
    let wait = wait.into_iter().chain(look_again).chain(next).min();
    match failed {
        Some(error) if error.is_transient() => Err(error),
        Some(error) => {
            // Its condition says why; another attempt would fail in the same way.
            tracing::warn!(
                kind = K::KIND,
                namespace,
                name,
                error = error.message(),
                "Not deployed: the object has to change"
            );
            Ok(wait.map_or_else(Action::await_change, Action::requeue))
        }
        None => Ok(wait.map_or_else(Action::await_change, Action::requeue)),
    }
}

/// Brings about what there should be, as far as that is known; says whether it is there, and what has
/// failed.
async fn bring_about<K: Workload>(
    object: &K,
    bus: &Result<&BusConfig, Verdict>,
    is_faulty: bool,
    deployment: &Key,
    context: &Context,
) -> (Verdict, Option<Error>) {
    let (otherwise, done) = match bus {
        Ok(bus) if !is_faulty => (deployed(), deploy(object, bus, context).await),
        // What was deployed for the last good spec stays.
        Ok(_) if context.children.get(deployment).is_some() => {
            (deployed(), scale(object, deployment, context).await)
        }
        Ok(_) => {
            let message = "nothing is deployed for a faulty spec";
            (Verdict::unknown(Reason::InvalidSpec, message), Ok(()))
        }
        Err(verdict) => (verdict.clone(), scale(object, deployment, context).await),
    };
    let Err(failure) = done else {
        return (otherwise, None);
    };
    let message = format!("{}: {}", failure.message, failure.error.message());
    let verdict = Verdict::fails(failure.reason, message);
    (verdict, Some(failure.error))
}

/// Says what pods lack that wait to be started, and when to look again.
async fn set_missing<K: Workload>(
    object: &K,
    pods: &[Pod],
    bus: Option<&BusConfig>,
    context: &Context,
    conditions: &mut Conditions,
) -> Option<Duration> {
    let bus = bus.filter(|_| missing::waits(pods))?;
    if let Some(verdict) = missing::missing(context, object, bus, pods).await {
        conditions.set(AVAILABLE, verdict);
    }
    Some(missing::ASK_EVERY)
}

/// Pauses or resumes what was deployed before.
async fn scale<K: Workload>(
    object: &K,
    deployment: &Key,
    context: &Context,
) -> Result<(), Failure> {
    let scaled = pause::scale(object, context, deployment).await;
    scaled.map_err(|error| Failure {
        reason: Reason::UpdateDeploymentFailed,
        message: "Failed to update existing deployment",
        error,
    })
}

fn deployed() -> Verdict {
    Verdict::is_well(Reason::Succeeded, "everything is made that it consists of")
}

/// Brings about what there should be.
async fn deploy<K: Workload>(
    object: &K,
    bus: &BusConfig,
    context: &Context,
) -> Result<(), Failure> {
    let desired = desired(object, bus, &context.settings().worker).map_err(|error| Failure {
        reason: Reason::BuildDeploymentSpecFailed,
        message: "Failed to build Deployment spec.",
        error,
    })?;
    // First what must not run beside it: a Deployment that Argo Events has left would act, too.
    remove_stale(object, &desired, context).await?;
    let (config_map, deployment, budget, service) = tokio::join!(
        apply(context, &desired.config_map),
        apply_deployment(context, &desired.deployment),
        apply_if_wanted(context, desired.disruption_budget.as_ref()),
        apply_service(context, desired.service.as_ref()),
    );
    deployment?;
    config_map.map_err(|error| Failure {
        reason: Reason::ApplyConfigMapFailed,
        message: "Failed to write the spec for the pods",
        error,
    })?;
    budget.map_err(|error| Failure {
        reason: Reason::ApplyPodDisruptionBudgetFailed,
        message: "Failed to apply a pod disruption budget",
        error,
    })?;
    service?;
    refresh(&desired, context).await.map_err(|error| Failure {
        reason: Reason::RefreshPodsFailed,
        message: "Failed to annotate the pods with their spec",
        error,
    })
}

async fn apply_deployment(context: &Context, desired: &Deployment) -> Result<Outcome, Failure> {
    let exists = context.children.get(&key_of(desired)).is_some();
    apply(context, desired).await.map_err(|error| {
        let (reason, message) = if exists {
            (
                Reason::UpdateDeploymentFailed,
                "Failed to update existing deployment",
            )
        } else {
            (
                Reason::CreateDeploymentFailed,
                "Failed to create a deployment",
            )
        };
        Failure {
            reason,
            message,
            error,
        }
    })
}

async fn apply_if_wanted(
    context: &Context,
    desired: Option<&PodDisruptionBudget>,
) -> Result<(), Error> {
    if let Some(desired) = desired {
        apply(context, desired).await?;
    }
    Ok(())
}

async fn apply_service(context: &Context, desired: Option<&Service>) -> Result<(), Failure> {
    let Some(desired) = desired else {
        return Ok(());
    };
    let key = key_of(desired);
    let child = context.children.get(&key);
    let Err(error) = apply(context, desired).await else {
        return Ok(());
    };
    let Some(child) = child else {
        return Err(Failure {
            reason: Reason::CreateServiceFailed,
            message: "Failed to create a service",
            error,
        });
    };
    if !is_other_address(&error) {
        return Err(Failure {
            reason: Reason::UpdateServiceFailed,
            message: "Failed to update existing service",
            error,
        });
    }
    // An address cannot be changed: the end of this Service wakes us to make another.
    delete::<Service>(context, &key, &child)
        .await
        .map_err(|error| Failure {
            reason: Reason::RecreateServiceFailed,
            message: "Failed to re-create existing service",
            error,
        })
}

fn is_other_address(error: &Error) -> bool {
    error.code() == Some(422) && error.message().contains("clusterIP")
}

/// Deletes what belongs to the object and is not wanted any more.
async fn remove_stale<K: Workload>(
    object: &K,
    desired: &Desired,
    context: &Context,
) -> Result<(), Failure> {
    let mut wanted = vec![key_of(&desired.config_map), key_of(&desired.deployment)];
    wanted.extend(desired.disruption_budget.as_ref().map(key_of));
    wanted.extend(desired.service.as_ref().map(key_of));
    let uid = object.uid().unwrap_or_default();
    for (key, child) in context.children.of(&uid) {
        if !wanted.contains(&key) {
            remove(context, &key, &child)
                .await
                .map_err(|error| Failure {
                    reason: stale_reason(&key),
                    message: "Failed to delete what is not wanted any more",
                    error,
                })?;
        }
    }
    Ok(())
}

fn stale_reason(key: &Key) -> Reason {
    match &*key.kind {
        "Service" => Reason::DeleteServiceFailed,
        "Deployment" => Reason::DeleteDeploymentFailed,
        _ => Reason::DeleteFailed,
    }
}

async fn remove(context: &Context, key: &Key, child: &Child) -> Result<(), Error> {
    match &*key.kind {
        "Deployment" => delete::<Deployment>(context, key, child).await,
        "Service" => delete::<Service>(context, key, child).await,
        "ConfigMap" => delete::<ConfigMap>(context, key, child).await,
        "PodDisruptionBudget" => delete::<PodDisruptionBudget>(context, key, child).await,
        _ => Ok(()),
    }
}

/// Touches the pods that have started with another spec: the kubelet looks at a pod's volumes when
/// the pod changes, and otherwise about once a minute.
async fn refresh(desired: &Desired, context: &Context) -> Result<(), Error> {
    let key = key_of(&desired.config_map);
    let deployment = desired.deployment.name_any();
    let Some(sent) = context.children.sent(&key) else {
        return Ok(());
    };
    let outdated = |pod: &Pod| {
        let annotated = pod.spec_hash.as_deref();
        let is_annotated = annotated == Some(&desired.spec_hash);
        // A spec that has never changed, or not since the pod began, is the one that the pod has.
        let has_begun_with_it =
            annotated.is_none() && (sent.written == sent.created || sent.written < pod.created);
        !is_annotated && !has_begun_with_it && !pod.is_ending
    };
    let pods = context.pods.of(&key.namespace, &deployment);
    for pod in pods.into_iter().filter(outdated) {
        touch(context, &key.namespace, &pod, &desired.spec_hash).await?;
    }
    Ok(())
}

async fn touch(context: &Context, namespace: &str, pod: &Pod, hash: &str) -> Result<(), Error> {
    let api: Api<KubePod> = Api::namespaced(context.client.clone(), namespace);
    let patch = json!({
        "metadata": {"uid": pod.uid, "annotations": {SPEC_HASH_ANNOTATION: hash}},
    });
    context.metrics.wrote("Pod", "patch");
    match api
        .patch_metadata(&pod.name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
    {
        Ok(_) => Ok(()),
        // It has gone, or another one has its name.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(source) => Err(Error::request("patch", "Pod", pod.name.clone(), source)),
    }
}

/// Removes Argo Events' finalizer: there is nothing to do for it, and nobody else would.
async fn drop_finalizer<K: Workload>(object: &K, context: &Context) -> Result<(), Error> {
    let finalizers = object.finalizers();
    if finalizers.iter().all(|finalizer| finalizer != K::FINALIZER) {
        return Ok(());
    }
    let mut kept = finalizers.to_vec();
    kept.retain(|finalizer| finalizer != K::FINALIZER);
    patch::finalizers(context, object, &kept, "release").await
}
