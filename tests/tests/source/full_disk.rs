//! A disk of the bus that is full, as a disk is and not as a quota: callers of an event source get 503 and may
//! come again, its status says why, nothing is lost, and it goes on when there is room.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use tiphys_testbed::{Nats, NatsOptions, free_port};
use tiphys_tests::{Pod, Tiphys, eventually, programs, stored_object};

use crate::caller::Caller;
use crate::stored::stored;

/// How large the disk is, in the words of mount: some thousand events.
const SIZE: &str = "size=16m";

/// What an event has to say, in bytes.
const BODY: usize = 4_000;

/// A file system of its own, which goes with the story.
struct Disk(TempDir);

impl Disk {
    /// Mounts one, or says why there can be none.
    fn mount() -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]);
        match mount.arg(folder.path()).output() {
            Ok(output) if output.status.success() => Ok(Self(folder)),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(format!("mount: {error}")),
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Takes all room that is left.
    fn fill(&self) {
        let mut filler = File::options()
            .create(true)
            .append(true)
            .open(self.filler())
            .unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
    }

    /// Gives it back.
    fn empty(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Also while a server that is about to end still has files open there.
        let unmounted = Command::new("umount")
            .arg("--lazy")
            .arg(self.path())
            .status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

/// Calls with growing numbers, and what became of them.
struct Calls {
    port: u16,
    next: u64,
    accepted: BTreeSet<u64>,
    given_back: BTreeSet<u64>,
}

impl Calls {
    /// Calls with a number; whether it was accepted.
    async fn call(&mut self, number: u64) -> bool {
        let body = json!({"n": number, "cargo": "x".repeat(BODY)}).to_string();
        let mut caller = Caller::to(self.port).await;
        let answered = caller.post("/load", &body).await.unwrap();
        assert!([200, 503].contains(&answered.status), "{answered:?}");
        let is_accepted = answered.status == 200;
        if is_accepted {
            self.accepted.insert(number);
            self.given_back.remove(&number);
        } else {
            self.given_back.insert(number);
        }
        is_accepted
    }

    async fn call_next(&mut self) -> bool {
        self.next += 1;
        self.call(self.next).await
    }
}

async fn count(tiphys: &Tiphys, outcome: &str) -> u64 {
    let label = format!("outcome=\"{outcome}\"");
    tiphys.count("tiphys_eventsource_events", &[&label]).await
}

/// The numbers on the bus.
async fn numbers(url: &str) -> BTreeSet<u64> {
    let stored = stored(url).await;
    let read = |payload: &String| -> Value { serde_json::from_str(payload).unwrap() };
    let numbers = stored.iter().map(|stored| read(&stored.payload));
    numbers
        .filter_map(|payload| payload["body"]["n"].as_u64())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_loses_nothing() {
    let disk = match Disk::mount() {
        Ok(disk) => disk,
        Err(why) => return eprintln!("not run: it needs root, to mount a file system: {why}"),
    };
    let store = json!(disk.path().join("store"));
    let options = NatsOptions {
        config: format!("jetstream {{ store_dir: {store}, max_mem: 1GB, max_file: 20GB }}"),
        ..NatsOptions::default()
    };
    let starting = tokio::task::spawn_blocking(move || Nats::start(programs(), &options));
    let nats = starting.await.unwrap().unwrap();
    let port = free_port().unwrap();
    let source = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource", "metadata": {"name": "es"},
        "spec": {"webhook": {"load": {"port": port.to_string(), "endpoint": "/load", "method": "POST"}}},
    });
    let object = stored_object("ns", &source.to_string());
    let pod = Pod::at(Path::new("/nowhere"), "ns", &nats.url(), &object);
    let tiphys = pod.start("pod-0");
    eventually("a pod that is ready", || async {
        (tiphys.get("/readyz").await?.0 == 200).then_some(())
    })
    .await;
    let mut calls = Calls {
        port,
        next: 0,
        accepted: BTreeSet::new(),
        given_back: BTreeSet::new(),
    };
    for _ in 0..100 {
        assert!(calls.call_next().await);
    }

    disk.fill();
    while calls.call_next().await {
        assert!(calls.next < 1_000, "the disk is not full");
    }
    let is_full = |report: &Value| report["parts"][0]["health"]["reason"] == "BusFull";
    let report = tiphys.reported("that the bus is full", is_full).await;
    let message = report["parts"][0]["health"]["message"].as_str().unwrap();
    assert!(message.contains("no space left on device"), "{message}");
    assert!(
        message.contains("give its servers larger volumes"),
        "{message}"
    );
    assert!(!calls.call_next().await);

    disk.empty();
    for number in calls.given_back.clone() {
        while !calls.call(number).await {}
    }
    assert!(calls.call_next().await);
    let is_well = |report: &Value| report["parts"][0]["health"]["ok"] == true;
    tiphys.reported("that there is room", is_well).await;
    assert_eq!(numbers(&nats.url()).await, calls.accepted);
    assert_eq!(calls.accepted, (1..=calls.next).collect());
    let [received, published, given_back] = [
        count(&tiphys, "received").await,
        count(&tiphys, "published").await,
        count(&tiphys, "given-back").await,
    ];
    assert_eq!(received, published + given_back);
    assert_eq!(published, calls.next);
    drop((tiphys, nats, disk));
}
