//! Objects are paused with one command, and resumed.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Event};
use kube::api::ListParams;
use serde_json::json;
use tiphys_api::{EventSource, Sensor};
use tiphys_tests::{eventually, tiphys};

use crate::stage::{SENSOR, SOURCE, Stage};

/// What `tiphys …` prints about the stage's namespace, and its exit code.
fn said(stage: &Stage, arguments: &str) -> (String, Option<i32>) {
    let kubeconfig = stage.world.kubeconfig();
    let kubeconfig = kubeconfig.to_str().unwrap();
    let place = ["-n", stage.world.namespace(), "--kubeconfig", kubeconfig];
    let output = tiphys(arguments.split(' ').chain(place));
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let text = text.replace(stage.world.namespace(), "NAMESPACE");
    (text, output.status.code())
}

/// Waits until a Deployment should have so many pods.
async fn has_pods(stage: &Stage, deployment: &str, count: i32) {
    stage
        .eventually::<Deployment>(deployment, |found| {
            found.spec.as_ref().unwrap().replicas == Some(count)
        })
        .await;
}

#[tokio::test]
async fn a_paused_sensor_has_no_pods_until_it_is_resumed() {
    let stage = Stage::start().await;
    stage.world.apply(SENSOR).await;
    has_pods(&stage, "printer-sensor", 1).await;
    let spec = stage
        .eventually::<ConfigMap>("printer-sensor-spec", |_| true)
        .await;

    let (text, code) = said(&stage, "pause sensor/printer --dry-run");
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.starts_with("sensor/printer would be paused: "),
        "{text}"
    );
    let (text, code) = said(&stage, "pause sensor/printer");
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(
        text,
        "sensor/printer paused: its events wait on the bus, for as long as it keeps them; \
         `tiphys resume sensor/printer -n NAMESPACE` resumes it\n"
    );
    has_pods(&stage, "printer-sensor", 0).await;
    let ready = stage.reason::<Sensor>("printer", "Ready", "Paused").await;
    assert_eq!(
        ready.message.replace(stage.world.namespace(), "NAMESPACE"),
        "paused by its annotation events.argoproj.io/paused: its events wait on the bus \
         (`tiphys resume sensor/printer -n NAMESPACE` resumes it)"
    );
    stage
        .condition::<Sensor>("printer", "Deployed", "True")
        .await;
    eventually("a Kubernetes Event", || async {
        let events = stage.api::<Event>().list(&ListParams::default()).await;
        let is_it = |event: &Event| {
            event.reason.as_deref() == Some("Paused")
                && event.type_.as_deref() == Some("Normal")
                && event.involved_object.name.as_deref() == Some("printer")
        };
        events.unwrap().items.into_iter().find(is_it)
    })
    .await;

    // Whoever keeps the manifest applies it again and again, and edits it.
    stage.world.apply(SENSOR).await;
    stage
        .world
        .apply(&SENSOR.replace("log: {}", "log: {intervalSeconds: 1}"))
        .await;
    stage.reason::<Sensor>("printer", "Ready", "Paused").await;
    let changed = stage
        .eventually::<ConfigMap>("printer-sensor-spec", |found| found.data != spec.data)
        .await;
    has_pods(&stage, "printer-sensor", 0).await;
    let (text, _) = said(&stage, "pause sn/printer");
    assert_eq!(text, "sensor/printer is paused already\n");

    let (text, code) = said(&stage, "resume --all");
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(
        text,
        "sensor/printer resumed: it goes on with the first event that it has not handled\n"
    );
    has_pods(&stage, "printer-sensor", 1).await;
    stage
        .reason::<Sensor>("printer", "Ready", "PodsStarting")
        .await;
    // Pods know nothing of a pause.
    let after = stage
        .eventually::<ConfigMap>("printer-sensor-spec", |_| true)
        .await;
    assert_eq!(changed.data, after.data);
    assert!(!after.data.unwrap()["object.json"].contains("paused"));
    let (text, _) = said(&stage, "resume sensor/printer");
    assert_eq!(text, "sensor/printer is not paused\n");
}

/// What was deployed for the last good spec went on.
#[tokio::test]
async fn what_has_faults_or_no_bus_is_paused_too() {
    let stage = Stage::start().await;
    stage.world.apply(SENSOR).await;
    has_pods(&stage, "printer-sensor", 1).await;
    for edit in [
        SENSOR.replace("name: print\n", "name: print\n      conditions: nobody\n"),
        SENSOR.replace("spec:", "spec:\n  eventBusName: missing"),
    ] {
        stage.world.apply(&edit).await;
        stage.condition::<Sensor>("printer", "Ready", "False").await;
        said(&stage, "pause sensor/printer");
        has_pods(&stage, "printer-sensor", 0).await;
        stage
            .reason::<Sensor>("printer", "Available", "Paused")
            .await;
        said(&stage, "resume sensor/printer");
        has_pods(&stage, "printer-sensor", 1).await;
    }
}

#[tokio::test]
async fn what_is_created_paused_waits_for_its_first_pods() {
    let stage = Stage::start().await;
    let paused = "  name: watcher\n  annotations: {events.argoproj.io/paused: 'true'}\n";
    stage
        .world
        .apply(&SOURCE.replace("  name: watcher\n", paused))
        .await;
    has_pods(&stage, "watcher-eventsource", 0).await;
    stage
        .reason::<EventSource>("watcher", "Ready", "Paused")
        .await;
    let (text, _) = said(&stage, "resume eventsource/watcher");
    assert_eq!(text, "eventsource/watcher resumed: it receives again\n");
    has_pods(&stage, "watcher-eventsource", 1).await;
}

#[tokio::test]
async fn who_is_called_and_who_is_missing_is_said() {
    let stage = Stage::start().await;
    let called = json!({"metadata": {"name": "door"}, "spec": {"webhook": {
        "knock": {"port": "12000", "endpoint": "/knock", "method": "POST"}}}});
    stage.create::<EventSource>(called).await;
    let (text, code) = said(&stage, "pause eventsource/dor es/door sensor/any");
    assert_eq!(code, Some(1));
    assert_eq!(
        text,
        "eventsource/door paused: it receives nothing, and whoever calls it is refused; \
         `tiphys resume eventsource/door -n NAMESPACE` resumes it\n\
         tiphys: eventsource/dor: there is none in namespace NAMESPACE (did you mean eventsource/door?)\n\
         tiphys: sensor/any: there is none in namespace NAMESPACE (-n names its namespace)\n"
    );
    let (text, code) = said(&stage, "pause --all");
    assert_eq!(
        (&*text, code),
        ("no Sensors in namespace NAMESPACE\n", Some(0))
    );
    let (text, code) = said(&stage, "pause pod/any");
    assert_eq!(code, Some(2));
    assert!(
        text.contains("write sensor/NAME or eventsource/NAME"),
        "{text}"
    );
}
