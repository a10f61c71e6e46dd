//! What is paused in a manifest is read, and does not run until an edit resumes it.

use serde_json::{Value, json};
use tiphys_tests::{Desk, Tiphys, World, eventually};

use crate::wire::{self, Wire};

const TRIGGER: &str = "  - template: {name: print, conditions: a, log: {}}\n";

/// The Sensor `workbench`.
fn workbench(world: &World, paused: &str) -> String {
    let annotations = format!("annotations: {{events.argoproj.io/paused: '{paused}'}}");
    let named = "metadata: {name: workbench, ";
    wire::sensor(world, TRIGGER).replace(named, &format!("{named}{annotations}, "))
}

/// The ids of the events that a Sensor has printed, each as often as it was, sorted: events that have
/// nothing in common are worked on side by side.
fn printed(desk: &Desk, sensor: &str) -> Vec<String> {
    let lines = desk.lines();
    let of_sensor = |line: &&Value| line["triggerType"] == "Log" && line["sensorName"] == sensor;
    let printed = lines.iter().filter(of_sensor);
    let mut ids: Vec<String> = printed
        .filter_map(|line| line["eventContext"]["id"].as_str().map(str::to_owned))
        .collect();
    ids.sort();
    ids
}

async fn has_printed(desk: &Desk, sensor: &str, expected: &[&str]) {
    let what = format!("{expected:?} printed by {sensor}");
    eventually(&what, || async {
        (printed(desk, sensor) == expected).then_some(())
    })
    .await;
}

/// Waits until the Sensor `workbench` was paused so often.
async fn paused(tiphys: &Tiphys, times: usize) {
    eventually("the pause", || async {
        let lines = tiphys.lines();
        let is_it = |line: &&Value| {
            line["msg"] == "Paused by its annotation: it does not run"
                && line["name"] == "workbench"
        };
        (lines.iter().filter(is_it).count() == times).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_edit_pauses_and_resumes_and_nothing_is_lost() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    let other = wire::sensor(&world, TRIGGER).replace("name: workbench", "name: other");
    let desk = world
        .desk()
        .file("other.yaml", &other)
        .file("workbench.yaml", &workbench(&world, "true"));
    let mut tiphys = desk.start();
    paused(&tiphys, 1).await;
    wire::listening(&tiphys).await;
    wire.event("input", "a", "one", &json!({})).await;
    has_printed(&desk, "other", &["one"]).await;
    assert_eq!(printed(&desk, "workbench"), [""; 0]);

    let desk = desk.file("workbench.yaml", &workbench(&world, "false"));
    has_printed(&desk, "workbench", &["one"]).await;

    let desk = desk.file("workbench.yaml", &workbench(&world, "true"));
    paused(&tiphys, 2).await;
    wire.event("input", "a", "two", &json!({})).await;
    has_printed(&desk, "other", &["one", "two"]).await;
    // A file that is broken for a moment stops nobody.
    let desk = desk.file("other.yaml", &format!("{other}\n  - ["));
    tiphys
        .line("the fault", |line| {
            line["msg"]
                .as_str()
                .is_some_and(|text| text.contains("other.yaml"))
        })
        .await;
    wire.event("input", "a", "three", &json!({})).await;
    has_printed(&desk, "other", &["one", "three", "two"]).await;
    let desk = desk.file("workbench.yaml", &workbench(&world, "false"));
    has_printed(&desk, "workbench", &["one", "three", "two"]).await;

    std::fs::remove_file(desk.manifests().join("other.yaml")).unwrap();
    let gone = tiphys
        .logged("In no manifest any more: it does not run")
        .await;
    assert_eq!(gone["name"], "other");
    assert!(tiphys.stop().await.success());
    assert_eq!(printed(&desk, "workbench"), ["one", "three", "two"]);
}
