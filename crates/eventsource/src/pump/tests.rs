//! The pump on the embedded bus, in virtual time.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use tokio::time::timeout;

use super::{Publisher, Pump};
use crate::incoming::{GiveBack, Incoming, Verdict};
use crate::testing::Stage;

const NOW: &str = "2026-01-02T03:04:05Z";

fn stage(expression: &str) -> Stage {
    let spec = serde_json::json!({"resource": {"ev": {
        "version": "v1", "resource": "pods", "eventTypes": ["ADD"],
        "filter": {"expression": expression},
    }}});
    Stage::new(&spec.to_string(), NOW)
}

fn pump(stage: &Stage, hold_limit: Option<Duration>) -> (Pump, Publisher) {
    Pump::new(stage.outlet(), hold_limit)
}

/// What comes of `work` while the pump runs.
async fn beside<T>(pump: &mut Pump, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        never = pump.run() => match never {},
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_delivered_is_on_the_bus_under_an_id_that_lasts() {
    let stage = stage("");
    let (mut pump, publisher) = pump(&stage, None);
    let said = || Incoming::new(r#"{"n":1}"#).identified_by(["partition 3", "7"]);
    let verdict = beside(&mut pump, publisher.deliver(said())).await;
    assert_eq!(verdict, Verdict::Stored);
    let [event] = stage.published().await.try_into().unwrap();
    let context = event.context;
    // SHA-256 over ns, es, u, ev, partition 3 and 7, each behind its length.
    assert_eq!(context.id, "6113ab26086e76120e2b1b284c332399");
    assert_eq!(context.source, "es");
    assert_eq!(context.subject, "ev");
    assert_eq!(context.r#type, "resource");
    assert_eq!(context.datacontenttype, "application/json");
    assert_eq!(context.time.unwrap().to_string(), NOW);
    assert_eq!(event.data.unwrap(), r#"{"n":1}"#);

    // Said again: the bus drops it.
    let verdict = beside(&mut pump, publisher.deliver(said())).await;
    assert_eq!(verdict, Verdict::Stored);
    assert_eq!(stage.published().await.len(), 1);
    assert_eq!(stage.books(), [2, 2, 0, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn an_expression_filters_and_what_it_does_not_fit_goes_to_the_dead_letters() {
    let stage = stage("body.n > 1");
    let (mut pump, publisher) = pump(&stage, None);
    let mut verdicts = Vec::new();
    for payload in [
        r#"{"body":{"n":2}}"#,
        r#"{"body":{"n":1}}"#,
        r#"{"body":{"n":"x"}}"#,
        "[]",
    ] {
        verdicts.push(beside(&mut pump, publisher.deliver(Incoming::new(payload))).await);
    }
    let unreadable = Incoming::unreadable("no JSON", "the body is no JSON");
    verdicts.push(beside(&mut pump, publisher.deliver(unreadable)).await);
    assert_eq!(
        verdicts,
        [
            Verdict::Stored,
            Verdict::Filtered,
            Verdict::DeadLettered,
            Verdict::DeadLettered,
            Verdict::DeadLettered
        ]
    );
    assert_eq!(stage.payloads().await, [r#"{"body":{"n":2}}"#]);
    let letters = stage.dead_letters().await;
    let reasons: Vec<_> = letters.iter().map(|(reason, _)| reason.as_str()).collect();
    assert_eq!(reasons, ["filter-failed", "filter-failed", "malformed"]);
    assert!(
        letters[0].1.starts_with("filter.expression: "),
        "{letters:?}"
    );
    assert_eq!(letters[2].1, "the body is no JSON");
    assert_eq!(stage.books(), [5, 1, 1, 3, 0, 0]);
    assert_eq!(stage.status.events()["ev"].dead_lettered, 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_for_the_bus_goes_to_the_dead_letters() {
    let stage = stage("");
    let (mut pump, publisher) = pump(&stage, None);
    let large = |size: usize| Incoming::new(format!("\"{}\"", "x".repeat(size)));
    // In base64 it would not fit.
    let verdict = beside(&mut pump, publisher.deliver(large(7 << 20))).await;
    assert_eq!(verdict, Verdict::Stored);
    let verdict = beside(&mut pump, publisher.deliver(large(9 << 20))).await;
    assert_eq!(verdict, Verdict::DeadLettered);
    assert_eq!(stage.dead_letters().await[0].0, "too-large");
    assert_eq!(stage.published().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_for_and_nothing_is_lost_or_out_of_order() {
    let stage = stage("n != 5");
    let (mut pump, publisher) = pump(&stage, None);
    stage.bus.set_up(false);
    let mut in_hand = publisher.in_hand();
    for n in 0..100 {
        let permit = publisher.permit().await;
        let said = Incoming::new(format!(r#"{{"n":{n}}}"#)).in_order("partition");
        in_hand.hand_on(permit, said, n);
    }
    assert_eq!(stage.books(), [100, 0, 0, 0, 0, 100]);
    let waiting = timeout(Duration::from_mins(10), in_hand.settled());
    assert!(beside(&mut pump, waiting).await.is_err());
    // What the bus does not take stops the source.
    assert!(publisher.permit().now_or_never().is_none());

    stage.bus.set_up(true);
    for n in 0..100 {
        let (settled, verdict) = beside(&mut pump, in_hand.settled()).await;
        assert_eq!(settled, n);
        let expected = match n {
            5 => Verdict::Filtered,
            _ => Verdict::Stored,
        };
        assert_eq!(verdict, expected);
    }
    assert!(in_hand.is_empty());
    let expected: Vec<_> = (0..100)
        .filter(|n| *n != 5)
        .map(|n| format!(r#"{{"n":{n}}}"#))
        .collect();
    assert_eq!(stage.payloads().await, expected);
    assert_eq!(stage.books(), [100, 99, 1, 0, 0, 0]);
    assert!(publisher.permit().now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_held_longer_is_given_back() {
    let stage = stage("");
    let (mut pump, publisher) = pump(&stage, Some(Duration::from_secs(9)));
    stage.bus.set_up(false);
    let said = |n: usize| publisher.deliver(Incoming::new(n.to_string()));
    let both = join_all([said(1), said(2)]);
    let given_back = Verdict::GivenBack(GiveBack::BusUnavailable);
    assert_eq!(beside(&mut pump, both).await, [given_back; 2]);
    // While the window is shut, too.
    let later = async {
        let first = said(3);
        tokio::pin!(first);
        let waiting = timeout(Duration::from_secs(6), &mut first);
        assert!(waiting.await.is_err());
        join_all([first.boxed(), said(4).boxed()]).await
    };
    assert_eq!(beside(&mut pump, later).await, [given_back; 2]);
    assert_eq!(stage.books(), [4, 0, 0, 0, 4, 0]);

    stage.bus.set_up(true);
    assert_eq!(beside(&mut pump, said(5)).await, Verdict::Stored);
    assert_eq!(stage.payloads().await.last().unwrap(), "5");
}

#[tokio::test(start_paused = true)]
async fn only_so_much_is_on_its_way() {
    let stage = stage("");
    let (mut pump, publisher) = pump(&stage, None);
    let mut in_hand = publisher.in_hand();
    for n in 0..256 {
        in_hand.hand_on(publisher.permit().await, Incoming::new("1"), n);
    }
    let another = timeout(Duration::from_secs(1), publisher.permit());
    assert!(another.await.is_err());
    for _ in 0..256 {
        beside(&mut pump, in_hand.settled()).await;
    }
    stage.bus.set_up(false);
    for n in 0..2 {
        let large = Incoming::new(vec![b'1'; 5 << 20]);
        in_hand.hand_on(publisher.permit().await, large, n);
    }
    let waiting = timeout(Duration::from_secs(1), publisher.permit());
    assert!(beside(&mut pump, waiting).await.is_err());
    // A verdict that nobody has read holds its place, too.
    stage.bus.set_up(true);
    for _ in 0..2 {
        beside(&mut pump, in_hand.settled()).await;
    }
    beside(&mut pump, publisher.permit()).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_gives_back_what_the_bus_does_not_confirm() {
    let stage = stage("n != 1");
    let (mut pump, publisher) = pump(&stage, None);
    stage.bus.set_up(false);
    let mut in_hand = publisher.in_hand();
    for n in 0..3 {
        let said = Incoming::new(format!(r#"{{"n":{n}}}"#)).in_order("partition");
        in_hand.hand_on(publisher.permit().await, said, n);
    }
    let waiting = timeout(Duration::from_secs(1), in_hand.settled());
    assert!(beside(&mut pump, waiting).await.is_err());
    pump.drain(Duration::from_secs(2)).await;
    let given_back = Verdict::GivenBack(GiveBack::Stopping);
    assert_eq!(in_hand.settled().await, (0, given_back));
    assert_eq!(in_hand.settled().await, (1, Verdict::Filtered));
    assert_eq!(in_hand.settled().await, (2, given_back));
    assert_eq!(publisher.deliver(Incoming::new("1")).await, given_back);
    assert_eq!(stage.books(), [4, 0, 1, 0, 3, 0]);
}
