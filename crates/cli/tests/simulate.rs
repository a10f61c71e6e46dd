//! `tiphys simulate` as a CI uses it: what it prints, and its exit codes.

#![cfg(test)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/auto-ingress")
        .join(file)
}

/// Runs `tiphys simulate` on the example with these arguments and this standard input.
fn simulate(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tiphys"))
        .arg("simulate")
        .arg("-f")
        .arg(example(""))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

/// The exit code, and what was printed.
#[track_caller]
fn of_the_service(arguments: &[&str]) -> (i32, String) {
    let service = example("service.yaml");
    let object = ["--object", service.to_str().unwrap()];
    let output = simulate(&[&object, arguments].concat(), "");
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[test]
fn nothing_is_printed_if_all_is_as_expected() {
    let expected = example("expected/create.yaml");
    let expected = ["--as", "ADD", "--expect", expected.to_str().unwrap()];
    assert_eq!(of_the_service(&expected), (0, String::new()));
}

#[test]
fn a_difference_is_printed_and_fails() {
    let file = example("expected/create.yaml");
    let (code, text) = of_the_service(&["--as", "UPDATE", "--expect", file.to_str().unwrap()]);
    let differences = "\
+++ what would happen
@@ update Ingress playground/harbour-svc-ing (sensor playground/ingress-sn, trigger ingress) @@
- operation: \"create\"
+ operation: \"update\"
";
    assert_eq!(code, 1);
    assert_eq!(text.split_once('\n').unwrap().1, differences);
}

#[test]
fn differences_are_json_for_programs() {
    let file = example("expected/delete.yaml");
    let arguments = [
        "--as",
        "ADD",
        "--expect",
        file.to_str().unwrap(),
        "-o",
        "json",
    ];
    let (code, text) = of_the_service(&arguments);
    let page: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, 1);
    assert_eq!(page["equal"], false);
    let first = &page["differences"][0];
    assert_eq!(
        (&first["path"], &first["expected"], &first["actual"]),
        (&"operation".into(), &"delete".into(), &"create".into())
    );
}

#[test]
fn what_is_not_done_and_what_nobody_expects_fails() {
    let nothing = example("expected/create.yaml");
    let other = "{\"eventSourceName\":\"other-es\",\"eventName\":\"x\",\"data\":{}}";
    let arguments = ["--event", "-", "--expect", nothing.to_str().unwrap()];
    let output = simulate(&arguments, other);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("@@ create Ingress playground/harbour-svc-ing: does not happen @@"),
        "{text}"
    );
}

#[test]
fn a_path_is_explained_in_the_transformed_event() {
    let (code, text) = of_the_service(&[
        "--as",
        "ADD",
        "--explain",
        "operation",
        "--explain",
        "body.spec.ports.0.nme",
    ]);
    let answers = "  sensor playground/ingress-sn, dependency service
    ✓ operation = \"create\"
    ✗ body.spec.ports.0.nme finds nothing: `body.spec.ports.0` has only name, port, targetPort: \
no `nme`
";
    assert_eq!(code, 0);
    assert_eq!(text.split_once('\n').unwrap().1, answers);
}

#[test]
fn explanations_are_json_for_programs() {
    let (_, text) = of_the_service(&["--as", "ADD", "--explain", "operation", "-o", "json"]);
    let page: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        page["dependencies"],
        serde_json::json!([{
            "sensor": "playground/ingress-sn",
            "dependency": "service",
            "taken": true,
            "paths": [{"path": "operation", "value": "create"}],
        }])
    );
}

#[test]
fn standard_input_holds_several_events_in_json_or_yaml() {
    let json = r#"{"eventSourceName":"ingress-es","eventName":"ingress","data":{"type":"ADD"}}
        {"eventSourceName":"ingress-es","eventName":"ingress","data":{"type":"DELETE"}}"#;
    let yaml = "\
eventSourceName: ingress-es
eventName: ingress
data: {type: ADD}
---
eventSourceName: ingress-es
eventName: ingress
data: {type: DELETE}
";
    for input in [json, yaml] {
        let output = simulate(&["--event", "-", "--explain", "operation"], input);
        let text = String::from_utf8(output.stdout).unwrap();
        let found: Vec<&str> = text.lines().filter(|line| line.contains('=')).collect();
        assert_eq!(
            found,
            [
                "    ✓ operation = \"create\"",
                "    ✓ operation = \"delete\""
            ]
        );
    }
}

#[test]
fn a_file_of_expectations_that_is_none_is_refused() {
    let output = simulate(
        &[
            "--event",
            example("service.yaml").to_str().unwrap(),
            "--expect",
            "-",
        ],
        "a: 1\nb: 2\n",
    );
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("neither a Kubernetes object"), "{error}");
}

#[test]
fn standard_input_is_read_once() {
    let output = simulate(&["--event", "-", "--expect", "-"], "{}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        error,
        "tiphys: only one of the files can be standard input\n"
    );
}
