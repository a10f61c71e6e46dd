//! Stories of the `slack` trigger, with a Slack of our own behind its public name.

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::{Value, json};
use tiphys_testbed::Certificates;
use tiphys_tests::web::{Answer, Asked, Web, answer};
use tiphys_tests::{Tunnel, eventually};

use crate::outside::Outside;

const SPEC: &str = r##"
dependencies: [{name: dep, eventSourceName: source, eventName: order}]
triggers:
- template:
    name: tell
    slack:
      slackToken: {name: slack, key: token}
      channel: "#crew"
      message: ordered
      blocks: '[{"type": "divider"}]'
      sender: {username: Argo, icon: ":ship:"}
      thread: {messageAggregationKey: ships, broadcastMessageToChannel: true}
      parameters:
      - {src: {dependencyName: dep, dataKey: message, value: ordered}, dest: message}
      - {src: {dependencyName: dep, dataKey: channel, value: crew}, dest: channel}
      - {src: {dependencyName: dep, dataKey: thread, value: ""}, dest: thread.messageAggregationKey}
"##;

/// A Slack that lets in whoever has the token `right`. Texts say what it makes of them.
async fn slack(certificates: &Certificates) -> Web {
    let times: Mutex<HashMap<String, usize>> = Mutex::default();
    let posted = Mutex::new(0);
    Web::start_tls(certificates, move |asked| {
        let refuse = |error: &str| json_answer(&json!({"ok": false, "error": error}));
        if asked.headers["authorization"] != "Bearer right" {
            return refuse("invalid_auth");
        }
        let message: Value = serde_json::from_slice(&asked.body).unwrap();
        let text = message["text"].as_str().unwrap();
        let mut times = times.lock().unwrap();
        let time = times.entry(text.to_owned()).or_default();
        *time += 1;
        match (text, *time) {
            ("busy", 1) => return answer(429).header("Retry-After", "1"),
            ("gone", 1) => return refuse("thread_not_found"),
            ("bad", _) => return refuse("invalid_blocks"),
            _ => {}
        }
        let mut posted = posted.lock().unwrap();
        *posted += 1;
        json_answer(&json!({"ok": true, "channel": "C1", "ts": format!("1.{posted}")}))
    })
    .await
}

fn json_answer(answer: &Value) -> Answer {
    Answer {
        status: 200,
        ..Answer::default()
    }
    .body(answer.to_string())
}

fn body(asked: &Asked) -> Value {
    assert_eq!(
        (&*asked.method, &*asked.path),
        ("POST", "/api/chat.postMessage")
    );
    serde_json::from_slice(&asked.body).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_posted_and_threads_survive_a_restart() {
    let certificates = Certificates::generate_for(&["slack.com"]).unwrap();
    let slack = slack(&certificates).await;
    let tunnel = Tunnel::start(slack.address()).await;
    let mut outside = Outside::new(SPEC, &certificates).await;
    outside.pod.set("HTTPS_PROXY", tunnel.url());
    outside
        .pod
        .volume("values/secrets/slack", &[("token", b"right\n")]);

    let mut pod = outside.start().await;
    outside.publish("{}").await;
    let first = slack.asked_times(1).await;
    assert_eq!(
        body(&first[0]),
        json!({"channel": "crew", "text": "ordered", "blocks": [{"type": "divider"}],
            "username": "Argo", "icon_emoji": ":ship:"})
    );
    let thread = |text: &str, key: &str| json!({"message": text, "thread": key}).to_string();
    outside.publish(&thread("one", "argo")).await;
    slack.asked_times(2).await;
    outside.publish(&thread("two", "argo")).await;
    slack.asked_times(3).await;
    pod.stop().await;
    let pod = outside.start().await;
    outside.publish(&thread("three", "argo")).await;
    slack.asked_times(4).await;
    outside.publish(&thread("other", "beagle")).await;
    slack.asked_times(5).await;
    // Its first message was deleted by somebody.
    outside.publish(&thread("gone", "argo")).await;
    slack.asked_times(7).await;
    outside.publish(&thread("after", "argo")).await;
    // It says when to come again.
    slack.asked_times(8).await;
    outside.publish(r#"{"message": "busy"}"#).await;
    let asked = slack.asked_times(10).await;
    let told: Vec<(String, Option<String>)> = asked[1..]
        .iter()
        .map(|asked| {
            let body = body(asked);
            let text = |name: &str| body[name].as_str().map(str::to_owned);
            assert_eq!(
                body["reply_broadcast"].as_bool().is_some(),
                text("thread_ts").is_some()
            );
            (text("text").unwrap(), text("thread_ts"))
        })
        .collect();
    let told: Vec<(&str, Option<&str>)> = told
        .iter()
        .map(|(text, thread)| (&**text, thread.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("one", None),
            ("two", Some("1.2")),
            ("three", Some("1.2")),
            ("other", None),
            ("gone", Some("1.2")),
            ("gone", None),
            ("after", Some("1.6")),
            ("busy", None),
            ("busy", None),
        ]
    );
    drop(pod);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_refused_is_named_and_a_new_one_counts() {
    let certificates = Certificates::generate_for(&["slack.com"]).unwrap();
    let slack = slack(&certificates).await;
    let tunnel = Tunnel::start(slack.address()).await;
    let mut outside = Outside::new(SPEC, &certificates).await;
    outside.pod.set("HTTPS_PROXY", tunnel.url());
    outside
        .pod
        .volume("values/secrets/slack", &[("token", b"mistaken")]);
    let pod = outside.start().await;
    outside.publish(r#"{"message": "patient"}"#).await;
    let report = pod
        .reported("a trigger that waits", |report| {
            report["parts"][0]["health"]["ok"] == false
        })
        .await;
    let health = report["parts"][0]["health"].to_string();
    assert!(health.contains("invalid_auth"), "{health}");
    assert!(health.contains("Secret ns/slack"), "{health}");
    assert!(!pod.output().contains("mistaken"));
    outside
        .pod
        .volume("values/secrets/slack", &[("token", b"right")]);
    let posted = || async {
        let asked = slack.asked();
        asked
            .iter()
            .any(|asked| asked.headers["authorization"] == "Bearer right")
            .then_some(())
    };
    eventually("a message", posted).await;
    // What Slack refuses is a dead letter.
    outside.publish(r#"{"message": "bad"}"#).await;
    eventually("a dead letter", || async {
        let labels = ["outcome=\"dead_lettered\""];
        let count = pod.count("tiphys_sensor_events", &labels).await;
        (count == 1).then_some(())
    })
    .await;
}
