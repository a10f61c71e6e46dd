use std::sync::Arc;

use bytes::Bytes;
use tiphys_eventbus::embedded::Embedded;
use tiphys_eventbus::{Context, EventBus, Subject};

use super::*;

pub(super) fn letter(trigger: &str, error: &str, at: &str) -> DeadLetter {
    let event = Event {
        context: Arc::new(Context {
            id: "e1".to_owned(),
            source: "berths".to_owned(),
            specversion: "1.0".to_owned(),
            r#type: "resource".to_owned(),
            datacontenttype: "application/json".to_owned(),
            subject: "taken".to_owned(),
            time: None,
        }),
        data: Some(Bytes::from_static(
            br#"{"body":{"kind":"Secret","data":{"key":"c2VhbA=="}}}"#,
        )),
    };
    DeadLetter {
        namespace: "harbour".to_owned(),
        sensor: "gate".to_owned(),
        trigger: trigger.to_owned(),
        reason: DeadLetterReason::RenderFailed,
        error: error.to_owned(),
        attempts: 1,
        dead_lettered_at: at.parse().unwrap(),
        subject: Subject::event("berths", "taken"),
        stored_at: None,
        dependencies: Vec::new(),
        may_be_done: false,
        payload: event.encode(),
        cut_from: None,
        action: None,
    }
}

async fn bus() -> EventBus {
    let bus = EventBus::from(Embedded::new());
    for letter in [
        letter("open", "no port", "2026-01-01T00:00:00Z"),
        letter("shut", "no gate\u{1b}[2J", "2026-01-02T00:00:00Z"),
        letter("open", "no port", "2026-01-03T00:00:00Z"),
    ] {
        bus.dead_letters.store(letter).await.unwrap();
    }
    bus
}

fn text(groups: &[Group]) -> String {
    groups.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn letters_that_fail_alike_are_one_group() {
    let bus = bus().await;
    let groups = Query::default().groups(&*bus.dead_letters).await.unwrap();
    assert_eq!(
        text(&groups),
        "\
2 × no port
    sensor harbour/gate, trigger open: render-failed
    2026-01-01T00:00:00Z to 2026-01-03T00:00:00Z, the last one is number 3
1 × no gate\u{fffd}[2J
    sensor harbour/gate, trigger shut: render-failed
    2026-01-02T00:00:00Z, number 2
"
    );
    assert_eq!(
        groups[0].to_json(),
        json!({
            "count": 2, "namespace": "harbour", "sensor": "gate", "trigger": "open",
            "reason": "render-failed", "error": "no port", "attempts": 1, "example": 3,
            "first": "2026-01-01T00:00:00Z", "last": "2026-01-03T00:00:00Z",
        })
    );
}

#[tokio::test]
async fn a_query_leaves_out_what_it_does_not_mean() {
    let bus = bus().await;
    let count = async |query: Query| -> usize {
        let groups = query.groups(&*bus.dead_letters).await.unwrap();
        groups.iter().map(|group| group.count).sum()
    };
    let since = |at: &str| Query {
        since: Some(at.parse().unwrap()),
        ..Query::default()
    };
    assert_eq!(count(since("2026-01-02T00:00:00Z")).await, 2);
    assert_eq!(count(since("2026-01-04T00:00:00Z")).await, 0);
    let trigger = Query {
        trigger: Some("shut".to_owned()),
        ..Query::default()
    };
    assert_eq!(count(trigger).await, 1);
    let reason = Query {
        reason: Some(DeadLetterReason::TooLarge),
        ..Query::default()
    };
    assert_eq!(count(reason).await, 0);
}

#[tokio::test]
async fn one_letter_is_shown_without_the_values_of_secrets() {
    let bus = bus().await;
    let second = Position::from_wire(2);
    let letter = find(&*bus.dead_letters, second).await.unwrap().unwrap();
    assert_eq!(
        to_text(second, &letter, true, false),
        "\
dead letter 2 of sensor harbour/gate, trigger shut
  reason     render-failed, attempt 1
  error      no gate\u{fffd}[2J
  since      2026-01-02T00:00:00Z
  published  default.berths.taken
  event      e1, resource berths/taken, -
  payload
    {
      \"body\": {
        \"data\": {
          \"key\": \"***\"
        },
        \"kind\": \"Secret\"
      }
    }
"
    );
    assert!(!to_text(second, &letter, false, true).contains("payload"));
    let revealed = to_json(second, &letter, true);
    assert_eq!(revealed["payload"]["body"]["data"]["key"], "c2VhbA==");
    assert!(
        find(&*bus.dead_letters, Position::from_wire(4))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        find(&*bus.dead_letters, Position::from_wire(0))
            .await
            .unwrap()
            .is_none()
    );
}
