//! Makes the objects of a JetStream bus, in an order that can end at every step.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod as KubePod;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, ObjectMeta};
use kube::{Api, Resource, ResourceExt};
use tiphys_api::{
    BusConfig, EventBus, JetStreamBus, JetStreamConfig, SecretKeySelector, TlsConfig,
};
use tiphys_base::Reason;

use super::change::{self, Change, Refusal};
use super::credentials::CLIENT_AUTH;
use super::desired::{CLIENT_PORT, Objects, Plan};
use super::names::Names;
use super::secrets::{CA_CERT, Secrets};
use super::volumes::GrowError;
use super::{keep, versions, volumes};
use crate::apply::{apply, delete_this, is_applied, key_of};
use crate::index::children::Key;
use crate::index::pods::Pod;
use crate::settings::JetStreamSettings;
use crate::{Context, Error, name};

/// Why a bus is not as it should be.
pub(super) struct Failure {
    pub(super) reason: Reason,
    pub(super) message: String,
    /// What is tried again.
    pub(super) error: Option<Error>,
}

/// Makes the bus as it should be: how it is reached, and when its certificates are due.
pub(super) async fn deploy(
    bus: &EventBus,
    spec: &JetStreamBus,
    names: &Names,
    settings: &JetStreamSettings,
    context: &Context,
) -> Result<(BusConfig, Timestamp), Failure> {
    let stream = tiphys_check::stream_config::merged(
        &settings.stream_config,
        spec.stream_config.as_deref(),
        spec.server_count(),
    )
    .map_err(|problem| Failure::refused(Reason::InvalidSpec, problem.text()))?;
    let version = versions::find(settings, &spec.version)
        .map_err(|message| Failure::refused(Reason::JetStreamStatefulSetFailed, message))?;
    let owner = owner(bus);
    let kept = keep::look(context, names, &owner)
        .await
        .map_err(Failure::during(Reason::JetStreamAuthSecretsFailed))?;
    let renew_at = kept.secrets.renew_at;
    let objects = Plan {
        names,
        bus: &bus.name_any(),
        labels: bus.metadata.labels.as_ref(),
        owner: owner.clone(),
        spec,
        version,
        default_settings: &settings.settings,
        resources: &settings.resources,
        secrets_hash: &hash(&kept.secrets),
    }
    .objects();
    // Nothing is written before this: of a change that is refused not even a part is made.
    let plan = survey(&objects.stateful_set, context).await?;
    kept.write(context, names, &owner)
        .await
        .map_err(Failure::during(Reason::JetStreamAuthSecretsFailed))?;
    bring_about(&objects, plan, names, context).await?;
    replace_stuck(names, context).await?;
    Ok((config(names, stream), renew_at))
}

/// How a StatefulSet becomes what it should be.
enum Step {
    /// It is.
    Nothing,
    /// It is made or changed.
    Apply,
    /// Its volumes grow.
    Grow(Box<StatefulSet>, Quantity),
}

/// Finds out whether and how the StatefulSet can become what it should be.
async fn survey(wanted: &StatefulSet, context: &Context) -> Result<Step, Failure> {
    let failed = Failure::during(Reason::JetStreamStatefulSetFailed);
    match is_applied(context, wanted) {
        Ok(true) => return Ok(Step::Nothing),
        Ok(false) => {}
        Err(error) => return Err(failed(error)),
    }
    let key = key_of(wanted);
    let api: Api<StatefulSet> = Api::namespaced(context.client.clone(), &key.namespace);
    let live = api.get_opt(&key.name).await.map_err(|source| {
        failed(Error::request(
            "get",
            "StatefulSet",
            key.name.clone(),
            source,
        ))
    })?;
    let Some(live) = live else {
        return Ok(Step::Apply);
    };
    match change::check(&live, wanted) {
        Ok(Change::Plain) => Ok(Step::Apply),
        Ok(Change::Grow(size)) => Ok(Step::Grow(Box::new(live), size)),
        Err(Refusal { reason, message }) => Err(Failure::refused(reason, message)),
    }
}

async fn bring_about(
    objects: &Objects,
    step: Step,
    names: &Names,
    context: &Context,
) -> Result<(), Failure> {
    apply(context, &objects.config_map)
        .await
        .map_err(Failure::during(Reason::JetStreamConfigMapFailed))?;
    apply(context, &objects.service)
        .await
        .map_err(Failure::during(Reason::JetStreamServiceFailed))?;
    let failed = Failure::during(Reason::JetStreamStatefulSetFailed);
    if let Some(budget) = &objects.disruption_budget {
        apply(context, budget)
            .await
            .map_err(Failure::during(Reason::JetStreamPodDisruptionBudgetFailed))?;
    }
    match step {
        Step::Nothing => return Ok(()),
        Step::Apply => {}
        Step::Grow(live, size) => {
            // The end of the StatefulSet wakes the bus, which makes the next one.
            return volumes::grow(context, names, &live, &size).await.map_err(
                |error| match error {
                    GrowError::Refused(Refusal { reason, message }) => {
                        Failure::refused(reason, message)
                    }
                    GrowError::Failed(error) => failed(error),
                },
            );
        }
    }
    apply(context, &objects.stateful_set)
        .await
        .map_err(failed)?;
    Ok(())
}

/// The pods that do not start.
pub(super) fn in_trouble(names: &Names, context: &Context) -> impl Iterator<Item = Pod> {
    let pods = context
        .pods
        .of_stateful_set(&names.namespace, &names.stateful_set);
    pods.into_iter()
        .filter(|pod| !pod.is_ending && !pod.is_ready && pod.trouble.is_some())
}

/// Deletes the pods of an older form that do not start. A rollout replaces one pod and waits until it
/// is ready, which it is not before most servers run: it would wait for ever.
async fn replace_stuck(names: &Names, context: &Context) -> Result<(), Failure> {
    let Some(live) = context.children.get(&stateful_set(names)) else {
        return Ok(());
    };
    let counts = live.workload.as_ref();
    let revision = counts
        .filter(|counts| Some(counts.observed_generation) >= live.generation)
        .and_then(|counts| counts.update_revision.as_ref());
    let Some(revision) = revision else {
        return Ok(());
    };
    let is_old = |pod: &Pod| pod.revision.as_ref().is_some_and(|of| of != revision);
    for pod in in_trouble(names, context).filter(is_old) {
        let pod = KubePod {
            metadata: ObjectMeta {
                name: Some(pod.name),
                namespace: Some(names.namespace.clone()),
                uid: Some(pod.uid),
                ..ObjectMeta::default()
            },
            ..KubePod::default()
        };
        delete_this(context, &pod, DeleteParams::default())
            .await
            .map_err(Failure::during(Reason::JetStreamStatefulSetFailed))?;
    }
    Ok(())
}

impl Failure {
    /// What a user has to mend.
    fn refused(reason: Reason, message: String) -> Self {
        Self {
            reason,
            message,
            error: None,
        }
    }

    /// What may pass by itself, during a step that Argo Events has a reason for.
    fn during(reason: Reason) -> impl Fn(Error) -> Self {
        move |error| Self {
            reason,
            message: error.message(),
            error: Some(error),
        }
    }
}

fn owner(bus: &EventBus) -> OwnerReference {
    OwnerReference {
        block_owner_deletion: Some(true),
        ..bus.controller_owner_ref(&()).unwrap_or_default()
    }
}

/// What the servers read of the Secret, in short.
fn hash(secrets: &Secrets) -> String {
    let pairs = secrets.read_by_servers();
    let texts = pairs.flat_map(|(key, value)| [key.as_str(), "\n", value.as_str(), "\n"]);
    let text: String = texts.collect();
    name::hash(text)
}

/// Where the servers are found.
pub(super) fn url(names: &Names) -> String {
    format!("nats://{}:{CLIENT_PORT}", names.host())
}

/// How event sources and sensors reach the bus.
fn config(names: &Names, stream: String) -> BusConfig {
    let of_client = |key: &str| SecretKeySelector {
        name: names.client_secret.as_str().into(),
        key: key.into(),
        ..SecretKeySelector::default()
    };
    BusConfig {
        jet_stream: Some(JetStreamConfig {
            url: url(names).into(),
            access_secret: Some(of_client(CLIENT_AUTH)),
            stream_config: stream.into(),
            tls: Some(TlsConfig {
                ca_cert_secret: Some(of_client(CA_CERT)),
                ..TlsConfig::default()
            }),
        }),
        ..BusConfig::default()
    }
}

/// The key of the StatefulSet.
pub(super) fn stateful_set(names: &Names) -> Key {
    Key {
        kind: "StatefulSet".into(),
        namespace: names.namespace.clone(),
        name: names.stateful_set.clone(),
    }
}
