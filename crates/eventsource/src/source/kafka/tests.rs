//! What Kafka records become, word by word.

use super::*;

fn kafka(more: &str) -> Result<Kafka, Vec<Problem>> {
    let spec = format!(r#"{{"url":"a:9092,b:9092","topic":"orders"{more}}}"#);
    Kafka::compile("spec.kafka.ev", &serde_json::from_str(&spec).unwrap())
}

fn problems(more: &str) -> Vec<String> {
    let problems = kafka(more).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

const GROUP: &str = r#","consumerGroup":{"groupName":"g"}"#;

fn record(value: Option<&'static [u8]>) -> Record {
    Record {
        partition: 3,
        offset: 70_000_000_000,
        timestamp: 1_767_366_245_120,
        key: Some(Bytes::from_static(b"k\"")),
        value: value.map(Bytes::from_static),
        headers: vec![
            ("z".to_owned(), Some(Bytes::from_static(b"1"))),
            ("a".to_owned(), None),
            ("z".to_owned(), Some(Bytes::from_static(b"2"))),
        ],
    }
}

#[test]
fn a_record_has_the_members_of_argo_events() {
    let source = kafka(&format!(
        r#"{GROUP},"jsonBody":true,"metadata":{{"a":"1"}}"#
    ));
    assert_eq!(
        source
            .unwrap()
            .payload(&record(Some(br#"{"n": 1}"#)))
            .unwrap(),
        concat!(
            r#"{"topic":"orders","key":"k\"","partition":3,"body":{"n": 1},"#,
            r#""timestamp":"2026-01-02 15:04:05.12 +0000 UTC","headers":{"a":"","z":"2"},"#,
            r#""metadata":{"a":"1"}}"#
        )
    );
    let bare = Record {
        timestamp: -1,
        key: None,
        headers: Vec::new(),
        ..record(Some(b"hi"))
    };
    let source = kafka(GROUP).unwrap();
    assert_eq!(
        source.payload(&bare).unwrap(),
        concat!(
            r#"{"topic":"orders","key":"","partition":3,"body":"aGk=","#,
            r#""timestamp":"0001-01-01 00:00:00 +0000 UTC","headers":{}}"#
        )
    );
}

#[test]
fn what_says_that_a_key_was_deleted_has_no_body() {
    for more in [GROUP.to_owned(), format!(r#"{GROUP},"jsonBody":true"#)] {
        let payload = kafka(&more).unwrap().payload(&record(None)).unwrap();
        let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(payload["body"], serde_json::Value::Null);
        assert_eq!(payload["key"], "k\"");
    }
}

#[test]
fn a_record_has_the_id_that_argo_events_gives_it() {
    let source = kafka(GROUP).unwrap();
    let incoming = source.incoming("es", "ev", &record(Some(b"hi")), None);
    let expected = "es:ev:a:9092:orders:3:70000000000";
    assert_eq!(incoming.id, Identity::Whole(expected.to_owned()));
    assert_eq!(incoming.ordering_key.as_deref(), Some("3"));
}

#[test]
fn a_group_is_in_all_pods_and_a_partition_in_one() {
    for (more, placement) in [
        (GROUP, Placement::AllPods),
        (r#","partition":"7""#, Placement::LeaseHolder),
        (
            r#","partition":"7","consumerGroup":{"groupName":"g"}"#,
            Placement::AllPods,
        ),
    ] {
        assert_eq!(kafka(more).unwrap().placement(), placement, "{more}");
    }
}

#[test]
fn what_cannot_work_is_named_with_its_field() {
    let secret = r#"{"name":"s","key":"k"}"#;
    let sasl = format!(r#""userSecret":{secret},"passwordSecret":{secret}"#);
    for (more, expected) in [
        (
            format!(r#"{GROUP},"sasl":{{"mechanism":"GSSAPI",{sasl}}}"#),
            "error: spec.kafka.ev.sasl.mechanism: logins by GSSAPI are not supported: PLAIN, \
             SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER are",
        ),
        (
            format!(r#"{GROUP},"sasl":{{{sasl}}},"awsMskIamAuth":{{"region":"eu-west-1"}}"#),
            "error: spec.kafka.ev.awsMskIamAuth: sasl is another login: one of them",
        ),
        (
            format!(r#"{GROUP},"awsMskIamAuth":{{}}"#),
            "error: spec.kafka.ev.awsMskIamAuth.region: is needed",
        ),
        (
            format!(
                r#"{GROUP},"sasl":{{"mechanism":"OAUTHBEARER",{sasl},"oauth":{{"tokenURL":"idp"}}}}"#
            ),
            "error: spec.kafka.ev.sasl.oauth.tokenURL: \"idp\" is no URL of a web server",
        ),
        (
            format!(r#"{GROUP},"jsonBody":true,"schemaRegistry":{{"url":"registry"}}"#),
            "error: spec.kafka.ev.schemaRegistry.url: \"registry\" is no URL of a web server",
        ),
        (
            format!(r#"{GROUP},"config":"consumer: {{group: {{session: {{timeout: 2s}}}}}}""#),
            "error: spec.kafka.ev.config: consumer.group.heartbeat.interval has to be shorter than \
             consumer.group.session.timeout",
        ),
    ] {
        assert_eq!(problems(&more), [expected], "{more}");
    }
    let spec = serde_json::from_str(r#"{"url":"kafka://a","topic":"t","partition":"0"}"#);
    let problems = Kafka::compile("spec.kafka.ev", &spec.unwrap()).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "error: spec.kafka.ev.url: \"kafka://a\" is no broker: HOST:PORT is needed"
    );
}

#[test]
fn what_sarama_is_told_is_kept() {
    let config = r"clientID: till\nconsumer: {fetch: {default: 4096}, maxWaitTime: 1m}";
    let source = kafka(&format!(r#"{GROUP},"config":"{config}""#)).unwrap();
    let Settings { limits, client, .. } = &source.settings;
    assert_eq!(client, "till");
    assert_eq!(limits.partition_bytes, 4096);
    // Longer than what a broker has for an answer is not possible.
    assert_eq!(limits.wait, std::time::Duration::from_secs(5));
}
