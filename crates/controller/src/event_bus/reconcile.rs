//! Brings about what there should be for a bus, and tells how it is.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use serde_json::json;
use tiphys_api::{
    BusConfig, BusKind, EventBus, JetStreamBus, JetStreamConfig, Problem, SecretKeySelector,
    TlsConfig,
};

use super::change::{self, Change, Refusal};
use super::credentials::CLIENT_AUTH;
use super::desired::{self, CLIENT_PORT, Objects, Plan};
use super::names::Names;
use super::secrets::{CA_CERT, Secrets};
use super::servers::{SERVING, Servers, Trouble};
use super::volumes::GrowError;
use super::{keep, spec, status, stream_config, takeover, versions, volumes};
use crate::apply::{apply, is_applied, key_of};
use crate::children::Key;
use crate::condition::{Conditions, Verdict};
use crate::settings::{JetStreamSettings, Settings};
use crate::{Context, Error, FIELD_MANAGER, name};

/// The finalizer that keeps a bus from going while it is used: Argo Events' own.
const FINALIZER: &str = "eventbus-controller";

/// Whether the spec can be run.
const CONFIGURED: &str = "Configured";

/// Whether everything is made that the bus consists of.
const DEPLOYED: &str = "Deployed";

/// Whether enough servers work.
const AVAILABLE: &str = "Available";

/// Whether the bus could be deleted; only there while somebody wants it deleted.
const DELETED: &str = "Deleted";

/// How many users of a bus a condition names.
const NAMED_USERS: usize = 10;

/// The longest wait for a date: timers do not reach further than some months.
const LONGEST_WAIT: Duration = Duration::from_hours(30 * 24);

/// Why a bus is not as it should be.
struct Failure {
    reason: String,
    message: String,
    /// What is tried again.
    error: Option<Error>,
}

/// What was found about a bus.
#[derive(Default)]
struct Found {
    conditions: Conditions,
    config: Option<BusConfig>,
    /// When certificates are to be looked at again.
    renew_at: Option<Timestamp>,
    error: Option<Error>,
}

/// Makes what is right for the bus, and tells how it is.
///
/// # Errors
/// What may go away by itself.
pub(super) async fn reconcile(bus: &EventBus, context: &Context) -> Result<Action, Error> {
    let is_deleting = bus.metadata.deletion_timestamp.is_some();
    let is_held = bus
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == FINALIZER);
    let users = is_deleting.then(|| users(bus, context)).flatten();
    match (is_deleting, is_held) {
        (false, false) => hold(bus, context).await?,
        (true, false) => return Ok(Action::await_change()),
        (true, true) if users.is_none() => return release(bus, context).await,
        _ => {}
    }
    let mut found = Found::default();
    if let Some(users) = users {
        // It goes on working for those who use it.
        found
            .conditions
            .set(DELETED, Verdict::fails("InUse", users));
    }
    let settings = context.settings();
    let uid = bus.uid().unwrap_or_default();
    let problems = match context.memory.malformed(&uid) {
        Some(fault) => vec![Problem::error("spec", fault)],
        None => spec::faults(bus, &settings.event_bus),
    };
    found.examine(bus, &settings, problems, context).await;
    let Found {
        conditions,
        config,
        renew_at,
        error,
    } = found;
    let message = conditions
        .get(AVAILABLE)
        .map(|verdict| verdict.message.clone());
    let conditions = conditions.with_ready(SERVING, message.unwrap_or_default());
    status::write(context, bus, &conditions, config).await?;
    match (error, renew_at) {
        (Some(error), _) => Err(error),
        (None, Some(at)) => Ok(Action::requeue(wait((context.now)(), at))),
        (None, None) => Ok(Action::await_change()),
    }
}

impl Found {
    async fn examine(
        &mut self,
        bus: &EventBus,
        settings: &Settings,
        problems: Vec<Problem>,
        context: &Context,
    ) {
        let namespace = bus.namespace().unwrap_or_default();
        let names = Names::of(&bus.name_any(), &namespace);
        let kept = kept(bus);
        if !problems.is_empty() {
            let verdict = Verdict::fails("InvalidSpec", spec::listed(&problems));
            self.conditions.set(CONFIGURED, verdict);
            self.config = kept;
            self.stays(bus, &names, context);
            return;
        }
        let kind = bus.spec.kind();
        if !matches!(kind, Some(BusKind::JetStream(_))) && has_servers(bus, &names, context) {
            let Refusal { reason, message } = change::other_kind();
            self.conditions
                .set(CONFIGURED, Verdict::fails(reason, message));
            self.config = kept;
            self.stays(bus, &names, context);
            return;
        }
        self.conditions.set(CONFIGURED, Verdict::holds());
        match kind {
            Some(BusKind::JetStream(spec)) => {
                let deployed = deploy(bus, spec, &names, &settings.event_bus.jet_stream, context);
                match deployed.await {
                    Ok((config, renew_at)) => {
                        self.config = Some(config);
                        self.renew_at = Some(renew_at);
                        let verdict = told("Succeeded", "JetStream is deployed");
                        self.conditions.set(DEPLOYED, verdict);
                    }
                    Err(failure) => {
                        // That of another kind of bus leads nowhere.
                        let url = url(&names);
                        self.config = kept.filter(|config| {
                            let config = config.jet_stream.as_ref();
                            config.is_some_and(|config| *config.url == url)
                        });
                        let verdict = Verdict::fails(failure.reason, failure.message);
                        self.conditions.set(DEPLOYED, verdict);
                        self.error = failure.error;
                    }
                }
                let wanted = desired::servers(spec);
                self.conditions
                    .set(AVAILABLE, servers(&names, wanted, context).verdict());
            }
            Some(BusKind::JetStreamExotic(exotic)) => {
                self.config = Some(BusConfig {
                    jet_stream: Some(exotic.clone()),
                    ..BusConfig::default()
                });
                let message = "Skip deployment because of using exotic config.";
                self.conditions.set(DEPLOYED, told("Skipped", message));
            }
            Some(kind) => self.conditions.set(DEPLOYED, unsupported(kind)),
            None => {}
        }
    }

    /// What was deployed for the last good spec stays.
    fn stays(&mut self, bus: &EventBus, names: &Names, context: &Context) {
        if has_servers(bus, names, context) {
            let message = "what was deployed before goes on";
            self.conditions.set(DEPLOYED, told("Kept", message));
        } else {
            let message = "nothing is deployed for a faulty spec";
            self.conditions
                .set(DEPLOYED, Verdict::unknown("InvalidSpec", message));
        }
    }
}

fn told(reason: &str, message: &str) -> Verdict {
    Verdict {
        reason: reason.to_owned(),
        message: message.to_owned(),
        ..Verdict::holds()
    }
}

fn unsupported(kind: BusKind<'_>) -> Verdict {
    let name = match kind {
        BusKind::Kafka(_) => "kafka",
        _ => "nats",
    };
    let message = format!(
        "spec.{name}: this kind of bus is not run: use spec.jetstream, or spec.jetstreamExotic for \
         a NATS JetStream that exists already"
    );
    Verdict::fails("Unsupported", message)
}

/// The configuration that is written, if one is.
fn kept(bus: &EventBus) -> Option<BusConfig> {
    let config = (*bus.status.as_ref()?.config).clone();
    (config != BusConfig::default()).then_some(config)
}

fn has_servers(bus: &EventBus, names: &Names, context: &Context) -> bool {
    let live = context.children.get(&stateful_set(names));
    let owner = live.as_ref().and_then(|live| live.owner.as_ref());
    owner.is_some_and(|owner| Some(&owner.uid) == bus.metadata.uid.as_ref())
}

fn stateful_set(names: &Names) -> Key {
    Key {
        kind: "StatefulSet".into(),
        namespace: names.namespace.clone(),
        name: names.stateful_set.clone(),
    }
}

fn servers(names: &Names, wanted: i32, context: &Context) -> Servers {
    let live = context.children.get(&stateful_set(names));
    let counts = live.as_ref().and_then(|live| live.workload.as_ref());
    Servers {
        wanted,
        ready: counts.map_or(0, |counts| counts.ready_replicas),
        troubles: troubles(names, context),
    }
}

fn troubles(names: &Names, context: &Context) -> Vec<Trouble> {
    let pods = context
        .pods
        .of_stateful_set(&names.namespace, &names.stateful_set);
    let pods = pods
        .into_iter()
        .filter(|pod| !pod.is_ending && !pod.is_ready);
    pods.filter_map(|pod| {
        let trouble = pod.trouble?;
        Some(Trouble {
            pod: pod.name,
            reason: trouble.reason,
            message: trouble.message,
        })
    })
    .collect()
}

/// Makes the bus as it should be: how it is reached, and when its certificates are due.
async fn deploy(
    bus: &EventBus,
    spec: &JetStreamBus,
    names: &Names,
    settings: &JetStreamSettings,
    context: &Context,
) -> Result<(BusConfig, Timestamp), Failure> {
    let stream = stream_config::merged(
        &settings.stream_config,
        spec.stream_config.as_deref(),
        desired::servers(spec),
    )
    .map_err(|problem| Failure::told("InvalidSpec", spec::listed(&[problem])))?;
    let version = versions::find(settings, &spec.version)
        .map_err(|message| Failure::told("JetStreamStatefulSetFailed", message))?;
    let owner = owner(bus);
    let kept = keep::look(context, names, &owner)
        .await
        .map_err(Failure::during("JetStreamAuthSecretsFailed"))?;
    let renew_at = kept.secrets.renew_at;
    let objects = Plan {
        names,
        bus: &bus.name_any(),
        labels: bus.metadata.labels.as_ref(),
        owner: owner.clone(),
        spec,
        version,
        default_settings: &settings.settings,
        secrets_hash: &hash(&kept.secrets),
    }
    .objects();
    // Nothing is written before this: of a change that is refused not even a part is made.
    let plan = survey(&objects.stateful_set, context).await?;
    kept.write(context, names, &owner)
        .await
        .map_err(Failure::during("JetStreamAuthSecretsFailed"))?;
    bring_about(&objects, plan, names, context).await?;
    Ok((config(names, stream), renew_at))
}

/// How a StatefulSet becomes what it should be.
enum Step {
    /// It is.
    Nothing,
    /// It is made.
    Make,
    /// It is changed.
    Change(Box<StatefulSet>),
    /// Its volumes grow.
    Grow(Box<StatefulSet>, Quantity),
}

/// Finds out whether and how the StatefulSet can become what it should be.
async fn survey(wanted: &StatefulSet, context: &Context) -> Result<Step, Failure> {
    let failed = Failure::during("JetStreamStatefulSetFailed");
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
        return Ok(Step::Make);
    };
    match change::check(&live, wanted) {
        Ok(Change::Plain) => Ok(Step::Change(Box::new(live))),
        Ok(Change::Grow(size)) => Ok(Step::Grow(Box::new(live), size)),
        Err(Refusal { reason, message }) => Err(Failure::told(reason, message)),
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
        .map_err(Failure::during("JetStreamConfigMapFailed"))?;
    apply(context, &objects.service)
        .await
        .map_err(Failure::during("JetStreamServiceFailed"))?;
    let failed = Failure::during("JetStreamStatefulSetFailed");
    if let Some(budget) = &objects.disruption_budget {
        apply(context, budget)
            .await
            .map_err(Failure::during("JetStreamPodDisruptionBudgetFailed"))?;
    }
    match step {
        Step::Nothing => return Ok(()),
        Step::Make => {}
        Step::Change(live) => takeover::take_over(context, &live).await.map_err(&failed)?,
        Step::Grow(live, size) => {
            // The end of the StatefulSet wakes the bus, which makes the next one.
            return volumes::grow(context, names, &live, &size).await.map_err(
                |error| match error {
                    GrowError::Refused(Refusal { reason, message }) => {
                        Failure::told(reason, message)
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

impl Failure {
    /// What a user has to mend.
    fn told(reason: &str, message: String) -> Self {
        Self {
            reason: reason.to_owned(),
            message,
            error: None,
        }
    }

    /// What may go away by itself, during a step that Argo Events has a reason for.
    fn during(reason: &'static str) -> impl Fn(Error) -> Self {
        move |error| Self {
            reason: reason.to_owned(),
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
    let text: String = pairs
        .map(|(key, value)| format!("{key}\n{value}\n"))
        .collect();
    name::hash(text)
}

fn url(names: &Names) -> String {
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

/// Until a date; a part of the way if it is far.
fn wait(now: Timestamp, until: Timestamp) -> Duration {
    let left = until.duration_since(now).max(SignedDuration::from_secs(1));
    Duration::try_from(left).map_or(LONGEST_WAIT, |left| left.min(LONGEST_WAIT))
}

/// Who uses a bus, in Argo Events' words and with their names; `None` if nobody does.
fn users(bus: &EventBus, context: &Context) -> Option<String> {
    let (namespace, name) = (bus.namespace(), bus.name_any());
    let sources = context
        .event_sources
        .state_filter(|source| source.namespace() == namespace && source.spec.bus_name() == name);
    let sensors = context
        .sensors
        .state_filter(|sensor| sensor.namespace() == namespace && sensor.spec.bus_name() == name);
    let sources = sources.iter().map(|source| source.name_any()).collect();
    let sensors = sensors.iter().map(|sensor| sensor.name_any()).collect();
    let told = [
        connected("EventSources", sources),
        connected("Sensors", sensors),
    ];
    let told: Vec<String> = told.into_iter().flatten().collect();
    (!told.is_empty()).then(|| format!("can not delete an EventBus with {}", told.join(" and ")))
}

fn connected(kind: &str, mut names: Vec<String>) -> Option<String> {
    names.sort();
    let count = names.len();
    let mut shown = names
        .iter()
        .take(NAMED_USERS)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if count > NAMED_USERS {
        shown.push_str(", …");
    }
    (count > 0).then(|| format!("{count} {kind} connected: {shown}"))
}

/// Keeps the bus from going while it is used.
async fn hold(bus: &EventBus, context: &Context) -> Result<(), Error> {
    let mut finalizers = bus.finalizers().to_vec();
    finalizers.push(FINALIZER.to_owned());
    set_finalizers(bus, &finalizers, context).await
}

/// Deletes what does not go by itself, and lets the bus go.
async fn release(bus: &EventBus, context: &Context) -> Result<Action, Error> {
    let namespace = bus.namespace().unwrap_or_default();
    let names = Names::of(&bus.name_any(), &namespace);
    volumes::remove(context, &names).await?;
    let mut finalizers = bus.finalizers().to_vec();
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    set_finalizers(bus, &finalizers, context).await?;
    Ok(Action::await_change())
}

async fn set_finalizers(
    bus: &EventBus,
    finalizers: &[String],
    context: &Context,
) -> Result<(), Error> {
    let patch = json!({
        "metadata": {"resourceVersion": bus.resource_version(), "finalizers": finalizers},
    });
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let name = bus.name_any();
    let namespace = bus.namespace().unwrap_or_default();
    let api: Api<EventBus> = Api::namespaced(context.client.clone(), &namespace);
    context.metrics.wrote("EventBus", "patch");
    match api
        .patch_metadata(&name, &params, &Patch::Merge(&patch))
        .await
    {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(Error::request("hold", "EventBus", name, source)),
    }
}
