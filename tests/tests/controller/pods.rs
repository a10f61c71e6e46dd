//! What pods say becomes conditions. The stories play the kubelet, and the pods.

use futures::FutureExt as _;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Event, Pod, Secret};
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tiphys_api::{EventSource, Sensor};
use tiphys_tests::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::stage::{SENSOR, SOURCE, Stage};

/// A pod that says what the story wants it to.
pub(crate) struct Puppet {
    connection: TcpStream,
}

impl Puppet {
    /// Waits for the controller to ask; each story has an address of its own.
    pub(crate) async fn asked(listener: &TcpListener) -> Self {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let length = connection.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        assert!(
            request.starts_with("GET /api/report HTTP/1.1\r\n"),
            "{request}"
        );
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        connection.write_all(head.as_bytes()).await.unwrap();
        Self { connection }
    }

    pub(crate) async fn says(&mut self, report: Value) {
        let line = format!("{report}\n");
        let chunk = format!("{:x}\r\n{line}\r\n", line.len());
        self.connection.write_all(chunk.as_bytes()).await.unwrap();
    }
}

pub(crate) fn report(generation: i64, watch: &Value) -> Value {
    json!({"generation": generation, "role": "Active", "bus": {"ok": true},
        "parts": [{"name": "thing", "health": watch, "done": 3, "deadLettered": 0,
                   "lastEventTime": "2026-01-02T03:04:05.678Z"}]})
}

/// Makes a ReplicaSet of a Deployment, as its controller would, and returns its uid.
async fn replica_set(stage: &Stage, deployment: &str) -> Value {
    let name = format!("{deployment}-5d4f");
    let owner = stage.deployment(deployment).await.metadata.uid;
    let labels = json!({"pod-template-hash": "5d4f"});
    let manifest = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {
            "name": name,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "uid": owner,
                "name": deployment, "controller": true}]},
        "spec": {"selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "main", "image": "x"}]}}}});
    stage.world.apply(&manifest.to_string()).await;
    json!(
        stage
            .api::<ReplicaSet>()
            .get(&name)
            .await
            .unwrap()
            .metadata
            .uid
    )
}

/// Makes the pod of the Deployment `watcher-eventsource`.
pub(crate) async fn pod(stage: &Stage, name: &str, status: Value) {
    let owner = replica_set(stage, "watcher-eventsource").await;
    pod_of(stage, &owner, name, status).await;
}

async fn pod_of(stage: &Stage, replica_set: &Value, name: &str, status: Value) {
    let manifest = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {
            "name": name,
            "labels": {"controller": "eventsource-controller", "eventsource-name": "watcher",
                       "owner-name": "watcher", "pod-template-hash": "5d4f"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "uid": replica_set,
                "name": "watcher-eventsource-5d4f", "controller": true}]},
        "spec": {"containers": [{"name": "main", "image": "x"}]}});
    stage.world.apply(&manifest.to_string()).await;
    pod_status(stage, name, status).await;
}

async fn pod_status(stage: &Stage, name: &str, status: Value) {
    let status = json!({"status": status});
    let pods = stage.api::<Pod>();
    pods.patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
}

pub(crate) fn running(ip: &str) -> Value {
    json!({"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}],
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "main", "image": "x", "imageID": "x", "ready": true,
            "restartCount": 0, "state": {"running": {}}}]})
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"phase": "Pending", "containerStatuses": [{"name": "main", "image": "x", "imageID": "",
        "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": message}}}]})
}

#[tokio::test]
async fn a_report_makes_it_ready_and_an_edit_waits_for_the_next_one() {
    let listener = TcpListener::bind("127.0.7.1:7777").await.unwrap();
    let stage = Stage::start().await;
    stage.world.apply(SOURCE).await;
    stage.roll_out("watcher-eventsource").await;
    pod(&stage, "watcher-eventsource-5d4f-a", running("127.0.7.1")).await;
    let mut puppet = Puppet::asked(&listener).await;
    puppet.says(report(1, &json!({"ok": true}))).await;
    let ready = stage
        .condition::<EventSource>("watcher", "Ready", "True")
        .await;
    assert_eq!(ready.reason, "Running");
    for name in [
        "WatchSynced",
        "BusConnected",
        "Available",
        "Deployed",
        "SourcesProvided",
    ] {
        stage
            .condition::<EventSource>("watcher", name, "True")
            .await;
    }
    let status = stage
        .api::<EventSource>()
        .get("watcher")
        .await
        .unwrap()
        .status
        .unwrap();
    assert_eq!(status.observed_generation, Some(1));
    assert_eq!(json!(status.last_event_time), json!("2026-01-02T03:04:05Z"));
    assert_eq!((status.lag, status.dead_lettered), (Some(0), Some(0)));

    stage
        .world
        .apply(&SOURCE.replace("[ADD]", "[DELETE]"))
        .await;
    let outdated = stage
        .reason::<EventSource>("watcher", "Ready", "SpecOutdated")
        .await;
    assert_eq!(outdated.message, "the pods run generation 1, not 2 yet");
    // The pod was told to look at its files at once.
    stage
        .eventually::<Pod>("watcher-eventsource-5d4f-a", |pod| {
            let annotations = pod.metadata.annotations.as_ref();
            annotations.is_some_and(|all| all.contains_key("events.argoproj.io/spec-hash"))
        })
        .await;
    puppet.says(report(2, &json!({"ok": true}))).await;
    stage
        .condition::<EventSource>("watcher", "Ready", "True")
        .await;

    drop(puppet);
    stage
        .reason::<EventSource>("watcher", "Ready", "NoReport")
        .await;
    let mut puppet = Puppet::asked(&listener).await;
    puppet.says(report(2, &json!({"ok": true}))).await;
    stage
        .condition::<EventSource>("watcher", "Ready", "True")
        .await;
}

/// Whoever may make a pod could speak for a Sensor.
#[tokio::test]
async fn a_pod_that_is_not_the_deployments_is_not_asked() {
    let foreign = TcpListener::bind("127.0.7.3:7777").await.unwrap();
    let listener = TcpListener::bind("127.0.7.4:7777").await.unwrap();
    let stage = Stage::start().await;
    stage.world.apply(SOURCE).await;
    stage.roll_out("watcher-eventsource").await;
    let uid = json!("1");
    pod_of(&stage, &uid, "stranger", running("127.0.7.3")).await;
    stage
        .controller
        .logged("A pod that is not of this Deployment is not asked for its report")
        .await;
    pod(&stage, "watcher-eventsource-5d4f-a", running("127.0.7.4")).await;
    let mut puppet = Puppet::asked(&listener).await;
    puppet.says(report(1, &json!({"ok": true}))).await;
    stage
        .condition::<EventSource>("watcher", "Ready", "True")
        .await;
    assert!(foreign.accept().now_or_never().is_none());
}

#[tokio::test]
async fn what_a_pod_may_not_watch_is_told() {
    let listener = TcpListener::bind("127.0.7.2:7777").await.unwrap();
    let stage = Stage::start().await;
    stage.world.apply(SOURCE).await;
    stage.roll_out("watcher-eventsource").await;
    pod(&stage, "watcher-eventsource-5d4f-a", running("127.0.7.2")).await;
    let mut puppet = Puppet::asked(&listener).await;
    let forbidden = json!({"ok": false, "reason": "Forbidden",
        "message": "User \"system:serviceaccount:x:y\" cannot list resource \"configmaps\""});
    puppet.says(report(1, &forbidden)).await;
    let synced = stage
        .reason::<EventSource>("watcher", "WatchSynced", "Forbidden")
        .await;
    assert_eq!(
        synced.message,
        "event thing: User \"system:serviceaccount:x:y\" cannot list resource \"configmaps\""
    );
    let ready = stage
        .reason::<EventSource>("watcher", "Ready", "Forbidden")
        .await;
    assert_eq!(ready.message, synced.message);
    eventually("a Kubernetes Event", || async {
        let events = stage
            .api::<Event>()
            .list(&ListParams::default())
            .await
            .unwrap();
        let is_it = |event: &Event| {
            event.reason.as_deref() == Some("Forbidden")
                && event.type_.as_deref() == Some("Warning")
                && event.involved_object.name.as_deref() == Some("watcher")
        };
        events.items.into_iter().find(is_it)
    })
    .await;
    puppet.says(report(1, &json!({"ok": true}))).await;
    stage
        .condition::<EventSource>("watcher", "Ready", "True")
        .await;
}

#[tokio::test]
async fn a_pod_that_does_not_start_is_told() {
    let stage = Stage::start().await;
    stage.world.apply(SOURCE).await;
    let name = "watcher-eventsource-5d4f-a";
    stage.deployment("watcher-eventsource").await;
    pod(
        &stage,
        name,
        waiting("ImagePullBackOff", "Back-off pulling image \"x\""),
    )
    .await;
    let ready = stage
        .reason::<EventSource>("watcher", "Ready", "ImagePullBackOff")
        .await;
    assert_eq!(
        *ready.message,
        format!(
            "pod {name}: Back-off pulling image \"x\"; check the image's name and tag in the settings of \
             the controller, and that the nodes may pull it (spec.template.imagePullSecrets)"
        )
    );
    let missing = "secret \"login\" not found";
    pod_status(&stage, name, waiting("CreateContainerConfigError", missing)).await;
    stage
        .eventually::<EventSource>("watcher", |source| {
            let ready = source
                .status
                .as_ref()
                .and_then(|status| status.condition("Ready"));
            ready.is_some_and(|ready| ready.reason == "CreateContainerConfigError")
        })
        .await;
}

#[tokio::test]
async fn a_secret_that_a_pod_waits_for_is_named() {
    let stage = Stage::start().await;
    let sensor = SENSOR.replace(
        "log: {}",
        "http: {url: 'http://x', basicAuth: {username: {name: login, key: user}, \
         password: {name: login, key: password}}}",
    );
    stage.world.apply(&sensor).await;
    stage.deployment("printer-sensor").await;
    let manifest = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {
            "name": "printer-sensor-5d4f-a",
            "labels": {"controller": "sensor-controller", "pod-template-hash": "5d4f"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "uid": "1",
                "name": "printer-sensor-5d4f", "controller": true}]},
        "spec": {"containers": [{"name": "main", "image": "x"}]}});
    stage.world.apply(&manifest.to_string()).await;
    let missing = stage
        .reason::<Sensor>("printer", "Ready", "MissingKeys")
        .await;
    assert_eq!(
        missing.message,
        "Secret login does not exist; create what is missing, or correct the name and key in the spec"
    );
    let secret = json!({"metadata": {"name": "login"}, "stringData": {"user": "u"}});
    stage.create::<Secret>(secret).await;
    let api = stage.api::<Sensor>();
    eventually("the missing key", || async {
        let status = api.get("printer").await.unwrap().status?;
        let ready = status.condition("Ready")?.clone();
        ready
            .message
            .starts_with("Secret login has no key password; ")
            .then_some(())
    })
    .await;
}
