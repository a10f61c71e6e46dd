//! What messages of Service Bus become, word by word.

use std::collections::BTreeMap;

use tiphys_clients::azure::amqp::Value;

use super::*;

fn compiled(fields: &str) -> Result<AzureServiceBus, Vec<Problem>> {
    let spec = format!("{{{fields}}}");
    AzureServiceBus::compile(
        "spec.azureServiceBus.ev",
        &serde_json::from_str(&spec).unwrap(),
    )
}

const SECRET: &str = r#""connectionString":{"name":"azure","key":"c"}"#;

#[test]
fn a_message_has_the_members_of_argo_events() {
    let source = compiled(&format!(
        r#"{SECRET},"queueName":"orders","jsonBody":true,"metadata":{{"a":"1"}}"#
    ));
    let source = source.unwrap();
    let properties = [
        ("text", Value::Text("a<b".to_owned())),
        ("flag", Value::Bool(true)),
        ("int", Value::Int(-7)),
        ("large", Value::Uint(u64::MAX)),
        ("float", Value::Float(0.1)),
        ("double", Value::Double(1e21)),
        ("time", Value::Time(1_767_366_245_120)),
        ("bytes", Value::Bytes(Bytes::from_static(b"hi"))),
        ("nothing", Value::Null),
        ("uuid", Value::Uuid([1; 16])),
    ];
    let properties = properties.map(|(name, value)| (name.to_owned(), value));
    let message = Message {
        id: Some("m1".to_owned()),
        correlation_id: Some("c".to_owned()),
        reply_to: Some("answers".to_owned()),
        subject: Some("new".to_owned()),
        content_type: Some("application/json".to_owned()),
        properties: Some(BTreeMap::from(properties)),
        body: Some(Bytes::from_static(br#"{"n": 1}"#)),
        sequence: Some(42),
        enqueued: Timestamp::from_millisecond(1_767_366_245_120).ok(),
        ..Message::default()
    };
    let written = payload::payload(&message, source.is_json, &source.metadata);
    assert_eq!(
        written.unwrap(),
        concat!(
            r#"{"applicationProperties":{"bytes":"aGk=","double":1e+21,"flag":true,"float":0.1,"#,
            r#""int":-7,"large":18446744073709551615,"nothing":null,"text":"a\u003cb","#,
            r#""time":"2026-01-02T15:04:05.12Z","uuid":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]},"#,
            r#""body":{"n": 1},"contentType":"application/json","correlationID":"c","#,
            r#""enqueuedTime":"2026-01-02T15:04:05.12Z","messageID":"m1","replyTo":"answers","#,
            r#""sequenceNumber":42,"subject":"new","metadata":{"a":"1"}}"#
        )
    );
    let bare = Message {
        body: Some(Bytes::from_static(b"hi")),
        ..Message::default()
    };
    assert_eq!(
        payload::payload(&bare, false, "").unwrap(),
        concat!(
            r#"{"applicationProperties":null,"body":"aGk=","contentType":null,"correlationID":null,"#,
            r#""enqueuedTime":null,"messageID":"","replyTo":null,"sequenceNumber":null,"subject":null}"#
        )
    );
    let empty = payload::payload(&Message::default(), true, "").unwrap();
    assert!(empty.starts_with(br#"{"applicationProperties":null,"body":null,"#));
}

#[test]
fn a_queue_or_a_subscription_is_received_from() {
    for (fields, expected) in [
        (r#""queueName":"orders""#, "orders"),
        (
            r#""topicName":"shop","subscriptionName":"till""#,
            "shop/Subscriptions/till",
        ),
    ] {
        let source = compiled(&format!("{SECRET},{fields}")).unwrap();
        assert_eq!(source.settings.entity, expected);
        assert_eq!(source.placement(), Placement::AllPods);
    }
}
