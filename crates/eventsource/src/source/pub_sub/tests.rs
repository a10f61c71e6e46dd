use tiphys_api::PubSubEventSource;

use super::names::Names;
use super::*;

fn spec(json: &str) -> PubSubEventSource {
    serde_json::from_str(json).unwrap()
}

fn written(is_json: bool, message: &PubsubMessage) -> Result<String, String> {
    let spec = spec(&format!(
        r#"{{"topic":"orders","jsonBody":{is_json},"metadata":{{"team":"harbour"}}}}"#
    ));
    let source = PubSub::compile("spec.pubSub.ev", &spec).unwrap();
    let payload = source.payload(message).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(payload.to_vec()).unwrap())
}

fn message(data: &'static [u8], attributes: &[(&str, &str)]) -> PubsubMessage {
    PubsubMessage {
        data: Bytes::from_static(data),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        message_id: "11".to_owned(),
        publish_time: Some(Time {
            seconds: 1_767_366_245,
            nanos: 312_000,
        }),
        ordering_key: String::new(),
    }
}

#[test]
fn a_payload_is_that_of_argo_events() {
    let attributes = [("ship", "Argo"), ("a", "<1>")];
    assert_eq!(
        written(true, &message(b"{\"n\": 1}", &attributes)).unwrap(),
        concat!(
            r#"{"id":"11","body":{"n": 1},"attributes":{"a":"\u003c1\u003e","ship":"Argo"},"#,
            r#""publishTime":"2026-01-02 15:04:05.000312 +0000 UTC","metadata":{"team":"harbour"}}"#
        )
    );
    assert_eq!(
        written(false, &message(b"hi \x00\xff!", &[])).unwrap(),
        concat!(
            r#"{"id":"11","body":"aGkgAP8h","attributes":null,"#,
            r#""publishTime":"2026-01-02 15:04:05.000312 +0000 UTC","metadata":{"team":"harbour"}}"#
        )
    );
    let nothing = PubsubMessage {
        publish_time: None,
        ..message(b"", &[])
    };
    for is_json in [true, false] {
        assert_eq!(
            written(is_json, &nothing).unwrap(),
            concat!(
                r#"{"id":"11","body":null,"attributes":null,"#,
                r#""publishTime":"0001-01-01 00:00:00 +0000 UTC","metadata":{"team":"harbour"}}"#
            )
        );
    }
    assert_eq!(
        written(true, &message(b"oh", &[])).unwrap_err(),
        "the body is not JSON: expected value at line 1 column 1"
    );
}

/// What Go 1.26 prints for the struct of Argo Events v1.9.11 and its hash.
#[test]
fn names_that_are_left_out_are_those_of_argo_events() {
    for (json, subscription, topic) in [
        (
            r#"{"projectID":"p","topic":"orders"}"#,
            "projects/p/subscriptions/ev-3381356487",
            Some("projects/p/topics/orders"),
        ),
        (
            r#"{"topicProjectID":"tp","topic":"orders","credentialSecret":{"name":"g","key":"k","optional":true},
                "deleteSubscriptionOnFinish":true,"jsonBody":true,"metadata":{"b":"<&>","a":"\"é\""},
                "filter":{"expression":"body.n > 1"}}"#,
            "projects/p/subscriptions/ev-614886709",
            Some("projects/tp/topics/orders"),
        ),
        (
            r#"{"subscriptionID":"mine","filter":{}}"#,
            "projects/p/subscriptions/mine",
            None,
        ),
    ] {
        let names = Names::of("ev", &spec(json), "p");
        assert_eq!(names.subscription, subscription);
        assert_eq!(names.topic.as_deref(), topic);
    }
}

#[test]
fn a_name_that_is_none_is_refused() {
    for (json, expected) in [
        (
            r#"{"topic":"projects/p/topics/orders"}"#,
            "error: spec.pubSub.ev.topic: \"projects/p/topics/orders\" is a path",
        ),
        (
            r#"{"subscriptionID":"1st"}"#,
            "error: spec.pubSub.ev.subscriptionID: \"1st\" is no name in Pub/Sub",
        ),
        (
            r#"{"topic":"Google"}"#,
            "error: spec.pubSub.ev.topic: \"Google\" is no name in Pub/Sub",
        ),
    ] {
        let problems = PubSub::compile("spec.pubSub.ev", &spec(json)).unwrap_err();
        let message = problems[0].to_string();
        assert!(message.starts_with(expected), "{message}");
    }
}
