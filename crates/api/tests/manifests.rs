//! Manifests as users write them: nothing is lost, and what is wrong is found at its place.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;

use serde_json::Value;
use tiphys_api::manifest::{self, Content, Manifest, Object, read};
use tiphys_api::{EventSource, EventSourceKind, EventSourceSpec, Problem, Sensor, TriggerKind};

const EVENT_SOURCES: &str = include_str!("manifests/event_sources.yaml");
const EVENT_BUSES: &str = include_str!("manifests/event_buses.yaml");
const SENSORS: &str = include_str!("manifests/sensors.yaml");
const STORY: [(&str, &str); 5] = [
    (
        "eventbus.yaml",
        include_str!("../../../examples/auto-ingress/eventbus.yaml"),
    ),
    (
        "rbac.yaml",
        include_str!("../../../examples/auto-ingress/rbac.yaml"),
    ),
    (
        "ingress-es.yaml",
        include_str!("../../../examples/auto-ingress/ingress-es.yaml"),
    ),
    (
        "ingress-sn.yaml",
        include_str!("../../../examples/auto-ingress/ingress-sn.yaml"),
    ),
    (
        "service.yaml",
        include_str!("../../../examples/auto-ingress/service.yaml"),
    ),
];

/// The object as its type writes it.
fn encoded(object: &Object) -> Value {
    match &object.content {
        Content::EventBus(object) => serde_json::to_value(object),
        Content::EventSource(object) => serde_json::to_value(object),
        Content::Sensor(object) => serde_json::to_value(object),
        Content::Other(json) => serde_json::from_str(json.get()),
    }
    .unwrap()
}

fn written(object: &Object) -> Value {
    serde_json::from_str(&object.to_json()).unwrap()
}

fn faults(manifest: &Manifest) -> Vec<String> {
    let found = manifest.objects.iter().flat_map(Object::validate);
    manifest
        .faults
        .iter()
        .cloned()
        .chain(found)
        .map(|fault| fault.to_string())
        .collect()
}

fn sensor(text: &str) -> Sensor {
    match read("s.yaml", text).objects.pop().unwrap().content {
        Content::Sensor(sensor) => *sensor,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_field_of_every_kind_survives() {
    for (name, text) in [
        ("event_sources.yaml", EVENT_SOURCES),
        ("event_buses.yaml", EVENT_BUSES),
        ("sensors.yaml", SENSORS),
    ]
    .into_iter()
    .chain(STORY)
    {
        let manifest = read(name, text);
        assert_eq!(manifest.faults, [], "{name}");
        assert!(!manifest.objects.is_empty());
        for object in &manifest.objects {
            let place = format!("{name}: {} {}", object.kind(), object.name());
            assert_eq!(encoded(object), written(object), "{place}");
        }
    }
}

#[test]
fn the_story_has_no_faults() {
    for (name, text) in STORY {
        assert_eq!(faults(&read(name, text)), Vec::<String>::new());
    }
}

#[test]
fn the_full_examples_follow_the_rules() {
    for (name, text) in [
        ("buses", EVENT_BUSES),
        ("sensors", SENSORS),
        ("sources", EVENT_SOURCES),
    ] {
        let errors: Vec<_> = faults(&read(name, text))
            .into_iter()
            .filter(|f| f.contains(" error: "))
            .collect();
        assert_eq!(errors, Vec::<String>::new());
    }
}

#[test]
fn the_examples_cover_every_kind() {
    let mut sources = BTreeSet::new();
    for object in read("", EVENT_SOURCES).objects {
        let Content::EventSource(source) = object.content else {
            panic!()
        };
        sources.extend(source.spec.events().map(|event| event.kind));
    }
    assert_eq!(
        sources.into_iter().collect::<Vec<_>>(),
        EventSourceKind::ALL
    );
    let mut triggers = BTreeSet::new();
    for object in read("", SENSORS).objects {
        let Content::Sensor(sensor) = object.content else {
            panic!()
        };
        for trigger in sensor.spec.triggers.iter() {
            triggers.insert(trigger.template.as_ref().unwrap().kind().unwrap());
        }
    }
    assert_eq!(triggers.into_iter().collect::<Vec<_>>(), TriggerKind::ALL);
}

#[test]
fn events_are_named_as_on_the_wire() {
    let spec: EventSourceSpec = serde_json::from_str(
        r#"{"pubSub":{"a":{}},"storageGrid":{"b.c":{}},"resource":{"ingress":{}}}"#,
    )
    .unwrap();
    let events: Vec<_> = spec
        .events()
        .map(|event| {
            (
                event.name.to_owned(),
                event.kind.event_type(),
                event.field_path(),
            )
        })
        .collect();
    let row = |name: &str, kind, path: &str| (name.to_owned(), kind, path.to_owned());
    assert_eq!(
        events,
        [
            row("ingress", "resource", "spec.resource.ingress"),
            row("a", "pubsub", "spec.pubSub.a"),
            row("b.c", "storagegrid", "spec.storageGrid[\"b.c\"]"),
        ]
    );
}

#[test]
fn a_log_trigger_needs_no_fields() {
    for log in ["log:", "log: {}", "log: null"] {
        let text = format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Sensor\nmetadata: {{name: s}}\nspec:\n  \
             triggers:\n  - template:\n      name: l\n      {log}\n"
        );
        let sensor = sensor(&text);
        let template = sensor.spec.triggers[0].template.as_ref().unwrap();
        assert_eq!(template.kind(), Ok(TriggerKind::Log), "{log}");
    }
}

#[test]
fn the_first_kind_in_argos_order_counts() {
    let template: tiphys_api::TriggerTemplate =
        serde_json::from_str(r#"{"name":"t","log":{},"email":{},"slack":{},"nats":{}}"#).unwrap();
    assert_eq!(template.kind(), Ok(TriggerKind::Nats));
    let empty: tiphys_api::TriggerTemplate = serde_json::from_str(r#"{"name":"t"}"#).unwrap();
    assert_eq!(
        empty.kind().unwrap_err().to_string(),
        "trigger t has no action: one of k8s, http, log or another kind is needed"
    );
}

#[test]
fn an_embedded_object_keeps_its_text() {
    let json = r#"{"name":"t","k8s":{"source":{"resource":{"z":1,"a":12345678901234567890123,"m":{"y":1.50,"b":null}}}}}"#;
    let template: tiphys_api::TriggerTemplate = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&template).unwrap(), json);
}

#[test]
fn what_is_left_out_stays_out_and_what_is_empty_stays() {
    for json in [
        r#"{"name":"t","http":{"url":""}}"#,
        r#"{"name":"","http":{"payload":[],"headers":{},"host":""}}"#,
        r#"{"name":"t","kafka":{"partition":0,"compress":false}}"#,
    ] {
        let template: tiphys_api::TriggerTemplate = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&template).unwrap(), json);
    }
}

#[test]
fn watch_events_of_the_api_server_decode() {
    let line = r#"{"type":"ADDED","object":{"apiVersion":"argoproj.io/v1alpha1","kind":"Sensor","metadata":{"name":"s"},"spec":{"triggers":[{"template":{"name":"t","k8s":{"source":{"resource":{"b":1,"a":2}}}},"retryStrategy":{"factor":1.5}}]}}}"#;
    let event: kube::core::WatchEvent<Sensor> = serde_json::from_str(line).unwrap();
    let kube::core::WatchEvent::Added(sensor) = event else {
        panic!()
    };
    let k8s = sensor.spec.triggers[0]
        .template
        .as_ref()
        .unwrap()
        .k8s
        .as_ref()
        .unwrap();
    let resource = k8s.source.as_ref().unwrap().resource.as_ref().unwrap();
    assert_eq!(resource.get(), r#"{"b":1,"a":2}"#);
}

#[test]
fn an_operator_that_looks_odd_is_a_text() {
    let manifest = read(STORY[2].0, STORY[2].1);
    let Content::EventSource(source) = &manifest.objects[0].content else {
        panic!()
    };
    let filter = source.spec.resource["ingress"].filter.as_ref().unwrap();
    assert_eq!(filter.fields[0].operation, "=");
}

#[track_caller]
fn check_faults(text: &str, expected: &[&str]) {
    assert_eq!(faults(&read("x.yaml", text)), expected);
}

#[test]
fn unknown_fields_are_warned_of_with_a_guess() {
    check_faults(
        "apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata:
  name: s
spec:
  dependencys: []
  dependencies:
  - name: d
    eventSource: es
    eventSourceName: es
    eventName: e
  triggers:
  - template:
      name: t
      atLeastOnce: true
      http:
        url: http://x
        payload:
        - src: {dependencyName: d, datakey: a}
          dest: a
    dlqTrigger:
      atLeastOnce: true
      template: {nam: x, name: z, log: {}}
    atLeastOnce: true
",
        &[
            "x.yaml:6:3: warning: spec.dependencys: there is no such field, so it has no effect (did you mean `dependencies`?)",
            "x.yaml:9:5: warning: spec.dependencies[0].eventSource: there is no such field, so it has no effect (did you mean `eventSourceName`?)",
            "x.yaml:15:7: warning: spec.triggers[0].template.atLeastOnce: there is no such field, so it has no effect (it belongs to spec.triggers[0].atLeastOnce)",
            "x.yaml:19:36: warning: spec.triggers[0].template.http.payload[0].src.datakey: there is no such field, so it has no effect (did you mean `dataKey`?)",
            "x.yaml:23:18: warning: spec.triggers[0].dlqTrigger.template.nam: there is no such field, so it has no effect (did you mean `name`?)",
        ],
    );
}

#[test]
fn wrong_types_say_what_is_expected_and_found() {
    check_faults(
        "apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata:
  name: es
spec:
  replicas: two
  service:
    ports: {port: 1}
  webhook:
    a: {port: 12000, endpoint: /a, method: POST}
    b: [1]
  resource:
    c:
      version: v1
      resource: pods
      eventTypes: ADD
      filter: {afterStart: 'true'}
",
        &[
            "x.yaml:6:3: error: spec.replicas: has to be a whole number, found the text \"two\"",
            "x.yaml:8:5: error: spec.service.ports: has to be a list, found an object (begin each item with `- `)",
            "x.yaml:10:9: error: spec.webhook.a.port: has to be a text, found the number 12000 (write it in quotes)",
            "x.yaml:11:5: error: spec.webhook.b: has to be an object, found a list",
            "x.yaml:16:7: error: spec.resource.c.eventTypes: has to be a list, found the text \"ADD\"",
            "x.yaml:17:16: error: spec.resource.c.filter.afterStart: has to be a boolean, found the text \"true\" (write true without quotes)",
        ],
    );
}

#[test]
fn what_is_not_ours_or_nearly_ours_is_told_apart() {
    check_faults(
        "apiVersion: argoproj.io/v1alpha1\nkind: Sensr\nmetadata: {name: a}\n---\n\
         apiVersion: argoproj.io/v1beta1\nkind: Sensor\nmetadata: {name: a}\n---\n\
         apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: a}\n---\n\
         kind: Sensor\n---\n- a\n---\napiVersion: v1\nkind: Service\n---\n\
         apiVersion: argoproj.io/v1alpha1\nkind: Gateway\n---\napiVersion: v1\nkind: Sensor\n",
        &[
            "x.yaml:2:1: error: kind: unknown kind \"Sensr\" in argoproj.io (did you mean `Sensor`?)",
            "x.yaml:5:1: error: apiVersion: Sensor is not in \"argoproj.io/v1beta1\" (write `argoproj.io/v1alpha1`)",
            "x.yaml:13:1: error: apiVersion: has to be a text, and is needed",
            "x.yaml:21:1: error: kind: unknown kind \"Gateway\" in argoproj.io (one of EventBus, EventSource, Sensor)",
            "x.yaml:23:1: error: apiVersion: Sensor is not in \"v1\" (write `argoproj.io/v1alpha1`)",
        ],
    );
}

/// Seven of thirteen public manifests for buckets wrote it.
#[test]
fn a_bucket_is_no_kind_of_event_source() {
    check_faults(
        "apiVersion: argoproj.io/v1alpha1\nkind: EventSource\nmetadata: {name: a}\nspec:\n  s3:\n    ev: {}\n",
        &[
            "x.yaml:5:3: warning: spec.s3: there is no such field, so it has no effect (for a MinIO server \
             write `minio`; AWS S3 tells of its objects by notifications to SNS or SQS, which are the kinds \
             `sns` and `sqs`)",
            "x.yaml:4:1: error: spec: no event source is configured, so there is nothing to run",
        ],
    );
}

#[test]
fn a_file_of_somebody_else_is_left_alone() {
    check_faults(
        "replicaCount: 2\nimage: {tag: v1}\n---\n{\"ref\": \"refs/heads/main\"}\n",
        &[],
    );
    // A patch, with a list of its own kind and with a directive.
    check_faults("- {op: replace, path: /spec/replicas, value: 3}\n", &[]);
    check_faults(
        "apiVersion: argoproj.io/v1alpha1\nkind: Sensor\nmetadata: {name: a}\nspec:\n  triggers:\n  \
         - {$patch: delete, template: {name: say}}\n",
        &[],
    );
    check_faults("metadata: {name: a}\nspec: {}\n", &[]);
    // This has what a Sensor has.
    check_faults(
        "metadata: {name: a}\nspec: {dependencies: [], triggers: []}\n",
        &[
            "x.yaml:1:1: error: apiVersion: has to be a text, and is needed",
            "x.yaml:1:1: error: kind: has to be a text, and is needed",
        ],
    );
}

/// Helm and Jinja leave files behind that are no YAML.
#[test]
fn a_template_that_is_not_rendered_is_told_from_broken_yaml() {
    let expected = "error: this looks like a template that is not rendered yet (render it, and check what \
                    comes of it; a template that tiphys fills stands in quotes)";
    for (text, place) in [
        (
            "apiVersion: argoproj.io/v1alpha1\nname: {{ .Values.name }}\n",
            "2:8",
        ),
        ("{{- if .Values.on }}\nkind: Sensor\n{{- end }}\n", "1:3"),
    ] {
        let fault = format!("x.yaml:{place}: {expected}");
        check_faults(text, &[&fault]);
        assert!(manifest::is_template(text), "{text}");
    }
    for text in [
        "dataTemplate: \"{{ .Input.body.name }}\"",
        "args: ['{{workflow.name}}', '{{=sprig.upper(\"a\")}}']",
        "jq: '. | {a: {b: 1}}'",
        "script: |\n  return string.match(x, '%a{%d+}')",
    ] {
        assert!(!manifest::is_template(text), "{text}");
    }
}

#[test]
fn members_that_are_null_say_nothing() {
    check_faults(
        "apiVersion: argoproj.io/v1alpha1\nkind: Sensor\nmetadata: {name: a, creationTimestamp: null}\n\
         status: null\nspec:\n  colour: null\n  template: {container: {args: null, name: main}}\n  \
         dependencies: [{name: d, eventSourceName: e, eventName: f}]\n  triggers: [{template: {name: t, log: {}}}]\n",
        &[
            "x.yaml:7:38: warning: spec.template.container.name: there is no such field, so it has no effect \
             (known: env, envFrom, imagePullPolicy, resources, securityContext, volumeMounts)",
        ],
    );
}

/// The place is that of the fault in the program, wherever YAML lets the program stand.
#[test]
fn a_program_is_placed_by_its_lines() {
    let object = |jq: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Sensor\nmetadata: {{name: a}}\nspec:\n  dependencies:\n  \
             - transform:\n      jq: {jq}\n"
        )
    };
    for (jq, within, expected) in [
        ("|\n        .a\n        | .b)", (2, 5), (9, 13)),
        ("|\n\n        .a\n          | .b)", (3, 6), (10, 14)),
        ("|2-\n          .a\n        .b)", (2, 3), (9, 11)),
        (".a)", (1, 3), (7, 13)),
        ("'.a)'", (1, 3), (7, 14)),
        ("\".a)\"", (1, 3), (7, 14)),
        // Characters are not where they are read: the key has to do.
        (">\n        .a\n        | .b)", (1, 7), (7, 7)),
        ("\".\\u0061)\"", (1, 3), (7, 7)),
        ("'.a\n        | .b)'", (1, 7), (7, 7)),
    ] {
        let manifest = read("x.yaml", &object(jq));
        let path = "spec.dependencies[0].transform.jq";
        let fault = manifest.objects[0].fault(Problem::program(path, "x", Some(within)));
        assert_eq!((fault.line, fault.column), expected, "{jq}");
    }
}

#[test]
fn lists_and_carriage_returns_are_read() {
    let text = "# all in one\r\napiVersion: v1\r\nkind: List\r\nitems:\r\n- apiVersion: v1\r\n  \
                kind: Service\r\n  metadata: {name: a}\r\n- apiVersion: argoproj.io/v1alpha1\r\n  \
                kind: EventBus\r\n  metadata: {name: b, namespace: ns}\r\n  spec:\r\n    jetstream: {versoin: latest}\r\n";
    let manifest = read("l.yaml", text);
    let objects: Vec<_> = manifest
        .objects
        .iter()
        .map(|object| {
            (
                object.kind(),
                object.name(),
                object.namespace(),
                object.place.line,
            )
        })
        .collect();
    assert_eq!(
        objects,
        [("Service", "a", "", 5), ("EventBus", "b", "ns", 8)]
    );
    assert_eq!(
        faults(&manifest),
        [
            "l.yaml:12:17: warning: spec.jetstream.versoin: there is no such field, so it has no effect (did you mean `version`?)",
            "l.yaml:12:5: error: spec.jetstream.version: invalid spec: a version for jetstream needs to be specified (`latest`, or another version of the controller's configuration)",
        ]
    );
}

#[test]
fn json_files_are_manifests_too() {
    let text = "{\n  \"apiVersion\": \"argoproj.io/v1alpha1\",\n  \"kind\": \"EventSource\",\n  \
                \"metadata\": {\"name\": \"a\\/b\"},\n  \"spec\": {\"calendar\": {\"x\": {\"interval\": \"10s\"}}}\n}\n";
    let manifest = read("a.json", text);
    assert_eq!(manifest.faults, []);
    assert_eq!(manifest.objects[0].name(), "a/b");
    let place = manifest.objects[0].locate("spec.calendar.x.interval");
    assert_eq!((place.line, place.column), (5, 31));
}

#[test]
fn what_is_no_yaml_is_placed() {
    let manifest = read("x.yaml", "a: b\n  c: d\n");
    let fault = &manifest.faults[0];
    assert_eq!((fault.line, fault.problem.is_error()), (2, true));
    assert!(fault.to_string().starts_with("x.yaml:2:"), "{fault}");
    assert!(manifest.objects.is_empty());
}

#[test]
fn objects_decode_from_any_json_reader() {
    let source: EventSource = serde_json::from_value(serde_json::json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource", "metadata": {"name": "x"},
        "spec": {"amqp": {"a": {"connectionBackoff": {"factor": 2, "duration": 5}}}}
    }))
    .unwrap();
    let backoff = source.spec.amqp["a"].connection_backoff.as_ref().unwrap();
    assert_eq!(backoff.policy().unwrap().duration.as_nanos(), 5);
}
