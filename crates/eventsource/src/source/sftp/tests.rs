//! What specs become, without a server.

use serde_json::{Value, json};
use tiphys_api::Problem;

use super::*;

fn compiled(edit: &Value) -> Result<Sftp, Vec<Problem>> {
    let mut spec = json!({
        "eventType": "CREATE",
        "watchPathConfig": {"directory": "/incoming/", "pathRegexp": "\\.csv$"},
    });
    for (field, value) in edit.as_object().unwrap() {
        spec[field] = value.clone();
    }
    Sftp::compile("spec.sftp.ev", &serde_json::from_value(spec).unwrap())
}

#[test]
fn a_pause_is_what_the_spec_says() {
    let pause =
        |text: &str| compiled(&json!({"pollIntervalDuration": text})).map(|sftp| sftp.pause);
    assert_eq!(pause("").unwrap(), Duration::from_secs(10));
    assert_eq!(pause("1m30s").unwrap(), Duration::from_secs(90));
    let refused = |text: &str| {
        let problems = pause(text).unwrap_err();
        format!("{}: {}", problems[0].field_path, problems[0].message)
    };
    assert_eq!(
        refused("10ms"),
        "spec.sftp.ev.pollIntervalDuration: \"10ms\" is shorter than 100ms"
    );
    assert_eq!(
        refused("-1s"),
        "spec.sftp.ev.pollIntervalDuration: \"-1s\" is shorter than 100ms"
    );
}

#[test]
fn all_that_is_wrong_has_its_field() {
    let problems = compiled(&json!({
        "watchPathConfig": {"directory": "incoming", "path": "x"},
        "pollIntervalDuration": "0s",
    }));
    let fields: Vec<String> = problems
        .unwrap_err()
        .into_iter()
        .map(|problem| problem.field_path)
        .collect();
    assert_eq!(
        fields,
        [
            "spec.sftp.ev.watchPathConfig.directory",
            "spec.sftp.ev.pollIntervalDuration",
        ]
    );
}

#[test]
fn what_would_be_published_can_be_seen_without_a_server() {
    let sftp = compiled(&json!({"metadata": {"team": "harbour"}})).unwrap();
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let body = |body| Input::Body { body, headers: &[] };
    let draft = sftp.draft(&body(b"orders.csv\n"), now).unwrap();
    assert_eq!(
        draft.payload,
        r#"{"name":"orders.csv","op":1,"metadata":{"team":"harbour"}}"#
    );
    assert!(draft.checks[0].is_met);
    let draft = sftp.draft(&body(b"orders.txt"), now).unwrap();
    assert_eq!(
        draft.checks[0].why,
        "\"orders.txt\" is not the file in /incoming =~ \\.csv$"
    );
    assert!(sftp.draft(&Input::Payload(b"{}"), now).is_err());
}
