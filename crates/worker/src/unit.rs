//! One object at work: everything that can happen to it, and what is done about it.
//!
//! There is one loop. It compares what should run (the newest sound spec, on the newest bus, while
//! the lease is ours) with what runs, and makes the two equal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use tiphys_api::API_VERSION;
use tiphys_api::message::with_causes;
use tiphys_api::worker::{Health, Report, Role, event_source_lease, sensor_lease};
use tiphys_base::Reason;
use tiphys_runtime::Group;
use tiphys_runtime::election::{ElectionState, Elector};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use crate::buses::{self, Name};
use crate::context::Context;
use crate::runner::{MadeOf, Memory, Work};
use crate::spec::{Program, Refused, Spec};
use crate::{Key, Kind};

/// How often it looks whether its parts say something else.
const LOOK: Duration = Duration::from_millis(200);

/// The wait after a runner that has ended by itself.
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

/// What an object should be.
#[derive(Clone, Default)]
pub(crate) struct Wanted {
    /// Its newest sound spec.
    pub(crate) spec: Option<Arc<Spec>>,
    /// What is wrong with a newer one.
    pub(crate) refused: Option<Arc<Refused>>,
}

/// What an object shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// It works, or does not have to.
    pub(crate) is_ready: bool,
    /// It cannot run here, and what is wrong has been logged.
    pub(crate) cannot_run: bool,
    /// How many runners it has had.
    pub(crate) runners: u64,
    pub(crate) report: Report,
}

/// How whoever holds an object and the object itself speak.
pub(crate) struct Ends {
    pub(crate) wanted: watch::Receiver<Wanted>,
    pub(crate) shown: watch::Sender<Shown>,
    /// Set now and then, for as long as its loop goes round.
    pub(crate) beat: Arc<AtomicBool>,
    /// Cancelled to end it.
    pub(crate) stop: CancellationToken,
}

/// An object at work.
pub(crate) struct Unit {
    key: Key,
    context: Arc<Context>,
    ends: Ends,
    spec: Option<Arc<Spec>>,
    faults: Vec<String>,
    election_state: watch::Receiver<ElectionState>,
    /// Whether what only one pod may do is done here.
    leads: watch::Sender<bool>,
    election: JoinSet<()>,
    stop_election: CancellationToken,
    /// The bus, and which one it is.
    bus: watch::Receiver<buses::State>,
    bus_name: Option<Name>,
    /// It was connected since work began.
    was_connected: bool,
    memory: Memory,
    group: Group,
    work: Option<Work>,
    /// When another runner may begin, after one that failed.
    not_before: Instant,
    cannot_run: bool,
    runners: u64,
    /// Work that ends since the lease was lost.
    ending: JoinSet<()>,
    changes: u64,
}

/// Everything that can happen.
enum Wake {
    Stop,
    Wanted,
    Election,
    Bus,
    /// The runner has made room for another one.
    Gone,
    /// Something has ended that needs no answer.
    Ended,
    Look,
}

impl Unit {
    pub(crate) fn new(key: Key, context: Arc<Context>, ends: Ends) -> Self {
        Self {
            key,
            context,
            ends,
            spec: None,
            faults: Vec::new(),
            election_state: watch::Sender::new(ElectionState::Waiting(String::new())).subscribe(),
            leads: watch::Sender::new(false),
            election: JoinSet::new(),
            stop_election: CancellationToken::new(),
            bus: watch::Sender::new(buses::State::default()).subscribe(),
            bus_name: None,
            was_connected: false,
            memory: Memory::default(),
            group: Group::default(),
            work: None,
            not_before: Instant::now(),
            cannot_run: false,
            runners: 0,
            ending: JoinSet::new(),
            changes: 0,
        }
    }

    /// Runs until it is to stop, then finishes what was received and gives the lease back.
    pub(crate) async fn run(mut self) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.ends.wanted.mark_changed();
        loop {
            let wake = tokio::select! {
                biased;
                () = self.ends.stop.cancelled() => Wake::Stop,
                Ok(()) = self.ends.wanted.changed() => Wake::Wanted,
                Ok(()) = self.election_state.changed() => Wake::Election,
                Ok(()) = self.bus.changed() => Wake::Bus,
                () = gone(self.work.as_ref()) => Wake::Gone,
                Some(()) = self.group.ended() => Wake::Ended,
                Some(_) = self.ending.join_next() => Wake::Ended,
                _ = looks.tick() => Wake::Look,
            };
            let mut is_news = true;
            match wake {
                Wake::Stop => break,
                Wake::Wanted => self.take(),
                Wake::Gone => self.gone(),
                Wake::Look => is_news = self.has_changed(),
                Wake::Election | Wake::Bus | Wake::Ended => {}
            }
            is_news |= self.settle();
            self.ends.beat.store(true, Ordering::Relaxed);
            if is_news {
                self.show();
            }
        }
        self.stop().await;
    }

    /// Takes what is wanted of it from now on.
    fn take(&mut self) {
        let Wanted { spec, refused } = self.ends.wanted.borrow_and_update().clone();
        if let Some(spec) = spec {
            self.apply(spec);
        }
        match refused {
            Some(refused) if refused.faults != self.faults => {
                error!(
                    generation = refused.generation,
                    error = %refused,
                    runs = self.spec.is_some(),
                    "The spec has faults: what ran before goes on"
                );
                self.faults.clone_from(&refused.faults);
            }
            Some(_) => {}
            None => self.faults.clear(),
        }
    }

    fn apply(&mut self, spec: Arc<Spec>) {
        let before = self.spec.as_ref().map(|spec| spec.fingerprint);
        if before.is_some_and(|before| before != spec.fingerprint) {
            info!(generation = spec.generation, "The spec was changed");
        }
        if before != Some(spec.fingerprint) {
            self.memory.note(&spec, Timestamp::now());
            if let Program::Sensor { logging_fields, .. } = &spec.program {
                let sensor = (&*self.key.namespace, &*self.key.name);
                self.context.logging.set(sensor, logging_fields);
            }
        }
        let bus = (self.key.namespace.to_string(), spec.bus.clone());
        if self.bus_name.as_ref() != Some(&bus) {
            self.bus = self.context.buses.follow(&bus.0, &bus.1);
            self.bus_name = Some(bus);
        }
        if self.spec.is_none() {
            self.stand(&spec);
        }
        self.spec = Some(spec);
    }

    /// Stands for election.
    fn stand(&mut self, spec: &Spec) {
        let (election_state, receiver) = watch::channel(ElectionState::Waiting(String::new()));
        self.election_state = receiver;
        let Some(candidate) = &self.context.candidate else {
            election_state.send_replace(ElectionState::Leader);
            return;
        };
        let user = match self.context.user(spec) {
            Ok(Some(user)) => user,
            Ok(None) => {
                let why = "there is no cluster with leases".to_owned();
                election_state.send_replace(ElectionState::Forbidden(why));
                return;
            }
            Err(error) => {
                election_state.send_replace(ElectionState::Waiting(with_causes(&error)));
                return;
            }
        };
        let namespace = candidate.namespace.clone();
        let elector = Elector {
            client: user.client,
            namespace: namespace.unwrap_or_else(|| self.key.namespace.to_string()),
            name: match self.key.kind {
                Kind::EventSource => event_source_lease(&self.key.name),
                Kind::Sensor => sensor_lease(&self.key.name),
            },
            identity: candidate.identity.clone(),
            owner: owner(spec),
            timing: candidate.timing,
        };
        self.election
            .spawn(elector.run(election_state, self.stop_election.clone()));
    }

    /// The runner has made room for another one.
    fn gone(&mut self) {
        let work = self.work.take();
        let was_asked = work.is_some_and(|work| work.leave.is_cancelled());
        if !was_asked && !self.group.stop.is_cancelled() {
            self.not_before = Instant::now() + AFTER_A_FAILURE;
        }
    }

    /// Makes what runs equal to what should run; true if something was done for that.
    fn settle(&mut self) -> bool {
        let leads = self.election_role() == Role::Active;
        self.leads.send_if_modified(|before| {
            let is_news = *before != leads;
            *before = leads;
            is_news
        });
        let may_work = leads || self.runs_partly_in_all_pods();
        if !may_work && !self.group.is_empty() {
            let group = std::mem::take(&mut self.group);
            let time = self.context.time_to_stop();
            self.ending.spawn(group.end_within(time));
        }
        self.was_connected |= self.bus.borrow().is_connected;
        let Some(spec) = self.spec.clone().filter(|_| may_work) else {
            return false;
        };
        let Some(bus) = self.bus.borrow().id() else {
            return false;
        };
        let made_of = MadeOf {
            spec: spec.fingerprint,
            bus,
        };
        match &self.work {
            None if Instant::now() >= self.not_before => return self.start(&spec),
            Some(work) if work.made_of != made_of => work.leave.cancel(),
            _ => {}
        }
        false
    }

    fn start(&mut self, spec: &Spec) -> bool {
        // Used while it is borrowed: it cannot be replaced in between.
        let Some(bus) = self.bus.borrow().used() else {
            return false;
        };
        let means = (bus, self.leads.subscribe());
        let started = self
            .memory
            .start(&self.context, spec, means, &mut self.group);
        match started {
            Ok(work) => {
                // What no cluster counts the changes of, people know by its files.
                if let Some(generation) = spec.generation {
                    info!(generation, "Running");
                } else {
                    debug!(object = %self.key, "Started a runner");
                }
                self.work = Some(work);
                self.runners += 1;
                self.cannot_run = false;
                true
            }
            Err(error) => {
                let error = with_causes(&error);
                if self.faults.first() == Some(&error) {
                    return false;
                }
                let (namespace, name) = (&*self.key.namespace, &*self.key.name);
                match self.key.kind {
                    Kind::EventSource => {
                        error!(namespace, eventSourceName = name, error, "Not run");
                    }
                    Kind::Sensor => error!(namespace, sensorName = name, error, "Not run"),
                }
                self.faults = vec![error];
                self.cannot_run = true;
                true
            }
        }
    }

    fn role(&self) -> Role {
        let spec = self.spec.as_ref();
        if spec.is_some_and(|spec| spec.program.runs_in_all_pods()) {
            return Role::Active;
        }
        self.election_role()
    }

    /// Its role in what only one pod may do.
    fn election_role(&self) -> Role {
        let Some(spec) = &self.spec else {
            return Role::Starting;
        };
        match &*self.election_state.borrow() {
            ElectionState::Leader => Role::Active,
            ElectionState::Forbidden(_) if spec.replicas <= 1 => Role::Active,
            ElectionState::Forbidden(_) => Role::Refused,
            ElectionState::Standby { .. } => Role::Standby,
            ElectionState::Waiting(_) => Role::Starting,
        }
    }

    fn is_ready(&self) -> bool {
        // Whoever calls has to find somebody, whether the lease is held or not.
        if self.runs_partly_in_all_pods() {
            let spec = self.spec.as_ref();
            let listens = spec.is_some_and(|spec| self.memory.is_working(&spec.program));
            return self.was_connected && listens;
        }
        match self.role() {
            Role::Active => self.was_connected,
            Role::Standby => true,
            Role::Starting | Role::Refused => false,
        }
    }

    fn runs_partly_in_all_pods(&self) -> bool {
        let spec = self.spec.as_ref();
        spec.is_some_and(|spec| spec.program.runs_partly_in_all_pods())
    }

    /// Whether the parts say something else than at the last look.
    fn has_changed(&mut self) -> bool {
        let before = self.changes;
        self.changes = self.memory.changes();
        self.changes != before
    }

    /// Shows how it is.
    fn show(&self) {
        let shown = Shown {
            is_ready: self.is_ready(),
            cannot_run: self.cannot_run,
            runners: self.runners,
            report: self.report(),
        };
        let is_new = self.ends.shown.send_if_modified(|before| {
            let is_new = *before != shown;
            *before = shown;
            is_new
        });
        if is_new {
            self.context.changed.notify_one();
        }
    }

    fn report(&self) -> Report {
        let spec = self.spec.as_ref();
        let bus = self.bus.borrow().clone();
        Report {
            generation: spec.and_then(|spec| spec.generation),
            faults: self.faults.clone(),
            role: self.role(),
            lease: self.lease(),
            bus: bus.health,
            dead_letters: bus.dead_letters,
            parts: spec.map_or_else(Vec::new, |spec| self.memory.parts(spec)),
        }
    }

    fn lease(&self) -> Health {
        let (ok, reason, message) = match &*self.election_state.borrow() {
            ElectionState::Leader => (Some(true), None, String::new()),
            ElectionState::Standby { holder } => (Some(true), None, format!("{holder} holds it")),
            ElectionState::Waiting(why) => (None, None, why.clone()),
            ElectionState::Forbidden(why) => (Some(false), Some(Reason::Forbidden), why.clone()),
        };
        Health {
            ok,
            reason,
            message,
        }
    }

    /// Finishes what was received, and lets somebody else begin.
    async fn stop(mut self) {
        self.group.stop.cancel();
        self.group.finish().await;
        while self.ending.join_next().await.is_some() {}
        self.stop_election.cancel();
        while self.election.join_next().await.is_some() {}
        if self.key.kind == Kind::Sensor {
            let sensor = (&*self.key.namespace, &*self.key.name);
            let none = std::collections::BTreeMap::new();
            self.context.logging.set(sensor, &none);
        }
    }
}

/// The object, with which its lease goes.
fn owner(spec: &Spec) -> Option<OwnerReference> {
    Some(OwnerReference {
        api_version: API_VERSION.to_owned(),
        kind: spec.key.kind.as_str().to_owned(),
        name: spec.key.name.to_string(),
        uid: spec.uid.clone().filter(|uid| !uid.is_empty())?,
        ..OwnerReference::default()
    })
}

/// Resolves when the runner has made room for another one.
async fn gone(work: Option<&Work>) {
    match work {
        Some(work) => work.gone.cancelled().await,
        None => std::future::pending().await,
    }
}
