//! Manifests, and what is said about them.

use tiphys_api::manifest;

use super::*;

fn checked(text: &str) -> Checked {
    let mut manifest = manifest::read("f.yaml", text);
    object(&manifest.objects.pop().unwrap(), "ns")
}

fn lines(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check_set(text: &str, expected: &[&str]) {
    let manifest = manifest::read("f.yaml", text);
    let faults = set(&manifest.objects, "default");
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(lines, expected);
}

const SENSOR: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: sn}
spec:
  dependencies:
  - {name: d, eventSourceName: es, eventName: ev}
  triggers:
  - template: {name: t, log: {}}
";

const SOURCE: &str = "
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: es}
spec:
  resource:
    ev: {version: v1, resource: pods, eventTypes: [ADD]}
";

fn both(sensor: &str, source: &str) -> String {
    format!("{sensor}---{source}")
}

#[test]
fn an_annotation_that_does_not_pause_is_said_and_the_object_runs() {
    let annotated = "metadata: {annotations: {events.argoproj.io/paused: 'yes'}, ";
    for object in [SENSOR, SOURCE] {
        let Checked {
            program, problems, ..
        } = checked(&object.replace("metadata: {", annotated));
        assert!(program.is_some());
        assert_eq!(
            lines(&problems),
            [
                "warning: metadata.annotations[\"events.argoproj.io/paused\"]: \"yes\" does not pause it \
              (write \"true\")"
            ]
        );
    }
}

#[test]
fn a_sound_object_has_a_program_in_its_namespace() {
    let Checked {
        program, problems, ..
    } = checked(SENSOR);
    assert_eq!(lines(&problems), [""; 0]);
    let Some(Program::Sensor(sensor)) = program else {
        panic!("no program");
    };
    assert_eq!(&*sensor.namespace, "ns");
    let Some(Program::EventSource(source)) = checked(SOURCE).program else {
        panic!("no program");
    };
    assert_eq!(&*source.namespace, "ns");
}

#[test]
fn faults_of_rules_and_programs_are_found_together_one_a_field() {
    let faulty = SENSOR.replace(
        "eventName: ev}",
        "eventName: ev, transform: {jq: '.['}}\n  - {name: d, eventSourceName: es, eventName: ev}",
    );
    let Checked {
        program, problems, ..
    } = checked(&faulty);
    assert!(program.is_none());
    let mut paths: Vec<&str> = problems.iter().map(|p| p.field_path.as_str()).collect();
    paths.sort_unstable();
    assert!(
        paths.contains(&"spec.dependencies[0].transform.jq"),
        "{paths:?}"
    );
    assert!(paths.contains(&"spec.dependencies[1].name"), "{paths:?}");
    let count = paths.len();
    paths.dedup();
    assert_eq!(paths.len(), count);
}

#[test]
fn each_fault_of_an_event_source_is_found_once() {
    let source = SOURCE.replace(
        "eventTypes: [ADD]",
        "eventTypes: [ADDED], filter: {labels: [{key: a, operation: '<=', value: '1'}]}",
    );
    let Checked { problems, .. } = checked(&source);
    let paths: Vec<&str> = problems.iter().map(|p| p.field_path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "spec.resource.ev.eventTypes[0]",
            "spec.resource.ev.filter.labels[0].operation"
        ]
    );
}

#[test]
fn a_stream_that_its_servers_cannot_hold_is_a_fault() {
    let bus = "
apiVersion: argoproj.io/v1alpha1
kind: EventBus
metadata: {name: default}
spec: {jetstream: {version: latest, replicas: 1, streamConfig: 'replicas: 3'}}
";
    assert_eq!(
        lines(&checked(bus).problems),
        [
            "error: spec.jetstream.streamConfig: replicas: 3 copies need as many servers, and there \
             are 1 (raise spec.jetstream.replicas, or lower the replicas of the stream)"
        ]
    );
}

#[test]
fn objects_that_belong_together_are_sound() {
    check_set(&both(SENSOR, SOURCE), &[]);
    // The source may be elsewhere.
    check_set(SENSOR, &[]);
    let unlike = SOURCE.replace("name: es", "name: harbour");
    check_set(&both(SENSOR, &unlike), &[]);
    // Whoever names no namespace is where it is applied.
    let placed = SOURCE.replace("name: es", "name: es, namespace: other");
    check_set(&both(SENSOR, &placed), &[]);
    // Two namespaces may each have an event source of this name.
    let sensor = SENSOR.replace("name: sn", "name: sn, namespace: ns");
    check_set(
        &both(
            &sensor.replace("eventName: ev", "eventName: order"),
            &placed,
        ),
        &[],
    );
    check_set(
        &both(&SENSOR.replace("eventName: ev", "eventName: '*'"), SOURCE),
        &[],
    );
}

#[test]
fn an_event_that_its_source_does_not_have_is_named_with_the_one_that_was_meant() {
    check_set(
        &both(&SENSOR.replace("eventName: ev", "eventName: evv"), SOURCE),
        &[
            "f.yaml:7:36: warning: spec.dependencies[0].eventName: never comes: event source es has \
             no event evv (did you mean `ev`?)",
        ],
    );
    check_set(
        &both(&SENSOR.replace("eventName: ev", "eventName: order"), SOURCE),
        &[
            "f.yaml:7:36: warning: spec.dependencies[0].eventName: never comes: event source es has \
             no event order (it has ev)",
        ],
    );
}

#[test]
fn a_source_on_another_bus_is_named() {
    let sensor = SENSOR.replace("spec:\n", "spec:\n  eventBusName: b\n");
    check_set(
        &both(&sensor, SOURCE),
        &[
            "f.yaml:8:15: warning: spec.dependencies[0].eventSourceName: never comes: this sensor \
             listens on bus b, event source es publishes on default (give both one eventBusName)",
        ],
    );
}

#[test]
fn a_source_in_another_namespace_is_named() {
    let sensor = SENSOR.replace("name: sn", "name: sn, namespace: dock");
    let source = SOURCE.replace("name: es", "name: es, namespace: harbour");
    check_set(
        &both(&sensor, &source),
        &[
            "f.yaml:7:15: warning: spec.dependencies[0].eventSourceName: never comes: this sensor \
             listens on bus dock/default, event source harbour/es publishes on harbour/default (a bus \
             serves its own namespace: put both into one)",
        ],
    );
}

#[test]
fn a_source_that_is_nearly_named_is_named() {
    let sensor = SENSOR.replace("eventSourceName: es", "eventSourceName: berth");
    let source = SOURCE.replace("name: es", "name: berths, namespace: harbour");
    check_set(
        &both(&sensor, &source),
        &[
            "f.yaml:7:15: warning: spec.dependencies[0].eventSourceName: never comes: there is no event \
             source berth in these files (did you mean `berths`?)",
        ],
    );
    // It may be elsewhere: what is nearly named has no such event.
    let other = source.replace("ev: {", "departed: {");
    check_set(&both(&sensor, &other), &[]);
}

#[test]
fn what_of_a_faulty_sensor_is_sound_is_there() {
    let faulty = SENSOR.replace(
        "  triggers:\n",
        "  - {name: e, eventSourceName: es, eventName: ev, transform: {jq: '.['}}\n  triggers:\n  \
         - template: {name: bad, conditions: d, k8s: {operation: x}}\n  \
         - template: {name: good, conditions: d, log: {}}\n",
    );
    let Checked {
        program: None,
        sound: Some(Program::Sensor(sensor)),
        ..
    } = checked(&faulty)
    else {
        panic!("it has errors, and a sound part");
    };
    let names: Vec<&str> = sensor
        .triggers
        .iter()
        .map(|trigger| &**trigger.name())
        .collect();
    assert_eq!(names, ["good"]);
}

#[test]
fn two_objects_of_one_name_are_named() {
    check_set(
        &both(SOURCE, SOURCE),
        &[
            "f.yaml:11:12: warning: metadata.name: another EventSource of this name is at f.yaml:2; \
             only one can exist",
        ],
    );
}
