//! Sensors of several namespaces in one process: what one does costs another nothing that it needs.

use futures::{StreamExt as _, stream};
use serde_json::json;
use tiphys_tests::{Hanging, World, eventually};

use crate::stage::{Wire, printed};

/// How many events each kind of noise is made of.
const FLOOD: usize = 3_000;
const BURNING: usize = 600;
const HOARDING: usize = 600;

/// Triggers whose target answers nothing: together they may run more than a process has permits for.
const HANGING: usize = 6;

/// How many events another sensor has to handle meanwhile, one after another.
const QUIET: usize = 100;

/// A Sensor whose target hangs, and whose transforms take all the time and memory that they get.
fn loud(world: &World, port: u16) -> String {
    let hanging = (0..HANGING).map(|number| {
        format!(
            "
  - template:
      name: hang-{number}
      conditions: flood
      http: {{url: 'http://127.0.0.1:{port}/', method: POST, timeout: 600}}"
        )
    });
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {{name: loud, namespace: {namespace}-loud}}
spec:
  dependencies:
  - {{name: flood, eventSourceName: input, eventName: flood}}
  - name: burn
    eventSourceName: input
    eventName: burn
    transform: {{script: 'while true do end'}}
  - name: hoard
    eventSourceName: input
    eventName: hoard
    transform: {{jq: '[range(1e9)]'}}
  triggers:
  - template: {{name: burn, conditions: burn, log: {{}}}}
  - template: {{name: burn-again, conditions: burn, log: {{}}}}
  - template: {{name: hoard, conditions: hoard, log: {{}}}}
  - template: {{name: hoard-again, conditions: hoard, log: {{}}}}{hanging}
",
        namespace = world.namespace(),
        hanging = hanging.collect::<String>(),
    )
}

/// A Sensor that has little to do.
fn quiet(world: &World) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {{name: quiet, namespace: {namespace}}}
spec:
  dependencies:
  - name: a
    eventSourceName: input
    eventName: a
    transform: {{jq: '.seen = true'}}
  triggers:
  - template: {{name: print, log: {{}}}}
",
        namespace = world.namespace(),
    )
}

async fn flood(wire: &Wire, name: &str, count: usize) {
    let events = stream::iter(0..count).for_each_concurrent(64, |number| async move {
        let id = format!("{name}-{number}");
        wire.event_of(name, &id, &json!({})).await;
    });
    events.await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sensor_that_floods_hangs_and_burns_starves_no_other_of_the_process() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    let server = Hanging::start().await;
    let desk = world
        .desk()
        .file("loud.yaml", &loud(&world, server.port()))
        .file("quiet.yaml", &quiet(&world));
    let mut tiphys = desk.start();
    for name in ["loud", "quiet"] {
        let started = |line: &serde_json::Value| {
            line["msg"] == "Sensor started." && line["sensorName"] == name
        };
        tiphys.line("both sensors", started).await;
    }
    flood(&wire, "burn", BURNING).await;
    flood(&wire, "hoard", HOARDING).await;
    flood(&wire, "flood", FLOOD).await;
    eventually("the noise at its height", || async {
        let requests = server.requests();
        let is_burning = tiphys
            .count("tiphys_sensor_events", &["loud", "burn", "dead_lettered"])
            .await
            > 0;
        let is_hoarding = tiphys
            .count("tiphys_sensor_events", &["loud", "hoard", "dead_lettered"])
            .await
            > 0;
        (requests >= 128 && is_burning && is_hoarding).then_some(())
    })
    .await;

    let mut expected = Vec::new();
    for number in 0..QUIET {
        let id = format!("quiet-{number}");
        wire.event(&id, &json!({})).await;
        expected.push(id);
        eventually("the other sensor's firing", || async {
            (printed(&tiphys) == expected).then_some(())
        })
        .await;
    }
    // All of that while nothing of the flood had an answer, and while there was more of the rest.
    let fired = ["sensor_name=\"loud\"", "outcome=\"fired\""];
    assert_eq!(tiphys.count("tiphys_sensor_events", &fired).await, 0);
    for (trigger, all) in [("burn", BURNING), ("hoard", HOARDING)] {
        let name = format!("trigger_name=\"{trigger}\"");
        let over = [&name, "outcome=\"dead_lettered\""];
        let over = tiphys.count("tiphys_sensor_events", &over).await;
        assert!(over < all as u64, "{trigger} was over before: {over}");
    }
    tiphys.kill();
}
