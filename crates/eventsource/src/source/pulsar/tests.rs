//! What messages of Pulsar become, word by word.

use super::*;
use crate::incoming::{Identity, Payload};

fn pulsar(more: &str) -> Result<Pulsar, Vec<Problem>> {
    let spec = format!(r#"{{"url":"pulsar://a:6650","topics":["orders"]{more}}}"#);
    Pulsar::compile("spec.pulsar.ev", &serde_json::from_str(&spec).unwrap())
}

fn problems(more: &str) -> Vec<String> {
    let problems = pulsar(more).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

fn incoming_of(more: &str, topic: &str, body: &'static [u8]) -> Incoming {
    let message = Message {
        batch_index: 2,
        key: "k\"".to_owned(),
        publish_time: 1_767_366_245_120,
        body: Bytes::from_static(body),
    };
    let id = EntryId {
        ledger: 7,
        entry: 9,
    };
    pulsar(more).unwrap().incoming(topic, id, &message)
}

fn payload(more: &str, body: &'static [u8]) -> String {
    match incoming_of(more, "persistent://a/b/c", body).payload {
        Payload::Json(payload) => String::from_utf8(payload.to_vec()).unwrap(),
        Payload::Unreadable { raw, error } => format!("{error}: {raw:?}"),
    }
}

#[test]
fn a_message_has_the_members_of_argo_events() {
    assert_eq!(
        payload(r#","jsonBody":true,"metadata":{"a":"1"}"#, br#"{"n": 1}"#),
        concat!(
            r#"{"key":"k\"","publishTime":"2026-01-02 15:04:05.12 +0000 UTC","#,
            r#""body":{"n": 1},"metadata":{"a":"1"}}"#
        )
    );
    assert_eq!(
        payload("", b"hi"),
        r#"{"key":"k\"","publishTime":"2026-01-02 15:04:05.12 +0000 UTC","body":"aGk="}"#
    );
    assert_eq!(
        payload(r#","jsonBody":true"#, b"oh"),
        "the body is not JSON: expected value at line 1 column 1: b\"oh\""
    );
}

#[test]
fn a_message_is_known_by_its_place_and_has_the_order_of_its_topic() {
    let incoming = incoming_of("", "persistent://a/b/c", b"hi");
    let parts = ["persistent://a/b/c", "7", "9", "2"].map(str::to_owned);
    assert_eq!(incoming.id, Identity::Parts(parts.to_vec()));
    assert_eq!(incoming.ordering_key.as_deref(), Some("persistent://a/b/c"));
    let shared = incoming_of(r#","type":"shared""#, "persistent://a/b/c", b"hi");
    assert_eq!(shared.ordering_key, None);
    let forgotten = incoming_of("", "non-persistent://a/b/c", b"hi");
    assert_eq!(forgotten.id, Identity::Fresh);
}

#[test]
fn a_shared_subscription_is_in_all_pods_and_an_exclusive_one_in_one() {
    for (more, placement) in [
        ("", Placement::LeaseHolder),
        (r#","type":"exclusive""#, Placement::LeaseHolder),
        (r#","type":"shared""#, Placement::AllPods),
    ] {
        assert_eq!(pulsar(more).unwrap().placement(), placement, "{more}");
    }
}

#[test]
fn what_cannot_work_is_named_with_its_field() {
    assert_eq!(
        problems(r#","authAthenzParams":{"tenantDomain":"d"}"#),
        [
            "error: spec.pulsar.ev.authAthenzParams: logins by Athenz are not supported (log in with a \
             token (authTokenSecret))"
        ]
    );
    let spec = r#"{"url":"http://a:8080","topics":["orders","a/b"]}"#;
    let spec = serde_json::from_str(spec).unwrap();
    let problems = Pulsar::compile("spec.pulsar.ev", &spec).unwrap_err();
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "error: spec.pulsar.ev.url: brokers are asked over their own protocol: it has to begin with \
             pulsar:// or pulsar+ssl:// (ports 6650 and 6651 unless they are others)",
            "error: spec.pulsar.ev.topics[1]: \"a/b\" cannot be a topic: TOPIC, TENANT/NAMESPACE/TOPIC \
             or persistent://TENANT/NAMESPACE/TOPIC is needed",
        ]
    );
}
