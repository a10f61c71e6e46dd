use serde_json::{Value, json};
use tiphys_api::JetStreamBus;

use super::{Objects, Plan};
use crate::event_bus::names::Names;
use crate::settings::Versions;

fn objects(spec: &Value) -> Objects {
    let resources = json!({"requests": {"memory": "100Mi"}, "limits": {"memory": "1000Mi"}});
    let spec: JetStreamBus = serde_json::from_value(spec.clone()).unwrap();
    let labels = [("team", "blue"), ("controller", "mine")];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let version = Versions {
        nats_image: "nats:2.12.8".to_owned(),
        start_command: "/nats-server".to_owned(),
        ..Versions::default()
    };
    Plan {
        names: &Names::of("eb", "ns"),
        bus: "eb",
        labels: Some(&labels.into()),
        owner: serde_json::from_value(json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "EventBus", "name": "eb", "uid": "u",
            "controller": true, "blockOwnerDeletion": true,
        }))
        .unwrap(),
        spec: &spec,
        version: &version,
        default_settings: "max_memory_store: -1\nmax_file_store: 1TB\n",
        resources: &serde_json::from_value(resources).unwrap(),
        secrets_hash: "s",
    }
    .objects()
}

fn labels() -> Value {
    json!({"controller": "eventbus-controller", "eventbus-name": "eb", "owner-name": "eb"})
}

fn metadata(name: &str) -> Value {
    json!({
        "name": name,
        "namespace": "ns",
        "labels": labels(),
        "ownerReferences": [{
            "apiVersion": "argoproj.io/v1alpha1", "kind": "EventBus", "name": "eb", "uid": "u",
            "controller": true, "blockOwnerDeletion": true,
        }],
    })
}

fn written(object: &impl serde::Serialize) -> Value {
    serde_json::to_value(object).unwrap()
}

#[test]
fn a_bus_has_a_headless_service_and_a_disruption_budget() {
    let objects = objects(&json!({"version": "latest"}));
    assert_eq!(
        written(&objects.service),
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": metadata("eventbus-eb-js-svc"),
            "spec": {
                "clusterIP": "None", "type": "ClusterIP", "publishNotReadyAddresses": true,
                "selector": labels(),
                "ports": [
                    {"name": "tcp-client", "port": 4222},
                    {"name": "cluster", "port": 6222},
                    {"name": "metrics", "port": 7777},
                    {"name": "monitor", "port": 8222},
                ],
            },
        })
    );
    assert_eq!(
        written(&objects.disruption_budget),
        json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": metadata("eventbus-eb-js"),
            "spec": {
                "maxUnavailable": 1,
                "selector": {"matchLabels": labels()},
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
            },
        })
    );
}

#[test]
fn a_bus_has_servers() {
    let objects = objects(&json!({"version": "latest"}));
    let config = objects.config_map.data.clone().unwrap();
    assert!(config["nats-js"].contains("cluster {"));
    let mut stateful_set = written(&objects.stateful_set);
    let annotations = stateful_set
        .pointer_mut("/spec/template/metadata/annotations")
        .unwrap()
        .take();
    let hash = annotations["events.argoproj.io/bus-config-hash"].as_str();
    assert_eq!(hash.unwrap().len(), 32);
    let mut expected = metadata("eventbus-eb-js");
    expected["labels"]["team"] = json!("blue");
    assert_eq!(stateful_set["metadata"], expected);
    assert_eq!(
        stateful_set["spec"],
        json!({
            "podManagementPolicy": "Parallel",
            "replicas": 3,
            "selector": {"matchLabels": labels()},
            "serviceName": "eventbus-eb-js-svc",
            "template": {
                "metadata": {"labels": labels(), "annotations": null},
                "spec": {
                    "automountServiceAccountToken": false,
                    "securityContext": {
                        "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532,
                        "fsGroup": 65532,
                    },
                    "terminationGracePeriodSeconds": 60,
                    "initContainers": [announcer()],
                    "containers": [container("js-data")],
                    "volumes": [
                        {"name": "pid", "emptyDir": {}},
                        config_volume(),
                        {"name": "js-data", "emptyDir": {}},
                    ],
                },
            },
        })
    );
}

fn announcer() -> Value {
    json!({
        "name": "announce",
        "image": "nats:2.12.8",
        "command": ["/nats-server", "--version"],
        "resources": {"requests": {"memory": "100Mi"}, "limits": {"memory": "1000Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    })
}

fn container(data: &str) -> Value {
    json!({
        "name": "main",
        "image": "nats:2.12.8",
        "command": ["/nats-server", "--config", "/etc/nats-config/nats-js.conf"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "SERVER_NAME", "value": "$(POD_NAME)"},
            {"name": "POD_NAMESPACE",
             "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "CLUSTER_ADVERTISE",
             "value": "$(POD_NAME).eventbus-eb-js-svc.$(POD_NAMESPACE).svc"},
            {"name": "JS_KEY", "valueFrom": {"secretKeyRef":
                {"name": "eventbus-eb-js-server", "key": "encryption"}}},
            {"name": "GOMEMLIMIT", "value": "943718400"},
        ],
        "ports": [
            {"name": "client", "containerPort": 4222},
            {"name": "cluster", "containerPort": 6222},
            {"name": "monitor", "containerPort": 8222},
        ],
        "resources": {"requests": {"memory": "100Mi"}, "limits": {"memory": "1000Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": data, "mountPath": "/data/jetstream"},
            {"name": "pid", "mountPath": "/var/run/nats"},
            {"name": "config-volume", "mountPath": "/etc/nats-config"},
        ],
        "lifecycle": {"preStop": {"exec":
            {"command": ["/nats-server", "-sl=ldm=/var/run/nats/nats.pid"]}}},
        "startupProbe": {"httpGet": {"path": "/healthz", "port": 8222}, "initialDelaySeconds": 5,
            "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 3600},
        "livenessProbe": {"httpGet": {"path": "/", "port": 8222},
            "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8222},
            "periodSeconds": 2, "timeoutSeconds": 5, "failureThreshold": 3},
    })
}

fn config_volume() -> Value {
    json!({"name": "config-volume", "projected": {"sources": [
        {"configMap": {
            "name": "eventbus-eb-js-config",
            "items": [{"key": "nats-js", "path": "nats-js.conf"}],
        }},
        {"secret": {
            "name": "eventbus-eb-js-server",
            "items": [
                {"key": "auth", "path": "auth.conf"},
                {"key": "private-key", "path": "server-key.pem"},
                {"key": "cert", "path": "server-cert.pem"},
                {"key": "ca-cert", "path": "ca-cert.pem"},
                {"key": "cluster-private-key", "path": "cluster-server-key.pem"},
                {"key": "cluster-cert", "path": "cluster-server-cert.pem"},
                {"key": "cluster-ca-cert", "path": "cluster-ca-cert.pem"},
            ],
        }},
    ]}})
}

#[test]
fn everything_that_a_user_wants_is_honoured() {
    let pod = json!({
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "bus", "operator": "Exists"}],
        "securityContext": {"runAsUser": 1000, "fsGroup": 1000},
        "imagePullSecrets": [{"name": "registry"}],
        "priorityClassName": "high",
        "priority": 7,
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            [{"topologyKey": "kubernetes.io/hostname"}]}},
        "serviceAccountName": "bus-sa",
    });
    let mut spec = pod.clone();
    let bus = json!({
        "version": "latest",
        "replicas": 1,
        "containerTemplate": {
            "resources": {"limits": {"memory": "1Gi"}},
            "imagePullPolicy": "Always",
            "securityContext": {"runAsNonRoot": true},
        },
        "persistence": {
            "storageClassName": "fast", "accessMode": "ReadWriteOncePod", "volumeSize": "5Gi",
        },
        "metadata": {"labels": {"app": "bus", "owner-name": "x"}, "annotations": {"a": "b"}},
        "settings": "max_file_store: 5GB",
        "startArgs": ["-DV"],
        "maxPayload": "8MB",
    });
    spec.as_object_mut()
        .unwrap()
        .extend(bus.as_object().unwrap().clone());
    let objects = objects(&spec);
    assert_eq!(objects.disruption_budget, None);
    let config = &objects.config_map.data.as_ref().unwrap()["nats-js"];
    for line in ["max_payload: 8MB\n", "  max_file_store: 5GB\n"] {
        assert!(config.contains(line), "{config}");
    }
    assert!(
        !config.contains("cluster {") && !config.contains("1TB"),
        "{config}"
    );

    let spec = &written(&objects.stateful_set)["spec"];
    let template = &spec["template"];
    let metadata = &template["metadata"];
    assert_eq!(metadata["labels"]["app"], "bus");
    assert_eq!(metadata["labels"]["owner-name"], "eb");
    assert_eq!(metadata["annotations"]["a"], "b");
    for (field, value) in pod.as_object().unwrap() {
        assert_eq!(template["spec"][field], *value, "{field}");
    }
    assert_eq!(template["spec"]["initContainers"], Value::Null);
    let container = &template["spec"]["containers"][0];
    assert_eq!(container["args"], json!(["-DV"]));
    assert_eq!(container["resources"], json!({"limits": {"memory": "1Gi"}}));
    assert_eq!(container["imagePullPolicy"], "Always");
    assert_eq!(container["securityContext"], json!({"runAsNonRoot": true}));
    assert_eq!(container["volumeMounts"][0]["name"], "eventbus-eb-js-vol");
    assert_eq!(
        spec["volumeClaimTemplates"],
        json!([{
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "eventbus-eb-js-vol"},
            "spec": {
                "accessModes": ["ReadWriteOncePod"],
                "storageClassName": "fast",
                "volumeMode": "Filesystem",
                "resources": {"requests": {"storage": "5Gi"}},
            },
        }])
    );
}

/// Whoever says something of the servers' security knows whether they have to be root. Volumes may be
/// such that only root writes to them: a bus with one did not start on a node once.
#[test]
fn servers_stay_root_where_it_may_be_needed() {
    for spec in [
        json!({"persistence": {}}),
        json!({"containerTemplate": {"securityContext": {"runAsUser": 0}}}),
    ] {
        let pod = &written(&objects(&spec).stateful_set)["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"], Value::Null, "{spec}");
    }
}

#[test]
fn servers_start_anew_when_what_they_read_changes() {
    let hash = |spec: &Value| {
        let stateful_set = written(&objects(spec).stateful_set);
        let annotations = &stateful_set["spec"]["template"]["metadata"]["annotations"];
        annotations["events.argoproj.io/bus-config-hash"].clone()
    };
    let plain = hash(&json!({"version": "latest"}));
    assert_eq!(plain, hash(&json!({"version": "latest", "replicas": 3})));
    assert_ne!(
        plain,
        hash(&json!({"version": "latest", "maxPayload": "2MB"}))
    );
}
