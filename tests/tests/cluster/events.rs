//! What Argo Events' users see of event sources and sensors in a cluster: their log lines, labels and
//! metrics, events that wait for each other over the end of a pod, and who gets which event.

use std::time::Duration;

use serde_json::Value;
use tiphys_tests::{Cluster, Story, eventually, pause};

use crate::harbour::{BUS_OBJECT, all, bus_of_one, rbac};

/// An event source whose events are requests of the story.
const REQUESTS: &str = "
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: requests}
spec:
  eventBusName: jetstream-eb
  webhook:
    a: {port: '12000', endpoint: /a, method: POST}
    b: {port: '13000', endpoint: /b, method: POST}
    c: {port: '13000', endpoint: /c, method: POST}
";

/// A sensor of two triggers on them.
const CONDITIONS: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: NAME}
spec:
  eventBusName: jetstream-eb
  dependencies:
  - {name: a, eventSourceName: requests, eventName: a}
  - {name: b, eventSourceName: requests, eventName: b}
  - {name: c, eventSourceName: requests, eventName: c}
  triggers:
  - template: {name: both, conditions: (a && b) || c, log: {}}
  - template: {name: one, conditions: a, log: {}}
  - template:
      name: call
      conditions: a
      http: {url: 'http://127.0.0.1:1/', method: GET}
";

/// A clock, and a sensor that prints what it says, each in two pods.
const CLOCK: &str = "
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: clock}
spec:
  eventBusName: jetstream-eb
  replicas: 2
  template: {serviceAccountName: ACCOUNT}
  calendar:
    tick: {interval: 2s, metadata: {baz: '1.0', foo: bar}}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: printer}
spec:
  eventBusName: jetstream-eb
  replicas: 2
  template: {serviceAccountName: ACCOUNT}
  dependencies:
  - name: fits
    eventSourceName: clock
    eventName: tick
    filters: {data: [{path: metadata.baz, type: string, value: ['1.0']}]}
  - name: differs
    eventSourceName: clock
    eventName: tick
    filters: {data: [{path: metadata.foo, type: string, value: [baz]}]}
  triggers:
  - template: {name: each, conditions: fits, log: {}}
  - template: {name: never, conditions: fits && differs, log: {}}
";

const REQUESTS_POD: &str = "controller=eventsource-controller,eventsource-name=requests";
const CLOCK_PODS: &str = "controller=eventsource-controller,eventsource-name=clock";
const PRINTER_PODS: &str = "controller=sensor-controller,sensor-name=printer";

fn sensor(name: &str) -> String {
    CONDITIONS.replace("NAME", name)
}

fn sensor_pods(name: &str) -> String {
    format!("controller=sensor-controller,sensor-name={name}")
}

/// The log lines of pods that are JSON.
async fn lines(story: &Story, pods: &str) -> Vec<Value> {
    let logs = story.logs(pods).await;
    logs.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

async fn count(story: &Story, pods: &str, message: &str) -> usize {
    let lines = lines(story, pods).await;
    lines.iter().filter(|line| line["msg"] == message).count()
}

/// Waits until pods have logged a message so often.
async fn logged(story: &Story, pods: &str, message: &str, times: usize) {
    eventually(&format!("{times} × {message:?} of {pods}"), || async {
        (count(story, pods, message).await >= times).then_some(())
    })
    .await;
}

fn success(trigger: &str) -> String {
    format!("Successfully processed trigger '{trigger}'")
}

async fn pod(story: &Story, pods: &str) -> String {
    let names = story.list("pods", pods, ".metadata.name").await;
    assert_eq!(names.len(), 1, "{names:?}");
    names[0].clone()
}

/// Posts to a port of the event source's pod, through the API server.
async fn post(story: &Story, port: u16, path: &str, body: &str) -> bool {
    let pod = pod(story, REQUESTS_POD).await;
    let namespace = story.namespace();
    let url = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}");
    story.post(&url, body).await
}

async fn metrics(story: &Story, pods: &str) -> String {
    let pod = pod(story, pods).await;
    let namespace = story.namespace();
    let url = format!("/api/v1/namespaces/{namespace}/pods/{pod}:7777/proxy/metrics");
    story.kubectl(["get", "--raw", &url]).await
}

async fn requests(story: &Story) {
    let manifests = [rbac(story), bus_of_one(story), REQUESTS.to_owned()];
    story.apply(&all(&manifests)).await;
    story
        .wait("condition=Ready", &[BUS_OBJECT, "eventsource/requests"])
        .await;
    logged(story, REQUESTS_POD, "Eventing server started.", 1).await;
}

/// Applies a sensor and waits until it listens.
async fn listens(story: &Story, name: &str) {
    story.apply(&sensor(name)).await;
    story
        .wait("condition=Ready", &[format!("sensor/{name}")])
        .await;
    logged(story, &sensor_pods(name), "Sensor started.", 1).await;
}

#[tokio::test]
async fn half_a_condition_survives_the_deletion_of_its_sensor() {
    let story = Cluster::open().story().await;
    requests(&story).await;
    listens(&story, "first").await;
    let first = sensor_pods("first");
    assert!(post(&story, 12000, "/a", "{}").await);
    logged(&story, REQUESTS_POD, "Succeeded to publish an event", 1).await;
    logged(&story, &first, &success("one"), 1).await;

    // A later sensor does not get what came before it: before the second in which it was created, which is all that
    // the API server writes down.
    pause(Duration::from_secs(2)).await;
    listens(&story, "later").await;
    story.kubectl(["delete", "sensor", "first"]).await;
    eventually("the end of its pods", || async {
        let pods = story.list("pods", &first, ".metadata.name").await;
        pods.is_empty().then_some(())
    })
    .await;
    listens(&story, "first").await;
    assert_eq!(count(&story, &first, "Sensor started.").await, 1);
    assert!(post(&story, 13000, "/b", "{}").await);
    logged(&story, &first, &success("both"), 1).await;
    // What led to a firing is used up, and something else fires as well.
    assert!(post(&story, 13000, "/b", "{}").await);
    assert!(post(&story, 13000, "/c", "{}").await);
    let later = sensor_pods("later");
    logged(&story, &later, &success("both"), 1).await;
    logged(&story, &first, &success("both"), 2).await;
    assert_eq!(count(&story, &first, &success("both")).await, 2);
    assert_eq!(count(&story, &first, &success("one")).await, 0);
    assert_eq!(count(&story, &later, &success("both")).await, 1);
    assert_eq!(
        count(&story, REQUESTS_POD, "Succeeded to publish an event").await,
        4
    );
}

#[tokio::test]
async fn failures_are_counted_and_logged_under_argo_events_names() {
    let story = Cluster::open().story().await;
    requests(&story).await;
    listens(&story, "first").await;
    assert!(post(&story, 12000, "/a", "{}").await);
    assert!(!post(&story, 12000, "/a", "no JSON").await);
    let pods = sensor_pods("first");
    logged(&story, &pods, &success("one"), 1).await;
    logged(&story, &pods, "Making a http request...", 1).await;
    logged(&story, &pods, "Failed to execute a trigger", 1).await;
    let source = metrics(&story, REQUESTS_POD).await;
    for name in [
        "argo_events_event_service_running_total",
        "argo_events_events_sent_total",
        "argo_events_events_processing_failed_total",
        "argo_events_event_processing_duration_milliseconds",
    ] {
        assert!(source.contains(name), "{name} is missing in\n{source}");
    }
    let sensor = metrics(&story, &pods).await;
    for name in [
        "argo_events_action_triggered_total",
        "argo_events_action_failed_total",
        "argo_events_action_duration_milliseconds",
    ] {
        assert!(sensor.contains(name), "{name} is missing in\n{sensor}");
    }
}

#[tokio::test]
async fn a_clock_of_two_pods_ticks_once_for_a_sensor_of_two_pods() {
    let story = Cluster::open().story().await;
    let account = format!("{}-sa", story.namespace());
    let clock = CLOCK.replace("ACCOUNT", &account);
    let manifests = [rbac(&story), bus_of_one(&story), clock];
    story.apply(&all(&manifests)).await;
    let objects = [BUS_OBJECT, "eventsource/clock", "sensor/printer"];
    story.wait("condition=Ready", &objects).await;
    for deployment in ["deployment/clock-eventsource", "deployment/printer-sensor"] {
        story.rolled_out(deployment).await;
    }
    logged(&story, PRINTER_PODS, &success("each"), 5).await;
    let ticks: Vec<String> = lines(&story, CLOCK_PODS)
        .await
        .iter()
        .filter(|line| line["msg"] == "Succeeded to publish an event")
        .filter_map(|line| line["eventID"].as_str().map(str::to_owned))
        .collect();
    let printed = lines(&story, PRINTER_PODS).await;
    let mut printed: Vec<&str> = printed
        .iter()
        .filter(|line| line["msg"] == success("each"))
        .filter_map(|line| line["triggeredByEvents"].as_str())
        .collect();
    printed.sort_unstable();
    let count = printed.len();
    printed.dedup();
    assert_eq!(printed.len(), count, "an event was handled twice");
    let mut different = ticks.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), ticks.len(), "{ticks:?}");
    // Each pod is a second tick where both would work.
    let workers = story.logs(CLOCK_PODS).await;
    assert_eq!(workers.matches("Eventing server started.").count(), 1);
    assert_eq!(
        self::count(&story, PRINTER_PODS, &success("never")).await,
        0
    );
}
