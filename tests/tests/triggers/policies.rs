//! Stories of what comes after an action, and of rounds that are forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use tiphys_eventbus::EventBus;
use tiphys_eventbus::embedded::Embedded;
use tiphys_tests::{World, eventually};

use crate::running::{Running, Setting};
use crate::web::{Web, answer};

#[tokio::test]
async fn an_object_has_to_get_its_labels() {
    let world = World::start().await;
    let client = world.client().await;
    let spec = r#"
dependencies: [{name: dep, eventSourceName: source, eventName: order}]
triggers:
- policy: {k8s: {labels: {done: "yes"}, errorOnBackoffTimeout: true, backoff: {steps: 100000, duration: 10ms, jitter: 0}}}
  template:
    name: make
    k8s:
      source:
        resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: order-}}
- policy: {k8s: {labels: {done: "never"}, errorOnBackoffTimeout: true, backoff: {steps: 2, duration: 1ms}}}
  template:
    name: miss
    k8s:
      source:
        resource: {apiVersion: v1, kind: ConfigMap, metadata: {name: missed}}
"#;
    let setting = Setting {
        namespace: world.namespace().to_owned(),
        client: Some(client.clone()),
        ..Setting::default()
    };
    let sensor = Running::start(spec, setting).await;
    sensor.publish("order", "{}").await;

    let letter = sensor.dead_letter().await;
    assert_eq!(letter.trigger, "miss");
    let expected =
        "failed to determine status of the triggered resource. setting trigger state as failed";
    assert!(letter.error.starts_with(expected), "{}", letter.error);

    let maps: Api<ConfigMap> = Api::namespaced(client, world.namespace());
    let made = ListParams::default().labels("events.argoproj.io/trigger=make");
    let name = eventually("the object is made", || async {
        let list = maps.list(&made).await.unwrap();
        list.items
            .into_iter()
            .next()
            .and_then(|map| map.metadata.name)
    })
    .await;
    let labels = serde_json::json!({"metadata": {"labels": {"done": "yes"}}});
    maps.patch(&name, &PatchParams::default(), &Patch::Merge(labels))
        .await
        .unwrap();
    sensor.stop().await;
}

#[tokio::test]
async fn a_trigger_for_failures_takes_over() {
    let web = Web::start(|asked| answer(if asked.path == "/rescue" { 200 } else { 500 })).await;
    let url = |path: &str| web.url(path);
    let spec = |rescue: &str| {
        format!(
            r"
dependencies: [{{name: dep, eventSourceName: source, eventName: order}}]
triggers:
- atLeastOnce: true
  policy: {{status: {{allow: [200]}}}}
  retryStrategy: {{steps: 2, duration: 1ms}}
  template: {{name: call, http: {{url: '{}'}}}}
  dlqTrigger:
    atLeastOnce: true
    policy: {{status: {{allow: [200]}}}}
    retryStrategy: {{steps: 3, duration: 1ms}}
    template:
      name: rescue
      http:
        url: {}
        payload: [{{src: {{dependencyName: dep, dataKey: id}}, dest: id}}]
",
            url("/call"),
            url(rescue)
        )
    };
    let sensor = Running::start(&spec("/rescue"), Setting::default()).await;
    sensor.publish("order", r#"{"id":"7"}"#).await;
    let asked = web.asked_times(3).await;
    let paths: Vec<&str> = asked.iter().map(|asked| asked.path.as_str()).collect();
    assert_eq!(paths, ["/call", "/call", "/rescue"]);
    assert_eq!(asked[2].body, r#"{"id":"7"}"#);
    assert!(sensor.dead_letters().await.is_empty());
    sensor.stop().await;

    let sensor = Running::start(&spec("/sink"), Setting::default()).await;
    sensor.publish("order", r#"{"id":"8"}"#).await;
    let letter = sensor.dead_letter().await;
    assert_eq!((letter.trigger.as_str(), letter.attempts), ("call", 2));
    assert!(
        letter.error.contains("; then dlqTrigger rescue: "),
        "{}",
        letter.error
    );
    assert_eq!(web.asked().len(), 3 + 2 + 3);
    sensor.stop().await;
}

static AHEAD_SECONDS: AtomicI64 = AtomicI64::new(0);

/// A clock that stands still a second before a reset until the story moves it.
fn story_clock() -> Timestamp {
    let start: Timestamp = "2026-01-01T23:58:59Z".parse().unwrap();
    start + SignedDuration::from_secs(AHEAD_SECONDS.load(Ordering::Relaxed))
}

#[tokio::test]
async fn waiting_events_are_forgotten_at_the_times_of_a_schedule() {
    let spec = r#"
dependencies:
- {name: a, eventSourceName: source, eventName: a}
- {name: b, eventSourceName: source, eventName: b}
triggers:
- template:
    name: both
    conditions: a && b
    conditionsReset: [{byTime: {cron: "59 23 * * *", timezone: UTC}}]
    log: {}
"#;
    let bus = EventBus::from(Embedded::with_clock(Arc::new(story_clock)));
    let setting = || Setting {
        now: story_clock,
        bus: bus.clone(),
        ..Setting::default()
    };
    let sensor = Running::start(spec, setting()).await;
    sensor.publish("a", r#"{"n":1}"#).await;
    sensor.kept("both/a", true).await;
    AHEAD_SECONDS.fetch_add(2, Ordering::Relaxed);
    sensor.kept("both/a", false).await;
    sensor.publish("b", r#"{"n":2}"#).await;
    sensor.kept("both/b", true).await;
    sensor.stop().await;

    // A day passes while nobody runs: what was kept is forgotten at the start.
    AHEAD_SECONDS.fetch_add(86_400, Ordering::Relaxed);
    let sensor = Running::start(spec, setting()).await;
    sensor.kept("both/b", false).await;
    sensor.publish("a", r#"{"n":3}"#).await;
    sensor.publish("b", r#"{"n":4}"#).await;
    assert_eq!(sensor.lines(2).await, [r#"{"n":3}"#, r#"{"n":4}"#]);
    sensor.stop().await;
}
