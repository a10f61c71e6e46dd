//! The wire format, with bytes that Argo Events wrote or that its documents show.

use bytes::Bytes;

use super::{Context, Event};

fn webhook() -> Event {
    Event {
        context: Context {
            id: "6f1c0a52b0c94c5f8d6b7a8e9f001122".to_owned(),
            source: "webhook".to_owned(),
            specversion: "1.0".to_owned(),
            r#type: "webhook".to_owned(),
            datacontenttype: "application/json".to_owned(),
            subject: "example".to_owned(),
            time: Some("2026-01-02T03:04:05.678Z".parse().unwrap()),
        }
        .into(),
        data: Some(Bytes::from_static(br#"{"header":{},"body":{}}"#)),
    }
}

const WIRE: &str = r#"{"specversion":"1.0","id":"6f1c0a52b0c94c5f8d6b7a8e9f001122","source":"webhook","type":"webhook","subject":"example","datacontenttype":"application/json","time":"2026-01-02T03:04:05.678Z","data_base64":"eyJoZWFkZXIiOnt9LCJib2R5Ijp7fX0="}"#;

#[test]
fn an_event_is_written_as_the_go_producer_writes_it() {
    assert_eq!(webhook().encode(), WIRE);
}

#[test]
fn an_event_is_read_back() {
    assert_eq!(Event::decode(WIRE.as_bytes()).unwrap(), webhook());
}

#[test]
fn fractions_of_a_second_are_written_without_trailing_zeros() {
    for (time, written) in [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.100Z", "2026-01-02T03:04:05.1Z"),
        (
            "2026-01-02T03:04:05.123456789+02:00",
            "2026-01-02T01:04:05.123456789Z",
        ),
    ] {
        let context = Context {
            time: Some(time.parse().unwrap()),
            ..Context::default()
        };
        let encoded = Event {
            context: context.into(),
            data: None,
        }
        .encode();
        let expected =
            format!(r#"{{"specversion":"","id":"","source":"","type":"","time":"{written}"}}"#);
        assert_eq!(encoded, expected);
    }
}

#[test]
fn a_source_that_is_no_uri_reference_is_escaped() {
    let context = Context {
        source: "a b<ü>".to_owned(),
        ..Context::default()
    };
    let encoded = Event {
        context: context.into(),
        data: None,
    }
    .encode();
    assert_eq!(
        encoded,
        r#"{"specversion":"","id":"","source":"a%20b%3C%C3%BC%3E","type":""}"#
    );
}

#[track_caller]
fn payload_of(event: &str) -> Option<String> {
    let event = Event::decode(event.as_bytes()).unwrap();
    event
        .data
        .map(|data| String::from_utf8(data.to_vec()).unwrap())
}

#[test]
fn payloads_are_read_from_either_attribute() {
    for (attributes, payload) in [
        (r#""data":{"a": [1, 2.50]}"#, Some(r#"{"a": [1, 2.50]}"#)),
        (r#""data":"text""#, Some(r#""text""#)),
        (
            r#""datacontenttype":"text/plain","data":"te\"xt""#,
            Some(r#"te"xt"#),
        ),
        (
            r#""data":"te xt","datacontenttype":"text/plain""#,
            Some("te xt"),
        ),
        (
            r#""data":"text","datacontenttype":"Application/JSON; charset=utf-8""#,
            Some(r#""text""#),
        ),
        (
            r#""data":"text","datacontenttype":"application/vnd.x+json""#,
            Some(r#""text""#),
        ),
        (r#""data":7,"datacontenttype":"text/plain""#, Some("7")),
        (r#""data":null"#, Some("null")),
        (r#""data_base64":"e30=""#, Some("{}")),
        (r#""data_base64":"\u00653\u0030=""#, Some("{}")),
        (r#""data_base64":null,"data":1"#, Some("1")),
        (r#""x":1"#, None),
    ] {
        let event = format!(r#"{{"id":"1",{attributes},"specversion":"1.0"}}"#);
        assert_eq!(payload_of(&event).as_deref(), payload, "{event}");
    }
}

#[test]
fn unknown_attributes_are_skipped_and_the_last_of_two_counts() {
    let event =
        br#" {"ext":{"deep":[1]},"id":"1","specversion":"1.0","id":"2","subject":null,"xyz":"q"} "#;
    let event = Event::decode(event).unwrap();
    assert_eq!(event.context.id, "2");
    assert_eq!(event.context.subject, "");
}

#[test]
fn what_is_no_event_is_an_error() {
    for message in [
        "",
        "[]",
        "{}",
        r#"{"specversion":"2.0"}"#,
        r#"{"specversion":"1.0","id":7}"#,
        r#"{"specversion":"1.0","time":"yesterday"}"#,
        r#"{"specversion":"1.0","data_base64":"???"}"#,
        r#"{"specversion":"1.0","data_base64":7}"#,
        r#"{"specversion":"1.0"} trailing"#,
    ] {
        assert!(Event::decode(message.as_bytes()).is_err(), "{message}");
    }
}

#[test]
fn hostile_nesting_is_an_error_wherever_it_is() {
    let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
    let in_data = format!(r#"{{"specversion":"1.0","data":{deep}}}"#);
    assert_eq!(
        Event::decode(in_data.as_bytes()).unwrap_err().to_string(),
        "the payload nests deeper than 512 levels"
    );
    let elsewhere = format!(r#"{{"specversion":"1.0","x":{deep}}}"#);
    assert!(Event::decode(elsewhere.as_bytes()).is_ok());
    assert!(Event::decode(deep.as_bytes()).is_err());
}

#[test]
fn the_context_document_has_every_attribute_in_order() {
    assert_eq!(
        webhook().context.to_json(),
        r#"{"id":"6f1c0a52b0c94c5f8d6b7a8e9f001122","source":"webhook","specversion":"1.0","type":"webhook","datacontenttype":"application/json","subject":"example","time":"2026-01-02T03:04:05Z"}"#
    );
    assert_eq!(
        Context::default().to_json(),
        r#"{"id":"","source":"","specversion":"","type":"","datacontenttype":"","subject":"","time":null}"#
    );
}

#[test]
fn the_whole_event_has_its_payload_in_base64() {
    let event = Event {
        data: Some(Bytes::from_static(b"{}")),
        context: Context::default().into(),
    };
    assert_eq!(
        event.to_json(),
        r#"{"context":{"id":"","source":"","specversion":"","type":"","datacontenttype":"","subject":"","time":null},"data":"e30="}"#
    );
}

#[test]
fn new_ids_are_32_hex_digits_and_differ() {
    let (one, other) = (Event::new_id(), Event::new_id());
    assert_eq!(one.len(), 32);
    assert!(
        one.bytes()
            .all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
    );
    assert_eq!(one.as_bytes()[12], b'4');
    assert_ne!(one, other);
}
