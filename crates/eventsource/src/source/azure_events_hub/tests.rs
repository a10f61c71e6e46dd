//! What events of Event Hubs become, word by word.

use super::*;

fn compiled(fields: &str) -> Result<AzureEventsHub, Vec<Problem>> {
    let spec = format!(r#"{{"hubName":"orders",{fields}}}"#);
    AzureEventsHub::compile(
        "spec.azureEventsHub.ev",
        &serde_json::from_str(&spec).unwrap(),
    )
}

#[test]
fn an_event_has_the_members_of_argo_events() {
    let source = compiled(r#""fqdn":"shop.servicebus.windows.net","metadata":{"a":"1"}"#).unwrap();
    let message = Message {
        id: Some("m1".to_owned()),
        partition_key: Some("till<1>".to_owned()),
        body: Some(Bytes::from_static(b"hi")),
        sequence: Some(42),
        ..Message::default()
    };
    assert_eq!(
        source.payload("3", &message),
        r#"{"id":"m1","partitionKey":"till\u003c1\u003e","body":"aGk=","metadata":{"a":"1"}}"#
    );
    let source = compiled(r#""fqdn":"shop""#).unwrap();
    let bare = Message {
        sequence: Some(42),
        ..Message::default()
    };
    assert_eq!(
        source.payload("3", &bare),
        r#"{"id":"3/42","partitionKey":"","body":null}"#
    );
    assert_eq!(source.placement(), Placement::LeaseHolder);
}

#[test]
fn a_host_that_is_none_is_named_with_its_field() {
    let problems = compiled(r#""fqdn":"https://shop.servicebus.windows.net""#).unwrap_err();
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "error: spec.azureEventsHub.ev.fqdn: \"https\" is no host, or what follows it is no \
          port (such as shop.servicebus.windows.net)"
        ]
    );
}
