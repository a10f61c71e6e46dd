//! What is allowed, denied and warned of.

use serde_json::{Value, json};

use super::*;

fn sensor(spec: &Value) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Sensor",
        "metadata": {"name": "sn", "namespace": "playground"},
        "spec": spec,
    })
}

fn good_sensor() -> Value {
    sensor(&json!({
        "dependencies": [{"name": "a", "eventSourceName": "es", "eventName": "e"}],
        "triggers": [{"template": {"name": "log", "log": {}}}],
    }))
}

fn bad_sensor() -> Value {
    sensor(&json!({
        "dependencies": [{
            "name": "a", "eventSourceName": "es", "eventName": "e",
            "transform": {"jq": ".a |"},
        }],
        "triggers": [{"template": {"name": "log", "conditions": "a && b", "log": {}}}],
    }))
}

fn bus(spec: &Value) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "EventBus",
        "metadata": {"name": "eb", "namespace": "playground"},
        "spec": spec,
    })
}

fn body(operation: &str, object: &Value, old: &Value) -> Vec<u8> {
    let kind = object["kind"].as_str().or(old["kind"].as_str()).unwrap();
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u1",
            "kind": {"group": "argoproj.io", "version": "v1alpha1", "kind": kind},
            "resource": {"group": "argoproj.io", "version": "v1alpha1", "resource": "x"},
            "namespace": "playground",
            "name": "sn",
            "operation": operation,
            "object": object,
            "oldObject": old,
        },
    });
    serde_json::to_vec(&review).unwrap()
}

fn answer(operation: &str, object: &Value, old: &Value) -> Answer {
    let review = Review::read(&body(operation, object, old)).unwrap();
    review.answer(Bus::Exists)
}

#[track_caller]
fn check_bus(old: &Value, new: &Value, expected: Option<&str>) {
    let denied = answer("UPDATE", &bus(new), &bus(old)).denied;
    assert_eq!(denied.as_deref(), expected, "{old} -> {new}");
}

#[test]
fn a_good_object_is_allowed_without_a_word() {
    let answer = answer("CREATE", &good_sensor(), &Value::Null);
    let json: Value = serde_json::from_str(&answer.to_json()).unwrap();
    let expected = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": "u1", "allowed": true},
    });
    assert_eq!(json, expected);
}

#[test]
fn a_bad_object_is_denied_with_all_its_faults_and_fields() {
    let answer = answer("CREATE", &bad_sensor(), &Value::Null);
    let denied = answer.denied.clone().unwrap();
    let lines: Vec<_> = denied.lines().collect();
    assert_eq!(lines[0], "invalid Sensor, 2 faults:");
    assert!(
        lines[1].starts_with("  spec.dependencies[0].transform.jq: "),
        "{denied}"
    );
    assert!(
        lines[2].starts_with("  spec.triggers[0].template.conditions: ") && lines[2].contains("b"),
        "{denied}"
    );
    let json: Value = serde_json::from_str(&answer.to_json()).unwrap();
    assert_eq!(json["response"]["allowed"], false);
    assert_eq!(json["response"]["status"]["code"], 400);
    assert_eq!(json["response"]["status"]["message"], denied);
}

#[test]
fn unknown_fields_are_warned_of_with_what_was_probably_meant() {
    let mut sensor = good_sensor();
    sensor["spec"]["dependencies"][0]["filter"] = json!({});
    sensor["spec"]["errorOnFailedRound"] = json!(true);
    sensor["status"] = json!({"strange": 1});
    let answer = answer("CREATE", &sensor, &Value::Null);
    assert_eq!(answer.denied, None);
    assert_eq!(
        answer.warnings,
        [
            "spec.dependencies[0].filter: there is no such field, so it has no effect (did you \
             mean `filters`?)",
            "spec.errorOnFailedRound: has no effect",
        ]
    );
}

#[test]
fn a_sensor_may_come_before_its_bus() {
    let review = Review::read(&body("CREATE", &good_sensor(), &Value::Null)).unwrap();
    let name = BusName {
        namespace: "playground".to_owned(),
        name: "default".to_owned(),
    };
    assert_eq!(review.bus(), Some(name));
    let answer = review.answer(Bus::Missing);
    assert_eq!(answer.denied, None);
    assert_eq!(
        answer.warnings,
        [
            "spec.eventBusName: there is no EventBus default in namespace playground yet; the \
             Sensor waits for it"
        ]
    );
    assert_eq!(review.answer(Bus::Unknown).warnings, Vec::<String>::new());
}

#[test]
fn a_faulty_object_of_old_can_be_labelled_finalized_and_deleted() {
    let old = bad_sensor();
    let mut labelled = old.clone();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    assert_eq!(answer("UPDATE", &labelled, &old).denied, None);
    assert_eq!(answer("DELETE", &Value::Null, &old).denied, None);
    let mut going = old.clone();
    going["metadata"]["deletionTimestamp"] = json!("2026-03-02T09:00:00Z");
    going["spec"]["replicas"] = json!(2);
    assert_eq!(answer("UPDATE", &going, &old).denied, None);
    let mut edited = old.clone();
    edited["spec"]["replicas"] = json!(2);
    assert!(answer("UPDATE", &edited, &old).denied.is_some());
}

#[test]
fn a_bus_keeps_its_implementation() {
    let jet_stream = json!({"jetstream": {"version": "latest"}});
    let exotic = json!({"jetstreamExotic": {"url": "nats://a"}});
    let kafka = json!({"kafka": {"url": "k:9092"}});
    let native = json!({"nats": {"native": {"auth": "token"}}});
    let nats_exotic = json!({"nats": {"exotic": {"clusterID": "c", "url": "nats://a"}}});
    let other = "invalid EventBus: spec: Can not change event bus implementation (create another \
                 EventBus and move EventSources and Sensors to it)";
    check_bus(&jet_stream, &exotic, Some(other));
    check_bus(&exotic, &jet_stream, Some(other));
    check_bus(&jet_stream, &kafka, Some(other));
    check_bus(&exotic, &kafka, None);
    check_bus(
        &native,
        &nats_exotic,
        Some(
            "invalid EventBus: spec.nats: Can not change NATS event bus implementation from \
             native to exotic",
        ),
    );
    check_bus(
        &native,
        &json!({"nats": {"native": {"auth": "none"}}}),
        Some(
            "invalid EventBus: spec.nats.native.auth: \"spec.nats.native.auth\" is immutable, can \
             not be updated",
        ),
    );
    check_bus(
        &json!({"nats": {"native": {}}}),
        &json!({"nats": {"native": {"auth": "none"}}}),
        None,
    );
    check_bus(
        &jet_stream,
        &json!({"jetstream": {"version": "latest", "streamConfig": "maxAge: 5m"}}),
        None,
    );
}

#[test]
fn a_bus_keeps_its_events() {
    let of = |replicas: i32| json!({"jetstream": {"version": "latest", "replicas": replicas}});
    let put_back =
        "put it back, or create another EventBus and move EventSources and Sensors to it";
    let message = format!(
        "invalid EventBus: spec.jetstream.replicas: cannot change from 3 to 1: servers that leave \
         take their votes and their copies of streams with them: {put_back}"
    );
    check_bus(&of(3), &of(1), Some(&message));
    check_bus(&of(3), &of(5), None);
    let stored = json!({"jetstream": {"version": "latest", "persistence": {}}});
    let message = format!(
        "invalid EventBus: spec.jetstream.persistence: cannot be removed while the bus exists: \
         {put_back}"
    );
    check_bus(&stored, &of(3), Some(&message));
}

#[test]
fn a_stream_with_more_copies_than_servers_is_denied() {
    let spec = json!({
        "jetstream": {"version": "2.99", "replicas": 1, "streamConfig": "replicas: 3"},
    });
    let denied = answer("CREATE", &bus(&spec), &Value::Null).denied;
    assert_eq!(
        denied.as_deref(),
        Some(
            "invalid EventBus: spec.jetstream.streamConfig: replicas: 3 copies need as many \
             servers, and there are 1 (raise spec.jetstream.replicas, or lower the replicas of the \
             stream)"
        )
    );
}

#[test]
fn an_edit_that_the_servers_refused_can_be_taken_back() {
    let of = |replicas: i32| json!({"jetstream": {"version": "latest", "replicas": replicas, "persistence": {}}});
    check_bus(&of(3), &of(3), None);
    let mut old = bus(&of(1));
    assert!(answer("UPDATE", &bus(&of(3)), &old).denied.is_some());
    old["status"]["conditions"] =
        json!([{"type": "Deployed", "status": "False", "reason": "ScalingRefused"}]);
    assert_eq!(answer("UPDATE", &bus(&of(3)), &old).denied, None);
}

#[test]
fn what_is_not_ours_is_allowed() {
    let mut body: Value =
        serde_json::from_slice(&body("CREATE", &bad_sensor(), &Value::Null)).unwrap();
    body["request"]["subResource"] = json!("status");
    let review = Review::read(body.to_string().as_bytes()).unwrap();
    assert_eq!(
        review.answer(Bus::Missing),
        review.undecided("x").without_warnings()
    );
    body["request"]["subResource"] = json!("");
    body["request"]["kind"]["group"] = json!("example.com");
    let review = Review::read(body.to_string().as_bytes()).unwrap();
    assert_eq!(review.answer(Bus::Missing).denied, None);
}

impl Answer {
    fn without_warnings(mut self) -> Self {
        self.warnings.clear();
        self
    }
}

#[test]
fn a_body_that_asks_nothing_is_no_review() {
    for (body, expected) in [
        ("{}", "the AdmissionReview has no request"),
        (r#"{"request":null}"#, "the AdmissionReview has no request"),
        ("", "read the AdmissionReview"),
        ("[]", "read the AdmissionReview"),
        (r#"{"request":{}}"#, "read the AdmissionReview"),
    ] {
        let error = Review::read(body.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{body}");
    }
}

#[test]
fn deep_objects_do_not_end_the_process() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let review = format!(
        r#"{{"request":{{"uid":"u","operation":"CREATE","kind":{{"group":"argoproj.io","kind":"Sensor"}},"object":{deep}}}}}"#
    );
    Review::read(review.as_bytes()).unwrap_err();
}
