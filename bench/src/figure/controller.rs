//! A controller that finds a thousand objects, and then has nothing to do.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use tiphys_testbed::{ControlPlane, ControlPlaneOptions, PATIENCE, Scratch};

use crate::Bench;
use crate::cluster::Cluster;
use crate::report::{Report, Row};
use crate::tiphys::Tiphys;
use crate::world::runtime;

const CRDS: [&str; 3] = [
    include_str!("../../../crds/eventbus.argoproj.io.yaml"),
    include_str!("../../../crds/eventsources.argoproj.io.yaml"),
    include_str!("../../../crds/sensors.argoproj.io.yaml"),
];

const KINDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const OBJECTS: &str = "/apis/argoproj.io/v1alpha1/namespaces/default";

/// Where the floor writes: the controller does not look there.
const BY_HAND: &str = "floor";

/// How many requests are on their way at a time.
const WRITERS: usize = 8;

/// How often the statuses are looked at: a list of all is not for nothing.
const LOOK_EVERY: Duration = Duration::from_millis(250);

struct Stage {
    control_plane: ControlPlane,
    cluster: Cluster,
    scratch: Scratch,
    /// Of each kind.
    count: usize,
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests are small")]
pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let stage = runtime.block_on(Stage::set(bench))?;
    let objects = 2 * stage.count;
    let floor = runtime.block_on(stage.by_hand())?;
    let mut took = Vec::new();
    let mut idle = None;
    for found in ["nothing deployed", "everything deployed"] {
        let start = Instant::now();
        let controller = stage.controller(bench, found)?;
        runtime.block_on(stage.deployed(&controller))?;
        took.push((found, start.elapsed()));
        idle = Some(stage.idle(bench, &controller)?);
        controller.stop()?;
    }
    let what = |found| format!("controller starts, {objects} objects, {found} → all deployed");
    for (found, took) in took {
        let row = Row::new(what(found), "s", took.as_secs_f64()).at_most(60.0);
        report.add(row.floor("the same writes by hand", floor.as_secs_f64()));
    }
    let idle = idle.context("there were two starts")?;
    report.add(
        Row::new(
            "its memory then, without the program's file",
            "MiB",
            idle.memory,
        )
        .at_most(50.0),
    );
    report.add(Row::new("its CPU then", "% of a core", idle.cpu_percent).at_most(1.0));
    report.add(Row::new("its requests then", "count", idle.requests as f64).at_most(0.0));
    Ok(())
}

struct Idle {
    memory: f64,
    cpu_percent: f64,
    requests: u64,
}

impl Stage {
    async fn set(bench: &Bench) -> anyhow::Result<Self> {
        let control_plane = ControlPlane::start(&bench.programs, ControlPlaneOptions::default())?;
        let cluster = Cluster::connect(&control_plane.kubeconfig()?).await?;
        let stage = Self {
            control_plane,
            cluster,
            scratch: Scratch::new("bench")?,
            count: bench.count(500, 20),
        };
        for crd in CRDS {
            let crd: Value = serde_saphyr::from_str(crd)?;
            stage.cluster.create(KINDS, &crd).await?;
        }
        for plural in ["eventbus", "eventsources", "sensors"] {
            let path = format!("{OBJECTS}/{plural}");
            stage
                .until(plural, async || stage.cluster.names(&path).await.is_ok())
                .await?;
        }
        stage.fill().await?;
        Ok(stage)
    }

    async fn fill(&self) -> anyhow::Result<()> {
        let jet_stream = json!({"url": "nats://bus.example:4222"});
        let bus = object(
            "EventBus",
            "default",
            &json!({"jetstreamExotic": jet_stream}),
        );
        self.cluster
            .create(&format!("{OBJECTS}/eventbus"), &bus)
            .await?;
        let status = json!({"config": {"jetstream": jet_stream}});
        let status = json!([{"op": "add", "path": "/status", "value": status}]);
        let path = format!("{OBJECTS}/eventbus/default/status");
        self.cluster.patch(&path, &status).await?;
        let source = json!({"resource": {"thing": {
            "version": "v1", "resource": "configmaps", "eventTypes": ["ADD"]}}});
        let sensor = json!({
            "dependencies": [{"name": "thing", "eventSourceName": "watcher-0", "eventName": "thing"}],
            "triggers": [{"template": {"name": "print", "log": {}}}],
        });
        self.side_by_side(async |number| {
            let source = object("EventSource", &format!("watcher-{number}"), &source);
            let sensor = object("Sensor", &format!("printer-{number}"), &sensor);
            let sources = format!("{OBJECTS}/eventsources");
            self.cluster.create(&sources, &source).await?;
            self.cluster
                .create(&format!("{OBJECTS}/sensors"), &sensor)
                .await
        })
        .await
    }

    fn controller(&self, bench: &Bench, name: &str) -> anyhow::Result<Tiphys> {
        let kubeconfig = self.control_plane.kubeconfig()?;
        let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
        let args = ["controller", "--managed-namespace=default", &kubeconfig];
        Tiphys::spawn(bench, &self.scratch, name, &args, &[], "Reconciling")
    }

    /// Waits until it has looked at all objects, and all are deployed.
    async fn deployed(&self, controller: &Tiphys) -> anyhow::Result<()> {
        let looked_at = || {
            let count = controller.count("tiphys_controller_reconciles_total");
            count.is_ok_and(|count| count >= 2 * self.count as u64)
        };
        self.until("the first look at all objects", async || looked_at())
            .await?;
        self.until("all objects being deployed", async || {
            let mut deployed = 0;
            for plural in ["eventsources", "sensors"] {
                let Ok(list) = self.cluster.get(&format!("{OBJECTS}/{plural}")).await else {
                    return false;
                };
                let items = list["items"].as_array().into_iter().flatten();
                deployed += items.filter(|item| is_deployed(item)).count();
            }
            deployed == 2 * self.count
        })
        .await
    }

    /// What it takes while nothing happens.
    fn idle(&self, bench: &Bench, controller: &Tiphys) -> anyhow::Result<Idle> {
        let time = Duration::from_secs(if bench.quick { 2 } else { 10 });
        // Statuses wait for up to a second, and what came last is still on its way.
        std::thread::sleep(time / 2);
        let (requests, cpu) = (self.requests()?, controller.cpu_time()?);
        std::thread::sleep(time);
        let spent = controller.cpu_time()?.saturating_sub(cpu);
        Ok(Idle {
            memory: controller.memory()?.anonymous,
            cpu_percent: 100.0 * spent.as_secs_f64() / time.as_secs_f64(),
            requests: self.requests()? - requests,
        })
    }

    /// Requests about what the controller looks after that the API server has answered, its lease
    /// excepted; open watches are counted when they end.
    fn requests(&self) -> anyhow::Result<u64> {
        let metrics = self.control_plane.request("GET", "/metrics", "")?.body;
        let lines = metrics.lines().filter(|line| {
            line.starts_with("apiserver_request_total{")
                && !line.contains("verb=\"WATCH\"")
                && !line.contains("resource=\"leases\"")
                && RESOURCES
                    .iter()
                    .any(|name| line.contains(&format!("resource=\"{name}\"")))
        });
        Ok(lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum())
    }

    /// A ConfigMap, a Deployment and a status for each object.
    async fn by_hand(&self) -> anyhow::Result<Duration> {
        let namespace = json!({"metadata": {"name": BY_HAND}});
        self.cluster
            .create("/api/v1/namespaces", &namespace)
            .await?;
        let config_maps = format!("/api/v1/namespaces/{BY_HAND}/configmaps");
        let deployments = format!("/apis/apps/v1/namespaces/{BY_HAND}/deployments");
        let start = Instant::now();
        self.side_by_side(async |number| {
            for kind in ["watcher", "printer"] {
                let name = format!("{kind}-{number}");
                let config_map = json!({"metadata": {"name": name}, "data": {"object.json": "{}"}});
                self.cluster.create(&config_maps, &config_map).await?;
                self.cluster
                    .create(&deployments, &deployment(&name))
                    .await?;
                let status = json!([{"op": "add", "path": "/status/replicas", "value": 1}]);
                let path = format!("{deployments}/{name}/status");
                self.cluster.patch(&path, &status).await?;
            }
            Ok(())
        })
        .await?;
        Ok(start.elapsed())
    }

    async fn side_by_side(
        &self,
        act: impl AsyncFn(usize) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let act = &act;
        let acts = stream::iter(0..self.count).map(move |number| act(number));
        acts.buffer_unordered(WRITERS).try_collect().await
    }

    async fn until(&self, what: &str, probe: impl AsyncFn() -> bool) -> anyhow::Result<()> {
        let start = Instant::now();
        while !probe().await {
            ensure!(start.elapsed() < PATIENCE, "{what} did not happen");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

/// What the controller reads and writes.
const RESOURCES: [&str; 8] = [
    "configmaps",
    "deployments",
    "eventbus",
    "events",
    "eventsources",
    "poddisruptionbudgets",
    "sensors",
    "services",
];

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn is_deployed(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|found| found["type"] == "Deployed" && found["status"] == "True")
}

fn deployment(name: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"name": name}},
            "template": {
                "metadata": {"labels": {"name": name}},
                "spec": {"containers": [{"name": "main", "image": "tiphys:floor"}]},
            },
        },
    })
}
