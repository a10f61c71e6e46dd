//! Sensors with several dependencies: what is kept, for how long, and what fires.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::json;
use tiphys_tests::{World, eventually};

use crate::wire::{self, Wire, outcome};

const TRIGGERS: &str = "
  - template:
      name: both
      conditions: a && b
      k8s:
        operation: create
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: both-, labels: {of: both}}}
        parameters:
        - {src: {dependencyName: a, dataKey: count}, dest: data.a}
        - {src: {dependencyName: b, dataKey: count}, dest: data.b}
  - template:
      name: either
      conditions: a || b
      k8s:
        operation: create
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: either-, labels: {of: either}}}
        parameters:
        - {src: {dependencyName: a, dataKey: count, value: none}, dest: data.a}
        - {src: {dependencyName: b, dataKey: count, value: none}, dest: data.b}
";

/// The values of `a` and `b` in the objects that a trigger has made, sorted.
async fn made(maps: &Api<ConfigMap>, trigger: &str) -> Vec<String> {
    let params = kube::api::ListParams::default().labels(&format!("of={trigger}"));
    let maps = maps.list(&params).await.unwrap();
    let mut made: Vec<String> = maps
        .into_iter()
        .map(|map| {
            let data = map.data.unwrap_or_default();
            let text = |key: &str| data.get(key).map_or("-", String::as_str);
            format!("{} {}", text("a"), text("b"))
        })
        .collect();
    made.sort();
    made
}

async fn eventually_made(maps: &Api<ConfigMap>, trigger: &str, expected: &[&str]) {
    eventually(
        &format!("the objects {expected:?} of {trigger}"),
        || async { (made(maps, trigger).await == expected).then_some(()) },
    )
    .await;
}

#[tokio::test]
async fn a_kept_event_survives_a_restart_and_completes_its_round() {
    let world = World::start().await;
    let (wire, maps) = (Wire::to(&world).await, world.api::<ConfigMap>().await);
    let desk = wire::desk(&world, TRIGGERS);
    let mut tiphys = desk.start();
    wire::listening(&tiphys).await;
    wire.event("input", "a", "a1", &json!({"count": 1})).await;
    wire.event("input", "a", "a2", &json!({"count": 2})).await;
    outcome(&tiphys, "both", "waiting", 1).await;
    outcome(&tiphys, "both", "filtered", 1).await;
    eventually_made(&maps, "either", &["1 none", "2 none"]).await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");

    let mut tiphys = desk.start();
    wire::listening(&tiphys).await;
    wire.event("input", "b", "b1", &json!({"count": 10})).await;
    eventually_made(&maps, "both", &["2 10"]).await;
    // Both are used up: a second `b` waits for an `a` of its own, also over a crash.
    wire.event("input", "b", "b2", &json!({"count": 20})).await;
    outcome(&tiphys, "both", "waiting", 1).await;
    tiphys.kill();
    let mut tiphys = desk.start();
    wire::listening(&tiphys).await;
    wire.event("input", "a", "a3", &json!({"count": 3})).await;
    eventually_made(&maps, "both", &["2 10", "3 20"]).await;
    let either = ["1 none", "2 none", "3 none", "none 10", "none 20"];
    eventually_made(&maps, "either", &either).await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn one_event_can_feed_two_dependencies() {
    let world = World::start().await;
    let (wire, maps) = (Wire::to(&world).await, world.api::<ConfigMap>().await);
    let sensor = wire::sensor(&world, TRIGGERS)
        .replace("{name: b, eventSourceName: input, eventName: b}",
            "{name: b, eventSourceName: input, eventName: a, filters: {data: [{path: count, type: number, comparator: '>', value: ['5']}]}}");
    let mut tiphys = world.desk().file("sensor.yaml", &sensor).start();
    wire::listening(&tiphys).await;
    wire.event("input", "a", "small", &json!({"count": 1}))
        .await;
    outcome(&tiphys, "both", "waiting", 1).await;
    wire.event("input", "a", "large", &json!({"count": 7}))
        .await;
    eventually_made(&maps, "both", &["7 7"]).await;
    eventually_made(&maps, "either", &["1 none", "7 none", "none 7"]).await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn an_event_delivered_again_after_a_restart_makes_no_second_object() {
    let world = World::start().await;
    let (wire, maps) = (Wire::to(&world).await, world.api::<ConfigMap>().await);
    let desk = wire::desk(&world, TRIGGERS);
    let mut tiphys = desk.start();
    wire::listening(&tiphys).await;
    wire.event("input", "a", "a1", &json!({"count": 1})).await;
    eventually_made(&maps, "either", &["1 none"]).await;
    // Not before the bus was told: it would deliver the event again by itself.
    outcome(&tiphys, "either", "fired", 1).await;
    tiphys.kill();
    let mut tiphys = desk.start();
    wire::listening(&tiphys).await;
    wire.repeat("input", "a", "a1", &json!({"count": 1})).await;
    outcome(&tiphys, "either", "fired", 1).await;
    assert_eq!(made(&maps, "either").await, ["1 none"]);
    // In one run, it is not even tried.
    wire.send(
        "default.input.a",
        "third",
        wire::cloud_event("input", "a", "a1", b"{\"count\":1}"),
    )
    .await;
    outcome(&tiphys, "either", "deduplicated", 1).await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}
