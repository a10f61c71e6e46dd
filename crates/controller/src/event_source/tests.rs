//! What is made of an event source, word by word.

use serde_json::{Value, json};
use tiphys_api::{BusConfig, EventSource};

use crate::settings::Worker;
use crate::workload::{Desired, desired};

fn worker() -> Worker {
    Worker {
        image: "tiphys:1".to_owned(),
        image_pull_policy: "IfNotPresent".to_owned(),
        log_level: None,
        resources: serde_json::from_str(r#"{"limits": {"memory": "500Mi"}}"#).unwrap(),
    }
}

#[track_caller]
fn made(object: &Value, bus: &Value) -> Desired {
    let object: EventSource = serde_json::from_str(&object.to_string()).unwrap();
    let bus: BusConfig = serde_json::from_str(&bus.to_string()).unwrap();
    desired(&object, &bus, &worker()).unwrap()
}

fn source(spec: &Value) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "EventSource",
        "metadata": {
            "name": "ingress-es", "namespace": "playground", "uid": "u1", "generation": 3,
            "labels": {"team": "harbour"},
            "annotations": {"note": "kept", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
            "managedFields": [{"manager": "kubectl"}]
        },
        "spec": spec,
        "status": {"conditions": []}
    })
}

fn metadata(name: &str) -> Value {
    json!({
        "name": name,
        "namespace": "playground",
        "labels": {
            "controller": "eventsource-controller", "eventsource-name": "ingress-es",
            "owner-name": "ingress-es", "team": "harbour"
        },
        "ownerReferences": [{
            "apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource", "name": "ingress-es",
            "uid": "u1", "controller": true
        }]
    })
}

#[test]
fn a_plain_event_source_is_a_deployment_and_a_config_map() {
    let made = made(
        &source(&json!({"resource": {"ingress": {"version": "v1", "resource": "services"}}})),
        &json!({"jetstream": {"url": "nats://bus:4222",
            "accessSecret": {"name": "eventbus-default-js-client-auth", "key": "client-auth"}}}),
    );
    let selector = json!({
        "controller": "eventsource-controller", "eventsource-name": "ingress-es",
        "owner-name": "ingress-es"
    });
    let probe = |path: &str, seconds: i32, failures: i32| {
        json!({"httpGet": {"path": path, "port": "metrics"}, "periodSeconds": seconds,
            "timeoutSeconds": 5, "failureThreshold": failures})
    };
    assert_eq!(
        json!(made.deployment),
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata("ingress-es-eventsource"),
            "spec": {
                "replicas": 1,
                "strategy": {"type": "RollingUpdate"},
                "selector": {"matchLabels": selector},
                "template": {
                    "metadata": {"labels": selector},
                    "spec": {
                        "containers": [{
                            "name": "main",
                            "image": "tiphys:1",
                            "imagePullPolicy": "IfNotPresent",
                            "args": ["eventsource"],
                            "ports": [{"name": "metrics", "containerPort": 7777, "protocol": "TCP"}],
                            "env": [
                                {"name": "POD_NAME", "valueFrom": {"fieldRef":
                                    {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
                                {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef":
                                    {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}},
                                {"name": "TIPHYS_SPEC", "value": "/etc/tiphys"},
                                {"name": "TIPHYS_BUS_AUTH", "value": "/etc/eventbus/auth"},
                                {"name": "TIPHYS_VALUES", "value": "/argo-events"},
                                {"name": "TIPHYS_ADMIN", "value": "[::]:7777"},
                                {"name": "TIPHYS_REPORT_KEY",
                                    "value": "015cd50d39ebf34bf371aea9d66cab00"}
                            ],
                            "resources": {"limits": {"memory": "500Mi"}},
                            "livenessProbe": probe("/healthz", 5, 6),
                            "readinessProbe": probe("/readyz", 2, 1),
                            "securityContext": {
                                "runAsNonRoot": true,
                                "readOnlyRootFilesystem": true,
                                "allowPrivilegeEscalation": false,
                                "capabilities": {"drop": ["ALL"]},
                                "seccompProfile": {"type": "RuntimeDefault"}
                            },
                            "volumeMounts": [
                                {"name": "spec", "mountPath": "/etc/tiphys", "readOnly": true},
                                {"name": "auth-volume", "mountPath": "/etc/eventbus/auth",
                                    "readOnly": true},
                                {"name": "tmp", "mountPath": "/tmp"}
                            ]
                        }],
                        "volumes": [
                            {"name": "spec", "configMap": {"name": "ingress-es-eventsource-spec"}},
                            {"name": "auth-volume", "secret": {
                                "secretName": "eventbus-default-js-client-auth",
                                "items": [{"key": "client-auth", "path": "auth.yaml"}]}},
                            {"name": "tmp", "emptyDir": {}}
                        ]
                    }
                }
            }
        })
    );
    let config_map = json!(made.config_map);
    assert_eq!(
        config_map["metadata"],
        metadata("ingress-es-eventsource-spec")
    );
    assert_eq!(
        config_map["data"]["eventbus.json"],
        "{\"jetstream\":{\"url\":\"nats://bus:4222\",\"accessSecret\":{\
         \"name\":\"eventbus-default-js-client-auth\",\"key\":\"client-auth\"}}}"
    );
    let object: Value =
        serde_json::from_str(config_map["data"]["object.json"].as_str().unwrap()).unwrap();
    assert_eq!(
        object,
        json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "EventSource",
            "metadata": {"name": "ingress-es", "namespace": "playground", "uid": "u1",
                "generation": 3, "labels": {"team": "harbour"}, "annotations": {"note": "kept"}},
            "spec": {"resource": {"ingress": {"version": "v1", "resource": "services"}}}
        })
    );
    assert!(made.service.is_none() && made.disruption_budget.is_none());
}

#[test]
fn a_called_source_with_replicas_has_a_service_and_a_budget() {
    let made = made(
        &source(&json!({
            "replicas": 3,
            "service": {
                "ports": [{"port": 12000, "targetPort": 12000}],
                "clusterIP": "None",
                "metadata": {"labels": {"team": "loses", "tier": "edge"}, "annotations": {"a": "b"}}
            },
            "webhook": {
                "hook": {"port": "12000", "endpoint": "/x", "method": "POST"},
                "same": {"port": "12000", "endpoint": "/y"},
                "other": {"port": "9000", "endpoint": "/x"}
            }
        })),
        &json!({"jetstream": {"url": "nats://bus:4222"}}),
    );
    let mut service_metadata = metadata("ingress-es-eventsource-svc");
    service_metadata["labels"]["tier"] = json!("edge");
    service_metadata["annotations"] = json!({"a": "b"});
    let selector = json!({
        "controller": "eventsource-controller", "eventsource-name": "ingress-es",
        "owner-name": "ingress-es"
    });
    assert_eq!(
        json!(made.service),
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": service_metadata,
            "spec": {"type": "ClusterIP", "clusterIP": "None", "selector": selector,
                "ports": [{"port": 12000, "targetPort": 12000}]}
        })
    );
    assert_eq!(
        json!(made.disruption_budget),
        json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata("ingress-es-eventsource"),
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector}}
        })
    );
    let deployment = made.deployment.spec.unwrap();
    assert_eq!(deployment.replicas, Some(3));
    let pod = deployment.template.spec.unwrap();
    // It asks nothing of the API server: neither a watch nor a lease.
    assert_eq!(pod.automount_service_account_token, Some(false));
    let containers = pod.containers;
    assert_eq!(
        json!(containers[0].ports),
        json!([
            {"name": "metrics", "containerPort": 7777, "protocol": "TCP"},
            {"containerPort": 9000, "protocol": "TCP"},
            {"containerPort": 12000, "protocol": "TCP"}
        ])
    );
    // Whoever is routed to a pod finds it listening, and connected to the bus.
    assert_eq!(
        json!(containers[0].readiness_probe),
        json!({"httpGet": {"path": "/readyz", "port": "metrics"}, "periodSeconds": 2,
            "timeoutSeconds": 5, "failureThreshold": 1})
    );
}

#[test]
fn an_event_source_that_takes_turns_has_a_token_for_its_lease() {
    let made = made(
        &source(&json!({"calendar": {"hourly": {"interval": "1h"}}})),
        &json!({"jetstream": {"url": "nats://bus:4222"}}),
    );
    let pod = made.deployment.spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.automount_service_account_token, None);
}
