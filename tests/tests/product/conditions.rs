//! What users of Argo Events rely on when several events make one trigger fire.

use serde_json::{Value, json};
use tiphys_eventbus::DeadLetterReason;
use tiphys_tests::{Desk, Tiphys, World, eventually};

use crate::wire::{Wire, outcome};

/// A Sensor with the dependencies `a`, `b` and `c` on the events of these names; `triggers` is YAML.
fn sensor(world: &World, name: &str, triggers: &str) -> String {
    let namespace = world.namespace();
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  dependencies:
  - {{name: a, eventSourceName: input, eventName: a}}
  - {{name: b, eventSourceName: input, eventName: b}}
  - {{name: c, eventSourceName: input, eventName: c}}
  triggers:
{triggers}"
    )
}

fn desk(world: &World, triggers: &str) -> Desk {
    let sensor = sensor(world, "workbench", triggers);
    world.desk().file("workbench.yaml", &sensor)
}

async fn started(desk: &Desk) -> Tiphys {
    let tiphys = desk.start();
    tiphys.logged("Sensor started.").await;
    tiphys
}

/// What a sensor's trigger has been fired by, over all runs on a desk: the ids of each firing.
fn firings(desk: &Desk, sensor: &str, trigger: &str) -> Vec<String> {
    let success = format!("Successfully processed trigger '{trigger}'");
    let lines = desk.lines().into_iter();
    let lines = lines.filter(|line| line["msg"] == success && line["sensorName"] == sensor);
    lines
        .filter_map(|line| line["triggeredByEvents"].as_str().map(str::to_owned))
        .collect()
}

/// Waits until a trigger of `workbench` has been fired by exactly this.
async fn fired(desk: &Desk, trigger: &str, expected: &[&str]) {
    eventually(&format!("{trigger} fired by {expected:?}"), || async {
        (firings(desk, "workbench", trigger) == expected).then_some(())
    })
    .await;
}

async fn send(wire: &Wire, name: &str, id: &str, data: &Value) {
    wire.event("input", name, id, data).await;
}

async fn end(mut tiphys: Tiphys) {
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_firing_uses_up_what_has_led_to_it() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    let desk = desk(
        &world,
        "
  - template: {name: both, conditions: '(a && b) || c', log: {}}
  - template: {name: one, conditions: a, log: {}}
",
    );
    let tiphys = started(&desk).await;
    send(&wire, "a", "a1", &json!({})).await;
    fired(&desk, "one", &["a1"]).await;
    outcome(&tiphys, "both", "waiting", 1).await;
    send(&wire, "b", "b1", &json!({})).await;
    fired(&desk, "both", &["a1,b1"]).await;
    // Half of the next round, and not another half of the last one.
    send(&wire, "b", "b2", &json!({})).await;
    outcome(&tiphys, "both", "waiting", 1).await;
    send(&wire, "c", "c1", &json!({})).await;
    // All that was kept goes into the firing.
    fired(&desk, "both", &["a1,b1", "b2,c1"]).await;
    send(&wire, "a", "a2", &json!({})).await;
    fired(&desk, "one", &["a1", "a2"]).await;
    outcome(&tiphys, "both", "waiting", 1).await;
    assert_eq!(firings(&desk, "workbench", "both").len(), 2);
    end(tiphys).await;
}

#[tokio::test]
async fn one_event_fires_a_trigger_of_two_dependencies_on_it_unless_a_filter_refuses() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    let twice = |name: &str, foo: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  dependencies:
  - name: first
    eventSourceName: input
    eventName: a
    filters: {{data: [{{path: metadata.baz, type: string, value: ['1.0']}}]}}
  - name: second
    eventSourceName: input
    eventName: a
    filters: {{data: [{{path: metadata.foo, type: string, value: [{foo}]}}]}}
  triggers:
  - template: {{name: log, log: {{}}}}
",
            namespace = world.namespace()
        )
    };
    let desk = world
        .desk()
        .file("fits.yaml", &twice("workbench", "bar"))
        .file("differs.yaml", &twice("other", "baz"));
    let tiphys = desk.start();
    for name in ["workbench", "other"] {
        let started = |line: &Value| line["msg"] == "Sensor started." && line["sensorName"] == name;
        tiphys.line("both sensors", started).await;
    }
    let metadata = json!({"metadata": {"baz": "1.0", "foo": "bar"}});
    for id in ["a1", "a2"] {
        send(&wire, "a", id, &metadata).await;
    }
    fired(&desk, "log", &["a1,a1", "a2,a2"]).await;
    // The other one has looked at both events, and keeps what the newest of them was good for.
    eventually("the other sensor's look", || async {
        let of = ["sensor_name=\"other\"", "outcome=\"waiting\""];
        (tiphys.count("tiphys_sensor_events", &of).await == 1).then_some(())
    })
    .await;
    assert_eq!(firings(&desk, "other", "log"), [""; 0]);
    end(tiphys).await;
}

#[tokio::test]
async fn a_later_sensor_does_not_get_what_came_before_it() {
    for at_least_once in ["", "atLeastOnce: true, "] {
        let world = World::start().await;
        let wire = Wire::to(&world).await;
        let trigger = format!(
            "  - {{{at_least_once}template: {{name: both, conditions: a && b, log: {{}}}}}}\n"
        );
        let desk = desk(&world, &trigger);
        let first = started(&desk).await;
        send(&wire, "a", "a1", &json!({})).await;
        outcome(&first, "both", "waiting", 1).await;
        end(first).await;

        let later = sensor(&world, "later", &trigger);
        let desk = desk.file("later.yaml", &later);
        let second = desk.start();
        let is_started =
            |line: &Value| line["msg"] == "Sensor started." && line["sensorName"] == "later";
        second.line("the later sensor", is_started).await;
        send(&wire, "b", "b1", &json!({})).await;
        fired(&desk, "both", &["a1,b1"]).await;
        eventually("the later sensor's look", || async {
            let of = ["sensor_name=\"later\"", "outcome=\"waiting\""];
            (second.count("tiphys_sensor_events", &of).await == 1).then_some(())
        })
        .await;
        assert_eq!(firings(&desk, "later", "both"), [""; 0]);
        end(second).await;
    }
}

/// A trigger that cannot act gives its event to the next sensor of its name, if it may.
#[tokio::test]
async fn an_event_in_hand_reaches_the_next_sensor_only_at_least_once() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    let triggers = |of: &str| {
        format!(
            "
  - {{atLeastOnce: true, template: {{name: again, conditions: a, {of}}}}}
  - {{template: {{name: once, conditions: a, {of}}}}}
"
        )
    };
    // Nobody listens there.
    let http = "http: {url: 'http://127.0.0.1:1/', method: GET}";
    let desk = desk(&world, &triggers(http));
    let tiphys = started(&desk).await;
    send(&wire, "a", "a1", &json!({})).await;
    for trigger in ["again", "once"] {
        let tried = |line: &Value| {
            line["msg"] == "Making a http request..." && line["triggerName"] == trigger
        };
        tiphys.line("the attempt", tried).await;
        let failed = |line: &Value| {
            line["msg"] == "Failed to execute a trigger" && line["triggerName"] == trigger
        };
        tiphys.line("its failure", failed).await;
    }
    end(tiphys).await;

    let sensor = sensor(&world, "workbench", &triggers("log: {}"));
    let desk = desk.file("workbench.yaml", &sensor);
    let tiphys = started(&desk).await;
    fired(&desk, "again", &["a1"]).await;
    send(&wire, "a", "a2", &json!({})).await;
    // The second event has come, and the first one would have come before it.
    fired(&desk, "once", &["a2"]).await;
    let letter = wire.dead_letters(1).await.remove(0);
    assert_eq!(
        (letter.trigger.as_str(), letter.reason),
        ("once", DeadLetterReason::Interrupted)
    );
    end(tiphys).await;
}
