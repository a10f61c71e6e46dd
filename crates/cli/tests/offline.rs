//! Inputs as users have them, and what `lint` and `simulate` say of them.

#![cfg(test)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn input(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/inputs")
        .join(file)
}

/// The exit code, standard output and standard error of tiphys; words with a dot in them are inputs.
fn tiphys(arguments: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tiphys"));
    command.current_dir(input(""));
    let output = command.args(arguments.split(' ')).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// The exit code of lint, and its faults: a line each, without the code and the line of the file.
fn linted(arguments: &str) -> (i32, String) {
    let (code, text, _) = tiphys(&format!("lint {arguments}"));
    let faults = text
        .lines()
        .filter(|line| line.contains(": error: ") || line.contains(": warning: "));
    let lines = faults.map(|line| {
        let (fault, _) = line.rsplit_once(" [").unwrap();
        format!("{fault}\n")
    });
    (code, lines.collect())
}

/// What simulate says, without the ids of events; it has to succeed.
#[track_caller]
fn simulated(arguments: &str) -> String {
    let (code, text, errors) = tiphys(&format!("simulate {arguments}"));
    assert_eq!(code, 0, "{text}{errors}");
    without_ids(&text)
}

fn without_ids(text: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix("event ") {
        Some(event) if !event.starts_with("source ") => {
            let (_, event) = event.split_once(' ').unwrap();
            format!("event {event}\n")
        }
        _ => format!("{line}\n"),
    });
    lines.collect()
}

#[track_caller]
fn check_parts(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}\nis missing in\n{text}");
    }
}

/// Each of its objects was in conflict with itself.
#[test]
fn a_file_that_is_named_twice_is_read_once() {
    let once = tiphys("lint dangling-names.yaml");
    for names in [
        "dangling-names.yaml dangling-names.yaml",
        "dangling-names.yaml ./dangling-names.yaml",
    ] {
        assert_eq!(tiphys(&format!("lint {names}")), once, "{names}");
    }
}

#[test]
fn what_never_comes_is_a_warning() {
    let (code, text) = linted("dangling-names.yaml");
    assert_eq!(code, 0, "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    check_parts(
        &text,
        &[
            "spec.dependencies[0].eventName: never comes: event source harbour/berths has no event take (did \
             you mean `taken`?)",
            "spec.dependencies[0].eventSourceName: never comes: there is no event source berth in these \
             files (did you mean `berths`?)",
            "spec.dependencies[0].eventSourceName: never comes: this sensor listens on bus harbour/default, \
             event source harbour/berths publishes on harbour/main (give both one eventBusName)",
            "spec.dependencies[0].eventSourceName: never comes: this sensor listens on bus dock/main, event \
             source harbour/berths publishes on harbour/main (a bus serves its own namespace: put both into \
             one)",
        ],
    );
}

#[test]
fn an_event_comes_to_its_bus_and_namespace_alone() {
    let text = simulated("-f simulate-other-bus.yaml --event simulate-other-bus.json");
    assert_eq!(
        text,
        "\
event source harbour/berths/taken
event berths/taken (resource)
sensor harbour/right-bus
  dependency taken
  trigger say (Log) fires
    → log taken: {\"type\":\"ADD\",\"body\":{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":\"harbour\"}}}
not waiting: sensor harbour/forgot-the-bus: listens on bus harbour/default, event source harbour/berths \
publishes on harbour/main
not waiting: sensor dock/other-namespace: listens on bus dock/main, event source harbour/berths publishes on \
harbour/main

"
    );
}

#[test]
fn who_nearly_waits_is_named() {
    let event = "--event dangling-names.json";
    let text = simulated(&format!("-f dangling-names.yaml {event}"));
    check_parts(
        &text,
        &[
            "not waiting: sensor harbour/typo-in-event: event source harbour/berths has no event take (did \
             you mean `taken`?)\n",
            "not waiting: sensor harbour/typo-in-source: there is no event source berth in these files (did \
             you mean `berths`?)\n",
            "not waiting: sensor harbour/wrong-bus: listens on bus harbour/default, event source \
             harbour/berths publishes on harbour/main\n",
            "not waiting: sensor dock/wrong-place: listens on bus dock/main, event source harbour/berths \
             publishes on harbour/main\n",
        ],
    );
    let (_, text, _) = tiphys(&format!("simulate -f dangling-names.yaml {event} -o json"));
    let page: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(page["sensors"], serde_json::json!([]));
    assert_eq!(page["notWaiting"][2]["sensor"], "harbour/wrong-bus");
    assert_eq!(page["notWaiting"].as_array().unwrap().len(), 4);
}

#[test]
fn the_expression_of_an_event_source_counts() {
    let arguments = "simulate -f source-expression.yaml --event source-expression.json";
    let (_, text, _) = tiphys(arguments);
    let text = without_ids(&text);
    check_parts(
        &text,
        &[
            "event source harbour/alerts/firing
  ✗ filter.expression body.status == 'firing': body.status is \"resolved\"
  → no event: body.status == 'firing' is false
",
            "event source harbour/alerts/signed
  ✗ filter.expression header['X-Token'] == 'seal': header['X-Token'] is a list of texts, never equal to a \
             text (write header['X-Token'][0])
",
            "  → no event: header['X-Token'] is a list of texts, never equal to a text",
            "event source harbour/alerts/firing
  ✓ filter.expression body.status == 'firing': body.status is \"firing\"
event alerts/firing (webhook)
sensor harbour/alerts
",
            "trigger on-firing (Log) fires",
        ],
    );
    let (code, text) = linted("source-expression.yaml");
    assert_eq!(code, 1);
    check_parts(&text, &["error: spec.webhook.broken.filter.expression: "]);
}

#[test]
fn labels_are_the_api_servers_to_judge() {
    let object = "--object label-enters-selector.json --as UPDATE";
    let old = "--old label-enters-selector.old.json";
    let text = simulated(&format!("-f label-enters-selector.yaml {object} {old}"));
    assert_eq!(
        text,
        "\
event source harbour/voyages/done-as-add
  ✓ it is in namespace harbour
  ✓ its labels come to match phase=Done: the API server tells of it as ADD
  ✓ its type is one of ADD: ADD
event voyages/done-as-add (resource)
  → no sensor waits for it

event source harbour/voyages/done-as-update
  ✓ it is in namespace harbour
  ✓ its labels come to match phase=Done: the API server tells of it as ADD
  ✗ its type is one of UPDATE: ADD
  → no event: its type is ADD, and UPDATE is wanted

event source harbour/voyages/no-longer-running
  ✓ it is in namespace harbour
  ✓ its labels no longer match phase=Running: the API server tells of it as DELETE
  ✓ its type is one of DELETE: DELETE
event voyages/no-longer-running (resource)
  → no sensor waits for it

"
    );
    let (_, text, _) = tiphys(&format!(
        "simulate -f label-enters-selector.yaml {object} {old} -o json"
    ));
    let pages: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let added = &pages[0]["event"]["data"];
    assert_eq!(
        (&added["type"], &added["oldBody"]),
        (&"ADD".into(), &serde_json::Value::Null)
    );
    let gone = &pages[2]["event"]["data"];
    assert_eq!(gone["type"], "DELETE");
    // As it was when it matched, with the version of the change.
    assert_eq!(gone["body"]["metadata"]["labels"]["phase"], "Running");
    assert_eq!(gone["body"]["metadata"]["resourceVersion"], "8");

    let text = simulated(&format!("-f label-enters-selector.yaml {object}"));
    check_parts(
        &text,
        &["supposed to match, too; without --old they are not known"],
    );
}

#[test]
fn a_faulty_trigger_takes_nothing_else_out_of_sight() {
    let arguments = "simulate -f faulty-sensor-hidden.yaml --event faulty-sensor-hidden.json";
    let (code, text, _) = tiphys(arguments);
    // The files have errors.
    assert_eq!(code, 1);
    check_parts(
        &text,
        &[
            "sensor harbour/tally\n  dependency cargo\n  trigger good (Log) fires\n",
            "  trigger bad (Kubernetes) cannot be followed: it has faults:\n    faulty-sensor-hidden.yaml:13:",
            "error: spec.triggers[1].template.k8s.parameters[0].src.dataTemplate: ",
        ],
    );
    let (_, text, _) = tiphys(&format!("{arguments} -o json"));
    let page: serde_json::Value = serde_json::from_str(&text).unwrap();
    let triggers = &page["sensors"][0]["triggers"];
    assert_eq!(
        (&triggers[0]["outcome"], &triggers[1]["outcome"]),
        (&"fired".into(), &"faulty".into())
    );
    let fault = triggers[1]["faults"][0].as_str().unwrap();
    assert!(fault.contains("dataTemplate"), "{fault}");
    let (code, text, _) = tiphys("graph -f faulty-sensor-hidden.yaml -o json");
    assert_eq!(code, 0);
    check_parts(&text, &["\"faulty\"", "\"faults\": [\n"]);
}

#[test]
fn a_value_of_the_wrong_type_takes_nothing_else_out_of_sight() {
    let arguments = "simulate -f wrong-type.yaml --event faulty-sensor-hidden.json";
    let (code, text, _) = tiphys(arguments);
    assert_eq!(code, 1);
    check_parts(
        &text,
        &[
            "sensor harbour/tally waits for it, but has faults:\n  wrong-type.yaml:7:",
            "  trigger good (Log) fires\n",
            "  trigger bad (Kubernetes) cannot be followed: it has faults:\n    wrong-type.yaml:11:",
        ],
    );
    // The dependency of this one is faulty.
    check_parts(
        &text,
        &["  trigger other (Log) cannot be followed: what it waits for has faults\n"],
    );
    let (_, text, _) = tiphys("graph -f wrong-type.yaml -o mermaid");
    check_parts(&text, &["good", "bad"]);
}

#[test]
fn what_no_api_server_takes_fails() {
    let (code, text) = linted("json-patch-without-list.yaml");
    assert_eq!(code, 1);
    let sentence = "a JSON patch needs its list of operations in the object's field `patch`";
    check_parts(
        &text,
        &[&format!(
            "error: spec.triggers[0].template.k8s.source.resource.patch: {sentence}\n"
        )],
    );
    assert_eq!(text.lines().count(), 1, "{text}");
    let arguments = "simulate -f json-patch-without-list.yaml --event json-patch-without-list.json";
    let (code, text, _) = tiphys(arguments);
    assert_eq!(code, 1);
    assert!(!text.contains("cannot be followed"), "{text}");
    check_parts(
        &text,
        &[
            &format!(
                "  trigger open (Kubernetes) fails: {sentence}, the event would be dead-lettered\n"
            ),
            "  trigger listed (Kubernetes) fires
    ✓ template.k8s.parameters[0] patch.0.value ← traefik
    → patch (application/json-patch+json)
      # to Ingress harbour/gate:
      - op: replace
        path: /spec/ingressClassName
        value: traefik
",
        ],
    );
    // A program sees what is sent, too.
    let (_, text, _) = tiphys(&format!("{arguments} -o json"));
    let sent = r#""action":{"k8s":{"object":{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"gate","namespace":"harbour"},"patch":[{"op":"replace","path":"/spec/ingressClassName","value":"traefik"}]},"operation":"patch","patch":"application/json-patch+json"}}"#;
    check_parts(&text, &[sent]);
}

#[test]
fn simulate_shows_the_line_of_a_fault() {
    let (_, _, errors) = tiphys("simulate -f wrong-type.yaml --event faulty-sensor-hidden.json");
    let (_, faults, _) = tiphys("lint wrong-type.yaml");
    assert!(faults.contains("\n11 | "), "{faults}");
    assert_eq!(errors, faults);
}

#[test]
fn labels_are_texts_and_keys_with_dots_are_told() {
    let (code, text) = linted("labels-not-text.yaml");
    assert_eq!(code, 1);
    check_parts(
        &text,
        &[
            "error: spec.triggers[1].template.k8s.source.resource.metadata.labels.port: metadata.labels.port \
             has to be a text, found the number 1 (write it in quotes)\n",
            "warning: spec.triggers[0].template.k8s.parameters[0].dest: metadata.labels holds texts, and this \
             makes an object in it (write metadata.labels.app\\.kubernetes\\.io/name)\n",
        ],
    );
    let (_, text, _) =
        tiphys("simulate -f labels-not-text.yaml --object labels-not-text.json --as ADD");
    check_parts(
        &text,
        &[
            "  ✗ metadata.annotations.deployment.kubernetes.io/revision != \"1\": `metadata.annotations` has only \
             deployment.kubernetes.io/revision: no `deployment` (escape the dots of a key: \
             `metadata.annotations.deployment\\.kubernetes\\.io/revision`)\n",
            "  ✓ metadata.annotations.deployment\\.kubernetes\\.io/revision != \"1\": \"2\"\n",
            "  trigger dotted (Kubernetes) fails: metadata.labels.app has to be a text, found an object (escape \
             the dots of a key: metadata.labels.app\\.kubernetes\\.io/name), the event would be dead-lettered\n",
            "data.name ← none (default: `body.metadata.labels` has only app.kubernetes.io/name: no `app` (escape the dots of a key: \
             `body.metadata.labels.app\\.kubernetes\\.io/name`))\n",
            "  trigger static (Kubernetes) fails: metadata.labels.port has to be a text, found the number 1",
        ],
    );
}

#[test]
fn what_a_parameter_writes_is_judged_when_it_is_written() {
    assert_eq!(linted("--strict placeholder-dependency.yaml").0, 0);
    let arguments = "-f placeholder-dependency.yaml --event placeholder-dependency.json";
    let text = simulated(arguments);
    check_parts(
        &text,
        &["trigger note (Kubernetes) fires\n", "        colour: red\n"],
    );
    // Operation, method, URL and name are only known with the events.
    let (code, text) = linted("--strict placeholders.yaml");
    assert_eq!((code, text.as_str()), (0, ""));
    let text = simulated("-f placeholders.yaml --event placeholder-dependency.json");
    check_parts(
        &text,
        &[
            "trigger object (Kubernetes) fires\n",
            "→ delete\n",
            "trigger call (HTTP) fires\n",
            "→ PUT http://red.harbour\n",
            "trigger none (HTTP) fails: \"red\" is no URL: relative URL without a base; it begins with http:// \
             or https://, the event would be dead-lettered\n",
        ],
    );
}

#[test]
fn filters_show_what_they_saw() {
    let text = simulated("-f filters.yaml --event filters.json");
    check_parts(
        &text,
        &[
            "    ✗ data[0] body.total: \"25\" is a text, wanted a number > 100 (it counts as 25) (filters.yaml:11)\n",
            "    ✓ data[1] body.image: \"nginx:latest\" (a value is a regular expression that matches anywhere: \
             write ^nginx$)\n",
            "    ✗ data[2] body.idd: nothing: `body` has only total, image, id: no `idd`, wanted a number = 1 (",
            "    ✗ data[3] header.x-token: nothing: `header` has only X-Token: no `x-token` (keys know cases: \
             `header.X-Token`), wanted a text that matches \"seal\" (",
            "    ✗ exprs[0] count > 5: count is 3, it is not true (filters.yaml:16)\n",
            "    ✗ context: context type is \"webhook\", not \"resource\" (filters.yaml:",
            "    ✗ script: the script does not return true (filters.yaml:",
        ],
    );
}

#[test]
fn a_parameter_without_a_value_is_told_with_its_line() {
    let (code, text, _) = tiphys("simulate -f parameter.yaml --event parameter.json");
    assert_eq!(code, 0, "{text}");
    check_parts(
        &text,
        &[
            "trigger note (Kubernetes) fails: parameter.yaml:14: parameters[1]: `body.ports` is an array of 0: no `0` (give a default with value:), the event would be \
             dead-lettered\n",
            "    ✓ transform:\n      - body.secret: 1\n      + kind: \"small\"\n",
        ],
    );
}

#[test]
fn objects_come_in_documents_and_lists() {
    let files =
        "-f label-enters-selector.yaml --object objects.yaml --object label-enters-selector.json";
    let text = simulated(&format!("{files} --as ADD"));
    let objects: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("object "))
        .collect();
    assert_eq!(
        objects,
        [
            "object ConfigMap harbour/one",
            "object ConfigMap harbour/one",
            "object ConfigMap harbour/one",
            "object ConfigMap harbour/two",
            "object ConfigMap harbour/two",
            "object ConfigMap harbour/two",
            "object Service harbour/other",
            "object ConfigMap harbour/voyage-1",
            "object ConfigMap harbour/voyage-1",
            "object ConfigMap harbour/voyage-1",
        ]
    );
    check_parts(
        &text,
        &[
            "object Service harbour/other\n  → no event: no resource event source watches this object\n",
        ],
    );
}

#[test]
fn without_an_event_every_way_to_give_one_is_named() {
    let (code, _, errors) = tiphys("simulate -f filters.yaml");
    assert_eq!(code, 2);
    check_parts(
        &errors,
        &["--event <FILE>", "--object <FILE>", "--as <TYPE|KIND>"],
    );
}

#[test]
fn what_does_nothing_is_told_with_what_would() {
    let (code, text) = linted("silent.yaml");
    assert_eq!(code, 0, "{text}");
    check_parts(
        &text,
        &[
            "parameters[0].dest: brackets are part of a key here, and make a new one (write spec.rules.0.host)\n",
            "parameters[0].src.dataKey: brackets are part of a key here, and find nothing (write body.hosts.0)\n",
            "parameters[1].dest: it begins with a dot, which makes a key without a name (write metadata.name)\n",
            "parameters[1].src.dataKey: it begins with a dot, and finds nothing (write body.name)\n",
            "parameters[2].src.dataKey: a key has no functions behind a pipe, and finds nothing with them (use \
             dataTemplate or contextTemplate",
            "parameters[2].dest: `*` and `?` make a pattern of it, which changes only what is there already",
            "source.resource.metadata.annotations.who: templates are not filled in here: this is sent as it \
             stands (write it by a parameter with dataTemplate)\n",
            "retryStrategy: there is no such field, so it has no effect (it belongs to \
             spec.triggers[0].retryStrategy)\n",
        ],
    );
    assert_eq!(text.lines().count(), 8, "{text}");
}

#[test]
fn tests_of_manifests_are_run_from_their_folder() {
    let (code, text, errors) = tiphys("test tests");
    assert_eq!(code, 1, "{errors}");
    assert_eq!(errors, "4 tests: 1 failed\n");
    assert_eq!(
        text,
        "\
tests/relay.tiphys-test.yaml
  ok      a blink becomes an object of its colour
  ok      what waits for nothing does nothing
  ok      an event without a URL is dead-lettered
  FAILED  a blink is green
    --- expected
    +++ what would happen
    @@ create ConfigMap harbour/light- (sensor harbour/relay, trigger note) @@
    - data.colour: \"green\"
    + data.colour: \"red\"
"
    );
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("junit.xml");
    tiphys(&format!("test tests --junit {}", file.display()));
    let xml = std::fs::read_to_string(file).unwrap();
    check_parts(
        &xml,
        &[
            "<testsuite name=\"tests/relay.tiphys-test.yaml\" tests=\"4\" failures=\"1\">",
            "+ data.colour: &quot;red&quot;\n</failure>",
        ],
    );
    let (code, _, errors) = tiphys("test expect-exit-code.yaml");
    assert_eq!(code, 1);
    check_parts(
        &errors,
        &["expect-exit-code.yaml: a file of tests is one document"],
    );
}

#[test]
fn what_is_not_run_here_is_no_error() {
    let expected = "expect-exit-code.expect.json";
    let arguments = "simulate -f not-run.yaml --event expect-exit-code.json";
    let (code, text, errors) = tiphys(&format!("{arguments} --expect {expected}"));
    assert_eq!((code, text.as_str()), (0, ""), "{errors}");
    // Once for each type.
    assert_eq!(errors.matches("type hdfs").count(), 1, "{errors}");
    check_parts(&errors, &["note: ", "1 action, as expected\n"]);
    let arguments = "simulate -f expect-exit-code.yaml --event expect-exit-code.json";
    assert_eq!(tiphys(&format!("{arguments} --expect {expected}")).0, 0);
}

/// What the guide says of its programs is what they do.
#[test]
fn the_guide_to_transforms_is_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/transforms.md")).unwrap();
    let blocks = |language: &str| -> Vec<String> {
        let begin = format!("```{language}\n");
        let parts = page.split(&begin).skip(1);
        let blocks = parts.map(|part| part.split("```").next().unwrap().to_owned());
        blocks.collect()
    };
    let folder = std::env::temp_dir().join(format!("tiphys-guide-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let event = folder.join("event.json");
    std::fs::write(&event, &blocks("json")[0]).unwrap();
    let sensors = blocks("yaml");
    assert_eq!(sensors.len(), 2);
    for sensor in sensors {
        let file = folder.join("gate.yaml");
        std::fs::write(&file, sensor).unwrap();
        let text = simulated(&format!(
            "-f {} --event {}",
            file.display(),
            event.display()
        ));
        check_parts(&text, &["crew: \"2\"", "title: ARGO:80", "name: note-argo"]);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
