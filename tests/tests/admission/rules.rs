//! The CRDs' own rules: every example passes, and what could never work is refused in plain words.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cluster::Cluster;
use crate::repository;

/// Kind, spec, and what is said of it; nothing if it is taken.
const SPECS: [(&str, &str, &[&str]); 18] = [
    (
        "EventBus",
        "{}",
        &[
            "spec: Invalid value: either nats, jetstream, jetstreamExotic or kafka needs to be specified",
        ],
    ),
    (
        "EventBus",
        "{jetstream: {replicas: 2}}",
        &[
            "spec.jetstream.version: Required value: a version for jetstream needs to be specified",
            "spec.jetstream.replicas: Invalid value: 2: a jetstream eventbus requires 1 replica or >= 3 replicas",
        ],
    ),
    (
        "EventBus",
        "{jetstream: {version: latest, replicas: null}, nats: null}",
        &[],
    ),
    (
        "EventBus",
        "{nats: {}}",
        &["spec.nats: Invalid value: either native or exotic must be defined"],
    ),
    (
        "EventBus",
        "{nats: {native: {}, exotic: {}}}",
        &[
            "spec.nats: Invalid value: native and exotic can not be defined together",
            "spec.nats.exotic.clusterID: Required value: clusterID is missing",
            "spec.nats.exotic.url: Required value: url is missing",
        ],
    ),
    (
        "EventBus",
        "{kafka: {}}",
        &["spec.kafka.url: Required value: url is missing"],
    ),
    (
        "EventBus",
        "{jetstreamExotic: {url: ''}}",
        &["spec.jetstreamExotic.url: Required value: url is missing"],
    ),
    (
        "EventSource",
        "{}",
        &["spec: Invalid value: no event source is configured, so there is nothing to run"],
    ),
    (
        "EventSource",
        "{resource: {a: {}}}",
        &[
            "spec.resource[a].version: Required value: version must be specified",
            "spec.resource[a].resource: Required value: resource must be specified",
            "spec.resource[a].eventTypes: Required value: event types must be specified",
        ],
    ),
    (
        "EventSource",
        "{calendar: {a: {timezone: UTC}}}",
        &["spec.calendar[a]: Invalid value: must have either schedule or interval"],
    ),
    (
        "EventSource",
        "{webhook: {a: {}}}",
        &[
            "spec.webhook[a].endpoint: Required value: endpoint can't be empty",
            "spec.webhook[a].port: Required value: port can't be empty",
        ],
    ),
    (
        "Sensor",
        "{}",
        &[
            "spec.dependencies: Required value: no event dependencies found",
            "spec.triggers: Required value: no triggers found",
        ],
    ),
    (
        "Sensor",
        "{dependencies: [{}], triggers: [{}]}",
        &[
            "spec.dependencies[0].name: Required value: event dependency must define a name",
            "spec.dependencies[0].eventSourceName: Required value: event dependency must define the EventSourceName",
            "spec.dependencies[0].eventName: Required value: event dependency must define the EventName",
            "spec.triggers[0].template: Required value: trigger template can't be nil",
        ],
    ),
    (
        "Sensor",
        "{dependencies: [{name: a, eventSourceName: b, eventName: c, filtersLogicalOperator: xor, \
         filters: {dataLogicalOperator: nor, exprLogicalOperator: nand}}], triggers: [{template: {name: t}}]}",
        &[
            "spec.dependencies[0].filtersLogicalOperator: Invalid value: \"xor\": logical operator not supported: one of and, or",
            "spec.dependencies[0].filters.dataLogicalOperator: Invalid value: \"nor\": logical operator not supported: one of and, or",
            "spec.dependencies[0].filters.exprLogicalOperator: Invalid value: \"nand\": logical operator not supported: one of and, or",
        ],
    ),
    (
        "Sensor",
        "{dependencies: [{name: a, eventSourceName: b, eventName: c, filters: {data: [{}]}}], \
         triggers: [{template: {name: t}}]}",
        &[
            "spec.dependencies[0].filters.data[0].path: Required value: a data filter needs a path",
            "spec.dependencies[0].filters.data[0].type: Required value: a data filter needs a type",
            "spec.dependencies[0].filters.data[0].value: Required value: a data filter needs values",
        ],
    ),
    (
        "Sensor",
        "{dependencies: [{name: a, eventSourceName: b, eventName: c}], \
         triggers: [{template: {log: {}}, dlqTrigger: {}}]}",
        &[
            "spec.triggers[0].template.name: Required value: trigger must define a name",
            "spec.triggers[0]: Invalid value: to use dlqTrigger, trigger.atLeastOnce must be set to true",
        ],
    ),
    // What Argo Events reads as left out is left out.
    (
        "Sensor",
        "{dependencies: [{name: a, eventSourceName: b, eventName: c, filtersLogicalOperator: null, \
         filters: {data: null, dataLogicalOperator: ''}}], triggers: [{template: {name: t, log: null}}]}",
        &[],
    ),
    // A template parameter may write the operation.
    (
        "Sensor",
        "{dependencies: [{name: a, eventSourceName: b, eventName: c}], \
         triggers: [{template: {name: t, k8s: {operation: '', source: {resource: {}}}}}]}",
        &[],
    ),
];

fn manifests_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("expected") {
            manifests_below(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            found.push(path);
        }
    }
}

#[tokio::test]
async fn what_could_never_work_is_refused_in_plain_words() {
    let cluster = Cluster::installed().await;
    for (kind, spec, expected) in SPECS {
        let manifest = format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: {kind}\nmetadata: {{name: x, namespace: playground}}\nspec: {spec}\n"
        );
        let said = cluster.kubectl_with(["create", "--dry-run=server", "-f", "-"], &manifest);
        assert_eq!(said.succeeded, expected.is_empty(), "{spec}: {}", said.text);
        for line in expected {
            assert!(
                said.text.contains(line),
                "{spec}: no {line} in {}",
                said.text
            );
        }
    }
}

#[tokio::test]
async fn every_example_and_the_mission_are_taken() {
    let cluster = Cluster::installed().await;
    let mut files = Vec::new();
    manifests_below(&repository("examples"), &mut files);
    let mission = std::env::var_os("TIPHYS_MISSION").map_or_else(
        || repository("../shared/mission/auto-ingress"),
        PathBuf::from,
    );
    if mission.is_dir() {
        manifests_below(&mission, &mut files);
    } else {
        eprintln!("no mission at {}: set TIPHYS_MISSION", mission.display());
    }
    assert!(files.len() >= 15, "{files:?}");
    // Namespaces first.
    files.sort_by_key(|file| !file.ends_with("rbac.yaml"));
    for file in files {
        let said = cluster.kubectl([
            "apply",
            "--server-side",
            "--force-conflicts",
            "-f",
            file.to_str().unwrap(),
        ]);
        assert!(said.succeeded, "{}: {}", file.display(), said.text);
    }
}

/// The API server gives up where the rules of one object cost too much.
#[tokio::test]
async fn an_object_of_a_megabyte_is_within_the_rules_budget() {
    let cluster = Cluster::installed().await;
    let dependencies: Vec<String> = (0..5_000)
        .map(|at| format!(r#"{{"name":"dependency-{at:05}","eventSourceName":"es","eventName":"event-{at:05}","filters":{{"data":[{{"path":"a","type":"string","value":["b"]}}]}}}}"#))
        .collect();
    let triggers: Vec<String> = (0..5_000)
        .map(|at| format!(r#"{{"template":{{"name":"trigger-{at:05}","log":{{}}}}}}"#))
        .collect();
    let sensor = |triggers: &str| {
        format!(
            r#"{{"apiVersion":"argoproj.io/v1alpha1","kind":"Sensor","metadata":{{"name":"large"}},"spec":{{"dependencies":[{}],"triggers":[{triggers}]}}}}"#,
            dependencies.join(",")
        )
    };
    let create = ["-n", "playground", "create", "-f", "-"];
    let large = sensor(&triggers.join(","));
    assert!(large.len() > 900_000, "{}", large.len());
    let said = cluster.kubectl_with(create, &large);
    assert!(said.succeeded, "{}", said.text);
    let said = cluster.kubectl_with(create, &sensor(&format!("{},{{}}", triggers.join(","))));
    let expected = "spec.triggers[5000].template: Required value: trigger template can't be nil";
    assert!(said.text.contains(expected), "{}", said.text);
}
