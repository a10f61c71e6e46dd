//! Brings about what a bus asks for, and writes its status.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::runtime::controller::Action;
use tiphys_api::{BusConfig, BusKind, EventBus, Problem};
use tiphys_base::Reason;

use super::change::{self, Refusal};
use super::deploy::{deploy, in_trouble, stateful_set, url};
use super::names::Names;
use super::servers::{SERVING, Servers, Trouble};
use super::{finalizer, status, unmade};
use crate::condition::{Conditions, Subject, Verdict};
use crate::settings::Settings;
use crate::{Context, Error};

/// Whether the spec can be run.
const CONFIGURED: &str = "Configured";

/// Whether everything is made that the bus consists of.
const DEPLOYED: &str = "Deployed";

/// Whether enough servers work.
pub(crate) const AVAILABLE: &str = "Available";

/// Whether the bus could be deleted; only there while somebody wants it deleted.
const DELETED: &str = "Deleted";

/// What is said of a bus whose servers are nobody's here.
const ELSEWHERE: &str =
    "its servers are elsewhere: whether they are reached is said by what uses it";

/// The longest wait for a date: timers do not reach further than some months.
const LONGEST_WAIT: Duration = Duration::from_hours(30 * 24);

/// What was found about a bus.
#[derive(Default)]
struct Found {
    conditions: Conditions,
    config: Option<BusConfig>,
    /// When certificates are to be looked at again.
    renew_at: Option<Timestamp>,
    /// When the servers are to be looked at again though nothing has changed.
    look_again: Option<Duration>,
    error: Option<Error>,
}

/// Brings about what the bus asks for, and writes its status.
///
/// # Errors
/// What may pass by itself: it is tried again.
pub(super) async fn reconcile(bus: &EventBus, context: &Context) -> Result<Action, Error> {
    let is_deleting = bus.metadata.deletion_timestamp.is_some();
    let is_held = finalizer::is_held(bus);
    let users = is_deleting
        .then(|| finalizer::users(bus, context))
        .flatten();
    match (is_deleting, is_held) {
        (false, false) => finalizer::hold(bus, context).await?,
        (true, false) => return Ok(Action::await_change()),
        (true, true) if users.is_none() => return finalizer::release(bus, context).await,
        _ => {}
    }
    let mut found = Found::default();
    if let Some(users) = users {
        // It goes on working for those who use it.
        found
            .conditions
            .set(DELETED, Verdict::fails(Reason::InUse, users));
    }
    let settings = context.settings();
    let uid = bus.uid().unwrap_or_default();
    let problems = match context.memory.malformed(&uid) {
        Some(fault) => vec![Problem::error("spec", fault)],
        None => tiphys_check::event_bus(bus, &settings.event_bus.jet_stream.stream_config),
    };
    found.examine(bus, &settings, problems, context).await;
    let Found {
        mut conditions,
        config,
        renew_at,
        look_again,
        error,
    } = found;
    let next = explain(bus, context, &mut conditions);
    let message = match conditions.get(AVAILABLE) {
        Some(verdict) => verdict.message.clone(),
        None => ELSEWHERE.to_owned(),
    };
    let conditions = conditions.with_ready(SERVING, message);
    status::write(context, bus, &conditions, config).await?;
    match (error, renew_at) {
        (Some(error), _) => Err(error),
        (None, at) => {
            let renewal = at.map(|at| wait((context.now)(), at));
            let next = renewal.into_iter().chain(look_again).chain(next).min();
            Ok(next.map_or_else(Action::await_change, Action::requeue))
        }
    }
}

/// Completes the conditions of a bus; returns when they are to be looked at again though nothing has
/// changed.
fn explain(bus: &EventBus, context: &Context, conditions: &mut Conditions) -> Option<Duration> {
    let namespace = bus.namespace().unwrap_or_default();
    let uid = bus.uid().unwrap_or_default();
    let old = bus.status.as_ref().map(|status| &**status.conditions);
    let now = (context.now)();
    let next = context.memory.wait(&uid, |waits| {
        waits.judge(conditions, old.unwrap_or_default(), now)
    });
    conditions.advise(&Subject {
        namespace: &namespace,
        selector: &Names::of(&bus.name_any(), &namespace).selector(),
        template: "spec.jetstream",
    });
    next
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
        let is_faulty = problems.iter().any(Problem::is_error);
        let configured = Verdict::of_spec(Reason::InvalidSpec, problems);
        if is_faulty {
            self.conditions.set(CONFIGURED, configured);
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
        self.conditions.set(CONFIGURED, configured);
        match kind {
            Some(BusKind::JetStream(spec)) => {
                let deployed = deploy(bus, spec, &names, &settings.event_bus.jet_stream, context);
                match deployed.await {
                    Ok((config, renew_at)) => {
                        self.config = Some(config);
                        self.renew_at = Some(renew_at);
                        let verdict = Verdict::is_well(Reason::Succeeded, "JetStream is deployed");
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
                self.serves(&names, spec.server_count(), context).await;
            }
            Some(BusKind::JetStreamExotic(exotic)) => {
                self.config = Some(BusConfig {
                    jet_stream: Some(exotic.clone()),
                    ..BusConfig::default()
                });
                let message = "Skip deployment because of using exotic config.";
                self.conditions
                    .set(DEPLOYED, Verdict::is_well(Reason::Skipped, message));
            }
            Some(kind) => self.conditions.set(DEPLOYED, unsupported(kind)),
            None => {}
        }
    }

    /// Whether enough servers work, and why they are not even made.
    async fn serves(&mut self, names: &Names, wanted: i32, context: &Context) {
        let mut servers = servers(names, wanted, context);
        if unmade::is_likely(names, context, &servers) {
            self.look_again = Some(unmade::ASK_EVERY);
            servers
                .troubles
                .extend(unmade::trouble(names, context).await);
        }
        self.conditions.set(AVAILABLE, servers.verdict());
    }

    /// What was deployed for the last good spec stays.
    fn stays(&mut self, bus: &EventBus, names: &Names, context: &Context) {
        if has_servers(bus, names, context) {
            let message = "what was deployed before goes on";
            self.conditions
                .set(DEPLOYED, Verdict::is_well(Reason::Kept, message));
        } else {
            let message = "nothing is deployed for a faulty spec";
            self.conditions
                .set(DEPLOYED, Verdict::unknown(Reason::InvalidSpec, message));
        }
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
    Verdict::fails(Reason::Unsupported, message)
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
    let pods = in_trouble(names, context);
    pods.filter_map(|pod| {
        let trouble = pod.trouble?;
        Some(Trouble {
            subject: format!("pod {}", pod.name),
            reason: trouble.reason,
            message: trouble.message,
        })
    })
    .collect()
}

/// Until a date; a part of the way if it is far.
fn wait(now: Timestamp, until: Timestamp) -> Duration {
    let left = until.duration_since(now).max(SignedDuration::from_secs(1));
    Duration::try_from(left).map_or(LONGEST_WAIT, |left| left.min(LONGEST_WAIT))
}
