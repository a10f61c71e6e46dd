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
  hdfs:
    orders: {directory: /in/, path: x, type: CREATE, addresses: ['n:8020'], hdfsUser: u}
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
    "b-jq.yaml:10:33: error: spec.dependencies[0].transform.jq: unexpected end of the program, \
     line 1 column 22",
    "c-regex.yaml:13:47: error: spec.resource.berth.filter.fields[0].value: error parsing regexp: \
     missing closing ): `berth-(`",
    "d-dependency.yaml:10:7: error: spec.triggers[0].template.conditions: 'birth' is not a \
     dependency (the dependencies are: berth)",
    "e-hdfs.yaml:6:5: error: spec.hdfs.orders: event sources of type hdfs are not in this \
     build of tiphys (feature hdfs)",
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
        .file("e-hdfs.yaml", NOT_RUN)
        .file("f-field.yaml", BAD_FIELD)
        .file("g-good.yaml", &GOOD.replace("NAMESPACE", namespace))
        .file("notes.txt", "no manifest at all")
}

/// The errors with the folder cut off.
fn without_folder<'l>(desk: &Desk, lines: impl Iterator<Item = &'l str>) -> Vec<String> {
    let folder = format!("{}/", desk.manifests().display());
    let errors = lines.filter(|line| line.contains(": error: "));
    errors
        .map(|line| {
            let line = line.trim_start_matches(&folder);
            // `lint` names the sort of each.
            let (line, _) = line.rsplit_once(" [").unwrap_or((line, ""));
            line.to_owned()
        })
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

/// It said "Running" for ever, and watched nothing.
#[test]
fn a_cluster_that_is_named_has_to_be_there() {
    let desk = with_faults(Desk::new(), "harbour");
    let files = desk.manifests();
    for named in [["--kubeconfig", "nowhere.yaml"], ["--context", "nowhere"]] {
        let output = tiphys(
            ["run", "-f", files.to_str().unwrap()]
                .into_iter()
                .chain(named),
        );
        assert_eq!(output.status.code(), Some(1), "{named:?}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("kubeconfig"), "{text}");
    }
}

#[test]
fn a_folder_of_others_is_left_alone_and_a_name_without_an_object_is_an_error() {
    let chart =
        "apiVersion: argoproj.io/v1alpha1\nkind: Sensor\nmetadata: {name: {{ .Values.name }}}\n";
    let patch = "apiVersion: argoproj.io/v1alpha1\nkind: Sensor\nmetadata: {name: good}\nspec: {replicas: 2}\n";
    let desk = Desk::new()
        .file("values.yaml", "replicas: 2\nimage: {tag: v1}\n")
        .file("broken.yaml", "a: b: c\n")
        .file("chart.yaml", chart)
        .file(
            "kustomization.yaml",
            "resources: [good.yaml]\npatches: [{path: patch.yaml}]\n",
        )
        .file("patch.yaml", patch);
    let folder = desk.manifests();
    let lint = |path: &std::path::Path| {
        let output = tiphys(["lint".into(), path.as_os_str().to_owned()]);
        let said =
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
        (
            said.replace(folder.to_str().unwrap(), "DIR"),
            output.status.code(),
        )
    };
    let left_out = "DIR/chart.yaml: left out: a template that is not rendered yet\n\
                    DIR/patch.yaml: left out: a patch of a kustomization\n";
    let (said, code) = lint(&folder);
    assert_eq!(
        said,
        format!("tiphys: no object of Argo Events in DIR\n{left_out}")
    );
    assert_eq!(code, Some(1));

    let desk = desk.file("good.yaml", &GOOD.replace("NAMESPACE", "harbour"));
    assert_eq!(
        lint(&desk.manifests()),
        (
            format!("{left_out}2 objects checked: 0 errors, 0 warnings\n"),
            Some(0)
        )
    );
    let (said, code) = lint(&desk.manifests().join("broken.yaml"));
    assert!(said.contains("error: not YAML"), "{said}");
    assert_eq!(code, Some(1));
    let (said, code) = lint(&desk.manifests().join("values.yaml"));
    assert_eq!(
        said,
        "tiphys: no object of Argo Events in DIR/values.yaml\n"
    );
    assert_eq!(code, Some(1));
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
