//! The process in a pod of a Sensor, without a node: how soon an edit acts, and how soon another pod
//! takes over.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use tiphys_testbed::Scratch;

use crate::Bench;
use crate::clock::Samples;
use crate::report::{Report, Row};
use crate::tiphys::Tiphys;
use crate::world::World;

/// Of whoever is killed, so that the standby need not wait for the usual quarter of a minute.
const LEASE: (&str, f64) = ("3s", 3.0);

/// The folders and variables of the pods of one Sensor.
struct Pods<'b> {
    bench: &'b Bench,
    scratch: Scratch,
    kubeconfig: PathBuf,
    bus: Value,
}

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let world = World::start(bench)?;
    let pods = Pods {
        bench,
        scratch: Scratch::new("bench")?,
        kubeconfig: world.kubeconfig()?,
        bus: json!({"jetstream": {"url": world.nats_url()}}),
    };
    pods.write(1)?;
    let mut first = pods.start("sn-0", "Running")?;
    let edits: Samples = (2..2 + bench.count(10, 2))
        .map(|generation| pods.edit(&mut first, generation))
        .collect::<anyhow::Result<_>>()?;
    report.add(
        Row::new(
            "Sensor edited in its folder → running, p50",
            "ms",
            edits.percentile_ms(50),
        )
        .at_most(1000.0),
    );
    let (released, stopped) = pods.hand_over(first)?;
    let what = "lease given back → held by the standby";
    report.add(Row::new(what, "s", released.as_secs_f64()).at_most(1.0));
    report.add(Row::new("SIGTERM to an idle pod → exit", "s", stopped.as_secs_f64()).at_most(5.0));
    let killed = pods.kill()?;
    let what = "holder killed → lease held by the standby";
    report.add(
        Row::new(what, "s", killed.as_secs_f64())
            .floor("the lease", LEASE.1)
            .within(1.5),
    );
    Ok(())
}

impl Pods<'_> {
    /// Writes what the pods mount.
    fn write(&self, generation: usize) -> anyhow::Result<()> {
        let sensor = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Sensor",
            "metadata": {
                "name": "pods", "namespace": "playground", "generation": generation,
                "uid": "0b7e2a5c-0000-4000-8000-000000000001",
                "creationTimestamp": "2026-01-02T03:04:05Z",
            },
            "spec": {
                "replicas": 2,
                "dependencies": [{"name": "a", "eventSourceName": "input", "eventName": "a"}],
                "triggers": [{"template": {"name": format!("log-{generation}"), "log": {}}}],
            },
        });
        for (name, content) in [("eventbus.json", &self.bus), ("object.json", &sensor)] {
            let folder = self.folder("spec");
            fs::create_dir_all(&folder)?;
            // Nobody may read half of it.
            let half = self.scratch.path().join(name);
            fs::write(&half, content.to_string())?;
            fs::rename(&half, folder.join(name))?;
        }
        Ok(())
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.scratch.path().join("volumes").join(name)
    }

    fn start(&self, name: &str, ready: &str) -> anyhow::Result<Tiphys> {
        let (spec, auth, values) = (
            self.folder("spec"),
            self.folder("auth"),
            self.folder("values"),
        );
        let variables = [
            ("KUBECONFIG", self.kubeconfig.as_path()),
            ("POD_NAMESPACE", Path::new("playground")),
            ("POD_NAME", Path::new(name)),
            ("TIPHYS_SPEC", &spec),
            ("TIPHYS_BUS_AUTH", &auth),
            ("TIPHYS_VALUES", &values),
            ("LEADER_ELECTION_LEASE_DURATION", Path::new(LEASE.0)),
            ("LEADER_ELECTION_RENEW_DEADLINE", Path::new("2s")),
            ("LEADER_ELECTION_RETRY_PERIOD", Path::new("500ms")),
        ];
        Tiphys::spawn(
            self.bench,
            &self.scratch,
            name,
            &["sensor"],
            &variables,
            ready,
        )
    }

    /// From the edit of the mounted file to the log line of the runner of the new spec.
    fn edit(&self, pod: &mut Tiphys, generation: usize) -> anyhow::Result<Duration> {
        let start = Timestamp::now();
        self.write(generation)?;
        let is_running =
            |line: &Value| line["msg"] == "Running" && line["generation"] == json!(generation);
        since(start, &pod.logged("the edit", is_running)?)
    }

    /// How long the standby takes after the holder has given the lease back, and how long the holder
    /// takes to end.
    fn hand_over(&self, mut first: Tiphys) -> anyhow::Result<(Duration, Duration)> {
        let mut second = self.start("sn-1", "Serving metrics and health")?;
        second.await_ready()?;
        first.terminate()?;
        let held = second.logged("the lease", |line| line["msg"] == "Holding the lease")?;
        let released = first.logged("the end of the lease", |line| {
            line["msg"] == "Gave the lease back"
        })?;
        let took = since(time(&released)?, &held)?;
        drop(first);
        Ok((took, second.stop()?))
    }

    fn kill(&self) -> anyhow::Result<Duration> {
        let mut first = self.start("sn-2", "Running")?;
        let mut second = self.start("sn-3", "Serving metrics and health")?;
        second.await_ready()?;
        let killed = Timestamp::now();
        first.kill()?;
        let held = second.logged("the lease", |line| line["msg"] == "Holding the lease")?;
        let took = since(killed, &held)?;
        second.stop()?;
        Ok(took)
    }
}

fn time(line: &Value) -> anyhow::Result<Timestamp> {
    let time = line["ts"].as_str().context("a log line has a time")?;
    Ok(time.parse()?)
}

fn since(start: Timestamp, line: &Value) -> anyhow::Result<Duration> {
    // The standby may be told before the holder has written its line.
    Ok(Duration::try_from(time(line)?.duration_since(start)).unwrap_or_default())
}
