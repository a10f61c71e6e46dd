//! Stories of the `openWhisk` trigger: there is no server to be had here, so a web server answers as the
//! description of its API says.

use std::sync::atomic::{AtomicUsize, Ordering};

use tiphys_eventbus::DeadLetterReason;

use crate::running::{KnownValues, Running, Setting};
use crate::web::{Web, answer};

fn spec(host: &str) -> String {
    format!(
        "
dependencies: [{{name: dep, eventSourceName: source, eventName: order}}]
triggers:
- template:
    name: invoke
    openWhisk:
      host: {host}
      actionName: crew/row
      authToken: {{name: whisk, key: token}}
      payload:
      - {{src: {{dependencyName: dep, dataKey: id, useRawData: true}}, dest: order.id}}
      parameters:
      - {{src: {{dependencyName: dep, dataKey: space, value: _}}, dest: namespace}}
"
    )
}

async fn sensor(web: &Web, token: &str) -> Running {
    let setting = Setting {
        values: KnownValues::of(&[("whisk", "token", token)]),
        ..Setting::default()
    };
    Running::start(&spec(&web.url("")), setting).await
}

#[tokio::test]
async fn an_action_is_invoked_and_waited_for() {
    let web = Web::start(|asked| {
        answer(if asked.path.contains("/later/") {
            202
        } else {
            200
        })
    })
    .await;
    let sensor = sensor(&web, "user:word\n").await;
    sensor.publish("order", r#"{"id":7}"#).await;
    let asked = &web.asked_times(1).await[0];
    let path = "/api/v1/namespaces/_/actions/crew/row?blocking=true&result=true";
    assert_eq!((&*asked.method, &*asked.path), ("POST", path));
    assert_eq!(asked.headers["authorization"], "Basic dXNlcjp3b3Jk");
    assert_eq!(asked.headers["content-type"], "application/json");
    assert_eq!(asked.body, r#"{"order":{"id":7}}"#);
    // It goes on for longer than OpenWhisk waits.
    sensor.publish("order", r#"{"id":8,"space":"later"}"#).await;
    web.asked_times(2).await;
    sensor.stop().await;
    assert_eq!(web.asked().len(), 2);
}

#[tokio::test]
async fn what_openwhisk_says_decides() {
    let busy = AtomicUsize::new(0);
    let web = Web::start(move |asked| {
        if asked.path.contains("/busy/") && busy.fetch_add(1, Ordering::SeqCst) == 0 {
            return answer(429).header("Retry-After", "0");
        }
        if asked.path.contains("/broken/") {
            let body = r#"{"error": "user:word has no oar"}"#;
            return answer(502).body(body);
        }
        answer(200)
    })
    .await;
    let sensor = sensor(&web, "user:word").await;
    sensor.publish("order", r#"{"id":7,"space":"busy"}"#).await;
    web.asked_times(2).await;
    sensor
        .publish("order", r#"{"id":7,"space":"broken"}"#)
        .await;
    let letter = sensor.dead_letter().await;
    assert_eq!(letter.reason, DeadLetterReason::RetriesExhausted);
    let wanted = r#"invoke crew/row: OpenWhisk answers 502 Bad Gateway: {"error": "… has no oar"}"#;
    assert!(letter.error.contains(wanted), "{}", letter.error);
    sensor.stop().await;
}

#[tokio::test]
async fn a_token_that_is_refused_is_waited_for() {
    let web = Web::start(|asked| {
        let is_right = asked.headers["authorization"] == "Basic dXNlcjp3b3Jk";
        answer(if is_right { 200 } else { 401 })
    })
    .await;
    let sensor = sensor(&web, "user:wrong").await;
    sensor.publish("order", r#"{"id":7}"#).await;
    let unavailable = sensor.unavailable().await;
    assert!(
        unavailable.contains("OpenWhisk answers 401"),
        "{unavailable}"
    );
    sensor.stop().await;
}
