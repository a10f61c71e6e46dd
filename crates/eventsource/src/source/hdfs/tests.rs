//! What specs become, without a server.

use serde_json::{Value, json};

use super::*;

fn compiled(edit: &Value) -> Result<Hdfs, Vec<Problem>> {
    let mut spec = json!({
        "directory": "/landing/", "pathRegexp": "\\.csv$", "type": "CREATE",
        "addresses": ["namenode:8020"], "hdfsUser": "hdfs",
    });
    for (field, value) in edit.as_object().unwrap() {
        spec[field] = value.clone();
    }
    Hdfs::compile("spec.hdfs.ev", &serde_json::from_value(spec).unwrap())
}

fn faults(edit: &Value) -> Vec<String> {
    let problems = compiled(edit).err().unwrap_or_default();
    let texts = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.field_path, problem.message));
    texts.collect()
}

#[test]
fn kerberos_is_refused_by_name() {
    assert_eq!(
        faults(&json!({"hdfsUser": "", "krbUsername": "u", "krbRealm": "R"})),
        ["spec.hdfs.ev.krbUsername: logins by Kerberos are not known to this version of tiphys"]
    );
    assert_eq!(
        faults(&json!({"hdfsUser": "", "checkInterval": "soon"})).len(),
        2
    );
    assert_eq!(faults(&json!({})), [""; 0]);
}

#[test]
fn what_would_be_published_can_be_seen_without_a_server() {
    let hdfs = compiled(&json!({"metadata": {"team": "harbour"}})).unwrap();
    assert_eq!(hdfs.pause, Duration::from_mins(1));
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let body = Input::Body {
        body: b"2026/orders.csv\n",
        headers: &[],
    };
    assert_eq!(
        hdfs.draft(&body, now).unwrap().payload,
        r#"{"name":"/landing/2026/orders.csv","op":1,"metadata":{"team":"harbour"}}"#
    );
    assert!(hdfs.draft(&Input::Payload(b"{}"), now).is_err());
}
