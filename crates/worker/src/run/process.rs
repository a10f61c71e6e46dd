//! The life of `run`: start everything, watch it, stop it in order.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tiphys_api::message::with_causes;
use tiphys_runtime::admin::Admin;
use tiphys_runtime::{Group, Signals, process};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::bus::Buses;
use super::parts::Parts;

/// How much of a stop the event sources have, where the sensors have to wait for them.
const SOURCES_STOP: Duration = Duration::from_secs(1);

/// How much of it an embedded bus has to run empty: nothing else keeps its events.
const RUN_EMPTY: Duration = Duration::from_millis(1_500);

/// How often the process shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Runs everything until a signal, and stops it: the first signal drains, a second one aborts.
pub async fn run(
    parts: Parts,
    buses: Buses,
    address: SocketAddr,
    signals: &mut Signals,
) -> ExitCode {
    let Parts {
        registry,
        sensors,
        sources,
    } = parts;
    let admin = Arc::new(Admin::new(registry, None));
    let stop_admin = CancellationToken::new();
    let mut admin_tasks = JoinSet::new();
    match process::open_admin(address, &admin).await {
        Ok(server) => {
            admin_tasks.spawn(server.serve(stop_admin.clone()));
        }
        Err(error) => {
            let error = with_causes(&error);
            warn!(error, "No metrics: pass another --admin address");
        }
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
    admin.set_ready(true);
    let code = watch(&mut running_sources, &mut running_sensors, signals, &admin).await;
    admin.set_ready(false);
    let stop = stop(running_sources, running_sensors, &buses);
    let code = process::end(stop, signals, code).await;
    stop_admin.cancel();
    admin_tasks.shutdown().await;
    code
}

/// Waits for a signal, or until nothing runs any more: that is a failure.
async fn watch(
    sources: &mut Group,
    sensors: &mut Group,
    signals: &mut Signals,
    admin: &Admin,
) -> ExitCode {
    let mut heartbeats = interval(HEARTBEAT);
    let mut is_anything_running = true;
    while is_anything_running {
        tokio::select! {
            _ = signals.next() => return ExitCode::SUCCESS,
            Some(()) = sources.ended() => {}
            Some(()) = sensors.ended() => {}
            _ = heartbeats.tick() => admin.show_life(),
        }
        is_anything_running = !sources.is_empty() || !sensors.is_empty();
    }
    ExitCode::FAILURE
}

/// Finishes what was received.
async fn stop(mut sources: Group, mut sensors: Group, buses: &Buses) {
    sources.stop.cancel();
    if buses.are_embedded() {
        timeout(SOURCES_STOP, sources.finish())
            .await
            .unwrap_or_default();
        buses.run_empty(RUN_EMPTY).await;
    }
    sensors.stop.cancel();
    tokio::join!(sources.finish(), sensors.finish());
    buses.close().await;
}
