//! Every question about the events of a bus is answered by one command, from a desk.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use tiphys_tests::{World, command, tiphys, within};

use crate::wire::{self, Wire};

/// Names an object by the event, if the ship is large.
const SENSOR: &str = "apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: workbench, namespace: NAMESPACE}
spec:
  dependencies:
  - name: a
    eventSourceName: input
    eventName: a
    filters:
      data:
      - {path: size, type: number, comparator: '>', value: ['10']}
  triggers:
  - template:
      name: keep
      k8s:
        operation: create
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {name: kept-}}
        parameters:
        - {src: {dependencyName: a, dataKey: name}, dest: metadata.name, operation: append}
";

/// What a command prints about this world's bus, and its exit code.
struct Asked<'w> {
    world: &'w World,
    folder: tempfile::TempDir,
}

impl<'w> Asked<'w> {
    fn of(world: &'w World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sensor = SENSOR.replace("NAMESPACE", world.namespace());
        std::fs::write(folder.path().join("today.yaml"), &sensor).unwrap();
        let new = sensor.replace("'10'", "'20'").replace("kept-", "new-");
        std::fs::write(folder.path().join("new.yaml"), new).unwrap();
        Self { world, folder }
    }

    /// The path of a file.
    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Standard output, with standard error behind it.
    fn ask(&self, arguments: &[&str]) -> (String, i32) {
        let url = self.world.nats().url();
        let all = arguments.iter().copied().chain(["--nats", &url]);
        let output = tiphys(all);
        let text =
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
        (text, output.status.code().unwrap())
    }
}

#[track_caller]
fn check(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}\nis missing in\n{text}");
    }
}

/// A Sensor has taken an event, refused one and failed on one; nobody waits for another.
async fn arranged(world: &World, asked: &Asked<'_>) {
    let wire = Wire::to(world).await;
    let sensor = std::fs::read_to_string(asked.file("today.yaml")).unwrap();
    let running = world.desk().file("sensor.yaml", &sensor).start();
    wire::listening(&running).await;
    let small = json!({"name": "dinghy", "size": 5});
    let large = json!({"name": "argo", "size": 50});
    wire.event("input", "a", "small", &small).await;
    wire.event("input", "a", "large", &large).await;
    wire.event("input", "a", "nameless", &json!({"size": 30}))
        .await;
    wire.event("input", "b", "other", &large).await;
    wire.dead_letters(1).await;
    wire::outcome(&running, "keep", "fired", 1).await;
}

#[tokio::test]
async fn what_became_of_events_is_decided_again() {
    let world = World::start().await;
    let asked = Asked::of(&world);
    arranged(&world, &asked).await;
    let today = asked.file("today.yaml");

    let (text, code) = asked.ask(&["why", "small", "-f", &today]);
    assert_eq!(code, 0, "{text}");
    let because = format!(
        "sensor {}/workbench, trigger keep did not fire, because dependency a: data[0] size: 5, wanted a number > 10",
        world.namespace()
    );
    let past = format!(
        "sensor {}/workbench, trigger keep: its consumer is past it\n",
        world.namespace()
    );
    check(
        &text,
        &["✗ data[0] size: 5", &because, "today.yaml:11", &past],
    );
    let (text, _) = asked.ask(&["why", "nameless", "-f", &today]);
    check(&text, &["no `name`", "\ndead letter 1 "]);
    let (text, _) = asked.ask(&["why", "other", "-f", &today]);
    check(&text, &["nothing fired, because no sensor waits for it"]);
    let (text, code) = asked.ask(&["why", "nobody", "-f", &today]);
    assert_eq!(code, 1);
    check(
        &text,
        &["there is no event nobody on the bus: of 4 events, the oldest is of 20"],
    );
    let (text, _) = asked.ask(&["why", "--sensor", "workbench", "-f", &today]);
    check(
        &text,
        &[
            "of 4 events:\n",
            "  1 × trigger keep: fired\n",
            "  1 × trigger keep: filtered\n",
            "  1 × trigger keep: dead_lettered\n",
            "its consumers on the bus:\n  trigger keep: at number 3, 0 to go, ",
        ],
    );

    let (text, code) = asked.ask(&["top", "-o", "json"]);
    assert_eq!(code, 0, "{text}");
    let page: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(page["stored"], 4);
    let row = &page["triggers"][0];
    let names = ["namespace", "sensor", "trigger"].map(|name| row[name].as_str().unwrap());
    assert_eq!(names, [world.namespace(), "workbench", "keep"]);
    assert_eq!((&row["lag"], &row["deadLetters"]), (&json!(0), &json!(1)));
}

#[tokio::test]
async fn another_spec_is_tried_on_real_events() {
    let world = World::start().await;
    let asked = Asked::of(&world);
    arranged(&world, &asked).await;
    let today = asked.file("today.yaml");

    let recorded = asked.file("events.jsonl");
    let (text, _) = asked.ask(&["record", "--event", "a", "-o", &recorded]);
    check(&text, &["3 events recorded"]);
    let changes = |text: &str| {
        check(
            text,
            &[
                "  1 × changed: create ConfigMap new-argo\n",
                "      - metadata.name: \"kept-argo\"\n",
                "      + metadata.name: \"new-argo\"\n",
                "something else comes of 1\n",
            ],
        );
    };
    let new = asked.file("new.yaml");
    let (text, code) = asked.ask(&["diff", "-f", &new, "--old", &today]);
    assert_eq!(code, 1, "{text}");
    changes(&text);
    check(&text, &["4 events followed"]);
    let output = tiphys(["diff", "-f", &new, "--old", &today, "--events", &recorded]);
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    changes(&text);
    check(&text, &["3 events followed"]);
    let (text, code) = asked.ask(&["diff", "-f", &today, "--old", &today]);
    assert_eq!(
        (code, &*text),
        (0, "4 events followed, something else comes of 0\n")
    );
}

#[tokio::test]
async fn a_real_event_becomes_a_test_and_its_object_is_traced() {
    let world = World::start().await;
    let asked = Asked::of(&world);
    arranged(&world, &asked).await;
    let today = asked.file("today.yaml");

    let suite = asked.file("large.tiphys-test.yaml");
    let (text, code) = asked.ask(&[
        "create",
        "test",
        "--from-event",
        "large",
        "-f",
        &today,
        "-o",
        &suite,
    ]);
    assert_eq!((code, &*text), (0, ""));
    let written = std::fs::read_to_string(&suite).unwrap();
    check(
        &written,
        &[
            "- name: input/a large\n  given:\n    event:\n      eventSourceName: input\n",
            "        name: kept-argo\n",
        ],
    );
    std::fs::write(&suite, format!("manifests: [today.yaml]\n{written}")).unwrap();
    assert_eq!(tiphys(["test", &suite]).status.code(), Some(0));
    std::fs::write(&suite, format!("manifests: [new.yaml]\n{written}")).unwrap();
    assert_eq!(tiphys(["test", &suite]).status.code(), Some(1));
    assert_eq!(tiphys(["test", "--update", &suite]).status.code(), Some(0));
    let updated = std::fs::read_to_string(&suite).unwrap();
    assert_eq!(
        updated,
        format!(
            "manifests: [new.yaml]\n{}",
            written.replace("kept-argo", "new-argo")
        )
    );

    let kubeconfig = world.kubeconfig().display().to_string();
    let cluster = ["--kubeconfig", &kubeconfig, "-n", world.namespace()];
    let trace = ["trace", "cm/kept-argo", "-f", &today];
    let (text, code) = asked.ask(&[&trace[..], &cluster].concat());
    assert_eq!(code, 0, "{text}");
    check(
        &text,
        &[
            "by sensor workbench, trigger keep, 20",
            ", for event large\n",
            "create by sensor ",
            "    event large input/a (webhook), number 2 on the bus\n",
        ],
    );
}

#[tokio::test]
async fn events_are_shown_as_they_come() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    let asked = Asked::of(&world);
    let today = asked.file("today.yaml");
    let sensor = std::fs::read_to_string(&today).unwrap();
    let running = world.desk().file("sensor.yaml", &sensor).start();
    wire::listening(&running).await;
    let secret = json!({"kind": "Secret", "data": {"key": "c2VhbA=="}, "name": "x", "size": 1});
    wire.event("input", "a", "first", &secret).await;

    let url = world.nats().url();
    let arguments = [
        "tail", "--since", "1h", "--data", "-f", &today, "-o", "json", "--nats", &url,
    ];
    let mut tail = Tail::start(&arguments);
    let first = tail.next("first").await;
    assert_eq!(first["data"]["data"]["key"], "***");
    assert_eq!(first["decisions"][0]["outcome"], "filtered");

    let send = [
        "send",
        "--event-source",
        "input",
        "--event",
        "a",
        "--id",
        "second",
    ];
    let data = ["--data", r#"{"name": "argo", "size": 11}"#];
    let (text, _) = asked.ask(&[&send[..], &data, &["--dry-run"]].concat());
    check(&text, &["it would be published on default.input.a"]);
    let (text, code) = asked.ask(&[&send[..], &data].concat());
    assert_eq!(
        (code, &*text),
        (0, "event second published on default.input.a, number 2\n")
    );
    let second = tail.next("second").await;
    assert_eq!(second["number"], 2);
    assert_eq!(second["decisions"][0]["outcome"], "fired");
    assert_eq!(
        second["decisions"][0]["reason"],
        "create ConfigMap kept-argo"
    );
    let (text, code) = asked.ask(&[&send[..], &data].concat());
    assert_eq!(code, 1);
    check(&text, &["the bus has had an event second a short time ago"]);

    let send = [
        "send",
        "--event-source",
        "input",
        "--event",
        "a",
        "--id",
        "third",
    ];
    asked.ask(&[&send[..], &["--data", r#"{"size": 12}"#]].concat());
    let letter = tail.find(|line| !line["deadLetter"].is_null()).await;
    assert_eq!(letter["deadLetter"]["event"]["id"], "third");
}

/// An event source that takes no Secret with another key.
const WATCH: &str = "apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: watch, namespace: NAMESPACE}
spec:
  resource:
    secrets:
      version: v1
      resource: secrets
      eventTypes: [ADD]
      filter: {fields: [{key: data.key, operation: ==, value: other}]}
";

#[tokio::test]
async fn a_secret_that_makes_no_event_is_not_shown_either() {
    let world = World::start().await;
    let asked = Asked::of(&world);
    let write = |name: &str, text: &str| {
        let text = text.replace("NAMESPACE", world.namespace());
        std::fs::write(asked.file(name), text).unwrap();
        asked.file(name)
    };
    let watch = write("watch.yaml", WATCH);
    let secret = write(
        "secret.yaml",
        "{apiVersion: v1, kind: Secret, metadata: {name: x, namespace: NAMESPACE}, data: {key: c2VhbA==}}",
    );
    let arguments = ["why", "--object", &secret, "-f", &watch];
    let (text, code) = asked.ask(&arguments);
    assert_eq!(code, 0, "{text}");
    check(&text, &["✗ data.key == \"other\": \"***\""]);
    let (text, _) = asked.ask(&[&arguments[..], &["--reveal"]].concat());
    check(&text, &["c2VhbA=="]);
}

/// A command that goes on, line by line.
struct Tail {
    child: Child,
    lines: tokio::sync::mpsc::UnboundedReceiver<String>,
}

impl Tail {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command()
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            out.lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// The line about an event.
    async fn next(&mut self, id: &str) -> Value {
        self.find(|line| line["event"]["id"] == id).await
    }

    async fn find(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = within("a line", self.lines.recv()).await;
            let line = serde_json::from_str(&line.expect("it goes on")).unwrap();
            if is_wanted(&line) {
                return line;
            }
        }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
