//! What NATS messages become, word by word.

use super::*;
use crate::incoming::Identity;

fn nats(is_json: bool, metadata: &str) -> Nats {
    let spec = format!(
        r#"{{"url":"nats://a","subject":"orders.*","jsonBody":{is_json},"metadata":{metadata}}}"#
    );
    Nats::compile("spec.nats.ev", &serde_json::from_str(&spec).unwrap()).unwrap()
}

fn written(nats: &Nats, headers: Option<&HeaderMap>, body: &[u8]) -> String {
    let payload = nats.payload("orders.new", headers, body).unwrap();
    String::from_utf8(payload.to_vec()).unwrap()
}

#[test]
fn a_message_has_the_members_of_argo_events() {
    assert_eq!(
        written(&nats(true, "{}"), None, br#"{"n": 1}"#),
        r#"{"subject":"orders.new","body":{"n": 1}}"#
    );
    let mut headers = HeaderMap::new();
    headers.insert("X-b", "2");
    headers.append("X-b", "<3>");
    headers.insert("A", "1");
    assert_eq!(
        written(&nats(false, r#"{"b":"2","a":"1"}"#), Some(&headers), b"hi"),
        concat!(
            r#"{"subject":"orders.new","body":"aGk=","header":{"A":["1"],"X-b":["2","\u003c3\u003e"]},"#,
            r#""metadata":{"a":"1","b":"2"}}"#
        )
    );
    assert_eq!(
        written(&nats(false, "{}"), Some(&HeaderMap::new()), b""),
        r#"{"subject":"orders.new","body":""}"#
    );
}

#[test]
fn a_message_is_known_by_its_id() {
    let message = |headers| Message {
        subject: "orders.new".into(),
        reply: None,
        payload: "1".into(),
        headers,
        status: None,
        description: None,
        length: 0,
    };
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", "7");
    let nats = nats(true, "{}");
    let parts = ["orders.new".to_owned(), "7".to_owned()];
    assert_eq!(
        nats.heard(&message(Some(headers))).id,
        Identity::Parts(parts.to_vec())
    );
    assert_eq!(nats.heard(&message(None)).id, Identity::Fresh);
}

#[test]
fn who_shares_the_work_runs_in_all_pods() {
    let placement = |more: &str| {
        let spec = format!(r#"{{"url":"nats://a","subject":"s"{more}}}"#);
        let nats = Nats::compile("spec.nats.ev", &serde_json::from_str(&spec).unwrap());
        nats.map(|nats| nats.placement())
    };
    assert_eq!(placement("").unwrap(), Placement::LeaseHolder);
    assert_eq!(placement(r#","queue":"q""#).unwrap(), Placement::AllPods);
    assert_eq!(
        placement(r#","jetstream":{"stream":"S"}"#).unwrap(),
        Placement::AllPods
    );
    let problems = placement(r#","queue":"q","jetstream":{"stream":"S"}"#).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "error: spec.nats.ev.queue: a JetStream consumer shares its messages out by itself (remove it)"
    );
}
