//! Calls of SNS, Slack and Stripe: who signs is let in, and a subscription is confirmed.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use sha2::Sha256;
use tiphys_testbed::{Nats, NatsOptions, free_port};
use tiphys_tests::aws::{Moto, REGION, between};
use tiphys_tests::web::{Web, answer as reply};
use tiphys_tests::{Pod, Tiphys, eventually, programs, stored_object};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use crate::base16;
use crate::caller::{Caller, answer};
use crate::stored::stored;

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:harbour";

/// Made for this test, for a hundred years.
const KEY: &str = include_str!("sns/key.pem");
const CERTIFICATE: &str = include_str!("sns/certificate.pem");

/// A pod of an event source with this spec, and the bus that it publishes to.
async fn pod(spec: &Value, secrets: &[(&str, &[u8])]) -> (Nats, Pod, Tiphys) {
    let nats = tokio::task::spawn_blocking(|| Nats::start(programs(), &NatsOptions::default()));
    let nats = nats.await.unwrap().unwrap();
    let yaml = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource",
        "metadata": {"name": "called"}, "spec": spec});
    let object = stored_object("ns", &yaml.to_string());
    let nowhere = std::path::Path::new("/nonexistent");
    let pod = Pod::at(nowhere, "ns", &nats.url(), &object);
    pod.volume("values/secrets/host", secrets);
    let tiphys = pod.start("pod-0");
    eventually("a pod that is ready", || async {
        (tiphys.get("/readyz").await?.0 == 200).then_some(())
    })
    .await;
    (nats, pod, tiphys)
}

fn webhook(port: u16) -> Value {
    json!({"port": port.to_string(), "endpoint": "/push", "method": "POST"})
}

fn key(key: &str) -> Value {
    json!({"name": "host", "key": key})
}

fn mac(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    let digest = mac.finalize().into_bytes();
    base16(&digest)
}

/// A message of SNS with its second kind of signature, of these fields in this order.
fn signed(web: &Web, fields: &[(&str, &str)]) -> Value {
    let mut text = String::new();
    for (name, value) in fields {
        text.extend([name, "\n", value, "\n"]);
    }
    let der = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let pair = RsaKeyPair::from_pkcs8(der.secret_der()).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    let random = SystemRandom::new();
    pair.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
        .unwrap();
    let mut message = json!({"SignatureVersion": "2", "Signature": STANDARD.encode(signature),
        "SigningCertURL": web.url("/certificate.pem")});
    for (name, value) in fields {
        message[name] = (*value).into();
    }
    message
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_confirmed_and_its_messages_become_events() {
    let web = Web::start(|asked| match asked.path.as_str() {
        "/certificate.pem" => reply(200).body(CERTIFICATE),
        "/?Action=ConfirmSubscription&Token=t" => reply(200).body("<ok/>"),
        _ => reply(404),
    })
    .await;
    let port = free_port().unwrap();
    let spec = json!({"sns": {"ev": {"webhook": webhook(port), "topicArn": TOPIC,
        "region": "eu-west-1", "validateSignature": true, "endpoint": web.url("")}}});
    let (nats, _pod, _tiphys) = pod(&spec, &[]).await;
    let mut caller = Caller::to(port).await;
    let confirm_url = web.url("/?Action=ConfirmSubscription&Token=t");
    let confirmation = |topic: &'static str, url: &str| {
        signed(
            &web,
            &[
                ("Message", "You have chosen to subscribe"),
                ("MessageId", "m-0"),
                ("SubscribeURL", url),
                ("Timestamp", "2026-01-02T03:04:05.678Z"),
                ("Token", "t"),
                ("TopicArn", topic),
                ("Type", "SubscriptionConfirmation"),
            ],
        )
    };
    let notification = signed(
        &web,
        &[
            ("Message", "{\"harbour\":\"Iolcos\"}"),
            ("MessageId", "m-1"),
            ("Subject", "sail"),
            ("Timestamp", "2026-01-02T03:04:05.678Z"),
            ("TopicArn", TOPIC),
            ("Type", "Notification"),
        ],
    );
    let mut forged = notification.clone();
    forged["Message"] = "another".into();
    let mut elsewhere = notification.clone();
    elsewhere["SigningCertURL"] = "https://sns.eu-west-1.amazonaws.com.example.org/x.pem".into();
    let other = "arn:aws:sns:eu-west-1:999999999999:harbour";
    for (message, expected) in [
        (json!([]), answer(400, "the body is no message of SNS")),
        (
            confirmation(other, &confirm_url),
            answer(403, "the message is of another topic"),
        ),
        // Nobody makes us ask a server of his choice.
        (
            confirmation(TOPIC, "http://169.254.169.254/latest"),
            answer(503, "the subscription could not be confirmed"),
        ),
        (confirmation(TOPIC, &confirm_url), answer(200, "confirmed")),
        (
            forged,
            answer(403, "the signature is not that of the message"),
        ),
        (elsewhere, answer(403, "SigningCertURL is not one of SNS")),
        (notification.clone(), answer(200, "success")),
        (notification.clone(), answer(200, "success")),
    ] {
        let headers = ["Content-Type: text/plain; charset=UTF-8"];
        let body = message.to_string();
        let answered = caller.ask("POST", "/push", &headers, &body).await.unwrap();
        assert_eq!(answered, expected, "{message}");
    }
    let asked: Vec<String> = web.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(
        asked,
        ["/certificate.pem", "/?Action=ConfirmSubscription&Token=t"]
    );
    let found = stored(&nats.url()).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    let payload: Value = serde_json::from_str(&found[0].payload).unwrap();
    assert_eq!(payload["body"], notification);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_subscribed_to_once() {
    let subscribed = Arc::new(std::sync::Mutex::new(Vec::<String>::new()));
    let state = subscribed.clone();
    let web = Web::start(move |asked| {
        let form = String::from_utf8_lossy(&asked.body).into_owned();
        let has = |part: &str| form.split('&').any(|found| found == part);
        let signed = asked.headers.get("authorization").cloned().unwrap_or_default();
        if !signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIA/") {
            return reply(403).body("<ErrorResponse/>");
        }
        let mut subscribed = state.lock().unwrap();
        if has("Action=Subscribe") {
            subscribed.push(form);
            return reply(200).body("<SubscribeResponse><SubscribeResult><SubscriptionArn>pending confirmation</SubscriptionArn></SubscribeResult></SubscribeResponse>");
        }
        let ours = if subscribed.is_empty() {
            String::new()
        } else {
            "<member><SubscriptionArn>PendingConfirmation</SubscriptionArn><Endpoint>https://us.example/push</Endpoint></member>".to_owned()
        };
        // Ours is on the second page.
        let (member, next) = if has("NextToken=n") {
            (ours, "")
        } else {
            let other = "<member><SubscriptionArn>arn:aws:sns:x</SubscriptionArn><Endpoint>https://a&amp;b</Endpoint></member>";
            (other.to_owned(), "<NextToken>n</NextToken>")
        };
        reply(200).body(format!(
            "<?xml version=\"1.0\"?><ListSubscriptionsByTopicResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
             <ListSubscriptionsByTopicResult><Subscriptions>{member}</Subscriptions>{next}\
             </ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>"
        ))
    })
    .await;
    let port = free_port().unwrap();
    let mut called = webhook(port);
    called["url"] = "https://us.example".into();
    let spec = json!({"sns": {"ev": {"webhook": called, "topicArn": TOPIC, "region": "eu-west-1",
        "endpoint": web.url(""), "accessKey": key("access"), "secretKey": key("secret")}}});
    let secrets = [
        ("access", b"AKIA".as_slice()),
        ("secret", b"s3cret".as_slice()),
    ];
    let (_nats, pod, mut tiphys) = pod(&spec, &secrets).await;
    eventually("a subscription", || async {
        (subscribed.lock().unwrap().len() == 1).then_some(())
    })
    .await;
    tiphys.terminate();
    tiphys.ended().await;
    let asked = web.asked().len();
    let tiphys = pod.start("pod-0");
    // Both pages, and an update that asks nobody.
    web.asked_times(asked + 2).await;
    eventually("a pod that is ready", || async {
        (tiphys.get("/readyz").await?.0 == 200).then_some(())
    })
    .await;
    assert_eq!(
        *subscribed.lock().unwrap(),
        [
            "Action=Subscribe&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Aharbour\
          &Protocol=https&Endpoint=https%3A%2F%2Fus.example%2Fpush"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slack_and_stripe_sign_what_they_send_and_when() {
    let (slack, stripe) = (free_port().unwrap(), free_port().unwrap());
    let spec = json!({
        "slack": {"said": {"webhook": webhook(slack), "token": key("token"), "signingSecret": key("secret")}},
        "stripe": {"paid": {"webhook": webhook(stripe), "signingSecret": key("secret")}}
    });
    let secrets = [
        ("token", b"t0ken".as_slice()),
        ("secret", b"s3cret".as_slice()),
    ];
    let (nats, _pod, _tiphys) = pod(&spec, &secrets).await;
    let now = Timestamp::now().as_second();
    let old = now - 301;
    let slack_headers = |time: i64, secret: &str, body: &str| {
        let signature = mac(secret, &format!("v0:{time}:{body}"));
        [
            format!("X-Slack-Request-Timestamp: {time}"),
            format!("X-Slack-Signature: v0={signature}"),
        ]
    };
    let challenge = r#"{"token":"t0ken","type":"url_verification","challenge":"c"}"#;
    let event =
        r#"{"token":"t0ken","type":"event_callback","event_id":"Ev1","event":{"type":"message"}}"#;
    let other = r#"{"token":"another","type":"event_callback","event":{"type":"message"}}"#;
    let mut caller = Caller::to(slack).await;
    for (time, secret, body, expected) in [
        (now, "s3cret", challenge, answer(200, "c")),
        (
            now,
            "guessed",
            event,
            answer(401, "X-Slack-Signature is not the signature of the request"),
        ),
        (
            old,
            "s3cret",
            event,
            answer(401, "the request is more than five minutes old"),
        ),
        (
            now,
            "s3cret",
            other,
            answer(
                401,
                "the verification token is not that of the event source",
            ),
        ),
        (now, "s3cret", event, answer(200, "success")),
        (now, "s3cret", event, answer(200, "success")),
    ] {
        let headers = slack_headers(time, secret, body);
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let answered = caller.ask("POST", "/push", &headers, body).await.unwrap();
        assert_eq!(answered, expected, "{time} {secret} {body}");
    }
    let paid = r#"{"id":"evt_1","type":"charge.succeeded"}"#;
    let mut caller = Caller::to(stripe).await;
    for (time, secret, expected) in [
        (
            now,
            "guessed",
            answer(401, "Stripe-Signature has no signature of the call"),
        ),
        (
            old,
            "s3cret",
            answer(401, "the call is more than five minutes old"),
        ),
        (now, "s3cret", answer(200, "success")),
    ] {
        let signature = mac(secret, &format!("{time}.{paid}"));
        let header = format!("Stripe-Signature: t={time},v1=00,v1={signature},v0=11");
        let answered = caller.ask("POST", "/push", &[&header], paid).await.unwrap();
        assert_eq!(answered, expected, "{time} {secret}");
    }
    let mut found: Vec<String> = stored(&nats.url())
        .await
        .into_iter()
        .map(|stored| stored.payload)
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            r#"{"event":{"id":"evt_1","type":"charge.succeeded"}}"#,
            r#"{"type":"message","Data":{"type":"message"}}"#,
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_subscribed_to_by_a_role_and_stays_so_when_a_pod_stops() {
    let moto = Moto::start().await;
    let anybody = moto.anybody();
    let version = ("Version", "2010-03-31");
    let create = [("Action", "CreateTopic"), version, ("Name", "harbour")];
    let made = anybody.query("sns", &create).await;
    let topic = between(&made, "TopicArn").to_owned();
    let role = moto.role("subscriber", &["sns:*"]).await;
    let user = moto.user("pod", &["sts:AssumeRole"]).await;
    let owner = moto.user("owner", &["sns:*"]).await;
    moto.be_strict().await;

    let mut called = webhook(free_port().unwrap());
    called["url"] = "https://us.example".into();
    let spec = json!({"sns": {"ev": {"webhook": called, "topicArn": topic, "region": REGION,
        "endpoint": moto.url(), "roleARN": role}}});
    let nats = tokio::task::spawn_blocking(|| Nats::start(programs(), &NatsOptions::default()));
    let nats = nats.await.unwrap().unwrap();
    let yaml = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource",
        "metadata": {"name": "called"}, "spec": spec});
    let object = stored_object("ns", &yaml.to_string());
    let nowhere = std::path::Path::new("/nonexistent");
    let mut pod = Pod::at(nowhere, "ns", &nats.url(), &object);
    let (access, secret) = user.keys();
    pod.set("AWS_ACCESS_KEY_ID", access);
    pod.set("AWS_SECRET_ACCESS_KEY", secret);
    pod.set("AWS_ENDPOINT_URL_STS", moto.url());

    let subscribed = async || {
        let list = [
            ("Action", "ListSubscriptionsByTopic"),
            version,
            ("TopicArn", &topic),
        ];
        let list = owner.query("sns", &list).await;
        list.matches("<Endpoint>https://us.example/push</Endpoint>")
            .count()
    };
    let mut tiphys = pod.start("pod-0");
    eventually("a subscription", || async {
        (subscribed().await == 1).then_some(())
    })
    .await;
    tiphys.stop().await;
    assert_eq!(subscribed().await, 1);
    let tiphys = pod.start("pod-1");
    let is_well = |report: &Value| report["parts"][0]["health"]["ok"] == true;
    tiphys.reported("hooks that are kept", is_well).await;
    assert_eq!(subscribed().await, 1);
}
