//! `tiphys controller`: the process that makes servers and pods of the objects in a cluster.
//!
//! One of several works, the one that holds the Lease; it has Argo Events' name, so that Argo Events'
//! controller and this one exclude each other.

mod config;

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, Args};
use kube::Client;
use prometheus_client::registry::Registry;
use tiphys_api::worker;
use tiphys_controller::settings::{Configuration, Worker};
use tiphys_controller::{Metrics, Options, Settings};
use tiphys_runtime::admin::Admin;
use tiphys_runtime::election::{ElectionState, Elector, Timing};
use tiphys_runtime::{Signals, process};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::args::{ClusterArgs, LogArgs};
use config::File;

/// The name of the Lease, as Argo Events' controller has it.
const LEASE: &str = "argo-events-controller";

/// The most threads that it computes on: it waits nearly always.
const THREADS: usize = 2;

/// How often it looks at its configuration file, and shows that it is alive.
const LOOK: Duration = Duration::from_secs(2);

/// How long its reconcilers may take to end: a reconcile can end at every step.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// The process that makes servers and pods of the objects in a cluster.
#[derive(Debug, Args)]
pub(crate) struct ControllerArgs {
    /// Look at one namespace only
    #[arg(long)]
    pub(crate) namespaced: bool,
    /// The namespace of --namespaced, and of the Lease outside a pod
    #[arg(
        long,
        env = "NAMESPACE",
        value_name = "NAME",
        default_value = "argo-events"
    )]
    pub(crate) managed_namespace: String,
    /// Work only while no other controller does: `--leader-election=false` asks for no permission
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) leader_election: bool,
    /// Where metrics and health are served; port 0 takes a free one
    #[arg(long, env = "TIPHYS_ADMIN", value_name = "ADDRESS:PORT",
          default_value_t = SocketAddr::from((Ipv6Addr::UNSPECIFIED, worker::ADMIN_PORT)))]
    pub(crate) admin: SocketAddr,
    /// Image of the pods of event sources and sensors; by default `$ARGO_EVENTS_IMAGE`, or this
    /// program's own version of `tiphys`
    #[arg(long, env = "TIPHYS_IMAGE", value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// When that image is pulled: `Always`, `IfNotPresent` or `Never`
    #[arg(
        long,
        env = "IMAGE_PULL_POLICY",
        value_name = "POLICY",
        default_value = "IfNotPresent"
    )]
    pub(crate) image_pull_policy: String,
    /// File with the versions of NATS and the defaults of buses and pods, in Argo Events' format; it may
    /// change while the controller runs, and without it the built-in ones count
    #[arg(
        long,
        env = "TIPHYS_CONFIG",
        value_name = "FILE",
        default_value = "/etc/tiphys/controller-config.yaml"
    )]
    pub(crate) config: PathBuf,
    /// Name of the pod: who holds the Lease; by default one that nobody else has
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub(crate) pod_name: Option<String>,
    /// Namespace of the Lease; by default --managed-namespace
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    pub(crate) pod_namespace: Option<String>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

pub(crate) fn main(args: ControllerArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log.settings(), Some(THREADS), |_| run(args))
}

async fn run(args: ControllerArgs) -> anyhow::Result<ExitCode> {
    let ControllerArgs {
        namespaced,
        managed_namespace,
        leader_election,
        admin: address,
        image,
        image_pull_policy,
        config,
        pod_name,
        pod_namespace,
        cluster,
    } = args;
    let mut signals = Signals::open()?;
    let mut file = File::new(config);
    let Configuration {
        event_bus,
        worker_resources,
    } = file.read()?;
    let settings = watch::Sender::new(Arc::new(Settings {
        worker: Worker {
            image: image.unwrap_or_else(default_image),
            image_pull_policy,
            log_level: std::env::var("LOG_LEVEL").ok(),
            resources: worker_resources,
        },
        event_bus,
    }));
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let admin = Arc::new(Admin::new(registry, None));
    let server = process::open_admin(address, &admin).await?;
    let stop_admin = CancellationToken::new();
    let mut admin_tasks = JoinSet::new();
    admin_tasks.spawn(server.serve(stop_admin.clone()));
    let client = cluster.open().await?.user("", "")?.client;
    let instance = pod_name.unwrap_or_else(process::unique_name);
    let mut election = JoinSet::new();
    let stop_election = CancellationToken::new();
    let (election_state, election_states) = watch::channel(ElectionState::Waiting(String::new()));
    if leader_election {
        let elector = Elector {
            client: client.clone(),
            namespace: pod_namespace.unwrap_or_else(|| managed_namespace.clone()),
            name: LEASE.to_owned(),
            identity: instance.clone(),
            owner: None,
            timing: Timing::from_env(),
        };
        election.spawn(elector.run(election_state, stop_election.clone()));
    } else {
        election_state.send_replace(ElectionState::Leader);
    }
    let office = Office {
        client,
        options: Options {
            namespace: namespaced.then_some(managed_namespace),
            instance,
        },
        metrics,
        settings,
        file,
        work: None,
    };
    office.hold(election_states, &mut signals, &admin).await;
    stop_election.cancel();
    while election.join_next().await.is_some() {}
    stop_admin.cancel();
    admin_tasks.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

fn default_image() -> String {
    std::env::var("ARGO_EVENTS_IMAGE")
        .ok()
        .filter(|image| !image.is_empty())
        .unwrap_or_else(|| concat!("tiphys:", env!("CARGO_PKG_VERSION")).to_owned())
}

/// What works while the lease is ours.
struct Office {
    client: Client,
    options: Options,
    metrics: Metrics,
    settings: watch::Sender<Arc<Settings>>,
    file: File,
    work: Option<Work>,
}

/// The running reconcilers.
struct Work {
    tasks: JoinSet<()>,
    stop: CancellationToken,
    is_ready: watch::Receiver<bool>,
}

impl Office {
    /// Works whenever the lease is ours, until a signal.
    async fn hold(
        mut self,
        mut election_states: watch::Receiver<ElectionState>,
        signals: &mut Signals,
        admin: &Admin,
    ) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let election_state = election_states.borrow_and_update().clone();
            match (&election_state, self.work.is_some()) {
                (ElectionState::Leader, false) => self.begin(),
                (ElectionState::Leader, true) | (_, false) => {}
                (_, true) => self.end().await,
            }
            admin.show_life();
            admin.set_ready(self.is_ready(&election_state));
            tokio::select! {
                biased;
                _ = signals.next() => break,
                Ok(()) = election_states.changed() => {}
                () = self.changed() => {}
                _ = looks.tick() => self.look(),
            }
        }
        admin.set_ready(false);
        info!("Stopping");
        self.end().await;
    }

    fn begin(&mut self) {
        info!(namespace = self.options.namespace, "Reconciling");
        let (ready, is_ready) = watch::channel(false);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(tiphys_controller::run(
            self.client.clone(),
            self.options.clone(),
            self.settings.subscribe(),
            self.metrics.clone(),
            ready,
            stop.clone(),
        ));
        self.work = Some(Work {
            tasks,
            stop,
            is_ready,
        });
    }

    async fn end(&mut self) {
        let Some(mut work) = self.work.take() else {
            return;
        };
        work.stop.cancel();
        let ending = async { while work.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_WITHIN, ending).await.is_err() {
            work.tasks.shutdown().await;
        }
    }

    /// A standby is ready: it does what it is there for.
    fn is_ready(&self, election_state: &ElectionState) -> bool {
        match (&self.work, election_state) {
            (Some(work), _) => *work.is_ready.borrow(),
            (None, ElectionState::Standby { .. }) => true,
            (None, _) => false,
        }
    }

    /// The reconcilers have become ready, or have ended by themselves.
    async fn changed(&mut self) {
        let Some(work) = &mut self.work else {
            return std::future::pending().await;
        };
        if work.is_ready.changed().await.is_err() {
            warn!("The reconcilers have ended by themselves: they are started again");
            tokio::time::sleep(LOOK).await;
            self.end().await;
        }
    }

    /// Takes the configuration file if it has changed.
    fn look(&mut self) {
        let changed = match self.file.changed() {
            Ok(None) => return,
            Ok(Some(changed)) => changed,
            Err(error) => {
                let error = format!("{error:#}");
                warn!(
                    error,
                    "The configuration file is not used: the last one counts"
                );
                return;
            }
        };
        let before = Arc::clone(&self.settings.borrow());
        let now = Settings {
            event_bus: changed.event_bus,
            worker: Worker {
                resources: changed.worker_resources,
                ..before.worker.clone()
            },
        };
        if *before != now {
            info!("The configuration file has changed");
            self.settings.send_replace(Arc::new(now));
        }
    }
}
