//! Programs with the libraries of Argo Events, nats.go and the CloudEvents SDK, at the other end of
//! the bus.

use std::process::Stdio;

use k8s_openapi::api::core::v1::Service;
use kube::api::PostParams;
use serde_json::{Value, json};
use tiphys_testbed::Progress;
use tiphys_tests::World;
use tokio::process::Command;

use crate::wire;

/// Runs the program with these words behind the server's address; what it printed.
async fn library(world: &World, verb: &str, words: &[&str]) -> String {
    let program = tokio::task::spawn_blocking(|| tiphys_testbed::bus_client(Progress::Shown))
        .await
        .unwrap()
        .unwrap();
    let output = Command::new(program)
        .arg(verb)
        .arg(world.nats().url())
        .args(words)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn the_libraries_of_argo_events_read_our_events() {
    let world = World::start().await;
    let source = format!(
        "apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {{name: ports, namespace: {0}}}
spec:
  resource:
    opened: {{namespace: {0}, group: '', version: v1, resource: services, eventTypes: [ADD]}}
",
        world.namespace()
    );
    let tiphys = world.desk().file("source.yaml", &source).start();
    tiphys.watching().await;
    let service: Service = serde_json::from_value(json!({
        "metadata": {"name": "harbour"},
        "spec": {"ports": [{"port": 80}]},
    }))
    .unwrap();
    let services = world.api::<Service>().await;
    services
        .create(&PostParams::default(), &service)
        .await
        .unwrap();

    let event: Value =
        serde_json::from_str(&library(&world, "read", &["ports", "opened"]).await).unwrap();

    let id = event["id"].as_str().unwrap();
    assert!(
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{id}"
    );
    assert_eq!(event["messageId"], event["id"]);
    assert_eq!(event["source"], "ports");
    assert_eq!(event["type"], "resource");
    assert_eq!(event["subject"], "opened");
    assert_eq!(event["datacontenttype"], "application/json");
    let data: Value = serde_json::from_str(event["data"].as_str().unwrap()).unwrap();
    assert_eq!(data["type"], "ADD");
    assert_eq!(data["body"]["metadata"]["name"], "harbour");
    assert_eq!(data["resource"], "services");
}

#[tokio::test]
async fn our_sensor_reads_events_of_the_libraries_of_argo_events() {
    let world = World::start().await;
    let triggers = "
  - template:
      name: print
      conditions: a
      log: {}
";
    let tiphys = wire::desk(&world, triggers).start();
    wire::listening(&tiphys).await;

    let id = library(&world, "publish", &["input", "a", r#"{"cargo":"wool"}"#]).await;

    let line = tiphys
        .line("the event of the library", |line| {
            line["eventContext"]["id"] == id.as_str()
        })
        .await;
    assert_eq!(line["msg"], r#"{"cargo":"wool"}"#);
}
