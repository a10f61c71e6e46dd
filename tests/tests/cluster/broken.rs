//! A cold start is calm, and a broken set-up says by `kubectl describe` alone what is wrong and what to do.
//! Those that need no pods are in `controller/broken.rs`, a missing bus, right, node or image in `fault.rs`.

use serde_json::{Value, json};
use tiphys_testbed::Certificates;
use tiphys_tests::{Cluster, Story};

use crate::harbour::{
    BUS_OBJECT, SENSOR_OBJECT, SOURCE_OBJECT, all, bus_of_one, bus_of_three, rbac, sensor, start,
};

/// An event source that publishes once a second.
const CLOCK: &str = "
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: clock}
spec:
  eventBusName: BUS
  template: {serviceAccountName: ACCOUNT}
  calendar:
    tick: {interval: 1s}
";

/// A bus that is elsewhere.
const EXOTIC: &str = "
apiVersion: argoproj.io/v1alpha1
kind: EventBus
metadata: {name: elsewhere}
spec:
  jetstreamExotic:
    url: URL
    accessSecret: {name: login, key: auth}
    tls: {caCertSecret: {name: CA, key: ca-cert}}
---
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {auth: '{username: somebody, password: wrong}'}
";

/// A NATS server whose certificate is that of the Secret `certificate`.
const SERVER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: old, labels: {app: old}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: nats
    image: nats:2.12.8
    command: [/nats-server, --tls, --tlscert, /certificate/cert, --tlskey, /certificate/key]
    volumeMounts: [{name: certificate, mountPath: /certificate}]
  volumes: [{name: certificate, secret: {secretName: certificate}}]
---
apiVersion: v1
kind: Service
metadata: {name: old}
spec: {selector: {app: old}, ports: [{port: 4222}]}
";

fn clock(story: &Story, bus: &str) -> String {
    let account = format!("{}-sa", story.namespace());
    CLOCK.replace("ACCOUNT", &account).replace("BUS", bus)
}

/// What users are told of a namespace: `Warning Pod/a Unhealthy: …`.
async fn told(story: &Story, type_: &str) -> Vec<String> {
    let events = story.kubectl(["get", "events", "-o", "json"]).await;
    let events: Value = serde_json::from_str(&events).unwrap();
    let events = events["items"].as_array().unwrap().iter();
    let of_type = events.filter(|event| event["type"] == type_);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    of_type
        .map(|event| {
            let about = &event["involvedObject"];
            let (kind, name) = (text(&about["kind"]), text(&about["name"]));
            let (reason, message) = (text(&event["reason"]), text(&event["message"]));
            format!("{kind}/{name} {reason}: {message}")
        })
        .collect()
}

/// Waits until an object is not ready for this reason, and expects `kubectl describe` to say all of this.
async fn is_described(story: &Story, object: &str, reason: &str, parts: &[&str]) {
    story.told(object, "Ready", ("False", reason)).await;
    let description = story.kubectl(["describe", object]).await;
    // It breaks long messages into lines.
    let words: Vec<&str> = description.split_whitespace().collect();
    let description = words.join(" ");
    let warning = format!("Warning {reason}");
    for part in parts.iter().copied().chain([reason, &*warning]) {
        assert!(description.contains(part), "{part}:\n{description}");
    }
}

#[tokio::test]
async fn a_cold_start_with_the_bus_in_the_same_apply_warns_of_nothing() {
    let story = Cluster::open().story().await;
    start(&story, bus_of_three(&story)).await;
    let warnings = told(&story, "Warning").await;
    // The kubelet asks a server of the bus for its health before it can have found its peers, and where the
    // machine is slow any pod before its program has begun; there it also gives up to read what a pod mounts, and
    // reads it again. An object that is not there yet is another sentence.
    let is_start = |warning: &&String| {
        warning.starts_with("Pod/eventbus-") && warning.contains("Startup probe failed")
            || warning.starts_with("Pod/") && is_slow(warning)
    };
    let warnings: Vec<&String> = warnings.iter().filter(|text| !is_start(text)).collect();
    assert!(warnings.is_empty(), "{warnings:#?}");
    let normal = told(&story, "Normal").await;
    for name in ["EventSource/ingress-es", "Sensor/ingress-sn"] {
        for reason in ["WaitingForEventBus", "Running"] {
            let begin = format!("{name} {reason}: ");
            let is_said = normal.iter().any(|text| text.starts_with(&begin));
            assert!(is_said, "{begin}: {normal:#?}");
        }
    }
    for object in [BUS_OBJECT, SOURCE_OBJECT, SENSOR_OBJECT] {
        let object = story.kubectl(["get", object, "-o", "json"]).await;
        let object: Value = serde_json::from_str(&object).unwrap();
        for condition in object["status"]["conditions"].as_array().unwrap() {
            assert_ne!(condition["reason"], "", "{condition}");
            assert_ne!(condition["message"], "", "{condition}");
        }
    }
}

/// Whether the kubelet says only that it or a program was slow.
fn is_slow(warning: &str) -> bool {
    let parts = [
        "connection refused",
        "timed out waiting for the condition",
        "context deadline exceeded",
    ];
    parts.iter().any(|part| warning.contains(part))
}

#[tokio::test]
async fn a_quota_is_named_by_the_bus_and_by_the_sensor_and_heals() {
    let story = Cluster::open().story().await;
    let quota = |pods: usize| {
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"},
            "spec": {"hard": {"pods": pods.to_string()}}})
        .to_string()
    };
    story.apply(&quota(0)).await;
    let manifests = [rbac(&story), bus_of_one(&story), sensor(&story)];
    story.apply(&all(&manifests)).await;
    let parts = ["exceeded quota: few", "describe resourcequota"];
    is_described(&story, BUS_OBJECT, "QuotaExceeded", &parts).await;
    let parts = [
        "EventBus jetstream-eb does not work: QuotaExceeded",
        "describe eventbus",
    ];
    is_described(&story, SENSOR_OBJECT, "EventBusFailing", &parts).await;
    story.apply(&quota(1)).await;
    story.wait("condition=Ready", &[BUS_OBJECT]).await;
    let parts = ["exceeded quota: few", "describe resourcequota"];
    is_described(&story, SENSOR_OBJECT, "QuotaExceeded", &parts).await;
    story.apply(&quota(5)).await;
    story.wait("condition=Ready", &[SENSOR_OBJECT]).await;
}

#[tokio::test]
async fn a_missing_service_account_and_a_missing_secret_are_named() {
    let story = Cluster::open().story().await;
    story.apply(&bus_of_one(&story)).await;
    // The service account comes with the roles, which are not applied.
    story.apply(&sensor(&story)).await;
    let account = format!("serviceaccount \"{}-sa\" not found", story.namespace());
    is_described(
        &story,
        SENSOR_OBJECT,
        "FailedCreate",
        &[&account, "service account"],
    )
    .await;
    story.apply(&rbac(&story)).await;
    story.wait("condition=Ready", &[SENSOR_OBJECT]).await;

    let patch = json!({"spec": {"template": {"container": {"env": [{"name": "A",
        "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}}]}}}});
    let patch = patch.to_string();
    story
        .kubectl(["patch", SENSOR_OBJECT, "--type=merge", "-p", &patch])
        .await;
    let parts = ["secret \"login\" not found", "create what is missing"];
    is_described(&story, SENSOR_OBJECT, "CreateContainerConfigError", &parts).await;
}

#[tokio::test]
async fn a_bus_that_refuses_or_is_not_there_is_told_from_one_that_is_full() {
    let story = Cluster::open().story().await;
    let full = bus_of_one(&story).replace("maxAge: 5m", "maxMsgs: 1\n      discard: 1");
    let manifests = [rbac(&story), full, clock(&story, "jetstream-eb")];
    story.apply(&all(&manifests)).await;
    let parts = [
        "event tick: the bus has no room",
        "raise maxBytes or maxMsgs",
    ];
    is_described(&story, "eventsource/clock", "BusFull", &parts).await;

    let namespace = story.namespace();
    let url = format!("nats://eventbus-jetstream-eb-js-svc.{namespace}.svc:4222");
    let exotic = EXOTIC.replace("CA,", "eventbus-jetstream-eb-js-client-auth,");
    story.apply(&exotic.replace("URL", &url)).await;
    story.apply(&clock(&story, "elsewhere")).await;
    let parts = ["the login in key auth of Secret login: correct it"];
    is_described(&story, "eventsource/clock", "Unauthorized", &parts).await;

    let away = format!("nats://away.{namespace}.svc:4222");
    story.apply(&exotic.replace("URL", &away)).await;
    let parts = [
        &*away,
        "DNS error",
        "see that the URL of the EventBus is right",
    ];
    is_described(&story, "eventsource/clock", "ConnectionFailed", &parts).await;
    story.apply(&clock(&story, "nowhere")).await;
    let parts = [
        "there is no EventBus nowhere",
        "there is elsewhere, jetstream-eb",
    ];
    is_described(&story, "eventsource/clock", "EventBusNotFound", &parts).await;
}

#[tokio::test]
async fn an_expired_certificate_is_named_with_its_date() {
    let story = Cluster::open().story().await;
    let certificates = Certificates::generate_expired().unwrap();
    let secret = |name: &str, data: Value| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
            .to_string()
    };
    let server = &certificates.server;
    let exotic = EXOTIC
        .replace("CA,", "authority,")
        .replace("URL", "nats://old:4222");
    let manifests = [
        rbac(&story),
        secret(
            "certificate",
            json!({"cert": server.certificate, "key": server.key}),
        ),
        secret("authority", json!({"ca-cert": certificates.authority})),
        SERVER.to_owned(),
        exotic,
        clock(&story, "elsewhere"),
    ];
    story.apply(&all(&manifests)).await;
    let parts = ["certificate expired on 2020-12-31", "renew the certificate"];
    is_described(&story, "eventsource/clock", "InvalidCertificate", &parts).await;
}
