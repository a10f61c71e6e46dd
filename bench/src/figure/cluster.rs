//! The pods in a cluster with nodes: from the apply to the first trigger, from an edit to its effect,
//! and what idle pods take. The node is this machine, so that `/proc` has their processes.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::Bench;
use crate::clock::Samples;
use crate::cluster::{Cluster, Watch};
use crate::report::{Report, Row};
use crate::tiphys::{Memory, memory};
use crate::world::{runtime, service};

/// How long pods may take to come and go.
const PATIENCE: Duration = Duration::from_mins(2);

/// The wait between two looks at what is not measured.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The wait between services while the effect of an edit is awaited.
const SERVE_EVERY: Duration = Duration::from_millis(50);

/// The namespace in the story's manifests.
const STORY: &str = "playground";

/// Where tiphys is installed.
const INSTALLED: &str =
    "/api/v1/namespaces/argo-events/pods?labelSelector=app%3Dcontroller-manager";

/// The story in a namespace of its own.
struct Stage<'b> {
    cluster: Cluster,
    bench: &'b Bench,
    namespace: String,
    ingresses: Watch,
}

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let kubeconfig = bench.kubeconfig.as_deref();
    let kubeconfig = kubeconfig.context("`cargo xtask bench --cluster` brings the cluster")?;
    runtime()?.block_on(async {
        let cluster = Cluster::connect(kubeconfig).await?;
        let mut together = Vec::new();
        for round in 0..bench.count(3, 1) {
            let mut stage = Stage::new(&cluster, bench, &format!("bus-{round}")).await?;
            let kinds = ["eventbus", "ingress-es", "ingress-sn"];
            let measured = stage.first_trigger("first", &kinds).await;
            stage.end().await?;
            together.push(measured?);
        }
        let mut stage = Stage::new(&cluster, bench, "ready").await?;
        let measured = on_a_ready_bus(&mut stage, report).await;
        stage.end().await?;
        measured?;
        report.add(
            Row::new(
                "EventBus of three, EventSource, Sensor applied → first trigger, median",
                "s",
                median(together),
            )
            .argo(15.5)
            .at_most(8.0),
        );
        Ok(())
    })
}

async fn on_a_ready_bus(stage: &mut Stage<'_>, report: &mut Report) -> anyhow::Result<()> {
    stage.create("eventbus").await?;
    stage.is_ready("eventbus/jetstream-eb").await?;
    let mut samples = Vec::new();
    for round in 0..stage.bench.count(5, 2) {
        if round > 0 {
            stage.remove_pair().await?;
        }
        let name = format!("ready-{round}");
        let kinds = ["ingress-es", "ingress-sn"];
        samples.push(stage.first_trigger(&name, &kinds).await?);
    }
    report.add(
        Row::new(
            "EventSource, Sensor applied → first trigger, bus ready, median",
            "s",
            median(samples),
        )
        .argo(1.6)
        .at_most(1.2),
    );
    stage.is_ready("eventsources/ingress-es").await?;
    stage.is_ready("sensors/ingress-sn").await?;
    // Long enough for watches, consumers and heartbeats to have begun.
    let idle = Duration::from_secs(if stage.bench.quick { 1 } else { 10 });
    tokio::time::sleep(idle).await;
    let path = stage.path("/api/v1", "pods");
    let pair =
        format!("{path}?labelSelector=controller+in+(eventsource-controller,sensor-controller)");
    let pair = stage.memory(&pair, 2).await?;
    let controller = stage.memory(INSTALLED, 1).await?;
    add_memory(
        report,
        "idle pods of EventSource and Sensor",
        &pair,
        [155.0, 29.0],
        [28.5, 5.1],
    );
    add_memory(
        report,
        "controller",
        &controller,
        [94.0, 28.0],
        [40.0, 15.0],
    );
    let mut samples = Vec::new();
    for round in 0..stage.bench.count(5, 2) {
        samples.push(stage.edit(round).await?);
    }
    report.add(Row::new("Sensor edited → acting, median", "s", median(samples)).at_most(2.0));
    Ok(())
}

/// `argo` is in MiB, as it was measured; `goals` are in MB.
fn add_memory(report: &mut Report, what: &str, memory: &Memory, argo: [f64; 2], goals: [f64; 2]) {
    let mb = |mib: f64| mib * 1024.0 * 1024.0 / 1e6;
    let rows = [("resident", memory.resident), ("private", memory.private)];
    for (((part, value), argo), goal) in rows.into_iter().zip(argo).zip(goals) {
        let row = Row::new(format!("{what}, {part}"), "MB", mb(value));
        report.add(row.argo(mb(argo)).at_most(goal));
    }
}

fn median(samples: Vec<Duration>) -> f64 {
    samples.into_iter().collect::<Samples>().percentile_ms(50) / 1000.0
}

impl<'b> Stage<'b> {
    async fn new(cluster: &Cluster, bench: &'b Bench, name: &str) -> anyhow::Result<Self> {
        let namespace = format!("bench-{}-{name}", std::process::id());
        let manifest = json!({"metadata": {"name": namespace}});
        cluster.create("/api/v1/namespaces", &manifest).await?;
        let ingresses = format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses");
        let ingresses = cluster.watch(&ingresses).await?;
        let stage = Self {
            cluster: cluster.clone(),
            bench,
            namespace,
            ingresses,
        };
        stage.create("rbac").await?;
        Ok(stage)
    }

    async fn end(&self) -> anyhow::Result<()> {
        let namespace = format!("/api/v1/namespaces/{}", self.namespace);
        self.cluster.delete(&namespace).await?;
        self.until("the end of the namespace", async || {
            self.cluster.get(&namespace).await.is_err()
        })
        .await
    }

    /// Creates the objects of a file of the story.
    async fn create(&self, file: &str) -> anyhow::Result<()> {
        let path = self.bench.story.join(format!("{file}.yaml"));
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let text = text.replace(STORY, &self.namespace);
        let objects: Vec<Value> = serde_saphyr::from_multiple(&text)?;
        for object in objects {
            let kind = object["kind"].as_str().unwrap_or_default();
            if kind == "Namespace" {
                continue;
            }
            let version = object["apiVersion"].as_str().unwrap_or_default();
            let group = if version == "v1" { "/api" } else { "/apis" };
            let plural = match kind {
                "EventBus" => "eventbus".to_owned(),
                kind => format!("{}s", kind.to_lowercase()),
            };
            let path = self.path(&format!("{group}/{version}"), &plural);
            self.cluster.create(&path, &object).await?;
        }
        Ok(())
    }

    /// Creates an annotated service.
    async fn serve(&self, name: &str) -> anyhow::Result<()> {
        let mut service = service(self.bench)?;
        let namespace = self.namespace.as_str();
        service["metadata"]["name"] = name.into();
        service["metadata"]["namespace"] = namespace.into();
        service["spec"]["clusterIP"] = "None".into();
        let path = self.path("/api/v1", "services");
        self.cluster.create(&path, &service).await
    }

    /// The time from the apply of files to the ingress of a service that was there before.
    async fn first_trigger(&mut self, name: &str, files: &[&str]) -> anyhow::Result<Duration> {
        self.serve(name).await?;
        let start = Instant::now();
        for file in files {
            self.create(file).await?;
        }
        // A bus may take longer than a watch is patient.
        let deadline = start + PATIENCE;
        loop {
            match self.ingresses.seen(&format!("{name}-ing")).await {
                Ok(seen) => return Ok(seen - start),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// The time from an edit of the sensor to the first ingress that shows it.
    async fn edit(&mut self, round: usize) -> anyhow::Result<Duration> {
        let suffix = format!("-edit{round}");
        let field = "/spec/triggers/0/template/k8s/source/resource/metadata/name";
        let patch = json!([{"op": "replace", "path": field, "value": suffix}]);
        let sensor = self.path("/apis/argoproj.io/v1alpha1", "sensors/ingress-sn");
        let start = Instant::now();
        self.cluster.patch(&sensor, &patch).await?;
        for count in 0.. {
            self.serve(&format!("edit-{round}-{count}")).await?;
            let until = Instant::now() + SERVE_EVERY;
            while let Ok(arrival) =
                tokio::time::timeout_at(until.into(), self.ingresses.next()).await
            {
                let arrival = arrival.context("the watch ended")?;
                if arrival.name.ends_with(&suffix) {
                    return Ok(arrival.at - start);
                }
            }
            if start.elapsed() > PATIENCE {
                break;
            }
        }
        bail!("the edit does not act")
    }

    /// Removes the event source and the sensor, and waits until their pods have gone.
    async fn remove_pair(&self) -> anyhow::Result<()> {
        for object in ["eventsources/ingress-es", "sensors/ingress-sn"] {
            let path = self.path("/apis/argoproj.io/v1alpha1", object);
            self.cluster.delete(&path).await?;
        }
        // Their old services would be served again by the next pair.
        let services = self.path("/api/v1", "services");
        for name in self.cluster.names(&services).await? {
            if name.starts_with("ready-") {
                self.cluster.delete(&format!("{services}/{name}")).await?;
            }
        }
        let pods = self.path("/api/v1", "pods");
        self.until("the end of the pods", async || {
            let names = self.cluster.names(&pods).await;
            names.is_ok_and(|names| names.iter().all(|name| name.starts_with("eventbus-")))
        })
        .await
    }

    async fn is_ready(&self, object: &str) -> anyhow::Result<()> {
        let path = self.path("/apis/argoproj.io/v1alpha1", object);
        self.until(&format!("{object} being ready"), async || {
            let Ok(object) = self.cluster.get(&path).await else {
                return false;
            };
            let conditions = object["status"]["conditions"].as_array();
            let mut conditions = conditions.into_iter().flatten();
            conditions.any(|found| found["type"] == "Ready" && found["status"] == "True")
        })
        .await
    }

    async fn until(&self, what: &str, probe: impl AsyncFn() -> bool) -> anyhow::Result<()> {
        let start = Instant::now();
        while !probe().await {
            if start.elapsed() > PATIENCE {
                bail!("{what} did not happen within {PATIENCE:?}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// The memory of the pods at `path`, together.
    async fn memory(&self, path: &str, count: usize) -> anyhow::Result<Memory> {
        let pods = self.cluster.get(path).await?;
        let pods = pods["items"].as_array().context("a list of pods")?;
        let uids: Vec<&str> = pods
            .iter()
            .filter_map(|pod| pod["metadata"]["uid"].as_str())
            .collect();
        let ids = processes(&uids)?;
        if ids.len() != count {
            bail!("{count} processes of pods are expected on this machine, not {ids:?}");
        }
        let mut sum = Memory {
            resident: 0.0,
            private: 0.0,
            anonymous: 0.0,
        };
        for id in ids {
            let one = memory(&id)?;
            sum.resident += one.resident;
            sum.private += one.private;
            sum.anonymous += one.anonymous;
        }
        Ok(sum)
    }

    fn path(&self, version: &str, rest: &str) -> String {
        format!("{version}/namespaces/{}/{rest}", self.namespace)
    }
}

/// The processes of the program in the pods with these uids.
fn processes(uids: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let id = entry?.file_name().to_string_lossy().into_owned();
        let read = |name: &str| fs::read(format!("/proc/{id}/{name}")).unwrap_or_default();
        // Processes come and go, and not every entry is one.
        if !read("cmdline").starts_with(b"/tiphys\0") {
            continue;
        }
        // The systemd driver of cgroups writes them with underscores.
        let groups = String::from_utf8_lossy(&read("cgroup")).replace('_', "-");
        if uids.iter().any(|uid| groups.contains(uid)) {
            ids.push(id);
        }
    }
    Ok(ids)
}
