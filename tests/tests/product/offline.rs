//! `tiphys simulate`: what would happen, without a cluster.

use std::ffi::OsStr;
use std::process::Output;

use serde_json::{Value, json};
use tiphys_tests::{Desk, tiphys};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/auto-ingress");
const SERVICE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../examples/auto-ingress/service.yaml"
);

fn simulate<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    let arguments = arguments.into_iter();
    let all = ["simulate", "-f", EXAMPLE]
        .map(OsStr::new)
        .map(OsStr::to_owned)
        .into_iter();
    tiphys(all.chain(arguments.map(|argument| argument.as_ref().to_owned())))
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

#[track_caller]
fn check_refusal(output: &Output, code: i32, message: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        (output.status.code(), stdout(output)),
        (Some(code), ""),
        "{text}"
    );
    assert!(text.contains(message), "{text}");
}

const STORY: &str = "\
  trigger ingress (Kubernetes) fires
    ✓ parameters[0] k8s.operation ← create
    ✓ template.k8s.parameters[0] metadata.name ← harbour-svc
    ✓ template.k8s.parameters[1] spec.ingressClassName ← nginx
    ✓ template.k8s.parameters[2] spec.rules.0.host ← harbour.127.0.0.1.nip.io
    ✓ template.k8s.parameters[3] spec.rules.0.http.paths.0.backend.service.name ← harbour-svc
    ✓ template.k8s.parameters[4] spec.rules.0.http.paths.0.backend.service.port.number ← 8080
    → create
      apiVersion: networking.k8s.io/v1
      kind: Ingress
      metadata:
        name: harbour-svc-ing
        namespace: playground
      spec:
        ingressClassName: nginx
        rules:
        - host: harbour.127.0.0.1.nip.io
          http:
            paths:
            - backend:
                service:
                  name: harbour-svc
                  port:
                    number: 8080
              path: /
              pathType: Prefix
";

#[test]
fn the_story_is_told_stage_by_stage() {
    let output = simulate(["--object", SERVICE]);
    assert_eq!(output, simulate(["--object", SERVICE, "--as", "ADD"]));
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    for part in [
        "event source playground/ingress-es/ingress\n",
        "  ✓ it is in namespace playground\n",
        "  ✓ metadata.annotations.autodeploy-ingress-host == \".+\": \"harbour.127.0.0.1.nip.io\"\n",
        " ingress-es/ingress (resource)\nsensor playground/ingress-sn\n  dependency service\n    ✓ transform:\n",
        "      + operation: \"create\"\n",
        STORY,
        "  trigger log (Log) fires\n    → log service: {\"body\":{",
    ] {
        assert!(text.contains(part), "{part}\nis missing in\n{text}");
    }
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn the_story_is_told_to_programs() {
    for (event_type, operation) in [
        ("ADD", "create"),
        ("update", "update"),
        ("DELETE", "delete"),
    ] {
        let output = simulate(["--object", SERVICE, "--as", event_type, "-o", "json"]);
        assert_eq!(output.status.code(), Some(0));
        let mut lines = stdout(&output).lines();
        let report: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(lines.next(), None);
        assert_eq!(report["eventSource"], "playground/ingress-es/ingress");
        let sensor = &report["sensors"][0];
        assert_eq!(
            (&sensor["namespace"], &sensor["sensor"]),
            (&json!("playground"), &json!("ingress-sn"))
        );
        assert_eq!(sensor["dependencies"][0]["taken"], true);
        let trigger = &sensor["triggers"][0];
        assert_eq!(
            (&trigger["trigger"], &trigger["outcome"]),
            (&json!("ingress"), &json!("fired"))
        );
        let action = &trigger["firings"][0]["action"]["k8s"];
        assert_eq!(action["operation"], operation);
        assert_eq!(
            action["object"],
            json!({
                "apiVersion": "networking.k8s.io/v1",
                "kind": "Ingress",
                "metadata": { "name": "harbour-svc-ing", "namespace": "playground" },
                "spec": {
                    "ingressClassName": "nginx",
                    "rules": [{
                        "host": "harbour.127.0.0.1.nip.io",
                        "http": { "paths": [{
                            "path": "/",
                            "pathType": "Prefix",
                            "backend": { "service": { "name": "harbour-svc", "port": { "number": 8080 } } },
                        }] },
                    }],
                },
            })
        );
        assert_eq!(sensor["triggers"][1]["outcome"], "fired");
    }
}

#[test]
fn an_object_that_the_filter_does_not_take_makes_no_event() {
    let desk = Desk::new();
    let plain = desk.secret(
        "plain.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: plain, namespace: playground}\n",
    );
    let output = simulate([
        "--object".into(),
        plain.into_os_string(),
        "--as".into(),
        "ADD".into(),
    ]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert!(
        text.contains(
            "  ✗ metadata.annotations.autodeploy-ingress-host == \".+\": `metadata` has only name, \
             namespace: no `annotations`\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("  → no event: metadata.annotations.autodeploy-ingress-host finds nothing: "),
        "{text}"
    );
}

#[test]
fn an_object_that_nobody_watches_is_an_error_that_says_what_is_watched() {
    let desk = Desk::new();
    let pod = desk.secret(
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n",
    );
    let output = simulate([
        "--object".into(),
        pod.into_os_string(),
        "--as".into(),
        "ADD".into(),
    ]);
    check_refusal(
        &output,
        1,
        "no resource event source watches this object; they watch: ingress-es/ingress: services of \
         core/v1 in playground",
    );
}

#[test]
fn events_are_followed_one_after_another() {
    let desk = Desk::new();
    let events = desk.secret(
        "events.json",
        r#"{"eventSourceName": "ingress-es", "eventName": "ingress", "data": {"type": "ADD"}}
        {"specversion": "1.0", "id": "e2", "source": "elsewhere", "type": "webhook", "subject": "x", "data": 1}"#,
    );
    let output = simulate([
        "--event".into(),
        events.into_os_string(),
        "-o".into(),
        "json".into(),
    ]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    let triggers = &lines[0]["sensors"][0]["triggers"];
    // Without a name there is no ingress to make; the log trigger prints whatever comes.
    assert_eq!(
        (&triggers[0]["outcome"], &triggers[1]["outcome"]),
        (&json!("dead_lettered"), &json!("fired"))
    );
    assert!(triggers[0]["firings"][0]["error"].is_string());
    assert_eq!(
        (&lines[1]["event"]["context"]["id"], &lines[1]["sensors"]),
        (&json!("e2"), &json!([]))
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    check_refusal(
        &simulate(["--object", "/nowhere.yaml", "--as", "ADD"]),
        1,
        "tiphys: open /nowhere.yaml: No such file or directory",
    );
    check_refusal(
        &tiphys([
            "simulate", "-f", "/nowhere", "--object", SERVICE, "--as", "ADD",
        ]),
        1,
        "tiphys: open /nowhere: No such file or directory",
    );
    check_refusal(
        &simulate(["--object", SERVICE, "--as", "REPLACE"]),
        2,
        "ADD, UPDATE, DELETE, or a kind of event source",
    );
    let desk = Desk::new();
    let broken = desk.secret("broken.json", "all hands on deck");
    let output = simulate(["--event".into(), broken.into_os_string()]);
    check_refusal(
        &output,
        1,
        "broken.json: event 1: read the event: a CloudEvent with `specversion`, or an object of",
    );
}
