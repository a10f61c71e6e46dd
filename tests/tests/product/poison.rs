//! Events that nobody should have published: put aside with a reason, counted, and in nobody's way.

#![expect(clippy::too_many_lines, reason = "a story is told in one piece")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;
use tiphys_eventbus::ParkReason;
use tiphys_tests::{World, eventually};

use crate::wire::{self, Wire, cloud_event, outcome};

/// Writes a value of the event, and prints the events.
const TRIGGERS: &str = "
  - template:
      name: keep
      conditions: a
      k8s:
        operation: create
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {name: kept-}}
        parameters:
        - {src: {dependencyName: a, dataKey: name}, dest: metadata.name, operation: append}
  - template: {name: print, conditions: a, log: {}}
";

/// The largest message that a NATS server takes unless it is told otherwise.
const LARGEST: usize = 1024 * 1024;

#[tokio::test]
async fn poison_is_put_aside_with_its_reason_and_the_next_event_fires() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    let desk = wire::desk(&world, TRIGGERS);
    let mut tiphys = desk.start();
    wire::listening(&tiphys).await;

    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested_data = STANDARD.encode(format!("{{\"name\":{nested}}}"));
    // Room for the headers of the message.
    let huge = "x".repeat(LARGEST - 512);
    let huge_event = cloud_event("input", "a", "huge", &vec![b'"'; 700_000]);
    let envelope = |rest: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"e","source":"input","type":"webhook","subject":"a",{rest}}}"#
        )
    };
    let poison: [(&str, Vec<u8>); 9] = [
        ("empty", Vec::new()),
        ("no-json", b"all hands on deck".to_vec()),
        ("no-utf8", vec![0xff, 0xfe, 0x00]),
        ("no-event", b"{}".to_vec()),
        (
            "bad-base64",
            envelope(r#""data_base64":"%%%""#).into_bytes(),
        ),
        ("brackets", nested.clone().into_bytes()),
        (
            "nested-data",
            envelope(&format!(r#""data":{nested}"#)).into_bytes(),
        ),
        ("half", envelope(r#""data":{"#).into_bytes()),
        ("huge", huge.into_bytes()),
    ];
    for (id, payload) in &poison {
        wire.send("default.input.a", id, payload.clone()).await;
    }
    let letters = wire.dead_letters(2 * poison.len()).await;
    for letter in &letters {
        assert_eq!(letter.reason, ParkReason::Malformed, "{letter:?}");
        assert!(!letter.error.is_empty());
        assert_eq!(
            (letter.sensor.as_str(), &*letter.subject.to_string()),
            ("workbench", "default.input.a")
        );
    }
    let cut = letters
        .iter()
        .filter(|letter| letter.cut_from == Some(LARGEST - 512));
    assert_eq!(cut.count(), 2, "what does not fit is cut, not dropped");

    // Events, but their data is not what the trigger needs.
    wire.send(
        "default.input.a",
        "text",
        cloud_event("input", "a", "text", b"not JSON"),
    )
    .await;
    wire.send("default.input.a", "huge-event", huge_event).await;
    wire.send(
        "default.input.a",
        "deep",
        cloud_event(
            "input",
            "a",
            "deep",
            format!("{{\"name\":{nested}}}").as_bytes(),
        ),
    )
    .await;
    assert!(!nested_data.is_empty());
    wire.event("input", "a", "nameless", &json!({"title": "mate"}))
        .await;
    wire.event("input", "a", "refused", &json!({"name": "Not A Name!"}))
        .await;
    wire.event("input", "a", "good", &json!({"name": "treasure"}))
        .await;

    let maps = world.api::<ConfigMap>().await;
    eventually("the next good event", || async {
        maps.get("kept-treasure").await.ok()
    })
    .await;
    let letters = wire.dead_letters(2 * poison.len() + 5).await;
    let later: Vec<(&str, ParkReason, &str)> = letters[2 * poison.len()..]
        .iter()
        .map(|letter| {
            (
                letter.trigger.as_str(),
                letter.reason,
                letter.error.as_str(),
            )
        })
        .collect();
    for (trigger, reason, error) in &later {
        assert_eq!(*trigger, "keep");
        let expected = if error.contains("Not A Name!") {
            ParkReason::RetriesExhausted
        } else {
            ParkReason::RenderFailed
        };
        assert_eq!(*reason, expected, "{error}");
    }
    outcome(&tiphys, "keep", "parked", 14).await;
    outcome(&tiphys, "keep", "fired", 1).await;
    outcome(&tiphys, "print", "parked", 9).await;
    outcome(&tiphys, "print", "fired", 6).await;
    // Nothing got lost in between: what was received is the sum of the outcomes.
    for trigger in ["trigger_name=\"keep\"", "trigger_name=\"print\""] {
        let sum = tiphys.metric("tiphys_sensor_events", &[trigger]).await;
        assert!((sum - 15.0).abs() < f64::EPSILON, "{sum}");
    }
    let (status, _) = tiphys.stop().await;
    assert!(status.success(), "{status}");
}
