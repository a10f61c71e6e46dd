//! Broken set-ups, as `kubectl describe` shows them: which condition names the cause, and whether the user
//! is warned. Those whose pods have to fail are in `cluster/broken.rs`.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Event;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tiphys_api::{Condition, EventBus, EventSource, Sensor};
use tiphys_tests::eventually;
use tokio::net::TcpListener;

use crate::pods::{Puppet, pod, report, running};
use crate::stage::{SENSOR, SOURCE, Stage};

/// What the user was told about an object: `Warning Forbidden`, by name.
async fn told(stage: &Stage, name: &str) -> Vec<String> {
    let events = stage.api::<Event>().list(&ListParams::default()).await;
    let of_it = |event: &Event| event.involved_object.name.as_deref() == Some(name);
    let events = events.unwrap().items.into_iter().filter(of_it);
    let mut events: Vec<String> = events
        .map(|event| {
            let (type_, reason) = (event.type_, event.reason);
            format!("{} {}", type_.unwrap(), reason.unwrap())
        })
        .collect();
    events.sort_unstable();
    events.dedup();
    events
}

/// Waits until the user was told all of this about an object, and nothing else.
async fn is_told(stage: &Stage, name: &str, expected: &[&str]) {
    eventually(&format!("{expected:?} about {name}"), || async {
        (told(stage, name).await == expected).then_some(())
    })
    .await;
}

/// A condition of a bus, as soon as it has this reason.
async fn of_bus(stage: &Stage, name: &str, reason: &str) -> Condition {
    eventually(&format!("{name} being {reason}"), || async {
        let bus = stage.api::<EventBus>().get_opt(name).await.unwrap()?;
        let status = bus.status?;
        let mut conditions = status.conditions.iter();
        conditions
            .find(|condition| *condition.r#type == *"Ready" && *condition.reason == *reason)
            .cloned()
    })
    .await
}

#[tokio::test]
async fn a_bus_that_comes_a_moment_later_is_no_warning() {
    let stage = Stage::without_bus().await;
    stage.world.apply(SENSOR).await;
    stage.world.apply(SOURCE).await;
    let waiting = stage
        .reason::<Sensor>("printer", "Ready", "WaitingForEventBus")
        .await;
    assert!(waiting.message.starts_with("there is no EventBus default"));
    let available = stage
        .reason::<Sensor>("printer", "Available", "NotDeployed")
        .await;
    assert_eq!(
        available.message,
        "there are no pods yet: see the condition Deployed"
    );
    stage.bus("nats://nats.example:4222").await;
    for name in ["Deployed", "EventsPublished"] {
        stage.condition::<Sensor>("printer", name, "True").await;
    }
    stage
        .condition::<EventSource>("watcher", "Deployed", "True")
        .await;
    for name in ["printer", "watcher"] {
        is_told(&stage, name, &["Normal WaitingForEventBus"]).await;
    }
}

#[tokio::test]
async fn a_bus_that_does_not_come_is_a_warning_with_the_name_that_was_meant() {
    let stage = Stage::start().await;
    let sensor = SENSOR.replace("spec:\n", "spec:\n  eventBusName: defualt\n");
    stage.world.apply(&sensor).await;
    let ready = stage
        .reason::<Sensor>("printer", "Ready", "EventBusNotFound")
        .await;
    assert_eq!(
        *ready.message,
        format!(
            "there is no EventBus defualt in namespace {}; did you mean `default` in \
             spec.eventBusName?",
            stage.world.namespace()
        )
    );
    let expected = [
        "Normal WaitingForEventBus",
        "Normal WaitingForEventSource",
        "Warning EventBusNotFound",
        "Warning NobodyPublishes",
    ];
    is_told(&stage, "printer", &expected).await;
}

#[tokio::test]
async fn a_kind_of_bus_that_is_not_run_is_named_by_its_users_too() {
    let stage = Stage::without_bus().await;
    let bus = "{apiVersion: argoproj.io/v1alpha1, kind: EventBus, metadata: {name: default}, \
               spec: {kafka: {url: 'broker:9092'}}}";
    stage.world.apply(bus).await;
    stage.world.apply(SOURCE).await;
    let ready = of_bus(&stage, "default", "Unsupported").await;
    let ready = stage
        .reason::<EventSource>("watcher", "Ready", "EventBusFailing")
        .await
        .message
        .replace(&*ready.message, "WHY");
    let namespace = stage.world.namespace();
    assert_eq!(
        ready,
        format!(
            "EventBus default does not work: Unsupported: WHY; see `kubectl -n {namespace} describe \
             eventbus default`"
        )
    );
}

#[tokio::test]
async fn a_kind_of_event_that_is_not_run_is_named_at_its_place() {
    let stage = Stage::start().await;
    let hdfs = "{apiVersion: argoproj.io/v1alpha1, kind: EventSource, metadata: {name: other}, \
                   spec: {hdfs: {thing: {directory: /in/, path: x, type: CREATE, \
                   addresses: ['n:8020'], hdfsUser: u}}}}";
    stage.world.apply(hdfs).await;
    let ready = stage
        .reason::<EventSource>("other", "Ready", "InvalidEventSource")
        .await;
    assert_eq!(
        ready.message,
        "spec.hdfs.thing: event sources of type hdfs are not in this build of tiphys (feature hdfs)"
    );
    is_told(&stage, "other", &["Warning InvalidEventSource"]).await;
}

#[tokio::test]
async fn a_name_that_nobody_publishes_is_told_and_heals() {
    let stage = Stage::start().await;
    stage.world.apply(SOURCE).await;
    let sensor = SENSOR.replace("eventSourceName: watcher", "eventSourceName: watchr");
    stage.world.apply(&sensor).await;
    let waiting = stage
        .reason::<Sensor>("printer", "EventsPublished", "WaitingForEventSource")
        .await;
    let message = format!(
        "dependency thing: there is no EventSource watchr in namespace {} (did you mean `watcher`?)",
        stage.world.namespace()
    );
    assert_eq!(*waiting.message, message);
    let published = stage
        .reason::<Sensor>("printer", "EventsPublished", "NobodyPublishes")
        .await;
    assert_eq!(*published.message, message);
    let expected = ["Normal WaitingForEventSource", "Warning NobodyPublishes"];
    is_told(&stage, "printer", &expected).await;

    let source = SOURCE.replace("name: watcher", "name: watchr");
    stage.world.apply(&source).await;
    stage
        .condition::<Sensor>("printer", "EventsPublished", "True")
        .await;
    stage.world.apply(&source.replace("thing:", "other:")).await;
    let published = stage
        .reason::<Sensor>("printer", "EventsPublished", "NobodyPublishes")
        .await;
    let namespace = stage.world.namespace();
    assert_eq!(
        *published.message,
        format!(
            "dependency thing: event source {namespace}/watchr has no event thing (it has other)"
        )
    );
}

#[tokio::test]
async fn a_used_up_quota_is_a_warning_with_what_to_do() {
    let stage = Stage::start().await;
    stage.world.apply(SOURCE).await;
    stage.deployment("watcher-eventsource").await;
    let why = "pods \"watcher-eventsource-5d4f-a\" is forbidden: exceeded quota: few, requested: \
               pods=1, used: pods=0, limited: pods=0";
    let status = json!({"status": {"conditions": [{"type": "ReplicaFailure", "status": "True",
        "reason": "FailedCreate", "message": why}]}});
    stage
        .api::<Deployment>()
        .patch_status(
            "watcher-eventsource",
            &PatchParams::default(),
            &Patch::Merge(&status),
        )
        .await
        .unwrap();
    let ready = stage
        .reason::<EventSource>("watcher", "Ready", "QuotaExceeded")
        .await;
    let namespace = stage.world.namespace();
    assert_eq!(
        *ready.message,
        format!(
            "{why}; see `kubectl -n {namespace} describe resourcequota`: raise it, or ask for less in \
             spec.template"
        )
    );
    is_told(&stage, "watcher", &["Warning QuotaExceeded"]).await;
}

fn on_bus(health: &Value) -> Value {
    let mut report = report(1, &json!({"ok": true}));
    report["bus"] = health.clone();
    report
}

#[tokio::test]
async fn a_connection_that_is_made_is_waited_for_and_one_that_is_refused_is_a_warning() {
    let listener = TcpListener::bind("127.0.7.5:7777").await.unwrap();
    let stage = Stage::start().await;
    stage.world.apply(SOURCE).await;
    stage.roll_out("watcher-eventsource").await;
    pod(&stage, "watcher-eventsource-5d4f-a", running("127.0.7.5")).await;
    let mut puppet = Puppet::asked(&listener).await;
    let away = json!({"ok": false, "reason": "ConnectionFailed", "message": "DNS error"});
    puppet.says(on_bus(&away)).await;
    let connected = stage
        .reason::<EventSource>("watcher", "BusConnected", "WaitingForConnection")
        .await;
    assert_eq!(
        connected.message,
        "EventBus default: DNS error; see that the URL of the EventBus is right, that its servers run, \
         and that no NetworkPolicy keeps the pods from them"
    );
    is_told(&stage, "watcher", &["Normal WaitingForConnection"]).await;
    let refused = json!({"ok": false, "reason": "Unauthorized", "message": "no"});
    puppet.says(on_bus(&refused)).await;
    let ready = stage
        .reason::<EventSource>("watcher", "Ready", "Unauthorized")
        .await;
    assert_eq!(
        ready.message,
        "EventBus default: no; its servers refuse the login in accessSecret: correct it there"
    );
    puppet.says(on_bus(&json!({"ok": true}))).await;
    stage
        .condition::<EventSource>("watcher", "Ready", "True")
        .await;
    let expected = [
        "Normal Running",
        "Normal WaitingForConnection",
        "Warning Unauthorized",
    ];
    is_told(&stage, "watcher", &expected).await;
}
