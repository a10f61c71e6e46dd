//! What AMQP messages become, word by word.

use super::*;
use crate::incoming::Identity;

fn amqp(more: &str) -> Result<Amqp, Vec<Problem>> {
    amqp_at("amqp://a", more)
}

fn amqp_at(url: &str, more: &str) -> Result<Amqp, Vec<Problem>> {
    let spec = format!(
        r#"{{"url":"{url}","exchangeName":"shop","exchangeType":"topic","routingKey":"orders.*"{more}}}"#
    );
    Amqp::compile("spec.amqp.ev", &serde_json::from_str(&spec).unwrap())
}

fn problems(url: &str, more: &str) -> Vec<String> {
    let problems = amqp_at(url, more).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_message_has_the_members_of_argo_events() {
    let properties = BasicProperties::default()
        .with_content_type("application/json")
        .with_content_encoding("identity")
        .with_delivery_mode(2)
        .with_priority(4)
        .with_correlation_id("c")
        .with_reply_to("r")
        .with_expiration("60000")
        .with_message_id("7")
        .with_timestamp(1_767_366_245)
        .with_message_type("order")
        .with_app_id("till")
        .finish();
    let source = amqp(r#","jsonBody":true,"metadata":{"a":"1"}"#).unwrap();
    let payload = source.payload("shop", "orders.new", &properties, br#"{"n": 1}"#);
    assert_eq!(
        payload.unwrap(),
        concat!(
            r#"{"contentType":"application/json","contentEncoding":"identity","deliveryMode":2,"priority":4,"#,
            r#""correlationId":"c","replyTo":"r","expiration":"60000","messageId":"7","#,
            r#""timestamp":"2026-01-02 15:04:05 +0000 UTC","type":"order","appId":"till","#,
            r#""exchange":"shop","routingKey":"orders.new","body":{"n": 1},"metadata":{"a":"1"}}"#
        )
    );
    let bare = BasicProperties::default();
    let source = amqp("").unwrap();
    assert_eq!(
        source.payload("", "orders", &bare, b"hi").unwrap(),
        concat!(
            r#"{"contentType":"","contentEncoding":"","deliveryMode":0,"priority":0,"#,
            r#""correlationId":"","replyTo":"","expiration":"","messageId":"","#,
            r#""timestamp":"0001-01-01 00:00:00 +0000 UTC","type":"","appId":"","#,
            r#""exchange":"","routingKey":"orders","body":"aGk="}"#
        )
    );
}

#[test]
fn a_message_is_known_by_its_queue_and_id() {
    let id = |properties| known(Incoming::new("1"), "q", &properties).id;
    let parts = ["q".to_owned(), "7".to_owned()];
    let known = BasicProperties::default().with_message_id("7").finish();
    assert_eq!(id(known), Identity::Parts(parts.to_vec()));
    assert_eq!(id(BasicProperties::default()), Identity::Fresh);
}

#[test]
fn a_queue_that_others_may_have_is_shared_by_all_pods() {
    use Placement::{AllPods, LeaseHolder};
    for (more, placement) in [
        ("", LeaseHolder),
        (r#","queueDeclare":{"durable":true}"#, LeaseHolder),
        (r#","queueDeclare":{"name":"q"}"#, AllPods),
        (
            r#","queueDeclare":{"name":"q","exclusive":true}"#,
            LeaseHolder,
        ),
        (
            r#","queueDeclare":{"name":"q"},"consume":{"exclusive":true}"#,
            LeaseHolder,
        ),
    ] {
        assert_eq!(amqp(more).unwrap().placement(), placement, "{more}");
    }
}

#[test]
fn what_the_protocol_has_no_room_for_is_a_fault() {
    let long = "x".repeat(256);
    let more =
        format!(r#","queueDeclare":{{"arguments":"[1]"}},"consume":{{"consumerTag":"{long}"}}"#);
    assert_eq!(
        problems("amqp://a", &more),
        [
            "error: spec.amqp.ev.consume.consumerTag: it has 256 bytes; at most 255 are possible",
            "error: spec.amqp.ev.queueDeclare.arguments: a mapping is needed",
        ]
    );
    assert_eq!(
        problems("http://rabbit", ""),
        ["error: spec.amqp.ev.url: it has to begin with amqp:// or amqps://"]
    );
    assert_eq!(
        problems(&format!("amqp://rabbit/{long}"), ""),
        ["error: spec.amqp.ev.url: its virtual host has more than 255 bytes"]
    );
}
