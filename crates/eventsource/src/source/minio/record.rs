//! What MinIO says of a bucket, and what is said in its place of an object that was missed.

use bytes::{Buf as _, Bytes, BytesMut};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::progress::ObjectState;
use crate::source::broker::Members;

/// The longest line that is read: that of Argo Events' library.
const LONGEST: usize = 4 * 1024 * 1024;

/// Notifications that an object was created begin so.
pub(super) const CREATED: &str = "s3:ObjectCreated:";

/// What stays as it is in a key.
const KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b' ');

/// A line that cannot be what MinIO says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineError {
    #[error("a line is longer than {LONGEST} bytes")]
    Long,
    #[error("a line is no notification: {0}")]
    Malformed(String),
}

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notification {
    /// Its records, as they came.
    pub(super) records: String,
    /// What it is known by; empty if MinIO gives nothing.
    pub(super) id: Vec<String>,
    /// The object, if it was created.
    pub(super) created: Option<ObjectState>,
    pub(super) time: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default, rename = "Records")]
    records: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Record {
    event_name: String,
    event_time: String,
    s3: Subject,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Subject {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Bucket {
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Object {
    key: String,
    e_tag: String,
    version_id: String,
    sequencer: String,
}

/// The next line, if it has arrived in full.
pub(super) fn line(arrived: &mut BytesMut) -> Result<Option<Bytes>, LineError> {
    match memchr::memchr(b'\n', arrived) {
        Some(end) => {
            let line = arrived.split_to(end).freeze();
            arrived.advance(1);
            Ok(Some(line))
        }
        None if arrived.len() > LONGEST => Err(LineError::Long),
        None => Ok(None),
    }
}

/// What a line says; nothing, if it only shows that the server is there.
pub(super) fn notification(line: &[u8]) -> Result<Option<Notification>, LineError> {
    let malformed = |error: serde_json::Error| LineError::Malformed(error.to_string());
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let Line { records } = serde_json::from_slice(line).map_err(malformed)?;
    let Some(raw) = records else {
        return Ok(None);
    };
    let records: Vec<Record> = serde_json::from_str(raw.get()).map_err(malformed)?;
    let Some(first) = records.first() else {
        return Ok(None);
    };
    let is_known = records
        .iter()
        .all(|record| !record.s3.object.sequencer.is_empty());
    let id = if is_known {
        records.iter().flat_map(Record::id).collect()
    } else {
        Vec::new()
    };
    Ok(Some(Notification {
        records: raw.get().to_owned(),
        id,
        created: first.event_name.starts_with(CREATED).then(|| ObjectState {
            key: first.s3.object.key.clone(),
            etag: first.s3.object.e_tag.clone(),
        }),
        time: first.event_time.parse().ok(),
    }))
}

impl Record {
    fn id(&self) -> [String; 4] {
        let Object {
            key,
            version_id,
            sequencer,
            ..
        } = &self.s3.object;
        [&self.s3.bucket.name, key, version_id, sequencer].map(Clone::clone)
    }
}

/// The payload of records, as Argo Events writes it; `metadata` is JSON, or empty.
pub(super) fn payload(records: &str, metadata: &str) -> Bytes {
    Members::with_room_for(records.len())
        .json("notification", records.as_bytes())
        .finish(metadata)
}

/// A key as it stands in notifications.
pub(super) fn written(key: &str) -> String {
    utf8_percent_encode(key, KEY).to_string().replace(' ', "+")
}

/// The records of an object that was there after a gap.
pub(super) fn missed(
    (bucket, region): (&str, &str),
    object: &ObjectState,
    size: u64,
    modified: Timestamp,
) -> String {
    // As of MinIO, which has milliseconds.
    let time = modified.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    let bucket_arn = format!("arn:aws:s3:::{bucket}");
    let identity = json!({"principalId": ""});
    let record = ordered(&[
        ("eventVersion", json!("2.0").to_string()),
        ("eventSource", json!("minio:s3").to_string()),
        ("awsRegion", json!(region).to_string()),
        ("eventTime", json!(time).to_string()),
        ("eventName", json!("s3:ObjectCreated:Put").to_string()),
        ("userIdentity", identity.to_string()),
        ("requestParameters", json!({}).to_string()),
        ("responseElements", json!({}).to_string()),
        (
            "s3",
            ordered(&[
                ("s3SchemaVersion", json!("1.0").to_string()),
                ("configurationId", json!("Config").to_string()),
                (
                    "bucket",
                    ordered(&[
                        ("name", json!(bucket).to_string()),
                        ("ownerIdentity", identity.to_string()),
                        ("arn", json!(bucket_arn).to_string()),
                    ]),
                ),
                (
                    "object",
                    ordered(&[
                        ("key", json!(object.key).to_string()),
                        ("size", size.to_string()),
                        ("eTag", json!(object.etag).to_string()),
                        ("sequencer", json!("").to_string()),
                    ]),
                ),
            ]),
        ),
        (
            "source",
            ordered(&[
                ("host", json!("").to_string()),
                ("port", json!("").to_string()),
                ("userAgent", json!("").to_string()),
            ]),
        ),
    ]);
    format!("[{record}]")
}

/// An object with its members in this order.
fn ordered(members: &[(&str, String)]) -> String {
    let members = members
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As MinIO's server writes it.
    const PUT: &str = concat!(
        r#"{"eventVersion":"2.0","eventSource":"minio:s3","awsRegion":"","#,
        r#""eventTime":"2026-01-02T03:04:05.678Z","eventName":"s3:ObjectCreated:Put","#,
        r#""userIdentity":{"principalId":"ann"},"requestParameters":{"sourceIPAddress":"10.0.0.1"},"#,
        r#""responseElements":{"x-amz-request-id":"17"},"s3":{"s3SchemaVersion":"1.0","#,
        r#""configurationId":"Config","bucket":{"name":"harbour","ownerIdentity":{"principalId":"ann"},"#,
        r#""arn":"arn:aws:s3:::harbour"},"object":{"key":"in%2Fmast+1.yaml","size":11,"eTag":"5eb6","#,
        r#""contentType":"text/yaml","sequencer":"16D2"}},"source":{"host":"10.0.0.1","port":"","#,
        r#""userAgent":"mc"}}"#
    );

    fn lines(bytes: &[u8]) -> (Vec<Bytes>, usize) {
        let mut arrived = BytesMut::from(bytes);
        let mut found = Vec::new();
        while let Some(one) = line(&mut arrived).unwrap() {
            found.push(one);
        }
        (found, arrived.len())
    }

    #[test]
    fn lines_are_read_as_they_arrive() {
        assert_eq!(
            lines(b"  {\"Records\":null}\n\n {\"Rec"),
            (vec![Bytes::from("  {\"Records\":null}"), Bytes::new()], 6)
        );
        let mut endless = BytesMut::from(&vec![b' '; 4 * 1024 * 1024 + 1][..]);
        assert_eq!(
            line(&mut endless).unwrap_err().to_string(),
            "a line is longer than 4194304 bytes"
        );
    }

    #[test]
    fn a_notification_is_told_as_it_came() {
        let said = notification(format!(" {{\"Records\":[{PUT}]}}").as_bytes());
        let said = said.unwrap().unwrap();
        assert_eq!(said.id, ["harbour", "in%2Fmast+1.yaml", "", "16D2"]);
        let object = said.created.unwrap();
        assert_eq!((&*object.key, &*object.etag), ("in%2Fmast+1.yaml", "5eb6"));
        assert_eq!(said.time.unwrap().to_string(), "2026-01-02T03:04:05.678Z");
        let metadata = r#"{"team":"harbour"}"#;
        assert_eq!(
            payload(&said.records, metadata),
            format!(r#"{{"notification":[{PUT}],"metadata":{{"team":"harbour"}}}}"#)
        );
    }

    #[test]
    fn what_only_shows_that_the_server_is_there_is_no_notification() {
        for line in ["", "   ", r#"{"Records":null}"#, r#"{"Records":[]}"#, "{}"] {
            assert_eq!(notification(line.as_bytes()), Ok(None), "{line}");
        }
        for line in ["<html>", r#"{"Records":[{"s3":"#, r#"{"Records":7}"#] {
            let error = notification(line.as_bytes()).unwrap_err();
            assert!(
                error.to_string().starts_with("a line is no notification: "),
                "{error}"
            );
        }
    }

    #[test]
    fn a_deletion_is_nothing_that_could_be_missed() {
        let line =
            r#"{"Records":[{"eventName":"s3:ObjectRemoved:Delete","s3":{"object":{"key":"a"}}}]}"#;
        let said = notification(line.as_bytes()).unwrap().unwrap();
        assert_eq!((said.created, said.time, said.id.len()), (None, None, 0));
    }

    #[test]
    fn an_object_that_was_missed_is_told_in_the_same_shape() {
        assert_eq!(written("in/mast 1~ä.yaml"), "in%2Fmast+1~%C3%A4.yaml");
        let object = ObjectState {
            key: written("in/mast 1.yaml"),
            etag: "5eb6".to_owned(),
        };
        let modified: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        assert_eq!(
            missed(("harbour", "us-east-1"), &object, 11, modified),
            concat!(
                r#"[{"eventVersion":"2.0","eventSource":"minio:s3","awsRegion":"us-east-1","#,
                r#""eventTime":"2026-01-02T03:04:05.678Z","eventName":"s3:ObjectCreated:Put","#,
                r#""userIdentity":{"principalId":""},"requestParameters":{},"responseElements":{},"#,
                r#""s3":{"s3SchemaVersion":"1.0","configurationId":"Config","bucket":{"name":"harbour","#,
                r#""ownerIdentity":{"principalId":""},"arn":"arn:aws:s3:::harbour"},"object":{"#,
                r#""key":"in%2Fmast+1.yaml","size":11,"eTag":"5eb6","sequencer":""}},"#,
                r#""source":{"host":"","port":"","userAgent":""}}]"#
            )
        );
    }
}
