//! The pipeline of `examples/auto-ingress` in the namespace of a story: annotated services get ingresses.

use serde_json::{Value, json};
use tiphys_tests::{Cluster, Story, eventually};

const RBAC: &str = include_str!("../../../examples/auto-ingress/rbac.yaml");
const BUS: &str = include_str!("../../../examples/auto-ingress/eventbus.yaml");
const EVENT_SOURCE: &str = include_str!("../../../examples/auto-ingress/ingress-es.yaml");
const SENSOR: &str = include_str!("../../../examples/auto-ingress/ingress-sn.yaml");

/// The example's namespace, and the beginning of names in it.
const EXAMPLE: &str = "playground";

pub(crate) const BUS_OBJECT: &str = "eventbus/jetstream-eb";
pub(crate) const SOURCE_OBJECT: &str = "eventsource/ingress-es";
pub(crate) const SENSOR_OBJECT: &str = "sensor/ingress-sn";

/// Labels of the pods.
pub(crate) const SOURCE_PODS: &str = "eventsource-name=ingress-es";
pub(crate) const SENSOR_PODS: &str = "sensor-name=ingress-sn";

/// Where an ingress has what a service says.
pub(crate) const PORT: &str = ".spec.rules[0].http.paths[0].backend.service.port.number";

/// The example's service account and rights.
pub(crate) fn rbac(story: &Story) -> String {
    own(story, RBAC)
}

/// The example's bus, of three servers.
pub(crate) fn bus_of_three(story: &Story) -> String {
    own(story, BUS)
}

/// The example's bus with one server, which is there sooner.
pub(crate) fn bus_of_one(story: &Story) -> String {
    let bus = bus_of_three(story);
    bus.replace("replicas: 3", "replicas: 1")
        .replace("replicas: 2", "replicas: 1")
}

pub(crate) fn event_source(story: &Story) -> String {
    own(story, EVENT_SOURCE)
}

pub(crate) fn sensor(story: &Story) -> String {
    own(story, SENSOR)
}

/// Manifests of the example or like it, for the namespace of the story, which exists already.
pub(crate) fn own(story: &Story, manifests: &str) -> String {
    let documents = manifests.split("\n---\n");
    let documents = documents.filter(|document| !document.contains("kind: Namespace\n"));
    let manifests = documents.collect::<Vec<_>>().join("\n---\n");
    manifests.replace(EXAMPLE, story.namespace())
}

/// Several manifests as one.
pub(crate) fn all(manifests: &[String]) -> String {
    manifests.join("\n---\n")
}

/// A namespace with the pipeline, up to the first service, on a bus of one server.
pub(crate) async fn ready() -> Story {
    let story = Cluster::open().story().await;
    start(&story, bus_of_one(&story)).await;
    story
}

/// Applies the pipeline in one go, and waits until it is ready.
pub(crate) async fn start(story: &Story, bus: String) {
    let manifests = [rbac(story), bus, event_source(story), sensor(story)];
    story.apply(&all(&manifests)).await;
    are_ready(story).await;
}

pub(crate) async fn are_ready(story: &Story) {
    let objects = [BUS_OBJECT, SOURCE_OBJECT, SENSOR_OBJECT];
    story.wait("condition=Ready", &objects).await;
}

/// Services that ask for ingresses, as a manifest.
pub(crate) fn services<S: AsRef<str>>(names: &[S], port: u16) -> String {
    let services: Vec<Value> = names
        .iter()
        .map(|name| {
            let name = name.as_ref();
            json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {
                    "name": name,
                    "annotations": {"autodeploy-ingress-host": format!("{name}.example.com")},
                },
                "spec": {"clusterIP": "None", "ports": [{"port": port}]},
            })
        })
        .collect();
    json!({"apiVersion": "v1", "kind": "List", "items": services}).to_string()
}

/// `count` names of services.
pub(crate) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}-{n}")).collect()
}

/// Waits until each service has its ingress.
pub(crate) async fn are_served<S: AsRef<str>>(story: &Story, names: &[S]) {
    let names = names.iter();
    let wanted: Vec<String> = names.map(|name| format!("{}-ing", name.as_ref())).collect();
    eventually("the ingress of each service", || async {
        let there = story.list("ingresses", "", ".metadata.name").await;
        wanted.iter().all(|name| there.contains(name)).then_some(())
    })
    .await;
}

/// Applies services and waits until each has its ingress.
pub(crate) async fn serve<S: AsRef<str>>(story: &Story, names: &[S]) {
    story.apply(&services(names, 80)).await;
    are_served(story, names).await;
}

/// What tells one run of pods from another: the uid and the restarts of each.
pub(crate) async fn lives(story: &Story, selector: &str) -> Vec<String> {
    let uids = story.list("pods", selector, ".metadata.uid").await;
    let restarts = ".status.containerStatuses[0].restartCount";
    let restarts = story.list("pods", selector, restarts).await;
    let pairs = uids.into_iter().zip(restarts);
    pairs.map(|(uid, count)| format!("{uid} {count}")).collect()
}
