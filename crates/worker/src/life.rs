//! The life of a worker: everything that can happen to it, and what is done about it.
//!
//! There is one loop. It compares what should run (the newest sound spec, on the bus of the newest
//! settings, while the lease is ours) with what runs, and makes the two equal.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use tiphys_api::API_VERSION;
use tiphys_api::message::with_causes;
use tiphys_api::worker::{BUS_KEY, Health, Report, Role, event_source_lease, sensor_lease};
use tiphys_base::Reason;
use tiphys_runtime::admin::Admin;
use tiphys_runtime::election::{Elector, Standing, Timing};
use tiphys_runtime::{Group, Signals, process};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::connection::{self, Folders};
use crate::files::Files;
use crate::opening::{Bus, Open};
use crate::report::Reports;
use crate::spec::{self, Refused, Spec};
use crate::work::{Key, Work, Workshop};
use crate::{Kind, Pod};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// How long closing a bus may take that is no longer used.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// The wait after a runner that has ended by itself.
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

/// A running worker.
pub(crate) struct Worker {
    kind: Kind,
    pod: Pod,
    folders: Folders,
    timing: Timing,
    workshop: Workshop,
    spec_files: Files,
    bus_files: Files,
    compiling: JoinSet<Result<Spec, Refused>>,
    spec: Option<Arc<Spec>>,
    faults: Vec<String>,
    standing: watch::Receiver<Standing>,
    election: JoinSet<()>,
    stop_election: CancellationToken,
    bus: Bus,
    /// It was connected since work began.
    was_connected: bool,
    group: Group,
    work: Option<Work>,
    /// When another runner may begin, after one that failed.
    not_before: Instant,
    /// Work that ends, and buses that are closed.
    ending: JoinSet<()>,
    changes: (u64, Health, bool),
}

/// Everything that can happen.
enum Wake {
    Stop,
    Look,
    Compiled(Result<Result<Spec, Refused>, JoinError>),
    Standing,
    Opened(Open),
    /// The runner has made room for another one.
    Gone,
    /// Something has ended that needs no answer.
    Ended,
}

impl Worker {
    pub(crate) fn new(
        kind: Kind,
        pod: Pod,
        folders: Folders,
        timing: Timing,
        workshop: Workshop,
    ) -> Self {
        Self {
            spec_files: Files::new(spec::files(&folders.spec)),
            bus_files: Files::new(vec![folders.spec.join(BUS_KEY)]),
            kind,
            pod,
            folders,
            timing,
            workshop,
            compiling: JoinSet::new(),
            spec: None,
            faults: Vec::new(),
            standing: watch::Sender::new(Standing::Waiting(String::new())).subscribe(),
            election: JoinSet::new(),
            stop_election: CancellationToken::new(),
            bus: Bus::new(),
            was_connected: false,
            group: Group::default(),
            work: None,
            not_before: Instant::now(),
            ending: JoinSet::new(),
            changes: (0, Health::default(), false),
        }
    }

    /// Runs until a signal, then finishes what was received and gives the lease back.
    pub(crate) async fn run(
        mut self,
        signals: &mut Signals,
        mut reports: Reports,
        admin: &Admin,
    ) -> ExitCode {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_report_old = true;
        loop {
            let wake = tokio::select! {
                biased;
                _ = signals.next() => Wake::Stop,
                _ = looks.tick() => Wake::Look,
                Some(compiled) = self.compiling.join_next() => Wake::Compiled(compiled),
                Ok(()) = self.standing.changed() => Wake::Standing,
                open = self.bus.opened() => Wake::Opened(open),
                () = gone(self.work.as_ref()) => Wake::Gone,
                Some(()) = self.group.ended() => Wake::Ended,
                Some(_) = self.ending.join_next() => Wake::Ended,
            };
            is_report_old |= !matches!(wake, Wake::Look);
            match wake {
                Wake::Stop => break,
                Wake::Look => is_report_old |= self.look() || self.has_changed(),
                Wake::Compiled(compiled) => self.compiled(compiled),
                Wake::Opened(open) => self.opened(open),
                Wake::Gone => self.gone(),
                Wake::Standing | Wake::Ended => {}
            }
            self.settle();
            admin.show_life();
            admin.set_ready(self.is_ready());
            if is_report_old && reports.is_due() {
                reports.tell(self.report());
                is_report_old = false;
            }
        }
        admin.set_ready(false);
        process::end(self.stop(admin), signals, ExitCode::SUCCESS).await
    }

    /// Looks whether the files have changed; true if those of the bus have.
    fn look(&mut self) -> bool {
        // One at a time; a change meanwhile is seen after it.
        if self.compiling.is_empty() && self.spec_files.have_changed() {
            let (kind, folder) = (self.kind, self.folders.spec.clone());
            self.compiling
                .spawn_blocking(move || spec::load(kind, &folder));
        }
        if !self.bus_files.have_changed() {
            return false;
        }
        let settings = connection::load(&self.folders, &self.pod.name);
        if self.bus_files.watch(settings.files.clone()) {
            // They are other files than before: what changed while they were read is read again.
            return self.look();
        }
        self.bus.want(settings);
        true
    }

    fn compiled(&mut self, compiled: Result<Result<Spec, Refused>, JoinError>) {
        let refused = match compiled {
            Ok(Ok(spec)) => return self.take(spec),
            Ok(Err(refused)) => refused,
            Err(error) => Refused {
                generation: None,
                faults: vec![format!("compiling failed: {error}")],
            },
        };
        error!(
            generation = refused.generation,
            error = %refused,
            runs = self.spec.is_some(),
            "The spec has faults: what ran before goes on"
        );
        self.faults = refused.faults;
    }

    /// Takes a sound spec.
    fn take(&mut self, spec: Spec) {
        let before = self.spec.as_ref().map(|spec| spec.fingerprint);
        if before.is_some_and(|before| before != spec.fingerprint) {
            info!(generation = spec.generation, "The spec was changed");
        }
        if before != Some(spec.fingerprint) {
            self.workshop.note(&spec, Timestamp::now());
        }
        self.faults.clear();
        let spec = Arc::new(spec);
        if self.spec.is_none() {
            self.stand(&spec);
        }
        self.spec = Some(spec);
    }

    /// Stands for election.
    fn stand(&mut self, spec: &Spec) {
        let (standing, receiver) = watch::channel(Standing::Waiting(String::new()));
        self.standing = receiver;
        let user = match self.workshop.user(spec) {
            Ok(Some(user)) => user,
            Ok(None) => {
                let why = "there is no cluster with leases".to_owned();
                standing.send_replace(Standing::Forbidden(why));
                return;
            }
            Err(error) => {
                standing.send_replace(Standing::Waiting(with_causes(&error)));
                return;
            }
        };
        let elector = Elector {
            client: user.client,
            namespace: self
                .pod
                .namespace
                .clone()
                .unwrap_or_else(|| spec.namespace.clone()),
            name: match self.kind {
                Kind::EventSource => event_source_lease(&spec.name),
                Kind::Sensor => sensor_lease(&spec.name),
            },
            identity: self.pod.name.clone(),
            owner: self.owner(spec),
            timing: self.timing,
        };
        self.election
            .spawn(elector.run(standing, self.stop_election.clone()));
    }

    /// The object, with which the lease goes.
    fn owner(&self, spec: &Spec) -> Option<OwnerReference> {
        let kind = match self.kind {
            Kind::EventSource => "EventSource",
            Kind::Sensor => "Sensor",
        };
        Some(OwnerReference {
            api_version: API_VERSION.to_owned(),
            kind: kind.to_owned(),
            name: spec.name.clone(),
            uid: spec.uid.clone().filter(|uid| !uid.is_empty())?,
            ..OwnerReference::default()
        })
    }

    fn opened(&mut self, open: Open) {
        if let Some(before) = self.bus.open.replace(open) {
            let ended = self.work.as_ref().map(|work| work.ended.clone());
            self.ending.spawn(async move {
                if let Some(ended) = ended {
                    ended.cancelled().await;
                }
                close(&before).await;
            });
        }
    }

    /// The runner has made room for another one.
    fn gone(&mut self) {
        let work = self.work.take();
        let was_asked = work.is_some_and(|work| work.leave.is_cancelled());
        if !was_asked && !self.group.stop.is_cancelled() {
            self.not_before = Instant::now() + AFTER_A_FAILURE;
        }
    }

    /// Makes what runs equal to what should run.
    fn settle(&mut self) {
        let may_work = self.role() == Role::Active;
        if !may_work && !self.group.is_empty() {
            let group = std::mem::take(&mut self.group);
            self.ending
                .spawn(group.end_within(self.timing.time_to_stop()));
        }
        let wanted = match (&self.spec, &self.bus.open) {
            (Some(spec), Some(open)) if may_work => Some((Arc::clone(spec), open.clone())),
            _ => None,
        };
        match (&self.work, wanted) {
            (None, Some((spec, open))) if Instant::now() >= self.not_before => {
                self.start(&spec, &open);
            }
            (Some(work), Some((spec, open))) if work.key != key(&spec, &open) => {
                work.leave.cancel();
            }
            _ => {}
        }
        let is_connected = self
            .bus
            .open
            .as_ref()
            .is_some_and(|open| open.bus.is_connected());
        self.was_connected |= is_connected;
    }

    fn start(&mut self, spec: &Spec, open: &Open) {
        match self.workshop.start(spec, open, &mut self.group) {
            Ok(work) => {
                info!(generation = spec.generation, "Running");
                self.work = Some(work);
            }
            Err(error) => {
                let error = with_causes(&error);
                if self.faults.first() != Some(&error) {
                    error!(error, "Not run");
                    self.faults = vec![error];
                }
            }
        }
    }

    fn role(&self) -> Role {
        let Some(spec) = &self.spec else {
            return Role::Starting;
        };
        match &*self.standing.borrow() {
            Standing::Leader => Role::Active,
            Standing::Forbidden(_) if spec.replicas <= 1 => Role::Active,
            Standing::Forbidden(_) => Role::Refused,
            Standing::Standby { .. } => Role::Standby,
            Standing::Waiting(_) => Role::Starting,
        }
    }

    fn is_ready(&self) -> bool {
        match self.role() {
            Role::Active => self.was_connected,
            Role::Standby => true,
            Role::Starting | Role::Refused => false,
        }
    }

    /// Whether the parts or the bus say something else than at the last look.
    fn has_changed(&mut self) -> bool {
        // The connection is no part that tells of its changes.
        let is_connected = self
            .bus
            .open
            .as_ref()
            .is_some_and(|open| open.bus.is_connected());
        let changes = (self.workshop.changes(), self.bus.progress(), is_connected);
        let has_changed = changes != self.changes;
        self.changes = changes;
        has_changed
    }

    fn report(&self) -> Report {
        let spec = self.spec.as_ref();
        Report {
            generation: spec.and_then(|spec| spec.generation),
            faults: self.faults.clone(),
            role: self.role(),
            lease: self.lease(),
            bus: self.bus.health(),
            parts: spec.map_or_else(Vec::new, |spec| self.workshop.parts(spec)),
        }
    }

    fn lease(&self) -> Health {
        let (ok, reason, message) = match &*self.standing.borrow() {
            Standing::Leader => (Some(true), None, String::new()),
            Standing::Standby { holder } => (Some(true), None, format!("{holder} holds it")),
            Standing::Waiting(why) => (None, None, why.clone()),
            Standing::Forbidden(why) => (Some(false), Some(Reason::Forbidden), why.clone()),
        };
        Health {
            ok,
            reason,
            message,
        }
    }

    /// Finishes what was received, and lets somebody else begin.
    async fn stop(mut self, admin: &Admin) {
        let stopping = async {
            self.group.stop.cancel();
            self.group.finish().await;
            self.stop_election.cancel();
            while self.election.join_next().await.is_some() {}
            if let Some(open) = &self.bus.open {
                close(open).await;
            }
        };
        let mut stopping = std::pin::pin!(stopping);
        let mut signs = interval(LOOK);
        loop {
            tokio::select! {
                () = &mut stopping => return,
                _ = signs.tick() => admin.show_life(),
            }
        }
    }
}

fn key(spec: &Spec, open: &Open) -> Key {
    Key {
        spec: spec.fingerprint,
        bus: open.fingerprint,
    }
}

/// Resolves when the runner has made room for another one.
async fn gone(work: Option<&Work>) {
    match work {
        Some(work) => work.gone.cancelled().await,
        None => std::future::pending().await,
    }
}

async fn close(open: &Open) {
    let closed = tokio::time::timeout(CLOSE_WITHIN, open.bus.close()).await;
    if let Ok(Err(error)) = closed {
        let error: &dyn std::error::Error = &error;
        warn!(error, "The event bus was not closed in order");
    }
}
