//! Files become events, on a real bus: what a pod that is killed, or a bus, loses.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use serde_json::{Value, json};
use tiphys_testbed::{Nats, NatsOptions, Scratch};
use tiphys_tests::{Pod, Tiphys, programs, stored_object};

use crate::stored::{stored, until_stored};

/// A directory, and pods that watch it.
struct Stage {
    scratch: Scratch,
    nats: Nats,
    pods: Pod,
}

impl Stage {
    async fn new(polling: bool) -> Self {
        let scratch = Scratch::new("files").unwrap();
        let starting =
            tokio::task::spawn_blocking(|| Nats::start(programs(), &NatsOptions::default()));
        let nats = starting.await.unwrap().unwrap();
        let object = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "EventSource",
            "metadata": {"name": "es"},
            "spec": {"file": {"ev": {
                "eventType": "CREATE",
                "watchPathConfig": {"directory": scratch.path(), "pathRegexp": "^[0-9]+\\.json$"},
                "polling": polling,
                "catchup": true,
            }}},
        });
        let object = stored_object("ns", &object.to_string());
        let pods = Pod::at(Path::new("/nowhere"), "ns", &nats.url(), &object);
        Self {
            scratch,
            nats,
            pods,
        }
    }

    async fn start(&self, name: &str) -> Tiphys {
        let tiphys = self.pods.start(name);
        let watches = |report: &Value| report["parts"][0]["health"]["ok"] == true;
        tiphys.reported("an event that watches", watches).await;
        tiphys
    }

    /// Each is written beside, and moved to where it belongs, as programs do that share files.
    fn write(&self, numbers: Range<usize>) {
        for number in numbers {
            let part = self.scratch.path().join("part");
            fs::write(&part, "{}").unwrap();
            fs::rename(part, self.scratch.path().join(format!("{number}.json"))).unwrap();
        }
    }

    /// The numbers of the files on the bus, in their order, once there are so many events.
    async fn told(&self, count: usize) -> Vec<usize> {
        let url = self.nats.url();
        until_stored(&url, count.try_into().unwrap()).await;
        let events = stored(&url).await;
        let number = |payload: &str| -> usize {
            let payload: Value = serde_json::from_str(payload).unwrap();
            let name = payload["name"]
                .as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap();
            name.strip_suffix(".json").unwrap().parse().unwrap()
        };
        events.iter().map(|event| number(&event.payload)).collect()
    }

    async fn check_each_once(&self, count: usize) {
        let mut times: BTreeMap<usize, usize> = (0..count).map(|number| (number, 0)).collect();
        for number in self.told(count).await {
            *times.entry(number).or_default() += 1;
        }
        times.retain(|_, times| *times != 1);
        assert!(times.is_empty(), "lost or twice: {times:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_files_are_told_once_and_in_order() {
    let stage = Stage::new(false).await;
    let _tiphys = stage.start("pod-0").await;
    stage.write(0..1000);
    assert_eq!(stage.told(1000).await, (0..1000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_is_killed_loses_no_file() {
    for polling in [false, true] {
        let mut stage = Stage::new(polling).await;
        let _tiphys = stage.start("pod-0").await;
        stage.write(0..300);
        stage.told(1).await;
        stage.nats.kill(0).unwrap();
        stage.write(300..700);
        tokio::task::block_in_place(|| stage.nats.restart(0)).unwrap();
        stage.write(700..1000);
        stage.check_each_once(1000).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_is_killed_loses_no_file() {
    let stage = Stage::new(false).await;
    let mut tiphys = stage.start("pod-0").await;
    for round in 0..3 {
        let first = round * 250;
        stage.write(first..first + 200);
        tiphys.kill();
        tiphys.ended().await;
        stage.write(first + 200..first + 250);
        tiphys = stage.start(&format!("pod-{round}")).await;
    }
    stage.check_each_once(750).await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}
