//! The payload of a resource event, spliced of the API server's bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tiphys_api::{ResourceEventSource, ResourceEventType};

/// Writes the payloads of one event. What is the same in all of them is written once.
#[derive(Debug, Clone)]
pub struct Payload {
    tail: String,
}

impl Payload {
    /// Prepares what all payloads of `source` end with.
    pub fn new(source: &ResourceEventSource) -> Self {
        let text = |value: &str| serde_json::Value::from(value).to_string();
        let mut tail = format!(
            r#","group":{},"version":{},"resource":{}"#,
            text(&source.group),
            text(&source.version),
            text(&source.resource),
        );
        for (at, (key, value)) in source.metadata.iter().enumerate() {
            tail.push_str(if at == 0 { r#","metadata":{"# } else { "," });
            tail.extend([&text(key), ":", &text(value)]);
        }
        tail.push_str(if source.metadata.is_empty() {
            "}"
        } else {
            "}}"
        });
        Self { tail }
    }

    /// The payload about `body`, and about what it was before.
    pub fn write(&self, kind: ResourceEventType, body: &[u8], old: Option<&[u8]>) -> Bytes {
        let old = old.unwrap_or(b"null");
        let mut out = Vec::with_capacity(body.len() + old.len() + self.tail.len() + 48);
        out.extend_from_slice(br#"{"type":""#);
        out.extend_from_slice(kind.name().as_bytes());
        out.extend_from_slice(br#"","body":"#);
        out.extend_from_slice(body);
        out.extend_from_slice(br#","oldBody":"#);
        out.extend_from_slice(old);
        out.extend_from_slice(self.tail.as_bytes());
        out.into()
    }
}

/// An item of a list with the type that the list states only once.
pub fn with_type(item: &[u8], api_version: &str, kind: &str) -> Bytes {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, default)]
        kind: Option<&'a RawValue>,
    }
    let is_typed = serde_json::from_slice(item).is_ok_and(|Typed { kind }| kind.is_some());
    let Some(members) = item.strip_prefix(b"{").filter(|_| !is_typed) else {
        return Bytes::copy_from_slice(item);
    };
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let mut out = format!(
        r#"{{"apiVersion":{},"kind":{}"#,
        text(api_version),
        text(kind)
    )
    .into_bytes();
    if !members.trim_ascii_start().starts_with(b"}") {
        out.push(b',');
    }
    out.extend_from_slice(members);
    out.into()
}

/// The object without `metadata.managedFields`, if it has any.
pub fn without_managed_fields(object: &[u8]) -> Option<Bytes> {
    type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;
    let mut members: Members<'_> = serde_json::from_slice(object).ok()?;
    let mut metadata: Members<'_> = serde_json::from_str(members.get("metadata")?.get()).ok()?;
    metadata.remove("managedFields")?;
    let metadata = serde_json::value::to_raw_value(&metadata).ok()?;
    members.insert("metadata".into(), &metadata);
    serde_json::to_vec(&members).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use tiphys_api::{ResourceEventSource, ResourceEventType};

    use super::{Payload, with_type, without_managed_fields};

    fn payload(source: &str) -> Payload {
        let source: ResourceEventSource = serde_json::from_str(source).unwrap();
        Payload::new(&source)
    }

    #[test]
    fn bytes_of_the_objects_are_not_touched() {
        let payload = payload(r#"{"group":"","version":"v1","resource":"pods"}"#);
        assert_eq!(
            payload.write(
                ResourceEventType::Update,
                br#"{"n": 1.0e2}"#,
                Some(br#"{"n":12345678901234567890}"#)
            ),
            r#"{"type":"UPDATE","body":{"n": 1.0e2},"oldBody":{"n":12345678901234567890},"group":"","version":"v1","resource":"pods"}"#
        );
        assert_eq!(
            payload.write(ResourceEventType::Add, b"{}", None),
            r#"{"type":"ADD","body":{},"oldBody":null,"group":"","version":"v1","resource":"pods"}"#
        );
    }

    #[test]
    fn metadata_of_the_author_comes_last() {
        let payload = payload(
            r#"{"group":"apps","version":"v1","resource":"deployments","metadata":{"b":"x\"y","a":"1"}}"#,
        );
        assert_eq!(
            payload.write(ResourceEventType::Delete, b"{}", None),
            r#"{"type":"DELETE","body":{},"oldBody":null,"group":"apps","version":"v1","resource":"deployments","metadata":{"a":"1","b":"x\"y"}}"#
        );
    }

    #[test]
    fn items_of_a_list_get_its_type_unless_they_have_one() {
        for (item, expected) in [
            (
                r#"{"metadata":{}}"#,
                r#"{"apiVersion":"v1","kind":"Pod","metadata":{}}"#,
            ),
            ("{ }", r#"{"apiVersion":"v1","kind":"Pod" }"#),
            (r#"{"kind":"X","a":1}"#, r#"{"kind":"X","a":1}"#),
        ] {
            assert_eq!(with_type(item.as_bytes(), "v1", "Pod"), expected);
        }
    }

    #[test]
    fn managed_fields_can_be_left_out() {
        let object = br#"{"kind":"X","metadata":{"name":"a","managedFields":[{"x":{}}]},"n":1.0}"#;
        assert_eq!(
            without_managed_fields(object).unwrap(),
            r#"{"kind":"X","metadata":{"name":"a"},"n":1.0}"#
        );
        assert!(without_managed_fields(br#"{"metadata":{}}"#).is_none());
        assert!(without_managed_fields(b"[]").is_none());
    }
}
