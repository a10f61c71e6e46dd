//! What messages of SQS become, word by word.

use tiphys_api::Problem;

use super::*;

fn compiled(spec: &str) -> Result<Sqs, Vec<Problem>> {
    Sqs::compile("spec.sqs.ev", &serde_json::from_str(spec).unwrap())
}

fn written(message: &str, is_json: bool, metadata: &str) -> Result<String, String> {
    let message: Message = serde_json::from_str(message).unwrap();
    let payload = message.payload(is_json, metadata);
    let payload = payload.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(payload.to_vec()).unwrap())
}

#[test]
fn a_message_has_the_members_of_argo_events() {
    let plain = r#"{"MessageId":"m-1","ReceiptHandle":"r","Body":"{\"n\": 1}"}"#;
    assert_eq!(
        written(plain, true, "").unwrap(),
        r#"{"messageId":"m-1","messageAttributes":null,"body":{"n": 1}}"#
    );
    let full = r#"{"MessageId":"m-2","Body":"hi","MessageAttributes":{
        "ship":{"StringValue":"Argo <1>","DataType":"String"},
        "flag":{"BinaryValue":"AAE=","DataType":"Binary"}}}"#;
    assert_eq!(
        written(full, false, r#"{"team":"harbour"}"#).unwrap(),
        concat!(
            r#"{"messageId":"m-2","messageAttributes":{"#,
            r#""flag":{"BinaryListValues":null,"BinaryValue":"AAE=","DataType":"Binary","#,
            r#""StringListValues":null,"StringValue":null},"#,
            r#""ship":{"BinaryListValues":null,"BinaryValue":null,"DataType":"String","#,
            r#""StringListValues":null,"StringValue":"Argo \u003c1\u003e"}},"#,
            r#""body":"aGk=","metadata":{"team":"harbour"}}"#
        )
    );
    assert_eq!(
        written(full, true, "").unwrap_err(),
        "the body is not JSON: expected value at line 1 column 1"
    );
}

#[test]
fn what_is_wrong_with_a_spec_has_its_field() {
    let faults = |spec: &str| -> Vec<String> {
        let problems = compiled(spec).err().unwrap_or_default();
        let texts = problems
            .iter()
            .map(|problem| format!("{}: {}", problem.field_path, problem.message));
        texts.collect()
    };
    let key = r#"{"name":"aws","key":"k"}"#;
    let none: [&str; 0] = [];
    assert_eq!(faults(r#"{"region":"r","queue":"orders.fifo"}"#), none);
    assert_eq!(
        faults(
            r#"{"region":"r","queue":"https://sqs.r.amazonaws.com/1/orders","waitTimeSeconds":21}"#
        ),
        [
            "spec.sqs.ev.queue: \"https://sqs.r.amazonaws.com/1/orders\" is no name of a queue",
            "spec.sqs.ev.waitTimeSeconds: 21 is not between 1 and 20",
        ]
    );
    assert_eq!(
        faults(&format!(
            r#"{{"region":"r","queue":"orders","accessKey":{key}}}"#
        )),
        ["spec.sqs.ev.secretKey: accessKey and secretKey have to be set together"]
    );
}

#[test]
fn what_would_be_published_can_be_seen_without_a_server() {
    let sqs = compiled(r#"{"region":"r","queue":"orders","jsonBody":true}"#).unwrap();
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let draft = sqs.draft(&Input::Example, now).unwrap();
    assert_eq!(
        draft.payload,
        concat!(
            r#"{"messageId":"00000000-0000-0000-0000-000000000000","#,
            r#""messageAttributes":null,"body":{"message":"hello"}}"#
        )
    );
    assert!(sqs.draft(&Input::Payload(b"{}"), now).is_err());
}
