//! SIGTERM under load: how long it takes, and what gets lost or done twice.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;

use super::backlog::{Printed, Stage, await_lines};
use crate::Bench;
use crate::report::{Report, Row};
use crate::world::{INGRESSES, World};

/// How many clients create services.
const WRITERS: usize = 8;

/// How long everything may take to settle after the restart.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    story(bench, report)?;
    backlog(bench, report)
}

/// Services are created before, during and after the stop; each has to have its Ingress in the end.
#[expect(clippy::cast_precision_loss, reason = "counts of services are small")]
fn story(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let world = World::start(bench)?;
    let tiphys = world.tiphys(bench, "before")?;
    let time = Duration::from_millis(if bench.quick { 1_000 } else { 4_000 });
    let mut load = load(&world, Instant::now() + time);
    std::thread::sleep(time / 2);
    let stopped = tiphys.stop()?;
    let mut services = HashSet::new();
    world.runtime.block_on(async {
        while let Some(names) = load.join_next().await {
            services.extend(names??);
        }
        anyhow::Ok(())
    })?;
    let tiphys = world.tiphys(bench, "after")?;
    let missing = world.runtime.block_on(missing(&world, &services))?;
    let what = format!("of {} Services", services.len());
    report.add(
        Row::new(
            "SIGTERM while Services are created → exit",
            "s",
            stopped.as_secs_f64(),
        )
        .at_most(5.0),
    );
    report.add(
        Row::new(
            "Ingresses missing after the restart",
            "count",
            missing as f64,
        )
        .at_most(0.0),
    );
    eprintln!("   ({what})");
    tiphys.stop()?;
    Ok(())
}

fn load(world: &World, until: Instant) -> JoinSet<anyhow::Result<Vec<String>>> {
    let mut load = JoinSet::new();
    for writer in 0..WRITERS {
        let (cluster, service) = (world.cluster.clone(), world.service.clone());
        let work = async move {
            let mut names = Vec::new();
            while Instant::now() < until {
                let name = format!("load-{writer}-{}", names.len());
                cluster
                    .create(&service.path, &service.object(&name))
                    .await?;
                names.push(name);
            }
            Ok(names)
        };
        load.spawn_on(work, world.runtime.handle());
    }
    load
}

/// How many services have no Ingress, once all have or time is up.
async fn missing(world: &World, services: &HashSet<String>) -> anyhow::Result<usize> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ingresses = world
            .cluster
            .names(INGRESSES)
            .await
            .context("list the Ingresses")?;
        let ingresses: HashSet<String> = ingresses.into_iter().collect();
        let is_missing = |name: &&String| !ingresses.contains(&format!("{name}-ing"));
        let missing = services.iter().filter(is_missing).count();
        if missing == 0 || Instant::now() >= deadline {
            return Ok(missing);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A stop amid a backlog: actions that may run at most once run exactly once.
#[expect(clippy::cast_precision_loss, reason = "counts of events are small")]
fn backlog(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let count = bench.count(20_000, 4_000);
    let stage = Stage::set(bench)?;
    stage.publish(count)?;
    let before = stage.start(bench, "before")?;
    await_lines(&before, count / 10)?;
    let output = before.output().to_owned();
    let stopped = before.stop()?;
    let done = Printed::read(&[&output])?.times.len();
    let after = stage.start(bench, "after")?;
    // What is missing never comes; what is repeated is counted below.
    await_lines(&after, count - done)?;
    let printed = Printed::read(&[&output, after.output()])?;
    let lost = count - printed.times.len();
    let repeated = printed.times.values().filter(|times| **times > 1).count();
    let amid = format!("SIGTERM amid a backlog, {done} of {count} done");
    report.add(Row::new(format!("{amid} → exit"), "s", stopped.as_secs_f64()).at_most(5.0));
    report.add(
        Row::new(
            "events lost or logged twice",
            "count",
            (lost + repeated) as f64,
        )
        .at_most(0.0),
    );
    after.stop()?;
    Ok(())
}
