//! The manifests of `deploy/`: `kubectl` reads them, the API server takes them, and they ask for no
//! right that is not needed.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cluster::{Cluster, kubectl_alone};
use crate::repository;
use tiphys_tests::eventually;

const FOLDERS: [&str; 3] = ["deploy/default", "deploy/namespaced", "deploy/kind"];

/// The objects of a folder.
fn objects(folder: &str) -> Vec<Value> {
    let said = kubectl_alone(["kustomize", repository(folder).to_str().unwrap()]);
    assert!(said.succeeded, "{}", said.text);
    let mut objects = Vec::new();
    for document in said.text.split("\n---\n") {
        let json = tiphys_lang::yaml::to_json(document.as_bytes()).unwrap();
        objects.push(serde_json::from_slice(&json).unwrap());
    }
    objects
}

fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Each right as `group/resource verb`.
fn rights(object: &Value) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    for rule in object["rules"].as_array().into_iter().flatten() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    rights.insert(format!("{group}/{resource} {verb}"));
                }
            }
        }
    }
    rights
}

#[test]
fn no_role_has_a_wildcard_or_may_read_all_secrets_or_enter_pods() {
    for folder in FOLDERS {
        for object in objects(folder) {
            let name = &object["metadata"]["name"];
            for right in rights(&object) {
                assert!(!right.contains('*'), "{folder} {name}: {right}");
                let refused = [
                    "/secrets list",
                    "/secrets watch",
                    "/secrets deletecollection",
                    "/pods/exec",
                    "/pods create",
                    "/endpoints",
                    "/serviceaccounts/token",
                ];
                let is_refused = refused.iter().any(|refused| right.starts_with(refused));
                assert!(!is_refused, "{folder} {name}: {right}");
            }
        }
    }
}

#[test]
fn the_namespaced_install_gives_the_controller_the_same_rights_in_one_namespace() {
    let of = |folder: &str, kind: &str| {
        let objects = objects(folder);
        let role = objects.iter().find(|object| {
            object["kind"] == kind && object["metadata"]["name"] == "argo-events-role"
        });
        rights(role.unwrap())
    };
    let cluster_wide = of("deploy/default", "ClusterRole");
    assert_eq!(of("deploy/namespaced", "Role"), cluster_wide);
    assert!(cluster_wide.contains("apps/statefulsets patch"));
    // Nothing but the aggregated roles is left that counts for the whole cluster.
    let names: Vec<String> = objects("deploy/namespaced")
        .iter()
        .filter(|object| object["kind"].as_str().unwrap().starts_with("ClusterRole"))
        .map(|object| object["metadata"]["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "argo-events-aggregate-to-admin",
            "argo-events-aggregate-to-edit",
            "argo-events-aggregate-to-view"
        ]
    );
}

#[test]
fn names_are_those_of_argo_events() {
    let names: BTreeSet<String> = objects("deploy/default")
        .iter()
        .map(|object| {
            let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
            let metadata = &object["metadata"];
            let (kind, name) = (text(&object["kind"]), text(&metadata["name"]));
            format!("{kind} {}/{name}", text(&metadata["namespace"]))
        })
        .collect();
    for name in [
        "Namespace -/argo-events",
        "ServiceAccount argo-events/argo-events-sa",
        "Deployment argo-events/controller-manager",
        "ConfigMap argo-events/argo-events-controller-config",
        "Deployment argo-events/events-webhook",
        "Service argo-events/events-webhook",
        "ClusterRole -/argo-events-role",
        "ClusterRoleBinding -/argo-events-binding",
        "ClusterRole -/argo-events-webhook",
        "CustomResourceDefinition -/eventbus.argoproj.io",
    ] {
        assert!(names.contains(name), "{name} is not among {names:?}");
    }
}

#[test]
fn the_image_is_the_version_of_the_workspace_everywhere() {
    let image = concat!("tiphys:", env!("CARGO_PKG_VERSION"));
    for folder in FOLDERS {
        let mut found = 0;
        for object in objects(folder) {
            let containers = &object["spec"]["template"]["spec"]["containers"];
            for container in containers.as_array().into_iter().flatten() {
                assert_eq!(container["image"], image, "{folder}");
                assert_eq!(container["imagePullPolicy"], "IfNotPresent", "{folder}");
                let environment = container["env"].as_array().into_iter().flatten();
                found += environment
                    .filter(|variable| variable["name"] == "TIPHYS_IMAGE")
                    .filter(|variable| variable["value"] == image)
                    .count();
            }
        }
        assert_eq!(found, 1, "{folder}: the controller has to know its image");
    }
}

/// What it may not do, the API server says, and its log repeats.
#[tokio::test]
async fn the_controller_has_the_rights_that_it_needs() {
    let cluster = Cluster::installed().await;
    let controller = cluster.controller().await;
    let example = repository("examples/auto-ingress");
    let example = example.to_str().unwrap();
    let said = cluster.kubectl(["apply", "-f", example]);
    assert!(said.succeeded, "{}", said.text);
    let made = async |what: &str| {
        eventually(what, || async {
            let said = cluster.kubectl(["-n", "playground", "get", what]);
            said.succeeded.then_some(())
        })
        .await;
    };
    let servers = "statefulset/eventbus-jetstream-eb-js";
    made(servers).await;
    made("poddisruptionbudget/eventbus-jetstream-eb-js").await;
    made("secret/eventbus-jetstream-eb-js-client-auth").await;
    // Pods are made when their bus serves, and no node runs it here.
    let ready = r#"{"status": {"replicas": 3, "readyReplicas": 3}}"#;
    let patch = ["--subresource=status", "--type=merge", "-p", ready];
    let said = cluster.kubectl([&["-n", "playground", "patch", servers][..], &patch].concat());
    assert!(said.succeeded, "{}", said.text);
    made("deployment/ingress-es-eventsource").await;
    made("deployment/ingress-sn-sensor").await;
    let said = cluster.kubectl(["-n", "playground", "delete", "--wait=false", "-f", example]);
    assert!(said.succeeded, "{}", said.text);
    eventually("the bus' going", || async {
        let said = cluster.kubectl(["-n", "playground", "get", "eventbus", "jetstream-eb"]);
        (!said.succeeded).then_some(())
    })
    .await;
    let log = controller.log();
    let forbidden: Vec<&str> = log
        .lines()
        .filter(|line| line.to_lowercase().contains("forbidden"))
        .collect();
    assert_eq!(forbidden, Vec::<&str>::new());
}

#[tokio::test]
async fn a_fresh_cluster_takes_everything_at_once() {
    let cluster = Cluster::installed().await;
    // Pods as they are defined are as confined as Kubernetes can ask for: the namespace asks to be warned.
    let namespace = cluster.kubectl(["get", "namespace", "argo-events", "-o", "yaml"]);
    let label = "pod-security.kubernetes.io/warn: restricted";
    assert!(namespace.text.contains(label), "{}", namespace.text);
    let said = cluster.kubectl(["delete", "deployment", "--all", "-n", "argo-events"]);
    assert!(said.succeeded, "{}", said.text);
    for folder in FOLDERS {
        let folder = repository(folder);
        let said = cluster.kubectl(["apply", "-k", folder.to_str().unwrap()]);
        assert!(said.succeeded, "{}", said.text);
        assert!(!said.text.contains("Warning"), "{}", said.text);
        assert!(said.text.contains("controller-manager"), "{}", said.text);
    }
    for (folder, policy) in [
        (
            "deploy/network-policies/installation",
            "argo-events-controller",
        ),
        ("deploy/network-policies/namespace", "argo-events-buses"),
    ] {
        let folder = repository(folder);
        let said = cluster.kubectl(["apply", "-k", folder.to_str().unwrap()]);
        assert!(said.succeeded, "{}", said.text);
        assert!(said.text.contains(policy), "{}", said.text);
    }
}

#[test]
fn no_container_may_take_all_memory_of_its_node() {
    for folder in FOLDERS {
        for object in objects(folder) {
            let containers = &object["spec"]["template"]["spec"]["containers"];
            for container in containers.as_array().into_iter().flatten() {
                let limits = &container["resources"]["limits"];
                assert_eq!(limits, &serde_json::json!({"memory": "512Mi"}), "{folder}");
            }
        }
    }
}
