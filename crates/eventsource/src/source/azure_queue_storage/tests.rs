//! What messages of Azure Queue Storage become, word by word.

use super::message::Page;
use super::*;

fn compiled(spec: &str) -> Result<AzureQueueStorage, Vec<Problem>> {
    AzureQueueStorage::compile(
        "spec.azureQueueStorage.ev",
        &serde_json::from_str(spec).unwrap(),
    )
}

fn messages() -> Vec<Message> {
    let answer = "<?xml version=\"1.0\" encoding=\"utf-8\"?><QueueMessagesList>\
        <QueueMessage><MessageId>m-1</MessageId><InsertionTime>Fri, 02 Jan 2026 03:04:05 GMT</InsertionTime>\
        <ExpirationTime>Fri, 09 Jan 2026 03:04:05 GMT</ExpirationTime><PopReceipt>r</PopReceipt>\
        <TimeNextVisible>Fri, 02 Jan 2026 03:04:35 GMT</TimeNextVisible><DequeueCount>1</DequeueCount>\
        <MessageText>{&quot;n&quot;: 1}</MessageText></QueueMessage>\
        <QueueMessage><MessageId>m-2</MessageId><InsertionTime>Fri, 02 Jan 2026 03:04:06 GMT</InsertionTime>\
        <PopReceipt>r</PopReceipt><MessageText>aGk_</MessageText></QueueMessage></QueueMessagesList>";
    let page: Page = quick_xml::de::from_str(answer).unwrap();
    page.messages
}

fn written(message: &Message, is_encoded: bool, is_json: bool) -> Result<String, String> {
    let body = message.body(is_encoded)?;
    let payload = message.payload(&body, is_json, r#"{"team":"harbour"}"#);
    let payload = payload.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(payload.to_vec()).unwrap())
}

#[test]
fn a_message_has_the_members_of_argo_events() {
    let [json, encoded] = &messages()[..] else {
        panic!("there are two");
    };
    assert_eq!(
        written(json, false, true).unwrap(),
        concat!(
            r#"{"body":{"n": 1},"messageID":"m-1","insertionTime":"2026-01-02T03:04:05Z","#,
            r#""metadata":{"team":"harbour"}}"#
        )
    );
    assert_eq!(
        written(encoded, true, false).unwrap(),
        concat!(
            r#"{"body":"aGk/","messageID":"m-2","insertionTime":"2026-01-02T03:04:06Z","#,
            r#""metadata":{"team":"harbour"}}"#
        )
    );
    let error = written(json, true, true).unwrap_err();
    assert!(error.starts_with("the message is no Base64: "), "{error}");
    let none: Page = quick_xml::de::from_str("<QueueMessagesList />").unwrap();
    assert!(none.messages.is_empty());
}

#[test]
fn what_is_wrong_with_a_spec_has_its_field() {
    let problems =
        compiled(r#"{"queueName":"Orders","storageAccountName":"Shop","waitTimeInSeconds":-1}"#);
    let problems = problems.unwrap_err();
    let texts: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.field_path, problem.message))
        .collect();
    assert_eq!(
        texts,
        [
            "spec.azureQueueStorage.ev.queueName: \"Orders\" is no name of a queue",
            "spec.azureQueueStorage.ev.waitTimeInSeconds: a number of seconds is needed",
            "spec.azureQueueStorage.ev.storageAccountName: \"Shop\" is no name of a storage account",
        ]
    );
}

#[test]
fn what_would_be_published_can_be_seen_without_a_server() {
    let spec =
        r#"{"queueName":"orders","jsonBody":true,"connectionString":{"name":"azure","key":"c"}}"#;
    let source = compiled(spec).unwrap();
    let now = "2026-01-02T03:04:05.678Z".parse().unwrap();
    let draft = source.draft(&Input::Example, now).unwrap();
    assert_eq!(
        draft.payload,
        concat!(
            r#"{"body":{"message":"hello"},"messageID":"00000000-0000-0000-0000-000000000000","#,
            r#""insertionTime":"2026-01-02T03:04:05Z"}"#
        )
    );
}
