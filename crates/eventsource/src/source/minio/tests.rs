//! What notifications of MinIO become, word by word.

use serde_json::{Value, json};

use super::*;
use crate::incoming::{Identity, Payload};

/// A source with these fields beside the usual ones.
pub(super) fn compiled(more: &str) -> Minio {
    try_compiled(more).unwrap()
}

fn try_compiled(more: &str) -> Result<Minio, String> {
    let mut spec = json!({
        "endpoint": "minio:9000", "bucket": {"name": "harbour"},
        "accessKey": {"name": "m", "key": "a"}, "secretKey": {"name": "m", "key": "s"},
    });
    let more: Value = serde_json::from_str(more).unwrap();
    spec.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let spec = serde_json::from_value(spec).unwrap();
    Minio::compile("spec.minio.ev", &spec).map_err(|problems| problems[0].to_string())
}

#[test]
fn a_server_of_others_is_refused() {
    for endpoint in ["s3.amazonaws.com", "s3.eu-west-1.amazonaws.com:443"] {
        let error = try_compiled(&format!(r#"{{"endpoint":"{endpoint}"}}"#)).unwrap_err();
        assert_eq!(
            error,
            "error: spec.minio.ev.endpoint: this is no MinIO server (only MinIO tells of its objects this \
             way; AWS S3 notifies SQS or SNS: use an event source of that type)"
        );
    }
}

#[test]
fn what_is_listened_to_follows_the_spec() {
    let minio = compiled("{}");
    assert_eq!(minio.events, ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]);
    assert!(minio.hears_of_created());
    assert!(minio.is_watched("a%2Fb"));
    let minio = compiled(
        r#"{"events":["s3:ObjectRemoved:Delete"],"filter":{"prefix":"in/","suffix":"/a b.yaml"}}"#,
    );
    assert!(!minio.hears_of_created());
    assert!(minio.is_watched("in%2Fx%2Fa+b.yaml"));
    assert!(!minio.is_watched("in%2Fx%2Fa+b.yml"));
    assert_eq!(minio.region, "us-east-1");
}

#[test]
fn an_object_that_was_missed_says_so() {
    let minio = compiled(r#"{"metadata":{"team":"harbour"}}"#);
    let incoming = minio.missed(&Listed {
        object: ObjectState {
            key: "in%2Fa".to_owned(),
            etag: "5eb6".to_owned(),
        },
        size: 7,
        modified: "2026-01-02T03:04:05.678Z".parse().unwrap(),
    });
    let parts = ["harbour", "in%2Fa", "5eb6", "2026-01-02T03:04:05.678Z"];
    assert_eq!(
        incoming.id,
        Identity::Parts(parts.map(str::to_owned).to_vec())
    );
    let Payload::Json(payload) = incoming.payload else {
        panic!("it is JSON");
    };
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(
        payload["metadata"],
        json!({"team": "harbour", "reconciled": "true"})
    );
    assert_eq!(
        payload["notification"][0]["eventName"],
        "s3:ObjectCreated:Put"
    );
    assert_eq!(payload["notification"][0]["s3"]["object"]["key"], "in%2Fa");
}

#[test]
fn what_would_be_published_can_be_seen_without_a_server() {
    let minio = compiled(r#"{"filter":{"prefix":"in/","suffix":".yaml"}}"#);
    let now = "2026-01-02T03:04:05.678Z".parse().unwrap();
    let example = minio.draft(&Input::Example, now).unwrap();
    let example: Value = serde_json::from_slice(&example.payload).unwrap();
    let record = &example["notification"][0];
    assert_eq!(record["s3"]["object"]["key"], "in%2Fexample.yaml");
    assert_eq!(record["eventTime"], "2026-01-02T03:04:05.678Z");
    assert_eq!(example.get("metadata"), None);
    let body = br#"{"Records":[{"eventName":"s3:ObjectRemoved:Delete"}]}"#;
    let input = Input::Body { body, headers: &[] };
    let draft = minio.draft(&input, now).unwrap();
    assert_eq!(
        draft.payload,
        r#"{"notification":[{"eventName":"s3:ObjectRemoved:Delete"}]}"#
    );
    for body in [&b"{}"[..], b"oh"] {
        let input = Input::Body { body, headers: &[] };
        assert!(minio.draft(&input, now).is_err());
    }
}
