//! What messages of NSQ become, word by word.

use super::*;
use crate::incoming::{Identity, Payload};

pub(super) fn compiled(spec: &str) -> Nsq {
    Nsq::compile("spec.nsq.ev", &serde_json::from_str(spec).unwrap()).unwrap()
}

fn nsq(is_json: bool, metadata: &str) -> Nsq {
    compiled(&format!(
        r#"{{"hostAddress":"l:4161","topic":"orders","channel":"shop","jsonBody":{is_json},
            "metadata":{metadata}}}"#
    ))
}

fn message(body: &'static [u8]) -> Message {
    Message {
        id: *b"0a1b2c3d4e5f6071",
        timestamp: 1_577_934_245_678_901_234,
        body: Bytes::from_static(body),
    }
}

fn published(nsq: &Nsq, body: &'static [u8]) -> String {
    match nsq.incoming(&message(body), "nsqd-0:4150").payload {
        Payload::Json(payload) => String::from_utf8(payload.to_vec()).unwrap(),
        Payload::Unreadable { raw, error } => format!("{error}: {raw:?}"),
    }
}

#[test]
fn a_message_has_the_members_of_argo_events() {
    assert_eq!(
        published(&nsq(true, "{}"), br#"{"n": 1}"#),
        r#"{"body":{"n": 1},"timestamp":"1577934245678901234","nsqdAddress":"nsqd-0:4150"}"#
    );
    assert_eq!(
        published(&nsq(false, r#"{"b":"2","a":"1"}"#), b"hi"),
        concat!(
            r#"{"body":"aGk=","timestamp":"1577934245678901234","nsqdAddress":"nsqd-0:4150","#,
            r#""metadata":{"a":"1","b":"2"}}"#
        )
    );
    assert_eq!(
        published(&nsq(true, "{}"), b"{oh}"),
        "the body is not JSON: key must be a string at line 1 column 2: b\"{oh}\""
    );
}

#[test]
fn a_message_is_known_by_its_id_wherever_it_comes_from() {
    let nsq = nsq(true, "{}");
    let parts = ["orders", "shop", "1577934245678901234", "0a1b2c3d4e5f6071"];
    let expected = Identity::Parts(parts.map(str::to_owned).to_vec());
    assert_eq!(nsq.incoming(&message(b"1"), "a:1").id, expected);
    assert_eq!(nsq.incoming(&message(b"oh"), "b:1").id, expected);
}

#[test]
fn what_would_be_published_can_be_seen_without_a_server() {
    let now: Timestamp = "2020-01-02T03:04:05.678901234Z".parse().unwrap();
    let draft = nsq(true, "{}").draft(&Input::Example, now).unwrap();
    assert_eq!(
        draft.payload,
        r#"{"body":{"message":"hello"},"timestamp":"1577934245678901234","nsqdAddress":"nsqd:4150"}"#
    );
    let error = nsq(true, "{}").draft(&Input::Payload(b"{}"), now);
    assert!(error.is_err());
}
