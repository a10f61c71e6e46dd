//! What is made of a sensor: everything that its template and its Secrets ask for.

use k8s_openapi::api::core::v1::ResourceRequirements;
use serde_json::{Value, json};
use tiphys_api::{BusConfig, ConditionStatus, Sensor};

use crate::condition::Conditions;
use crate::settings::Worker;
use crate::workload::{Workload as _, desired, set_spec_conditions};

/// The Deployment's pod.
#[track_caller]
fn pod(spec: &Value, bus: &Value) -> Value {
    let object = json!({"metadata": {"name": "sn", "namespace": "ns", "uid": "u"}, "spec": spec});
    let object: Sensor = serde_json::from_str(&object.to_string()).unwrap();
    let bus: BusConfig = serde_json::from_str(&bus.to_string()).unwrap();
    let worker = Worker {
        image: "tiphys:1".to_owned(),
        image_pull_policy: "IfNotPresent".to_owned(),
        log_level: Some("debug".to_owned()),
        resources: resources(),
    };
    let made = desired(&object, &bus, &worker).unwrap();
    json!(made.deployment)["spec"]["template"].clone()
}

/// What the operator says.
fn resources() -> ResourceRequirements {
    let resources =
        r#"{"requests": {"cpu": "20m", "memory": "40Mi"}, "limits": {"memory": "500Mi"}}"#;
    serde_json::from_str(resources).unwrap()
}

fn bus() -> Value {
    json!({"jetstream": {"url": "nats://bus:4222"}})
}

#[test]
fn the_template_is_honoured_in_full() {
    let template = json!({
        "metadata": {"labels": {"sensor-name": "loses", "mine": "yes"}, "annotations": {"a": "b"}},
        "serviceAccountName": "operator",
        "container": {
            "env": [{"name": "POD_NAME", "value": "loses"}, {"name": "LOG_LEVEL", "value": "warn"},
                    {"name": "TWICE", "value": "1"}, {"name": "TWICE", "value": "2"},
                    {"name": "TIPHYS_SPEC", "value": "/tmp"}],
            "envFrom": [{"secretRef": {"name": "more"}}],
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp/"},
                             {"name": "tmp", "mountPath": "/etc/tiphys/../tiphys//"},
                             {"name": "tmp", "mountPath": "/etc/tiphys/object.json",
                              "subPath": "mine.json"}],
            "resources": {"limits": {"memory": "64Mi"}},
            "securityContext": {"runAsUser": 7},
            "imagePullPolicy": "Always"
        },
        "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory"}},
                    {"name": "spec", "emptyDir": {}}],
        "securityContext": {"fsGroup": 9},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "k", "operator": "Exists"}],
        "imagePullSecrets": [{"name": "registry"}],
        "priorityClassName": "high",
        "priority": 5,
        "affinity": {"nodeAffinity": {}}
    });
    let pod = pod(
        &json!({"template": template, "revisionHistoryLimit": 2}),
        &bus(),
    );
    assert_eq!(
        pod["metadata"],
        json!({
            "labels": {"controller": "sensor-controller", "sensor-name": "sn", "owner-name": "sn",
                       "mine": "yes"},
            "annotations": {"a": "b"}
        })
    );
    let spec = &pod["spec"];
    for (field, expected) in [
        ("serviceAccountName", json!("operator")),
        ("securityContext", json!({"fsGroup": 9})),
        ("nodeSelector", json!({"disk": "ssd"})),
        ("tolerations", json!([{"key": "k", "operator": "Exists"}])),
        ("imagePullSecrets", json!([{"name": "registry"}])),
        ("priorityClassName", json!("high")),
        ("priority", json!(5)),
        ("affinity", json!({"nodeAffinity": {}})),
        (
            "volumes",
            json!([{"name": "tmp", "emptyDir": {"medium": "Memory"}},
                   {"name": "spec", "emptyDir": {}},
                   {"name": "tiphys-spec", "configMap": {"name": "sn-sensor-spec"}}]),
        ),
    ] {
        assert_eq!(spec[field], expected, "{field}");
    }
    let container = &spec["containers"][0];
    let field = |path: &str| json!({"fieldRef": {"apiVersion": "v1", "fieldPath": path}});
    for (name, expected) in [
        ("args", json!(["sensor"])),
        ("envFrom", json!([{"secretRef": {"name": "more"}}])),
        (
            "resources",
            json!({"requests": {"cpu": "20m"}, "limits": {"memory": "64Mi"}}),
        ),
        ("securityContext", json!({"runAsUser": 7})),
        ("imagePullPolicy", json!("Always")),
        (
            "env",
            json!([{"name": "LOG_LEVEL", "value": "warn"}, {"name": "TWICE", "value": "2"},
                   {"name": "POD_NAME", "valueFrom": field("metadata.name")},
                   {"name": "POD_NAMESPACE", "valueFrom": field("metadata.namespace")},
                   {"name": "TIPHYS_SPEC", "value": "/etc/tiphys"},
                   {"name": "TIPHYS_BUS_AUTH", "value": "/etc/eventbus/auth"},
                   {"name": "TIPHYS_VALUES", "value": "/argo-events"},
                   {"name": "TIPHYS_ADMIN", "value": "[::]:7777"},
                   {"name": "TIPHYS_REPORT_KEY", "value": "df5afcf02c795cb3d29e53a6ca07a213"}]),
        ),
        (
            "volumeMounts",
            json!([{"name": "tmp", "mountPath": "/tmp/"},
                   {"name": "tiphys-spec", "mountPath": "/etc/tiphys", "readOnly": true}]),
        ),
    ] {
        assert_eq!(container[name], expected, "{name}");
    }
}

#[test]
fn secrets_and_config_maps_are_mounted_by_the_keys_that_are_read() {
    let spec = json!({"triggers": [{"template": {"name": "t", "http": {
        "tls": {"caCertSecret": {"name": "ca", "key": "ca.crt"}},
        "basicAuth": {"username": {"name": "login.x", "key": "user", "optional": true},
                      "password": {"name": "login.x", "key": "password"}},
        "secureHeaders": [
            {"valueFrom": {"configMapKeyRef": {"name": "heads", "key": "h", "optional": true}}}]
    }}}]});
    let bus =
        json!({"jetstream": {"url": "u", "tls": {"caCertSecret": {"name": "ca", "key": "bus"}}}});
    let pod = pod(&spec, &bus);
    assert_eq!(
        pod["spec"]["volumes"],
        json!([
            {"name": "spec", "configMap": {"name": "sn-sensor-spec"}},
            {"name": "secret-ca", "secret": {"secretName": "ca", "items": [
                {"key": "bus", "path": "bus"}, {"key": "ca.crt", "path": "ca.crt"}]}},
            {"name": "secret-login-x-c874aca0", "projected": {"sources": [
                {"secret": {"name": "login.x", "items": [{"key": "password", "path": "password"}]}},
                {"secret": {"name": "login.x", "optional": true,
                    "items": [{"key": "user", "path": "user"}]}}]}},
            {"name": "cm-heads", "configMap": {"name": "heads", "optional": true,
                "items": [{"key": "h", "path": "h"}]}},
            {"name": "tmp", "emptyDir": {}}
        ])
    );
    assert_eq!(
        pod["spec"]["containers"][0]["volumeMounts"],
        json!([
            {"name": "spec", "mountPath": "/etc/tiphys", "readOnly": true},
            {"name": "secret-ca", "mountPath": "/argo-events/secrets/ca", "readOnly": true},
            {"name": "secret-login-x-c874aca0", "mountPath": "/argo-events/secrets/login.x",
                "readOnly": true},
            {"name": "cm-heads", "mountPath": "/argo-events/config/heads", "readOnly": true},
            {"name": "tmp", "mountPath": "/tmp"}
        ])
    );
    let levels = &pod["spec"]["containers"][0]["env"][7];
    assert_eq!(levels, &json!({"name": "LOG_LEVEL", "value": "debug"}));
}

#[test]
fn without_a_word_about_it_a_sensor_is_limited_and_has_a_token_for_its_lease() {
    let spec = &pod(&json!({}), &bus())["spec"];
    assert_eq!(spec["automountServiceAccountToken"], Value::Null);
    assert_eq!(
        spec["containers"][0]["resources"],
        json!({"requests": {"cpu": "20m", "memory": "40Mi"}, "limits": {"memory": "500Mi"}})
    );
}

#[test]
fn faults_go_to_the_condition_of_their_field() {
    let object = r#"{"metadata": {"name": "sn"}, "spec": {
        "dependencies": [{"name": "d", "eventSourceName": "e", "eventName": "v",
            "transform": {"jq": ".["}}],
        "triggers": [{"template": {"name": "t", "conditions": "nobody", "log": {}}}]}}"#;
    let object: Sensor = serde_json::from_str(object).unwrap();
    let mut conditions = Conditions::default();
    set_spec_conditions::<Sensor>(&object.problems(), &mut conditions);
    let dependencies = conditions.get("DependenciesProvided").unwrap();
    assert_eq!(dependencies.reason.as_str(), "InvalidDependencies");
    assert!(
        dependencies
            .message
            .starts_with("spec.dependencies[0].transform.jq: ")
    );
    let triggers = conditions.get("TriggersProvided").unwrap();
    assert_eq!(triggers.reason.as_str(), "InvalidTriggers");
    assert!(
        triggers
            .message
            .starts_with("spec.triggers[0].template.conditions: ")
    );
}

#[test]
fn warnings_are_said_where_the_spec_holds() {
    let object = r#"{"metadata": {"name": "sn"}, "spec": {
        "dependencies": [{"name": "d", "eventSourceName": "e", "eventName": "v"}],
        "triggers": [{"template": {"name": "t", "nats": {"url": "nats://a", "subject": "s",
            "payload": [{"src": {"dependencyName": "d", "dataKey": "x"}, "dest": "x"}],
            "auth": {"token": {"name": "n", "key": "k"}}}}}]}}"#;
    let object: Sensor = serde_json::from_str(object).unwrap();
    let mut conditions = Conditions::default();
    set_spec_conditions::<Sensor>(&object.problems(), &mut conditions);
    let triggers = conditions.get("TriggersProvided").unwrap();
    assert_eq!(triggers.status, ConditionStatus::True);
    assert_eq!(
        triggers.message,
        "spec.triggers[0].template.nats.auth.token: the login goes to nats://a, whoever answers there: \
         the server is not verified (begin the URL with tls://, or set tls)"
    );
    let dependencies = conditions.get("DependenciesProvided").unwrap();
    assert_eq!(dependencies.message, "the spec is valid");
}
