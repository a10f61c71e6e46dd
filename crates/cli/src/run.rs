//! `tiphys run`: the event sources and sensors of files, in one process.

mod bus;
mod cluster;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tiphys_api::manifest::Content;
use tiphys_sensor::execute::values::{ClusterValues, NoValues, Values};
use tiphys_sensor::execute::{Executors, log};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::admin::{Admin, Server};
use crate::args::{LogArgs, RunArgs};
use crate::files::{self, Loaded, Program};
use crate::logging;

/// How long a stop may take. Whoever stops a process expects it to end within five seconds.
const STOP: Duration = Duration::from_millis(4_700);

/// How much of that the event sources have, where the sensors have to wait for them.
const SOURCES_STOP: Duration = Duration::from_secs(1);

/// How much of that an embedded bus has to run empty: nothing else keeps its events.
const RUN_EMPTY: Duration = Duration::from_millis(1_500);

pub(crate) fn main(args: RunArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    let sink = logging::start(log)?;
    // Both crates that speak TLS may be built with other providers too; this one is meant.
    rustls::crypto::ring::default_provider().install_default().ok();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(run(args, sink));
    // A jq program that is still running must not hold the process up.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

async fn run(args: RunArgs, sink: Arc<dyn log::Sink>) -> anyhow::Result<ExitCode> {
    let RunArgs { files, nats, cluster, admin } = args;
    let mut signals = Signals::open()?;
    let cluster = cluster::Cluster::open(&cluster).await;
    let namespace = cluster.as_ref().map_or("default", |cluster| cluster.namespace.as_str());
    let loaded = files::load(&files, namespace)?;
    tell(&loaded);
    let buses = tokio::select! {
        buses = bus::Buses::open(nats, &loaded, namespace) => buses?,
        _ = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    let mut process = Process::new(buses);
    let metrics = Metrics::register(&mut process.registry);
    let mut identity = String::new();
    let client = match cluster {
        Ok(cluster) => {
            identity = cluster.identity;
            Some(cluster.client)
        }
        Err(error) => {
            warn!(error = format!("{error:#}"), "There is no cluster to act on: pass --kubeconfig");
            None
        }
    };
    let values: Arc<dyn Values> = match &client {
        Some(client) => Arc::new(ClusterValues::new(client.clone())),
        None => Arc::new(NoValues),
    };
    let executors = Arc::new(Executors::new(client.clone(), values, sink, Timestamp::now));
    let since = Timestamp::now();
    for loadable in loaded.objects {
        match loadable.program {
            Program::Sensor(sensor) => {
                let bus_name = match &loadable.object.content {
                    Content::Sensor(sensor) => sensor.spec.bus_name(),
                    _ => "default",
                };
                let bus = process.buses.get(&sensor.namespace, bus_name).await;
                let runner = tiphys_sensor::run::Runner {
                    sensor: Arc::new(*sensor),
                    bus,
                    executors: Arc::clone(&executors),
                    metrics: metrics.sensor.clone(),
                    now: Timestamp::now,
                    since,
                    status: Arc::default(),
                };
                process.sensors.push(runner);
            }
            Program::EventSource(source) => {
                let bus_name = match &loadable.object.content {
                    Content::EventSource(source) => source.spec.bus_name(),
                    _ => "default",
                };
                let Some(client) = client.clone() else {
                    error!(eventSourceName = %source.name, "Not run: it needs a cluster");
                    continue;
                };
                let bus = process.buses.get(&source.namespace, bus_name).await;
                process.sources.push(tiphys_eventsource::Runner {
                    source: Arc::new(*source),
                    bus,
                    client,
                    metrics: metrics.source.clone(),
                    now: Timestamp::now,
                    identity: identity.clone(),
                });
            }
            Program::None => {}
        }
    }
    if process.sensors.is_empty() && process.sources.is_empty() {
        bail!("nothing to run: no EventSource or Sensor without errors in these files");
    }
    process.run(admin, &mut signals).await
}

/// Says what is wrong with the files; the other objects run.
fn tell(loaded: &Loaded) {
    for fault in &loaded.faults {
        if fault.problem.is_error() {
            error!("{fault}");
        } else {
            warn!("{fault}");
        }
    }
}

struct Metrics {
    sensor: tiphys_sensor::Metrics,
    source: tiphys_eventsource::Metrics,
}

impl Metrics {
    fn register(registry: &mut Registry) -> Self {
        Self {
            sensor: tiphys_sensor::Metrics::register(registry),
            source: tiphys_eventsource::Metrics::register(registry),
        }
    }
}

/// Everything that runs in this process.
struct Process {
    registry: Registry,
    buses: bus::Buses,
    sensors: Vec<tiphys_sensor::run::Runner>,
    sources: Vec<tiphys_eventsource::Runner>,
}

/// How a part of the process ended.
type Ended = (String, anyhow::Result<()>);

impl Process {
    fn new(buses: bus::Buses) -> Self {
        Self { registry: Registry::default(), buses, sensors: Vec::new(), sources: Vec::new() }
    }

    async fn run(
        self,
        admin: std::net::SocketAddr,
        signals: &mut Signals,
    ) -> anyhow::Result<ExitCode> {
        let Self { registry, buses, sensors, sources } = self;
        let admin_state = Arc::new(Admin { registry, ready: AtomicBool::new(false) });
        let stop_admin = CancellationToken::new();
        let mut others = JoinSet::new();
        match Server::open(admin, Arc::clone(&admin_state)).await {
            Ok(server) => {
                if let Some(address) = server.address() {
                    info!(%address, "Serving metrics and health");
                }
                others.spawn(server.serve(stop_admin.clone()));
            }
            Err(error) => {
                warn!(error = format!("{error:#}"), "No metrics: pass another --admin address");
            }
        }
        let stop_sources = CancellationToken::new();
        let stop_sensors = CancellationToken::new();
        let counts = (sources.len(), sensors.len());
        let mut running_sensors: JoinSet<Ended> = JoinSet::new();
        for runner in sensors {
            let stop = stop_sensors.clone();
            let name = format!("sensor {}/{}", runner.sensor.namespace, runner.sensor.name);
            running_sensors.spawn(async move { (name, runner.run(stop).await.map_err(Into::into)) });
        }
        let mut running_sources: JoinSet<Ended> = JoinSet::new();
        for runner in sources {
            let stop = stop_sources.clone();
            let name = format!("event source {}/{}", runner.source.namespace, runner.source.name);
            running_sources.spawn(async move { (name, runner.run(stop).await.map_err(Into::into)) });
        }
        info!(eventSources = counts.0, sensors = counts.1, "Running");
        admin_state.ready.store(true, Ordering::Relaxed);

        let failed = watch(&mut running_sources, &mut running_sensors, signals).await;
        admin_state.ready.store(false, Ordering::Relaxed);
        info!("Stopping: finishing what was received");
        stop_sources.cancel();
        let drain = async {
            if buses.are_embedded() {
                let sources = finish(&mut running_sources);
                tokio::time::timeout(SOURCES_STOP, sources).await.unwrap_or_default();
                buses.run_empty(RUN_EMPTY).await;
            }
            stop_sensors.cancel();
            tokio::join!(finish(&mut running_sources), finish(&mut running_sensors));
            buses.close().await;
        };
        let drain = async {
            if tokio::time::timeout(STOP, drain).await.is_err() {
                warn!("Not everything was finished in time; the rest is delivered again");
            }
        };
        let code = tokio::select! {
            () = drain => if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS },
            _ = signals.next() => {
                warn!("Stopped at once: what was in flight is delivered again");
                ExitCode::from(130)
            }
        };
        stop_admin.cancel();
        others.shutdown().await;
        Ok(code)
    }
}

/// Waits for a signal, or until nothing runs any more (true).
async fn watch(
    sources: &mut JoinSet<Ended>,
    sensors: &mut JoinSet<Ended>,
    signals: &mut Signals,
) -> bool {
    loop {
        let ended = tokio::select! {
            _ = signals.next() => return false,
            Some(ended) = sources.join_next() => ended,
            Some(ended) = sensors.join_next() => ended,
            else => return true,
        };
        report(ended.map_err(Into::into));
    }
}

fn report(ended: anyhow::Result<Ended>) {
    match ended {
        Ok((_, Ok(()))) => {}
        Ok((name, Err(error))) => error!(error = format!("{error:#}"), "Stopped: {name}"),
        Err(error) => error!(error = format!("{error:#}"), "A task died"),
    }
}

/// Waits for all tasks.
async fn finish(tasks: &mut JoinSet<Ended>) {
    while let Some(ended) = tasks.join_next().await {
        report(ended.map_err(Into::into));
    }
}

/// The signals that stop the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn open() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("listen for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("listen for SIGINT")?,
        })
    }

    async fn next(&mut self) -> Option<()> {
        tokio::select! {
            signal = self.terminate.recv() => signal,
            signal = self.interrupt.recv() => signal,
        }
    }
}
