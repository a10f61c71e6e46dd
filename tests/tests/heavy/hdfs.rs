//! Files in HDFS become events, on a real name node and a real bus.
//!
//! A build of tiphys has no HDFS unless it is asked for: `cargo build --package tiphys --features hdfs` makes one that has,
//! which `TIPHYS_BIN` names. `cargo xtask test` does so.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde_json::{Value, json};
use tiphys_testbed::{Broker, BrokerOptions, BrokerServer, Nats, NatsOptions};
use tiphys_tests::{Pod, Tiphys, programs, stored_object};

use crate::stored::{stored, until_stored};

/// A name node with a directory, a bus, and pods between them.
struct Stage {
    server: BrokerServer,
    nats: Nats,
    pods: Pod,
}

impl Stage {
    async fn new(edit: impl FnOnce(&mut Value)) -> Self {
        let starting = || {
            let server = BrokerServer::start(Broker::Namenode, &BrokerOptions::default());
            let server = server.unwrap();
            server.hdfs(&["-mkdir", "-p", "/landing/2026"]).unwrap();
            let nats = Nats::start(programs(), &NatsOptions::default());
            (server, nats.unwrap())
        };
        let (server, nats) = tokio::task::spawn_blocking(starting).await.unwrap();
        let mut event = json!({
            "directory": "/landing",
            "pathRegexp": "[0-9]+\\.json$",
            "type": "CREATE",
            "addresses": [server.address()],
            "hdfsUser": "visitor",
            "checkInterval": "200ms",
        });
        edit(&mut event);
        let object = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "EventSource",
            "metadata": {"name": "es"},
            "spec": {"hdfs": {"ev": event}},
        });
        let object = stored_object("ns", &object.to_string());
        let pods = Pod::at(Path::new("/nowhere"), "ns", &nats.url(), &object);
        Self { server, nats, pods }
    }

    /// Starts a pod, and waits until it lists.
    async fn start(&self, name: &str) -> Tiphys {
        let tiphys = self.pods.start(name);
        let told = |report: &Value| {
            let health = &report["parts"][0]["health"];
            let message = health["message"].as_str().unwrap_or_default();
            assert!(!message.contains("feature hdfs"), "{}", module_path!());
            health["ok"] == true
        };
        tiphys.reported("an event that lists", told).await;
        tiphys
    }

    fn hdfs(&self, arguments: &[&str]) {
        tokio::task::block_in_place(|| self.server.hdfs(arguments)).unwrap();
    }

    /// Makes empty files: others would need a data node.
    fn write(&self, numbers: Range<usize>) {
        let paths = numbers.map(|number| format!("/landing/2026/{number}.json"));
        let paths: Vec<String> = paths.collect();
        let mut arguments = vec!["-touchz"];
        arguments.extend(paths.iter().map(String::as_str));
        self.hdfs(&arguments);
    }

    async fn payloads(&self, count: u64) -> Vec<String> {
        let url = self.nats.url();
        until_stored(&url, count).await;
        let events = stored(&url).await.into_iter();
        events.map(|event| event.payload).collect()
    }

    async fn check_each_once(&self, count: usize) {
        let mut times: BTreeMap<String, usize> = (0..count)
            .map(|number| (format!("/landing/2026/{number}.json"), 0))
            .collect();
        for payload in self.payloads(count.try_into().unwrap()).await {
            let payload: Value = serde_json::from_str(&payload).unwrap();
            let name = payload["name"].as_str().unwrap().to_owned();
            *times.entry(name).or_default() += 1;
        }
        times.retain(|_, times| *times != 1);
        assert!(times.is_empty(), "lost or twice: {times:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_to_files_is_told_with_their_paths() {
    let stage = Stage::new(|event| {
        event["type"] = "CREATE|WRITE|REMOVE|CHMOD".into();
        event["metadata"] = json!({"team": "harbour"});
    })
    .await;
    stage.write(0..1);
    let _tiphys = stage.start("pod-0").await;
    // A file that is made where it is looked for may be seen before it is closed, which changes it.
    stage.hdfs(&["-touchz", "/landing/part"]);
    stage.hdfs(&["-mv", "/landing/part", "/landing/2026/1.json"]);
    stage.payloads(1).await;
    stage.hdfs(&[
        "-touch",
        "-m",
        "-t",
        "20260102:030405",
        "/landing/2026/1.json",
    ]);
    stage.payloads(2).await;
    stage.hdfs(&["-chmod", "600", "/landing/2026/1.json"]);
    stage.payloads(3).await;
    stage.hdfs(&["-mv", "/landing/2026/1.json", "/landing/2.json"]);
    stage.payloads(5).await;
    stage.hdfs(&["-rm", "-skipTrash", "/landing/2.json"]);
    let told = |name: &str, op: u32| {
        format!(r#"{{"name":"/landing/{name}","op":{op},"metadata":{{"team":"harbour"}}}}"#)
    };
    assert_eq!(
        stage.payloads(6).await,
        [
            told("2026/1.json", 1),
            told("2026/1.json", 2),
            told("2026/1.json", 16),
            told("2026/1.json", 4),
            told("2.json", 1),
            told("2.json", 4),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_node_and_a_bus_that_are_killed_lose_no_file() {
    let mut stage = Stage::new(|_| {}).await;
    let mut tiphys = stage.start("pod-0").await;
    stage.write(0..300);
    stage.payloads(1).await;
    stage.nats.kill(0).unwrap();
    stage.write(300..400);
    tokio::task::block_in_place(|| stage.nats.restart(0)).unwrap();
    stage.write(400..500);
    stage.check_each_once(500).await;
    stage.server.kill().unwrap();
    let is_lost = |report: &Value| report["parts"][0]["health"]["reason"] == "Unreachable";
    tiphys.reported("the loss of the name node", is_lost).await;
    tokio::task::block_in_place(|| stage.server.restart()).unwrap();
    stage.write(500..600);
    stage.check_each_once(600).await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_is_killed_loses_no_file() {
    let stage = Stage::new(|_| {}).await;
    let mut tiphys = stage.start("pod-0").await;
    stage.write(0..200);
    tiphys.kill();
    tiphys.ended().await;
    stage.write(200..250);
    let _next = stage.start("pod-0").await;
    stage.check_each_once(250).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_missing_or_forbidden_is_named() {
    for (directory, reason) in [("/nowhere", "NotFound"), ("/secret", "Forbidden")] {
        let stage = Stage::new(|event| event["directory"] = directory.into()).await;
        stage.hdfs(&["-mkdir", "/secret"]);
        stage.hdfs(&["-chmod", "700", "/secret"]);
        let tiphys = stage.pods.start("pod-0");
        let is_refused = |report: &Value| report["parts"][0]["health"]["reason"] == reason;
        let report = tiphys.reported(reason, is_refused).await;
        let message = report["parts"][0]["health"]["message"].as_str().unwrap();
        assert!(message.contains("spec.hdfs.ev.directory"), "{message}");
    }
}
