//! What it says of itself: log lines and metrics under Argo Events' names.

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
    let printed = tiphys
        .line("the log trigger", |line| line["eventContext"].is_object())
        .await;
    check_success(&line);
    check_print(&printed);
    assert_eq!(printed["eventContext"]["id"], line["triggeredByEvents"]);
    // The Ingress is gone a moment before the trigger knows that it is.
    outcome(&tiphys, "ingress", "fired", 2).await;
    let (status, metrics) = tiphys.get("/metrics").await.unwrap();
    assert_eq!(status, 200);
    check_metrics(&metrics, world.namespace());
    // Everything else is the console's, which is for who has its address.
    assert_eq!(tiphys.get("/elsewhere").await.unwrap().0, 401);
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

fn check_success(line: &Value) {
    let expected = json!({
        "level": "info",
        "logger": "argo-events.sensor",
        "msg": "Successfully processed trigger 'ingress'",
        "sensorName": "ingress-sn",
        "triggerName": "ingress",
        "triggerType": "Kubernetes",
        "triggeredBy": "service",
    });
    check_fields(line, &expected);
    let id = line["triggeredByEvents"].as_str().unwrap();
    let is_hex = id.bytes().all(|digit| digit.is_ascii_hexdigit());
    assert!(id.len() == 32 && is_hex, "{id}");
    let time = line["ts"].as_str().unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    assert!(line["caller"].as_str().unwrap().contains(".rs:"));
}

fn check_print(line: &Value) {
    let expected = json!({
        "level": "info",
        "logger": "argo-events.sensor",
        "sensorName": "ingress-sn",
        "triggerName": "log",
        "triggerType": "Log",
        "dependencyName": "service",
    });
    check_fields(line, &expected);
    let context = json!({
        "source": "ingress-es",
        "subject": "ingress",
        "type": "resource",
        "specversion": "1.0",
        "datacontenttype": "application/json",
    });
    check_fields(&line["eventContext"], &context);
    let message: Value = serde_json::from_str(line["msg"].as_str().unwrap()).unwrap();
    check_fields(&message, &json!({ "type": "ADD", "operation": "create" }));
    assert_eq!(message["body"]["metadata"]["name"], "web");
}

#[track_caller]
fn check_fields(found: &Value, expected: &Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&found[name], value, "{name} in {found}");
    }
}

fn check_metrics(metrics: &str, namespace: &str) {
    let source = format!("namespace=\"{namespace}\",eventsource_name=\"ingress-es\"");
    let event = format!("{source},event_name=\"ingress\"");
    let trigger =
        format!("namespace=\"{namespace}\",sensor_name=\"ingress-sn\",trigger_name=\"ingress\"");
    for line in [
        "build_info{version=\"0.1.0\"} 1".to_owned(),
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
    let status = tiphys.stop().await;
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
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
    // What log triggers print is no log line: it is what they are for.
    assert_eq!(tiphys.lines().len(), 1);
}
