//! Files with faults: each is named with its place and what to do, and the rest runs.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use kube::core::ObjectMeta;
use tiphys_tests::{Desk, World, eventually, tiphys};

const NOT_YAML: &str = "kind: Sensor\n  metadata: [\n";

const BAD_JQ: &str = r"apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: bad-jq}
spec:
  dependencies:
  - name: berth
    eventSourceName: good
    eventName: berth
    transform:
      jq: '.operation = if .type'
  triggers:
  - template: {name: print, log: {}}
";

const BAD_REGEX: &str = r#"apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: bad-regex}
spec:
  resource:
    berth:
      namespace: harbour
      version: v1
      resource: configmaps
      eventTypes: [ADD]
      filter:
        fields:
        - {key: metadata.name, operation: ==, value: "berth-("}
"#;

const BAD_DEPENDENCY: &str = r"apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: bad-dependency}
spec:
  dependencies:
  - {name: berth, eventSourceName: good, eventName: berth}
  triggers:
  - template:
      name: print
      conditions: birth
      log: {}
";

const NOT_RUN: &str = r"apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: not-run}
spec:
  kafka:
    orders: {url: 'kafka:9092', topic: orders, partition: '1'}
";

const BAD_FIELD: &str = r"apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: bad-field}
spec:
  dependencies:
  - {name: berth, eventSourceName: good, eventname: berth}
  triggers:
  - template: {name: print, log: {}}
";

const GOOD: &str = r#"apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: good, namespace: NAMESPACE}
spec:
  resource:
    berth: {namespace: NAMESPACE, group: "", version: v1, resource: configmaps, eventTypes: [ADD]}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: good, namespace: NAMESPACE}
spec:
  dependencies:
  - {name: berth, eventSourceName: good, eventName: berth}
  triggers:
  - template: {name: print, log: {}}
"#;

/// What is said of the files, in the order of their names.
const FAULTS: [&str; 6] = [
    "a-notes.yaml:2:11: error: not YAML: mapping values are not allowed in this context",
    "b-jq.yaml:10:7: error: spec.dependencies[0].transform.jq: unexpected end of the program, \
     line 1 column 22",
    "c-regex.yaml:13:47: error: spec.resource.berth.filter.fields[0].value: error parsing regexp: \
     missing closing ): `berth-(`",
    "d-dependency.yaml:10:7: error: spec.triggers[0].template.conditions: 'birth' is not a \
     dependency (the dependencies are: berth)",
    "e-kafka.yaml:6:5: error: spec.kafka.orders: event sources of type kafka are not run by this \
     version of tiphys",
    "f-field.yaml:6:5: error: spec.dependencies[0].eventName: event dependency must define the \
     EventName",
];

/// What is said of a field that there is not.
const HINT: &str = "f-field.yaml:6:42: warning: spec.dependencies[0].eventname: there is no such \
    field, so it has no effect (did you mean `eventName`?)";

fn with_faults(desk: Desk, namespace: &str) -> Desk {
    desk.file("a-notes.yaml", NOT_YAML)
        .file("b-jq.yaml", BAD_JQ)
        .file("c-regex.yaml", BAD_REGEX)
        .file("d-dependency.yaml", BAD_DEPENDENCY)
        .file("e-kafka.yaml", NOT_RUN)
        .file("f-field.yaml", BAD_FIELD)
        .file("g-good.yaml", &GOOD.replace("NAMESPACE", namespace))
        .file("notes.txt", "no manifest at all")
}

/// The errors with the folder cut off.
fn without_folder<'l>(desk: &Desk, lines: impl Iterator<Item = &'l str>) -> Vec<String> {
    let folder = format!("{}/", desk.manifests().display());
    let errors = lines.filter(|line| line.contains(": error: "));
    errors
        .map(|line| line.trim_start_matches(&folder).to_owned())
        .collect()
}

#[tokio::test]
async fn faults_are_told_with_their_places_and_the_good_pair_runs() {
    let world = World::start().await;
    let desk = with_faults(world.desk(), world.namespace());
    let mut tiphys = desk.start();
    tiphys.watching().await;
    let metadata = ObjectMeta {
        name: Some("berth-1".to_owned()),
        ..ObjectMeta::default()
    };
    let berth = ConfigMap {
        metadata,
        ..ConfigMap::default()
    };
    let maps = world.api::<ConfigMap>().await;
    maps.create(&PostParams::default(), &berth).await.unwrap();
    eventually("the good sensor", || async {
        (desk.printed_ids().len() == 1).then_some(())
    })
    .await;
    let lines = tiphys.lines();
    let errors = lines.iter().filter(|line| line["level"] == "error");
    let messages: Vec<&str> = errors.filter_map(|line| line["msg"].as_str()).collect();
    assert_faults(&without_folder(&desk, messages.into_iter()));
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[track_caller]
fn assert_faults(found: &[String]) {
    assert_eq!(found.len(), FAULTS.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(FAULTS) {
        assert_eq!(found, expected);
    }
}

#[test]
fn lint_tells_every_fault_and_fails() {
    let desk = with_faults(Desk::new(), "harbour");
    let output = tiphys(["lint".into(), desk.manifests().into_os_string()]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_faults(&without_folder(&desk, text.lines()));
    assert!(text.contains(HINT), "{text}");
    let summary = String::from_utf8(output.stderr).unwrap();
    assert!(summary.contains("6 errors"), "{summary}");
}

#[test]
fn lint_is_content_with_the_examples() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    let output = tiphys(["lint", "--strict", examples]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!((output.status.code(), &*text), (Some(0), ""));
}

#[test]
fn nothing_to_run_is_an_error() {
    let desk = Desk::new().file("a.yaml", NOT_YAML);
    let output = tiphys(["run".into(), "-f".into(), desk.manifests().into_os_string()]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("tiphys: nothing to run: no EventSource or Sensor without errors"),
        "{text}"
    );
}
