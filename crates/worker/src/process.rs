//! The processes that a worker is: a pod with one object, and `run` with those of manifests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use jiff::Timestamp;
use tiphys_api::message::with_causes;
use tiphys_eventbus::{EventBus, jetstream};
use tiphys_http::{Handler, Server};
use tiphys_runtime::admin::{Admin, Report};
use tiphys_runtime::cluster::Cluster;
use tiphys_runtime::election::Timing;
use tiphys_runtime::logging::Logging;
use tiphys_runtime::{Signals, process};
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::buses::{Buses, Name, Place};
use crate::connection::Folders;
use crate::context::{Candidate, Context, Origin, Outlets};
use crate::ports::{OpenPorts, ports};
use crate::print::Stdout;
use crate::report::Reports;
use crate::specs::{self, Changes, Edition};
use crate::supervisor::Supervisor;
use crate::{Error, Kind};

/// How often a process that is stopping shows that it is alive.
const HEARTBEAT: Duration = Duration::from_millis(200);

/// What a pod runs, and where it finds it.
#[derive(Debug)]
pub struct Pod {
    /// What it is.
    pub kind: Kind,
    /// Folder with its spec and the settings of the bus.
    pub spec: PathBuf,
    /// Folder with the login to the bus.
    pub bus_auth: PathBuf,
    /// Folder with Secrets and `ConfigMaps`.
    pub values: PathBuf,
    /// Where metrics, health and the report are served.
    pub admin: SocketAddr,
    /// What whoever asks for the report has to show; `None`: nothing.
    pub report_key: Option<String>,
    /// Who holds the lease; `None`: a name that nobody else has.
    pub name: Option<String>,
    /// Namespace of the lease; `None`: that of the object.
    pub namespace: Option<String>,
}

/// What `run` runs.
pub struct Manifests {
    /// The objects.
    pub first: Edition,
    /// The objects again, after each edit.
    pub edits: BoxStream<'static, Edition>,
    /// The NATS server that is the bus; `None`: buses are in this process, and end with it.
    pub server: Option<jetstream::Config>,
    /// The `streamConfig` of each `EventBus`.
    pub streams: BTreeMap<Name, String>,
    /// Where metrics and health are served.
    pub admin: SocketAddr,
    /// What is served there beside them, made when the address is known.
    pub pages: Option<Pages>,
}

/// Hands out a bus that is in use, by the name of its `EventBus`, once it is open.
pub type OpenBus = Arc<dyn Fn(&Name) -> Option<EventBus> + Send + Sync>;

/// Makes what answers whatever the admin port does not, of its address and the buses.
pub type Pages = Box<dyn FnOnce(SocketAddr, OpenBus) -> Arc<dyn Handler> + Send>;

/// Who the process is to the cluster, or why there is none.
type Found = Result<Cluster, tiphys_runtime::Error>;

/// Runs one object until a signal: the process in its pod.
///
/// # Errors
/// If the process cannot begin.
pub async fn pod(pod: Pod, cluster: Found, logging: Logging) -> Result<ExitCode, Error> {
    let mut signals = Signals::open()?;
    let name = pod.name.unwrap_or_else(process::unique_name);
    let folders = Folders {
        spec: pod.spec.clone(),
        auth: pod.bus_auth,
        values: pod.values.clone(),
    };
    let place = Place::Folder {
        folders,
        client: name.clone(),
    };
    let candidate = Candidate {
        identity: name,
        namespace: pod.namespace,
        timing: Timing::from_env(),
    };
    let (called, serving) = ports();
    // A pod that has nothing to ask of the API server gets no token; a part that has says so itself.
    if let Err(error) = &cluster {
        let error = with_causes(error);
        info!(
            error,
            "There is no cluster to act on: without a token no lease is held"
        );
    }
    let (context, registry) = Context::new(
        outlets(logging),
        cluster.ok(),
        Origin::Mounted(pod.values),
        (Buses::new(place), called),
        Some(candidate),
    );
    let (mut reports, latest) = Reports::new();
    let report = Report {
        latest,
        key: pod.report_key,
    };
    let admin = Arc::new(Admin::new(registry, Some(report)));
    let server = process::open_admin(pod.admin, &admin).await?;
    // What is wrong with the bus is known before there is anything to run on it.
    let mut bus = context.buses.follow("", "");
    drop(bus.wait_for(|state| state.is_known).await);
    let changes = specs::folder(pod.kind, pod.spec);
    let port = Served::start(admin, Some(server));
    let called = OpenPorts::serve(serving);
    let context = Arc::new(context);
    let code = supervise(context, changes, &port.admin, &mut signals, |supervisor| {
        if reports.is_due() {
            reports.publish(supervisor.report());
        }
        ControlFlow::Continue(())
    });
    let code = code.await;
    called.end().await;
    port.end().await;
    Ok(code)
}

/// Runs the objects of manifests until a signal.
pub async fn manifests(
    manifests: Manifests,
    cluster: Found,
    logging: Logging,
    signals: &mut Signals,
) -> ExitCode {
    let Manifests {
        first,
        edits,
        server,
        streams,
        admin,
        pages,
    } = manifests;
    let place = match server {
        // All EventBus objects stand for this one server; their streams are one stream.
        Some(config) => {
            if streams.len() > 1 {
                warn!("Several EventBus objects, one server: the first one's streamConfig counts");
            }
            let stream = streams.into_values().next();
            Place::Server { config, stream }
        }
        None => Place::Embedded(streams),
    };
    let (called, serving) = ports();
    let (context, registry) = Context::new(
        outlets(logging),
        known(cluster),
        Origin::Cluster,
        (Buses::new(place), called),
        None,
    );
    let count = first.specs.iter().filter(|spec| !spec.is_paused).count();
    let changes = specs::manifests(first, edits, Timestamp::now);
    let address = admin;
    let admin = Arc::new(Admin::new(registry, None));
    let server = match process::open_admin(address, &admin).await {
        Ok(server) => Some(server),
        Err(error) => {
            let error = with_causes(&error);
            warn!(error, "No metrics: pass another --admin address");
            None
        }
    };
    let context = Arc::new(context);
    if let (Some(pages), Some(address)) = (pages, server.as_ref().and_then(Server::address)) {
        admin.serve(pages(address, open_bus(&context)));
    }
    let port = Served::start(admin, server);
    let called = OpenPorts::serve(serving);
    let mut is_told = false;
    let code = supervise(context, changes, &port.admin, signals, |supervisor| {
        if is_told || supervisor.len() < count || !supervisor.is_ready() {
            return ControlFlow::Continue(());
        }
        is_told = true;
        let sources = supervisor.running(Kind::EventSource);
        let sensors = supervisor.running(Kind::Sensor);
        if sources + sensors == 0 {
            error!("Nothing can run");
            return ControlFlow::Break(ExitCode::FAILURE);
        }
        info!(eventSources = sources, sensors, "Running");
        ControlFlow::Continue(())
    });
    let code = code.await;
    called.end().await;
    port.end().await;
    code
}

/// Runs what `changes` say until a signal, or until `seen` has seen enough, and stops it: the first
/// signal drains, a second one aborts.
async fn supervise(
    context: Arc<Context>,
    changes: Changes,
    admin: &Admin,
    signals: &mut Signals,
    mut seen: impl FnMut(&Supervisor) -> ControlFlow<ExitCode>,
) -> ExitCode {
    let mut supervisor = Supervisor::new(context);
    let running = supervisor.run(changes, |supervisor| {
        if supervisor.is_alive() {
            admin.show_life();
        }
        admin.set_ready(supervisor.is_ready());
        seen(supervisor)
    });
    let code = tokio::select! {
        biased;
        _ = signals.next() => ExitCode::SUCCESS,
        code = running => code,
    };
    admin.set_ready(false);
    let stopping = async {
        tokio::select! {
            () = supervisor.stop() => {}
            () = heartbeat(admin) => {}
        }
    };
    process::end(stopping, signals, code).await
}

fn open_bus(context: &Arc<Context>) -> OpenBus {
    let context = Arc::clone(context);
    Arc::new(move |(namespace, name)| {
        let state = context.buses.follow(namespace, name);
        let used = state.borrow().used();
        used.map(|used| used.bus())
    })
}

/// Shows that a process is alive that is stopping, for ever.
async fn heartbeat(admin: &Admin) {
    let mut beats = interval(HEARTBEAT);
    loop {
        beats.tick().await;
        admin.show_life();
    }
}

fn outlets(logging: Logging) -> Outlets {
    Outlets {
        sink: Arc::new(Stdout(logging.printer)),
        logging: logging.fields,
    }
}

fn known(cluster: Found) -> Option<Cluster> {
    if let Err(error) = &cluster {
        let error = with_causes(error);
        warn!(error, "There is no cluster to act on: pass --kubeconfig");
    }
    cluster.ok()
}

/// The admin port while it is served.
struct Served {
    admin: Arc<Admin>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Served {
    fn start(admin: Arc<Admin>, server: Option<Server>) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        if let Some(server) = server {
            tasks.spawn(server.serve(stop.clone()));
        }
        Self { admin, stop, tasks }
    }

    async fn end(mut self) {
        self.stop.cancel();
        self.tasks.shutdown().await;
    }
}
