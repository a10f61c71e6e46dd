//! From a Service to its Ingress: one at a time, and many at once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Bench;
use crate::clock::Samples;
use crate::cluster::Watch;
use crate::floor::{Floor, Place, create_all};
use crate::report::{Report, Row};
use crate::world::{INGRESSES, World};

/// So many of each kind follow each other before the next kind's turn: whatever disturbs the
/// machine meets all of them.
const BLOCK: usize = 10;

/// How many arrive at once.
const AT_ONCE: usize = 100;

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let world = World::start(bench)?;
    let tiphys = world.tiphys(bench, "tiphys")?;
    let measured = world.runtime.block_on(play(bench, &world));
    let Measured {
        story,
        plain,
        same,
        burst,
        same_burst,
    } = measured.map_err(|error| error.context(tiphys.report()))?;
    let (hand, least) = ("the same by hand", "two ConfigMaps by hand");
    for (percent, argo, goal) in [
        (50, Some(5.6), Some(4.0)),
        (95, Some(9.3), Some(7.0)),
        (99, None, None),
    ] {
        let what = format!("Service → Ingress, p{percent}");
        let mut row = Row::new(what, "ms", story.percentile_ms(percent))
            .floor(hand, same.percentile_ms(percent));
        if let (Some(argo), Some(goal)) = (argo, goal) {
            row = row.argo(argo).at_most(goal);
            row = row.within(if percent == 50 { 1.15 } else { 1.5 });
        }
        report.add(row);
    }
    // What the machine can do: a Service also takes an address, which is another write.
    report.add(
        Row::new(
            "Service, then Ingress, by hand, p50",
            "ms",
            same.percentile_ms(50),
        )
        .floor(least, plain.percentile_ms(50)),
    );
    report.add(
        Row::new(
            format!("{AT_ONCE} Services at once → last Ingress"),
            "s",
            burst.as_secs_f64(),
        )
        .argo(18.0)
        .at_most(1.0)
        .floor(hand, same_burst.as_secs_f64()),
    );
    let memory = tiphys.memory()?;
    report.add(Row::new(
        "memory after this, resident",
        "MiB",
        memory.resident,
    ));
    tiphys.stop()?;
    let firsts = firsts(bench, &world)?;
    report.add(
        Row::new(
            "first Service after a start → Ingress, p50",
            "ms",
            firsts.percentile_ms(50),
        )
        .argo(49.0)
        .floor("p50 of the others", story.percentile_ms(50))
        .within(1.5),
    );
    Ok(())
}

/// The first firing of each of several starts, once it says that it watches and listens.
fn firsts(bench: &Bench, world: &World) -> anyhow::Result<Samples> {
    let first = |round: usize| {
        let mut tiphys = world.tiphys(bench, &format!("first-{round}"))?;
        tiphys.logged("Sensor started.", |line| line["msg"] == "Sensor started.")?;
        tiphys.logged("Watching …", |line| {
            line["msg"]
                .as_str()
                .is_some_and(|message| message.starts_with("Watching "))
        })?;
        let took = world.runtime.block_on(async {
            let mut ingresses = world.cluster.watch(INGRESSES).await?;
            // What is measured here may be cold; what measures it may not.
            world.cluster.names(INGRESSES).await?;
            story(world, &mut ingresses, &format!("first-{round}")).await
        })?;
        tiphys.stop()?;
        Ok(took)
    };
    (0..bench.count(9, 2)).map(first).collect()
}

struct Measured {
    story: Samples,
    plain: Samples,
    /// Two writes and two watches of the kinds of the story.
    same: Samples,
    burst: Duration,
    same_burst: Duration,
}

async fn play(bench: &Bench, world: &World) -> anyhow::Result<Measured> {
    let cluster = &world.cluster;
    let mut ingresses = cluster.watch(INGRESSES).await?;
    let (first, second) = (
        Place::config_maps("floor-first"),
        Place::config_maps("floor-second"),
    );
    let mut plain = Floor::start(cluster, first, second).await?;
    let (first, second) = by_hand(&world.service.manifest);
    let mut same = Floor::start(cluster, first, second).await?;
    let blocks = bench.count(30, 3);
    let mut samples = (Vec::new(), Vec::new(), Vec::new());
    // The first block warms up connections and caches, and does not count.
    for block in 0..=blocks {
        for index in 0..BLOCK {
            let name = format!("one-{block}-{index}");
            let story = story(world, &mut ingresses, &name).await?;
            let floor = plain.once(&name).await?;
            let hand = same.once(&name).await?;
            if block > 0 {
                samples.0.push(story);
                samples.1.push(floor);
                samples.2.push(hand);
            }
        }
    }
    let names: Vec<String> = (0..AT_ONCE).map(|index| format!("all-{index}")).collect();
    let start = Instant::now();
    create_all(cluster, &world.service, &names).await?;
    let mut last = start;
    for name in &names {
        last = last.max(ingresses.seen(&format!("{name}-ing")).await?);
    }
    Ok(Measured {
        story: samples.0.into_iter().collect(),
        plain: samples.1.into_iter().collect(),
        same: samples.2.into_iter().collect(),
        burst: last.duration_since(start),
        same_burst: same.all(&names).await?,
    })
}

/// From just before the write of the Service to the arrival of its Ingress.
async fn story(world: &World, ingresses: &mut Watch, name: &str) -> anyhow::Result<Duration> {
    let start = Instant::now();
    world
        .cluster
        .create(&world.service.path, &world.service.object(name))
        .await?;
    Ok(ingresses
        .seen(&format!("{name}-ing"))
        .await?
        .duration_since(start))
}

/// What the story writes, in places that tiphys does not look at.
fn by_hand(service: &Value) -> (Place, Place) {
    let mut service = service.clone();
    service["metadata"]["namespace"] = "floor-first".into();
    let ingress = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {},
        "spec": {
            "ingressClassName": "nginx",
            "rules": [{"host": "harbour.example", "http": {"paths": [{
                "path": "/",
                "pathType": "Prefix",
                "backend": {"service": {"name": "service", "port": {"number": 80}}},
            }]}}],
        },
    });
    let first = Place {
        path: "/api/v1/namespaces/floor-first/services".to_owned(),
        manifest: service,
    };
    let second = Place {
        path: "/apis/networking.k8s.io/v1/namespaces/floor-second/ingresses".to_owned(),
        manifest: ingress,
    };
    (first, second)
}
