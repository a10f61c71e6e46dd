//! Dead letters are looked at, and dropped, with one command.

use serde_json::{Value, json};
use tiphys_tests::{World, tiphys};

use crate::wire::{self, Wire};

/// Names an object by the event.
const TRIGGER: &str = "
  - template:
      name: keep
      conditions: a
      k8s:
        operation: create
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {name: kept-}}
        parameters:
        - {src: {dependencyName: a, dataKey: name}, dest: metadata.name, operation: append}
";

/// What `tiphys dlq …` prints, and its exit code.
fn dlq(world: &World, arguments: &[&str]) -> (String, Option<i32>) {
    let url = world.nats().url();
    let all = ["dlq"].iter().chain(arguments).copied();
    let output = tiphys(all.chain(["--nats", &url]));
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (text, output.status.code())
}

#[tokio::test]
async fn what_failed_is_grouped_shown_and_dropped() {
    let world = World::start().await;
    assert_eq!(
        dlq(&world, &["ls"]),
        ("no dead letters\n".to_owned(), Some(0))
    );

    let wire = Wire::to(&world).await;
    let tiphys = wire::desk(&world, TRIGGER).start();
    wire::listening(&tiphys).await;
    let secret = json!({"kind": "Secret", "data": {"key": "c2VhbA=="}});
    for id in ["one", "two", "three"] {
        wire.event("input", "a", id, &secret).await;
    }
    wire.dead_letters(3).await;

    let (listed, code) = dlq(&world, &["ls"]);
    assert_eq!(code, Some(0), "{listed}");
    assert!(listed.starts_with("3 × "), "{listed}");
    let place = format!(
        "sensor {}/workbench, trigger keep: render-failed",
        world.namespace()
    );
    assert!(listed.contains(&place), "{listed}");
    let (listed, _) = dlq(&world, &["ls", "--each", "-o", "json"]);
    let letters: Vec<Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let id = |letter: &Value| letter["event"]["id"].as_str().map(str::to_owned);
    let mut ids: Vec<_> = letters.iter().filter_map(id).collect();
    // Those that are in flight together fail in any order.
    ids.sort();
    assert_eq!(ids, ["one", "three", "two"]);

    let is_second = |letter: &&Value| letter["event"]["id"] == "two";
    let second = letters.iter().find(is_second).unwrap()["number"].to_string();
    let (shown, code) = dlq(&world, &["show", &second, "--data"]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("event      two, "), "{shown}");
    assert!(shown.contains("\"key\": \"***\""), "{shown}");
    assert!(!shown.contains("c2VhbA"), "{shown}");
    let (shown, _) = dlq(&world, &["show", &second, "--data", "--reveal"]);
    assert!(shown.contains("\"key\": \"c2VhbA==\""), "{shown}");

    let (said, _) = dlq(
        &world,
        &["drop", "--all", "--sensor", "workbench", "--dry-run"],
    );
    assert!(said.ends_with("3 would be dropped\n"), "{said}");
    let (said, _) = dlq(&world, &["drop", &second]);
    assert!(said.ends_with("1 dropped\n"), "{said}");
    let (said, code) = dlq(&world, &["show", &second]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains(&format!("there is no dead letter {second}")),
        "{said}"
    );
    let (listed, _) = dlq(&world, &["ls", "--reason", "retries-exhausted"]);
    assert_eq!(listed, "no dead letters\n");
    let (said, _) = dlq(&world, &["drop", "--all"]);
    assert!(said.ends_with("2 dropped\n"), "{said}");
    assert_eq!(
        dlq(&world, &["ls"]),
        ("no dead letters\n".to_owned(), Some(0))
    );
}
