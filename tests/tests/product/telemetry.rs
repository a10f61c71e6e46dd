//! What it says of itself: log lines and metrics under Argo Events' names.

#![expect(clippy::too_many_lines, reason = "a story is told in one piece")]

use serde_json::{Value, json};
use tiphys_tests::{World, eventually};

use crate::harbour::{self, Harbour, expected};
use crate::wire::{self, Wire, outcome};

#[tokio::test]
async fn log_lines_and_metrics_have_argo_events_names() {
    let world = World::start().await;
    let harbour = Harbour::of(&world).await;
    let desk = harbour::desk(&world);
    let mut tiphys = desk.start();
    tiphys.watching().await;
    harbour.serve("web", 80).await;
    harbour.route_of("web-ing", &expected("web", 80).1).await;
    harbour.close("web").await;
    harbour.gone("web-ing").await;
    eventually("the log trigger", || async {
        (desk.printed_ids().len() == 2).then_some(())
    })
    .await;

    let line = tiphys
        .logged("Successfully processed trigger 'ingress'")
        .await;
    let id = line["triggeredByEvents"].as_str().unwrap();
    assert_eq!(
        (id.len(), id.chars().all(|digit| digit.is_ascii_hexdigit())),
        (32, true)
    );
    let time = line["ts"].as_str().unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    assert!(line["caller"].as_str().unwrap().contains(".rs:"));
    let text = |name: &str| line[name].as_str().unwrap();
    assert_eq!(
        [
            "level",
            "logger",
            "sensorName",
            "triggerName",
            "triggerType",
            "triggeredBy"
        ]
        .map(text),
        [
            "info",
            "argo-events.sensor",
            "ingress-sn",
            "ingress",
            "Kubernetes",
            "service"
        ]
    );

    let printed = tiphys
        .line("the log trigger", |line| line["eventContext"].is_object())
        .await;
    let text = |name: &str| printed[name].as_str().unwrap();
    assert_eq!(
        [
            "level",
            "logger",
            "sensorName",
            "triggerName",
            "triggerType",
            "dependencyName"
        ]
        .map(text),
        [
            "info",
            "argo-events.sensor",
            "ingress-sn",
            "log",
            "Log",
            "service"
        ]
    );
    let context = &printed["eventContext"];
    assert_eq!(context["id"], id);
    let text = |name: &str| context[name].as_str().unwrap();
    assert_eq!(
        [
            "source",
            "subject",
            "type",
            "specversion",
            "datacontenttype"
        ]
        .map(text),
        [
            "ingress-es",
            "ingress",
            "resource",
            "1.0",
            "application/json"
        ]
    );
    let message: Value = serde_json::from_str(printed["msg"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&message["type"], &message["operation"]),
        (&json!("ADD"), &json!("create"))
    );
    assert_eq!(message["body"]["metadata"]["name"], "web");

    let (status, metrics) = tiphys.get("/metrics").await.unwrap();
    assert_eq!(status, 200);
    let namespace = world.namespace();
    let source = format!("namespace=\"{namespace}\",eventsource_name=\"ingress-es\"");
    let event = format!("{source},event_name=\"ingress\"");
    let trigger =
        format!("namespace=\"{namespace}\",sensor_name=\"ingress-sn\",trigger_name=\"ingress\"");
    for line in [
        format!("argo_events_event_service_running_total{{{source}}} 1"),
        format!("argo_events_events_sent_total{{{event}}} 2"),
        format!("argo_events_events_sent_failed_total{{{event}}} 0"),
        format!("argo_events_events_processing_failed_total{{{event}}} 0"),
        format!("argo_events_event_processing_duration_milliseconds_count{{{event}}} 2"),
        format!("argo_events_action_triggered_total{{{trigger}}} 2"),
        format!("argo_events_action_failed_total{{{trigger}}} 0"),
        format!("argo_events_action_retries_failed_total{{{trigger}}} 0"),
        format!("argo_events_action_duration_milliseconds_count{{{trigger}}} 2"),
        format!("tiphys_sensor_events{{{trigger},outcome=\"fired\"}} 2"),
        format!("tiphys_sensor_events{{{trigger},outcome=\"in_flight\"}} 0"),
        format!("tiphys_eventsource_watch_synced{{{event}}} 1"),
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} is missing in\n{metrics}"
        );
    }
    assert!(metrics.ends_with("# EOF\n"));
    assert_eq!(tiphys.get("/elsewhere").await.unwrap().0, 404);
    let (status, _) = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_log_trigger_keeps_to_its_interval() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    let triggers = "
  - template: {name: each, conditions: a, log: {}}
  - template: {name: rare, conditions: a, log: {intervalSeconds: 3600}}
";
    let desk = wire::desk(&world, triggers);
    let mut tiphys = desk.start();
    wire::listening(&tiphys).await;
    for n in 0..5 {
        wire.event("input", "a", &format!("a{n}"), &json!({ "n": n }))
            .await;
    }
    outcome(&tiphys, "each", "fired", 5).await;
    outcome(&tiphys, "rare", "fired", 5).await;
    let printed = |trigger: &str| -> Vec<String> {
        let lines = tiphys.lines().into_iter().filter(|line| {
            line["triggerType"] == "Log"
                && line["triggerName"] == trigger
                && line["eventContext"].is_object()
        });
        lines
            .filter_map(|line| line["msg"].as_str().map(str::to_owned))
            .collect()
    };
    let mut each = printed("each");
    each.sort();
    assert_eq!(
        each,
        [
            r#"{"n":0}"#,
            r#"{"n":1}"#,
            r#"{"n":2}"#,
            r#"{"n":3}"#,
            r#"{"n":4}"#
        ]
    );
    assert_eq!(printed("rare").len(), 1);
    let (status, _) = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn the_log_level_hides_what_is_less_important() {
    let world = World::start().await;
    let harbour = Harbour::of(&world).await;
    let desk = harbour::desk(&world).option("--log-level", "warn");
    let mut tiphys = desk.start();
    harbour.serve("web", 80).await;
    harbour.route_of("web-ing", &expected("web", 80).1).await;
    eventually("the log trigger", || async {
        (desk.printed_ids().len() == 1).then_some(())
    })
    .await;
    let (status, _) = tiphys.stop().await;
    assert!(status.success(), "{status}");
    // What log triggers print is no log line: it is what they are for.
    assert_eq!(tiphys.lines().len(), 1);
}
