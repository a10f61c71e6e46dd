//! Dead letters are replayed with one command: through what the Sensor says now, once, under the event's id.

use std::process::Output;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use tiphys_eventbus::jetstream::{Config, JetStream};
use tiphys_eventbus::{
    DeadLetter, DeadLetterFilter, DeadLetterReason, Durable, EventBus, Position, Replay, Subject,
};
use tiphys_tests::web::{Web, answer};
use tiphys_tests::{Tiphys, World, eventually, tiphys};

use crate::wire::{self, Wire, cloud_event, outcome};

const EVENT_ID: &str = "events.argoproj.io/event-id";
const REPLAY_OF: &str = "events.argoproj.io/replay-of";

/// Makes an object of each event, which is recognised, and a request, which is not.
fn triggers(web: &Web, key: &str) -> String {
    let url = web.url("/");
    format!(
        "
  - template:
      name: keep
      conditions: a
      k8s:
        operation: create
        source:
          resource: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: kept-, labels: {{of: keep}}}}}}
        parameters:
        - {{src: {{dependencyName: a, dataKey: {key}}}, dest: metadata.name, operation: append}}
  - template:
      name: call
      conditions: a
      http:
        url: {url}
        method: POST
        payload:
        - {{src: {{dependencyName: a, dataKey: {key}}}, dest: title}}
"
    )
}

/// Another Sensor that waits for the same events.
fn other(world: &World) -> String {
    let sensor = wire::sensor(
        world,
        "  - template: {name: print, conditions: a || b, log: {}}\n",
    );
    sensor.replace("name: workbench", "name: other").replace(
        "eventSourceName: input, eventName: b",
        "eventSourceName: '*', eventName: '*'",
    )
}

/// `tiphys dlq …`.
fn dlq(world: &World, arguments: &[&str]) -> Output {
    let url = world.nats().url();
    let all = ["dlq"].iter().chain(arguments).copied();
    tiphys(all.chain(["--nats", &url]))
}

/// What `tiphys dlq replay …` prints, what it says beside that, and its exit code.
fn replay(world: &World, arguments: &[&str]) -> (String, String, Option<i32>) {
    let all: Vec<&str> = ["replay"].iter().chain(arguments).copied().collect();
    let output = dlq(world, &all);
    (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
        output.status.code(),
    )
}

async fn bus(world: &World) -> EventBus {
    let config = Config::new(world.nats().url());
    let bus = JetStream::connect(&config).await;
    EventBus::from(bus.expect("NATS can be reached"))
}

async fn letters(bus: &EventBus) -> Vec<(Position, DeadLetter)> {
    let all = DeadLetterFilter::default();
    bus.dead_letters.list(&all).await.unwrap()
}

/// The letters, as soon as there are so many.
async fn so_many(bus: &EventBus, count: usize) -> Vec<(Position, DeadLetter)> {
    eventually(&format!("{count} dead letters"), || async {
        let letters = letters(bus).await;
        (letters.len() == count).then_some(letters)
    })
    .await
}

/// The objects of a trigger: their names with the ids of their events, sorted.
async fn made(maps: &Api<ConfigMap>, trigger: &str) -> Vec<(String, String)> {
    let params = ListParams::default().labels(&format!("of={trigger}"));
    let maps = maps.list(&params).await.unwrap();
    let id = |map: &ConfigMap| map.metadata.annotations.as_ref().unwrap()[EVENT_ID].clone();
    let mut made: Vec<_> = maps
        .iter()
        .map(|map| (map.metadata.name.clone().unwrap(), id(map)))
        .collect();
    made.sort();
    made
}

/// What was received of a trigger, and the sum of what came of it.
async fn books(tiphys: &Tiphys, trigger: &str) -> u64 {
    let trigger = format!("trigger_name=\"{trigger}\"");
    tiphys.count("tiphys_sensor_events", &[&trigger]).await
}

/// Waits until the triggers of both Sensors have their consumers.
async fn started(tiphys: &Tiphys) {
    for name in ["workbench", "other"] {
        let is_started =
            |line: &Value| line["msg"] == "Sensor started." && line["sensorName"] == name;
        tiphys.line("both Sensors", is_started).await;
    }
}

async fn send_three(wire: &Wire) {
    for id in ["one", "two", "three"] {
        wire.event("input", "a", id, &json!({"title": id})).await;
    }
}

#[tokio::test]
async fn what_failed_is_done_once_when_its_sensor_is_mended() {
    let world = World::start().await;
    let (wire, bus) = (Wire::to(&world).await, bus(&world).await);
    let maps = world.api::<ConfigMap>().await;
    let web = Web::start(|_| answer(200)).await;
    let desk = wire::desk(&world, &triggers(&web, "name")).file("other.yaml", &other(&world));
    let mut tiphys = desk.start();
    started(&tiphys).await;
    send_three(&wire).await;
    let failed = so_many(&bus, 6).await;
    outcome(&tiphys, "print", "fired", 3).await;

    // A dry run changes nothing.
    let (lines, said, code) = replay(&world, &["--all", "--dry-run"]);
    assert_eq!((said.as_str(), code), ("6 would be replayed\n", Some(0)));
    let (number, letter) = &failed[0];
    let id = cloud_event_id(letter);
    let first = format!(
        "{number}  event {id} to {}/workbench {}, a: would be replayed\n",
        world.namespace(),
        letter.trigger
    );
    assert!(lines.starts_with(&first), "{lines}");
    assert_eq!(letters(&bus).await, failed);

    // What fails again is a letter again, of the event as it was published.
    let (line, said, code) = replay(&world, &[&number.to_string(), "-o", "json"]);
    assert_eq!((said.as_str(), code), ("1 replayed\n", Some(0)));
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["outcome"], "replayed", "{line}");
    assert_eq!(line["eventId"], id.as_str(), "{line}");
    assert_eq!(line["isListening"], true, "{line}");
    outcome(&tiphys, &letter.trigger, "dead_lettered", 4).await;
    let again = so_many(&bus, 6).await.pop().unwrap();
    assert!(again.0 > failed[5].0);
    let of = |letter: &DeadLetter| DeadLetter {
        dead_lettered_at: jiff::Timestamp::UNIX_EPOCH,
        ..letter.clone()
    };
    assert_eq!(of(&again.1), of(letter));
    assert_eq!(books(&tiphys, &letter.trigger).await, 4);
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");

    let sensor = wire::sensor(&world, &triggers(&web, "title"));
    let desk = desk.file("sensor.yaml", &sensor);
    let mut tiphys = desk.start();
    started(&tiphys).await;
    // Whoever replayed this one did not live to remove the letter.
    let (number, letter) = &again;
    let durable = Durable::trigger(world.namespace(), "workbench", &letter.trigger);
    let message = Replay::of(*number, letter, false).message(&durable, &letter.payload);
    bus.events.publish(message).await.unwrap().await.unwrap();
    outcome(&tiphys, &letter.trigger, "fired", 1).await;
    let (lines, said, code) = replay(&world, &["--all"]);
    assert_eq!(
        (said.as_str(), code),
        ("5 replayed, 1 replayed before\n", Some(0)),
        "{lines}"
    );
    assert_eq!(letters(&bus).await, []);
    outcome(&tiphys, "keep", "fired", 3).await;
    outcome(&tiphys, "call", "fired", 3).await;
    let mut titles: Vec<String> = web
        .asked_times(3)
        .await
        .iter()
        .map(|asked| String::from_utf8(asked.body.to_vec()).unwrap())
        .collect();
    titles.sort();
    let expected = ["one", "three", "two"];
    assert_eq!(titles, expected.map(|id| format!(r#"{{"title":"{id}"}}"#)));
    let kept = expected.map(|id| (format!("kept-{id}"), id.to_owned()));
    assert_eq!(made(&maps, "keep").await, kept);

    // Nobody else has seen them, and the books balance.
    wire.event("input", "a", "last", &json!({"title": "last"}))
        .await;
    for trigger in ["keep", "call"] {
        outcome(&tiphys, trigger, "fired", 4).await;
        assert_eq!(books(&tiphys, trigger).await, 4);
    }
    outcome(&tiphys, "print", "fired", 1).await;
    assert_eq!(books(&tiphys, "print").await, 1);
    assert_eq!(web.asked().len(), 4);
    let (_, said, _) = replay(&world, &["--all"]);
    assert_eq!(said, "0 replayed\n");
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

fn cloud_event_id(letter: &DeadLetter) -> String {
    let event: Value = serde_json::from_slice(&letter.payload).unwrap();
    event["id"].as_str().unwrap().to_owned()
}

/// A letter of the event `one`, for the trigger `make`.
fn letter(world: &World, second: i64, change: impl FnOnce(&mut DeadLetter)) -> DeadLetter {
    let mut letter = DeadLetter {
        namespace: world.namespace().to_owned(),
        sensor: "workbench".to_owned(),
        trigger: "make".to_owned(),
        reason: DeadLetterReason::RetriesExhausted,
        error: "no".to_owned(),
        attempts: 1,
        dead_lettered_at: jiff::Timestamp::from_second(second).unwrap(),
        subject: Subject::event("input", "a"),
        stored_at: None,
        dependencies: Vec::new(),
        may_be_done: false,
        payload: cloud_event("input", "a", "one", b"{}").into(),
        cut_from: None,
        action: None,
    };
    change(&mut letter);
    letter
}

const MAKE: &str = "
  - template:
      name: make
      conditions: a
      k8s:
        operation: create
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: made-, labels: {of: make}}}
";

#[tokio::test]
async fn what_was_done_is_recognised_unless_force_is_used() {
    let world = World::start().await;
    let (bus, maps) = (bus(&world).await, world.api::<ConfigMap>().await);
    let mut tiphys = wire::desk(&world, MAKE).start();
    tiphys.logged("Sensor started.").await;
    for second in [1, 2, 3] {
        let letter = letter(&world, second, |_| {});
        bus.dead_letters.store(letter).await.unwrap();
    }
    let (_, said, _) = replay(&world, &["1", "2", "2"]);
    assert_eq!(said, "2 replayed\n");
    outcome(&tiphys, "make", "fired", 2).await;
    let once = made(&maps, "make").await;
    assert_eq!(once.len(), 1, "{once:?}");
    assert_eq!(once[0].1, "one");

    let (_, said, _) = replay(&world, &["3", "--force"]);
    assert_eq!(said, "1 replayed\n");
    outcome(&tiphys, "make", "fired", 3).await;
    let twice = made(&maps, "make").await;
    assert_eq!(twice.len(), 2, "{twice:?}");
    assert!(twice.contains(&once[0]), "{twice:?}");
    assert!(twice.iter().all(|(_, id)| id == "one"), "{twice:?}");
    let maps = maps.list(&ListParams::default().labels("of=make")).await;
    let of = |map: &ConfigMap| map.metadata.annotations.as_ref()?.get(REPLAY_OF).cloned();
    let forced: Vec<String> = maps.unwrap().iter().filter_map(of).collect();
    assert_eq!(forced, ["3@1970-01-01T00:00:03Z"]);
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn what_cannot_be_replayed_is_refused_and_stays() {
    let world = World::start().await;
    let (bus, maps) = (bus(&world).await, world.api::<ConfigMap>().await);
    let desk = wire::desk(&world, MAKE);
    let mut tiphys = desk.start();
    tiphys.logged("Sensor started.").await;
    for letter in [
        letter(&world, 1, |letter| letter.cut_from = Some(3_000_000)),
        letter(&world, 2, |letter| letter.payload = "ahoy".into()),
        letter(&world, 3, |letter| letter.may_be_done = true),
        letter(&world, 4, |letter| letter.trigger = "removed".to_owned()),
        letter(&world, 5, |letter| {
            (letter.sensor, letter.trigger) = (String::new(), String::new());
        }),
    ] {
        bus.dead_letters.store(letter).await.unwrap();
    }
    let (lines, said, code) = replay(&world, &["--all"]);
    assert_eq!((said.as_str(), code), ("0 replayed, 5 refused\n", Some(1)));
    for (number, why) in [
        (1, "its event had 3000000 bytes and was cut to be kept"),
        (2, "it is no event: "),
        (3, "may have been done: look there, then use --force"),
        (4, "its trigger has no consumer on the bus"),
        (5, "it is of an event source"),
    ] {
        let is_it = |line: &&str| line.starts_with(&format!("{number}  "));
        let line = lines.lines().find(is_it).unwrap();
        assert!(line.contains("refused: ") && line.contains(why), "{line}");
    }
    assert_eq!(letters(&bus).await.len(), 5);
    let (_, said, code) = replay(&world, &["3", "99"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("there is no dead letter 99"), "{said}");
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");

    // Of a Sensor that does not run, it waits on the bus.
    let letter = letter(&world, 6, |_| {});
    bus.dead_letters.store(letter).await.unwrap();
    eventually("nobody listens", || async {
        let (line, _, code) = replay(&world, &["6", "--dry-run"]);
        assert_eq!(code, Some(0), "{line}");
        line.contains("nobody is listening there").then_some(())
    })
    .await;
    let (_, said, code) = replay(&world, &["6"]);
    assert_eq!((said.as_str(), code), ("1 replayed\n", Some(0)));
    assert_eq!(made(&maps, "make").await, []);
    let mut tiphys = desk.start();
    tiphys.logged("Sensor started.").await;
    outcome(&tiphys, "make", "fired", 1).await;
    assert_eq!(made(&maps, "make").await.len(), 1);
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}
