//! Files on an SFTP server become events, on a real OpenSSH and a real bus: what servers, buses and pods lose
//! that are killed, and who is logged in to.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tiphys_testbed::{Broker, BrokerOptions, BrokerServer, Nats, NatsOptions};
use tiphys_tests::{Pod, Tiphys, World, pause, programs, stored_object};

use crate::stored::{stored, until_stored};

/// How long the bus is away: longer than its own clients take to notice.
const OUTAGE: Duration = Duration::from_secs(7);

/// A server with a directory, a bus, and pods between them.
struct Stage {
    server: BrokerServer,
    nats: Nats,
    pods: Pod,
}

async fn server() -> BrokerServer {
    let options = BrokerOptions {
        password: Some("right".to_owned()),
        tls: false,
    };
    let starting = move || BrokerServer::start(Broker::Sshd, &options);
    let server = tokio::task::spawn_blocking(starting)
        .await
        .unwrap()
        .unwrap();
    fs::create_dir(server.folder().join("incoming")).unwrap();
    server
}

/// The event source: files with a number for a name.
fn object(server: &BrokerServer, edit: impl FnOnce(&mut Value)) -> Value {
    let login = |key: &str| json!({"name": "login", "key": key});
    let mut event = json!({
        "eventType": "CREATE",
        "watchPathConfig": {
            "directory": server.folder().join("incoming"),
            "pathRegexp": "^[0-9]+\\.json$",
        },
        "username": login("user"),
        "password": login("password"),
        "address": login("address"),
        "pollIntervalDuration": "200ms",
    });
    edit(&mut event);
    let object = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "EventSource",
        "metadata": {"name": "es"},
        "spec": {"sftp": {"ev": event}},
    });
    stored_object("ns", &object.to_string())
}

impl Stage {
    async fn new(edit: impl FnOnce(&mut Value)) -> Self {
        let server = server().await;
        let starting =
            tokio::task::spawn_blocking(|| Nats::start(programs(), &NatsOptions::default()));
        let nats = starting.await.unwrap().unwrap();
        let object = object(&server, edit);
        let pods = Pod::at(Path::new("/nowhere"), "ns", &nats.url(), &object);
        let stage = Self { server, nats, pods };
        stage.set_login("right", &[]);
        stage
    }

    /// Gives the password, and whatever else is in the Secret.
    fn set_login(&self, password: &str, more: &[(&str, &[u8])]) {
        set_login(&self.pods, &self.server, password, more);
    }

    async fn start(&self, name: &str) -> Tiphys {
        let tiphys = self.pods.start(name);
        listening(&tiphys).await;
        tiphys
    }

    fn path(&self, name: &str) -> PathBuf {
        self.server.folder().join("incoming").join(name)
    }

    fn write(&self, numbers: Range<usize>) {
        write(&self.server, numbers);
    }

    /// How often somebody was logged in.
    fn logins(&self) -> usize {
        let log = fs::read_to_string(self.server.folder().join("broker.log")).unwrap();
        log.lines()
            .filter(|line| line.starts_with("Accepted "))
            .count()
    }

    async fn payloads(&self, count: u64) -> Vec<String> {
        let url = self.nats.url();
        until_stored(&url, count).await;
        let events = stored(&url).await.into_iter();
        events.map(|event| event.payload).collect()
    }

    async fn check_each_once(&self, numbers: Range<usize>) {
        check_each_once(&self.nats.url(), numbers).await;
    }

    /// The health of an event that does not work.
    async fn refused(tiphys: &Tiphys) -> Value {
        let is_refused = |report: &Value| report["parts"][0]["health"]["ok"] == false;
        let report = tiphys.reported("a refusal", is_refused).await;
        report["parts"][0]["health"].clone()
    }
}

fn set_login(pods: &Pod, server: &BrokerServer, password: &str, more: &[(&str, &[u8])]) {
    let address = server.address();
    let mut files = vec![
        ("user", &b"tiphys"[..]),
        ("password", password.as_bytes()),
        ("address", address.as_bytes()),
    ];
    files.extend_from_slice(more);
    pods.volume("values/secrets/login", &files);
}

/// Each is written beside, and moved to where it belongs, as programs do that share files.
fn write(server: &BrokerServer, numbers: Range<usize>) {
    let folder = server.folder().join("incoming");
    for number in numbers {
        fs::write(folder.join("part"), "{}").unwrap();
        fs::rename(folder.join("part"), folder.join(format!("{number}.json"))).unwrap();
    }
}

async fn listening(tiphys: &Tiphys) {
    let listens = |report: &Value| report["parts"][0]["health"]["ok"] == true;
    tiphys.reported("an event that listens", listens).await;
}

/// Asserts that each of these files is told once, and no other.
async fn check_each_once(url: &str, numbers: Range<usize>) {
    until_stored(url, u64::try_from(numbers.len()).unwrap()).await;
    let mut times: BTreeMap<usize, usize> = numbers.map(|number| (number, 0)).collect();
    for event in stored(url).await {
        let payload: Value = serde_json::from_str(&event.payload).unwrap();
        let name = payload["name"].as_str().unwrap();
        let number = name.strip_suffix(".json").unwrap().parse().unwrap();
        *times.entry(number).or_default() += 1;
    }
    times.retain(|_, times| *times != 1);
    assert!(times.is_empty(), "lost or twice: {times:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_to_files_is_told_as_argo_events_does() {
    let stage = Stage::new(|event| event["eventType"] = "CREATE|REMOVE".into()).await;
    stage.write(0..1);
    let _tiphys = stage.start("pod-0").await;
    stage.write(1..2);
    stage.payloads(1).await;
    fs::write(stage.path("1.json"), "{\"changed\": true}").unwrap();
    stage.payloads(2).await;
    fs::create_dir(stage.path("7.json")).unwrap();
    fs::rename(stage.path("1.json"), stage.path("2.json")).unwrap();
    stage.payloads(4).await;
    fs::remove_file(stage.path("2.json")).unwrap();
    assert_eq!(
        stage.payloads(5).await,
        [
            r#"{"name":"1.json","op":1,"metadata":null}"#,
            r#"{"name":"1.json","op":1,"metadata":null}"#,
            r#"{"name":"1.json","op":4,"metadata":null}"#,
            r#"{"name":"2.json","op":1,"metadata":null}"#,
            r#"{"name":"2.json","op":4,"metadata":null}"#,
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_file_is_told_by_what_happens_to_it() {
    let stage = Stage::new(|event| {
        event["eventType"] = "WRITE".into();
        event["watchPathConfig"] = json!({
            "directory": event["watchPathConfig"]["directory"],
            "path": "1.json",
        });
        event["metadata"] = json!({"team": "harbour"});
    })
    .await;
    stage.write(0..2);
    let _tiphys = stage.start("pod-0").await;
    stage.write(2..3);
    fs::write(stage.path("1.json"), "changed").unwrap();
    assert_eq!(
        stage.payloads(1).await,
        [r#"{"name":"1.json","op":2,"metadata":{"team":"harbour"}}"#]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_files_are_told_once() {
    let stage = Stage::new(|_| {}).await;
    let mut tiphys = stage.start("pod-0").await;
    stage.write(0..1000);
    stage.check_each_once(0..1000).await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_thousand_files_the_new_one_is_told() {
    let stage = Stage::new(|_| {}).await;
    stage.write(0..20_000);
    let mut tiphys = stage.start("pod-0").await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
    stage.write(20_000..20_001);
    let _next = stage.start("pod-1").await;
    stage.check_each_once(20_000..20_001).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_is_killed_loses_no_file() {
    let mut stage = Stage::new(|_| {}).await;
    let _tiphys = stage.start("pod-0").await;
    stage.write(0..300);
    stage.payloads(1).await;
    stage.nats.kill(0).unwrap();
    stage.write(300..700);
    pause(OUTAGE).await;
    tokio::task::block_in_place(|| stage.nats.restart(0)).unwrap();
    stage.write(700..1000);
    stage.check_each_once(0..1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_killed_is_listed_again() {
    let mut stage = Stage::new(|_| {}).await;
    let tiphys = stage.start("pod-0").await;
    stage.write(0..300);
    stage.payloads(1).await;
    stage.server.kill().unwrap();
    stage.write(300..400);
    Stage::refused(&tiphys).await;
    stage.write(400..500);
    tokio::task::block_in_place(|| stage.server.restart()).unwrap();
    listening(&tiphys).await;
    stage.write(500..600);
    stage.check_each_once(0..600).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_is_killed_loses_no_file() {
    let stage = Stage::new(|_| {}).await;
    let mut tiphys = stage.start("pod-0").await;
    for round in 0..3 {
        let first = round * 250;
        stage.write(first..first + 200);
        tiphys.kill();
        tiphys.ended().await;
        stage.write(first + 200..first + 250);
        tiphys = stage.start(&format!("pod-{round}")).await;
    }
    stage.check_each_once(0..750).await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pod_that_takes_the_lease_over_goes_on() {
    let world = World::start().await;
    let server = server().await;
    let mut object = object(&server, |_| {});
    object["metadata"]["namespace"] = world.namespace().into();
    object["spec"]["replicas"] = 2.into();
    let pods = Pod::of(&world, &object);
    set_login(&pods, &server, "right", &[]);
    let mut first = pods.start("es-0");
    listening(&first).await;
    let second = pods.start("es-1");
    second
        .reported("a standby", |report| report["role"] == "Standby")
        .await;
    write(&server, 0..100);
    until_stored(&world.nats().url(), 1).await;
    let status = first.stop().await;
    assert!(status.success(), "{status}");
    write(&server, 100..200);
    second
        .reported("a takeover", |report| report["role"] == "Active")
        .await;
    listening(&second).await;
    write(&server, 200..300);
    check_each_once(&world.nats().url(), 0..300).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_named_and_a_new_one_counts() {
    let stage = Stage::new(|_| {}).await;
    stage.set_login("mistaken", &[]);
    let tiphys = stage.pods.start("pod-0");
    let health = Stage::refused(&tiphys).await;
    assert_eq!(health["reason"], "Unauthorized", "{health}");
    let message = health["message"].as_str().unwrap();
    assert!(message.contains("spec.sftp.ev.password"), "{message}");
    assert!(!tiphys.output().contains("mistaken"));
    stage.set_login("right", &[]);
    listening(&tiphys).await;
    stage.write(0..1);
    stage.check_each_once(0..1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_missing_is_named() {
    let stage = Stage::new(|event| {
        event["watchPathConfig"]["directory"] = "/nowhere/at/all".into();
    })
    .await;
    let tiphys = stage.pods.start("pod-0");
    let health = Stage::refused(&tiphys).await;
    assert_eq!(health["reason"], "NotFound", "{health}");
    let message = health["message"].as_str().unwrap();
    assert!(
        message.contains("spec.sftp.ev.watchPathConfig.directory"),
        "{message}"
    );
}

/// Removes the keys of the server: it makes new ones when it starts again.
fn forget_host_keys(server: &BrokerServer) {
    for key in ["host_ed25519", "host_rsa"] {
        fs::remove_file(server.folder().join(key)).unwrap();
        fs::remove_file(server.folder().join(key).with_extension("pub")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_another_key_is_not_logged_in_to() {
    let mut stage = Stage::new(|_| {}).await;
    let tiphys = stage.start("pod-0").await;
    stage.server.kill().unwrap();
    Stage::refused(&tiphys).await;
    forget_host_keys(&stage.server);
    let logins = stage.logins();
    tokio::task::block_in_place(|| stage.server.restart()).unwrap();
    let is_refused = |report: &Value| report["parts"][0]["health"]["reason"] == "Unauthorized";
    let report = tiphys.reported("the refusal of a key", is_refused).await;
    let message = report["parts"][0]["health"]["message"].as_str().unwrap();
    assert!(
        message.contains("which is not known to be its"),
        "{message}"
    );
    assert!(message.contains("spec.sftp.ev.knownHosts"), "{message}");
    assert_eq!(stage.logins(), logins);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_hosts_say_which_key_is_the_servers() {
    let mut stage = Stage::new(|event| {
        event["knownHosts"] = json!({"name": "login", "key": "known_hosts"});
    })
    .await;
    for (key, is_known) in [("host_rsa.pub", true), ("user_rsa.pub", false)] {
        let key = fs::read_to_string(stage.server.folder().join(key)).unwrap();
        let address = stage.server.address();
        let (host, port) = address.split_once(':').unwrap();
        let line = format!("[{host}]:{port} {key}");
        stage.set_login("right", &[("known_hosts", line.as_bytes())]);
        let mut tiphys = stage.pods.start("pod-0");
        if is_known {
            listening(&tiphys).await;
        } else {
            let health = Stage::refused(&tiphys).await;
            assert_eq!(health["reason"], "Unauthorized", "{health}");
        }
        tiphys.stop().await;
    }
    assert_eq!(stage.logins(), 1);
    stage.server.kill().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_logs_in_alone_or_beside_the_key_of_the_server() {
    let stage = Stage::new(|event| {
        event["sshKeySecret"] = json!({"name": "login", "key": "key"});
        event.as_object_mut().unwrap().remove("password");
    })
    .await;
    let read = |name: &str| fs::read_to_string(stage.server.folder().join(name)).unwrap();
    let mut number = 0;
    for key in ["user_ed25519", "user_rsa"] {
        for beside in [String::new(), read("host_ed25519.pub")] {
            let file = format!("{}{beside}", read(key));
            stage.set_login("", &[("key", file.as_bytes())]);
            let mut tiphys = stage.start("pod-0").await;
            stage.write(number..number + 1);
            number += 1;
            stage.check_each_once(0..number).await;
            tiphys.stop().await;
        }
    }
    let stranger = format!("{}{}", read("user_ed25519"), read("user_rsa.pub"));
    stage.set_login("", &[("key", stranger.as_bytes())]);
    let tiphys = stage.pods.start("pod-0");
    let health = Stage::refused(&tiphys).await;
    assert_eq!(health["reason"], "Unauthorized", "{health}");
    // A key that the user has not.
    stage.set_login("", &[("key", read("host_ed25519").as_bytes())]);
    let named = |report: &Value| {
        let message = report["parts"][0]["health"]["message"].as_str();
        message.is_some_and(|message| message.contains("with this key"))
    };
    tiphys.reported("the refusal of a key", named).await;
    assert_eq!(stage.logins(), 4);
}
