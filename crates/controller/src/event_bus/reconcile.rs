//! Brings about what there should be for a bus, and tells how it is.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::StatefulSet;
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
use super::servers::{SERVING, Servers};
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
    let is_held = bus.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
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
        found.conditions.set(DELETED, Verdict::fails("InUse", users));
    }
    let settings = context.settings();
    let problems = spec::faults(bus, &settings.event_bus);
    found.examine(bus, &settings, problems, context).await;
    let Found {
        conditions,
        config,
        renew_at,
        error,
    } = found;
    let message = conditions.get(AVAILABLE).map(|verdict| verdict.message.clone());
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
            self.conditions.set(CONFIGURED, Verdict::fails(reason, message));
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
        troubles: Vec::new(),
    }
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
    .map_err(|problem| Failure::of("InvalidSpec", spec::listed(&[problem])))?;
    let version = versions::find(settings, &spec.version)
        .map_err(|message| Failure::of("JetStreamStatefulSetFailed", message))?;
    let owner = owner(bus)?;
    let mut plan = Plan {
        names,
        bus: &bus.name_any(),
        labels: bus.metadata.labels.as_ref(),
        owner: owner.clone(),
        spec,
        version,
        default_settings: &settings.settings,
        secrets_hash: "",
    };
    // Nothing of a change that is refused is made: also the ConfigMap stays as it is.
    let change = survey(&plan.objects().stateful_set, context).await?;
    let secrets = keep::keep(context, names, &owner)
        .await
        .map_err(Failure::during("JetStreamAuthSecretsFailed"))?;
    let hash = hash(&secrets);
    plan.secrets_hash = &hash;
    bring_about(&plan.objects(), change, names, context).await?;
    Ok((config(names, stream), secrets.renew_at))
}

/// What is known of the StatefulSet that is there, if it has to change.
struct Survey {
    live: Option<StatefulSet>,
    change: Change,
}

/// Finds out whether the StatefulSet can become what it should be.
async fn survey(wanted: &StatefulSet, context: &Context) -> Result<Survey, Failure> {
    let key = key_of(wanted);
    let api: Api<StatefulSet> = Api::namespaced(context.client.clone(), &key.namespace);
    let is_known = context.children.sent(&key).is_some()
        && context.children.get(&key).is_some_and(|live| {
            // The template has a hash that is not known here; the rest is what counts.
            context.bus_shapes.is_known(&live.uid, live.generation, wanted)
        });
    let _ = is_known;
    let live = api.get_opt(&key.name).await.map_err(|source| {
        let error = Error::request("get", "StatefulSet", key.name.clone(), source);
        Failure::during("JetStreamStatefulSetFailed")(error)
    })?;
    let change = match &live {
        Some(live) => change::check(live, wanted)
            .map_err(|Refusal { reason, message }| Failure::of(reason, message))?,
        None => Change::Plain,
    };
    Ok(Survey { live, change })
}
