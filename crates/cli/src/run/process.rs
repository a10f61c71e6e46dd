//! The life of the process: start everything, watch it, stop it in order.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::bus::Buses;
use super::parts::Parts;
use crate::admin::{Admin, Server};
use crate::signals::Signals;

/// How long a stop may take. Whoever stops a process expects it to end within five seconds.
const STOP: Duration = Duration::from_millis(4_700);

/// How much of that the event sources have, where the sensors have to wait for them.
const SOURCES_STOP: Duration = Duration::from_secs(1);

/// How much of that an embedded bus has to run empty: nothing else keeps its events.
const RUN_EMPTY: Duration = Duration::from_millis(1_500);

/// Tasks of one kind, and what stops them.
#[derive(Default)]
struct Group {
    tasks: JoinSet<(String, anyhow::Result<()>)>,
    stop: CancellationToken,
}

/// How a task ended.
type Ended = Result<(String, anyhow::Result<()>), JoinError>;

/// Runs everything until a signal, and stops it: the first signal drains, a second one aborts.
pub(super) async fn run(
    parts: Parts,
    buses: Buses,
    admin: SocketAddr,
    signals: &mut Signals,
) -> ExitCode {
    let Parts {
        registry,
        sensors,
        sources,
    } = parts;
    let state = Arc::new(Admin {
        registry,
        ready: Arc::new(AtomicBool::new(false)),
    });
    let stop_admin = CancellationToken::new();
    let mut admin_tasks = JoinSet::new();
    if let Some(server) = open(admin, &state).await {
        admin_tasks.spawn(server.serve(stop_admin.clone()));
    }
    info!(
        eventSources = sources.len(),
        sensors = sensors.len(),
        "Running"
    );
    let (mut running_sources, mut running_sensors) = (Group::default(), Group::default());
    for runner in sensors {
        let name = format!("sensor {}/{}", runner.sensor.namespace, runner.sensor.name);
        running_sensors.spawn(name, |stop| async { Ok(runner.run(stop).await?) });
    }
    for runner in sources {
        let name = format!(
            "event source {}/{}",
            runner.source.namespace, runner.source.name
        );
        running_sources.spawn(name, |stop| async { Ok(runner.run(stop).await?) });
    }
    state.ready.store(true, Ordering::Relaxed);
    let failed = watch(&mut running_sources, &mut running_sensors, signals).await;
    state.ready.store(false, Ordering::Relaxed);
    info!("Stopping: finishing what was received");
    let code = tokio::select! {
        () = stop(running_sources, running_sensors, &buses) => {
            if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        _ = signals.next() => {
            warn!("Stopped at once: what was in flight is delivered again");
            ExitCode::from(130)
        }
    };
    stop_admin.cancel();
    admin_tasks.shutdown().await;
    code
}

async fn open(address: SocketAddr, state: &Arc<Admin>) -> Option<Server> {
    match Server::open(address, Arc::clone(state)).await {
        Ok(server) => {
            if let Some(address) = server.address() {
                info!(%address, "Serving metrics and health");
            }
            Some(server)
        }
        Err(error) => {
            warn!(
                error = format!("{error:#}"),
                "No metrics: pass another --admin address"
            );
            None
        }
    }
}

/// Waits for a signal (false), or until nothing runs any more (true).
async fn watch(sources: &mut Group, sensors: &mut Group, signals: &mut Signals) -> bool {
    loop {
        let ended = tokio::select! {
            _ = signals.next() => return false,
            Some(ended) = sources.tasks.join_next() => ended,
            Some(ended) = sensors.tasks.join_next() => ended,
            else => return true,
        };
        report(ended);
    }
}

/// Finishes what was received, in the time that a stop may take.
async fn stop(mut sources: Group, mut sensors: Group, buses: &Buses) {
    sources.stop.cancel();
    let drain = async {
        if buses.are_embedded() {
            timeout(SOURCES_STOP, sources.finish())
                .await
                .unwrap_or_default();
            buses.run_empty(RUN_EMPTY).await;
        }
        sensors.stop.cancel();
        tokio::join!(sources.finish(), sensors.finish());
        buses.close().await;
    };
    if timeout(STOP, drain).await.is_err() {
        warn!("Not everything was finished in time; the rest is delivered again");
    }
}

impl Group {
    fn spawn<F>(&mut self, name: String, start: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let task = start(self.stop.clone());
        self.tasks.spawn(async move { (name, task.await) });
    }

    async fn finish(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            report(ended);
        }
    }
}

fn report(ended: Ended) {
    match ended {
        Ok((_, Ok(()))) => {}
        Ok((name, Err(error))) => error!(error = format!("{error:#}"), "Stopped: {name}"),
        Err(error) => error!(error = error.to_string(), "A task died"),
    }
}
