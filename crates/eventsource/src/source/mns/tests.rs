//! What messages of MNS become, and what is asked for them, word by word.

use http::Method;
use reqwest::Url;

use super::message::Page;
use super::queue::{list, sign, signed};
use super::*;

fn compiled(spec: &str) -> Result<Mns, Vec<Problem>> {
    Mns::compile("spec.mns.ev", &serde_json::from_str(spec).unwrap())
}

/// From the tests of Alibaba's SDK in Java.
#[test]
fn a_signature_is_that_of_the_sdk() {
    assert_eq!(
        sign("accessKeySecret111", "contentToSign111 Hello world"),
        "ZX9CiXzbkdkW2bW1Lw3G3JvnD90="
    );
    let text = "PUT\n\ntext/xml;charset=UTF-8\nTue, 03 Jun 2025 11:23:48 GMT\n\
                x-mns-version:2015-06-06\n/queues/TestQueue";
    assert_eq!(
        sign("accessKeySecret111", text),
        "HCSlBi5KuXGNf06tZKFiQlNDt4c="
    );
}

#[test]
fn what_is_signed_has_the_query_as_it_is_sent() {
    let mut url =
        Url::parse("http://1.mns.cn-hangzhou.aliyuncs.com/queues/orders/messages").unwrap();
    url.query_pairs_mut()
        .extend_pairs([("ReceiptHandle", "1-ODU4=="), ("VisibilityTimeout", "30")]);
    assert_eq!(
        signed(&Method::PUT, "Tue, 03 Jun 2025 11:23:48 GMT", &url),
        "PUT\n\ntext/xml;charset=utf-8\nTue, 03 Jun 2025 11:23:48 GMT\nx-mns-version:2015-06-06\n\
         /queues/orders/messages?ReceiptHandle=1-ODU4%3D%3D&VisibilityTimeout=30"
    );
    assert_eq!(
        list(&["a&b".to_owned(), "c".to_owned()]),
        "<ReceiptHandles xmlns=\"http://mns.aliyuncs.com/doc/v1/\"><ReceiptHandle>a&amp;b</ReceiptHandle>\
         <ReceiptHandle>c</ReceiptHandle></ReceiptHandles>"
    );
}

#[test]
fn a_message_has_the_members_of_argo_events() {
    let answer = "<?xml version=\"1.0\" encoding=\"UTF-8\" ?><Messages xmlns=\"http://mns.aliyuncs.com/doc/v1/\">\
        <Message><MessageId>5F290C926D472878-2-14D9529A8FA-200000001</MessageId>\
        <ReceiptHandle>1-ODU4OTkzNDU5My0xNDMyNzI3ODI3LTItOA==</ReceiptHandle>\
        <MessageBodyMD5>C5DD56A39F5F7BB8B3337C6D11B6D8C7</MessageBodyMD5>\
        <MessageBody>{&quot;n&quot;: 1}</MessageBody><EnqueueTime>1250700979248</EnqueueTime>\
        <NextVisibleTime>1250700799348</NextVisibleTime><FirstDequeueTime>1250700779318</FirstDequeueTime>\
        <DequeueCount>1</DequeueCount><Priority>8</Priority></Message></Messages>";
    let page: Page = quick_xml::de::from_str(answer).unwrap();
    let [message] = &page.messages[..] else {
        panic!("there is one");
    };
    assert_eq!(message.receipt, "1-ODU4OTkzNDU5My0xNDMyNzI3ODI3LTItOA==");
    assert_eq!(message.visible_at, 1_250_700_799_348);
    assert_eq!(
        message.payload(),
        r#"{"messageId":"5F290C926D472878-2-14D9529A8FA-200000001","body":"{\"n\": 1}"}"#
    );
}

#[test]
fn what_is_wrong_with_a_spec_has_its_field() {
    let problems = compiled(r#"{"queue":"a/b","endpoint":"mns"}"#).unwrap_err();
    let fields: Vec<&str> = problems
        .iter()
        .map(|problem| problem.field_path.as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "spec.mns.ev.queue",
            "spec.mns.ev.endpoint",
            "spec.mns.ev.accessKey",
            "spec.mns.ev.secretKey",
        ]
    );
}

#[test]
fn what_would_be_published_can_be_seen_without_a_server() {
    let key = r#"{"name":"mns","key":"k"}"#;
    let source = compiled(&format!(
        r#"{{"queue":"orders","endpoint":"http://1.mns.cn-hangzhou.aliyuncs.com/","accessKey":{key},"secretKey":{key}}}"#
    ));
    let source = source.unwrap();
    assert_eq!(source.endpoint, "http://1.mns.cn-hangzhou.aliyuncs.com");
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let body = Input::Body {
        body: b"aGk=",
        headers: &[],
    };
    assert_eq!(
        source.draft(&body, now).unwrap().payload,
        r#"{"messageId":"00000000000000000000000000000000","body":"aGk="}"#
    );
    assert!(source.draft(&Input::Payload(b"{}"), now).is_err());
}
