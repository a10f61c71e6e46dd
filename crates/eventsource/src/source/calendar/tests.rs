//! When calendars tick, and what they publish, in virtual time.

use std::time::Duration;

use jiff::Timestamp;
use tiphys_api::CalendarEventSource;
use tokio::time::sleep;

use super::schedule::Schedule;
use crate::event::Input;
use crate::status::Condition;
use crate::testing::{FlakyBus, Stage};

fn schedule(spec: &str) -> Schedule {
    let spec: CalendarEventSource = serde_json::from_str(spec).unwrap();
    Schedule::compile("spec.calendar.ev", &spec).unwrap()
}

#[track_caller]
fn check(spec: &str, after: &str, expected: &[&str]) {
    let schedule = schedule(spec);
    let mut last: Timestamp = after.parse().unwrap();
    for expected in expected {
        last = schedule.next(last).unwrap();
        assert_eq!(last.to_string(), *expected, "{spec}");
    }
}

#[test]
fn ticks_follow_the_clocks_of_their_zone() {
    // Clocks go forward at 02:00: 02:30 does not come.
    check(
        r#"{"schedule":"30 2 * * *","timezone":"Europe/Paris"}"#,
        "2026-03-28T00:00:00Z",
        &["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"],
    );
    // Clocks go back at 03:00: 02:30 comes twice.
    check(
        r#"{"schedule":"30 2 * * *","timezone":"Europe/Paris"}"#,
        "2026-10-24T12:00:00Z",
        &[
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-26T01:30:00Z",
        ],
    );
    // Noon stays noon.
    check(
        r#"{"schedule":"0 12 * * *","timezone":"America/New_York"}"#,
        "2026-03-07T00:00:00Z",
        &["2026-03-07T17:00:00Z", "2026-03-08T16:00:00Z"],
    );
    check(
        r#"{"schedule":"0 12 * * *","timezone":"America/New_York"}"#,
        "2026-10-31T00:00:00Z",
        &["2026-10-31T16:00:00Z", "2026-11-01T17:00:00Z"],
    );
    // Half an hour of summer time, on the other half of the world.
    check(
        r#"{"schedule":"45 1 * * *","timezone":"Australia/Lord_Howe"}"#,
        "2026-04-04T00:00:00Z",
        &[
            "2026-04-04T14:45:00Z",
            "2026-04-04T15:15:00Z",
            "2026-04-05T15:15:00Z",
        ],
    );
    check(
        r#"{"schedule":"15 2 * * *","timezone":"Australia/Lord_Howe"}"#,
        "2026-10-02T16:00:00Z",
        &["2026-10-04T15:15:00Z"],
    );
    // Midnight itself does not come.
    check(
        r#"{"schedule":"@daily","timezone":"America/Santiago"}"#,
        "2026-09-05T12:00:00Z",
        &["2026-09-07T03:00:00Z"],
    );
    // A zone in front of the schedule goes first.
    check(
        r#"{"schedule":"TZ=Asia/Tokyo 0 9 * * *","timezone":"Europe/Paris"}"#,
        "2026-03-28T23:00:00Z",
        &["2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z"],
    );
}

#[test]
fn seconds_intervals_and_names_tick() {
    check(
        r#"{"schedule":"*/30 * * * * *"}"#,
        "2026-01-02T10:00:10Z",
        &["2026-01-02T10:00:30Z", "2026-01-02T10:01:00Z"],
    );
    check(
        r#"{"schedule":"@every 90s"}"#,
        "2026-01-02T10:00:10.5Z",
        &["2026-01-02T10:01:40Z", "2026-01-02T10:03:10Z"],
    );
    check(
        r#"{"interval":"10s"}"#,
        "2026-01-02T10:00:10Z",
        &["2026-01-02T10:00:20Z", "2026-01-02T10:00:30Z"],
    );
    // Real time goes by the same at a change of clocks.
    check(
        r#"{"interval":"1h","timezone":"Europe/Paris"}"#,
        "2026-03-29T00:00:00Z",
        &["2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"],
    );
    assert_eq!(
        schedule(r#"{"schedule":"0 0 31 2 *"}"#).next(Timestamp::UNIX_EPOCH),
        None
    );
}

#[test]
fn excluded_days_are_left_out_by_their_local_date() {
    check(
        r#"{"schedule":"0 23 * * *","timezone":"America/New_York",
            "exclusionDates":["EXDATE:20260102T235959Z,20260104T000000Z","x"]}"#,
        "2026-01-01T12:00:00Z",
        &[
            "2026-01-02T04:00:00Z",
            "2026-01-04T04:00:00Z",
            "2026-01-06T04:00:00Z",
        ],
    );
    let spec: CalendarEventSource = serde_json::from_str(
        r#"{"schedule":"0 23 * * * * *","timezone":"Mars/Base","exclusionDates":["EXDATE:2026-01-02"],
            "persistence":{"catchup":{"enabled":true,"maxDuration":"5"}}}"#,
    )
    .unwrap();
    let problems = Schedule::compile("p", &spec).unwrap_err();
    let fields: Vec<_> = problems
        .iter()
        .map(|problem| problem.field_path.as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "p.schedule",
            "p.timezone",
            "p.exclusionDates[0]",
            "p.persistence.catchup.maxDuration"
        ]
    );
}

#[test]
fn what_was_missed_is_caught_up_on_as_far_as_it_is_wanted() {
    let last = "2026-01-02T10:00:00Z".parse().unwrap();
    let now = "2026-01-02T12:30:00Z".parse().unwrap();
    for (spec, expected) in [
        (r#""schedule":"0 * * * *""#, "2026-01-02T13:00:00Z"),
        (
            r#""schedule":"0 * * * *","persistence":{"catchup":{"enabled":true}}"#,
            "2026-01-02T11:00:00Z",
        ),
        (
            r#""schedule":"0 * * * *","persistence":{"catchup":{"enabled":true,"maxDuration":"1h"}}"#,
            "2026-01-02T12:00:00Z",
        ),
        // The rhythm of an interval is kept; what another pod could not take over in time is not lost.
        (r#""interval":"7m""#, "2026-01-02T12:34:00Z"),
        (r#""interval":"10s""#, "2026-01-02T12:29:10Z"),
    ] {
        let schedule = schedule(&format!("{{{spec}}}"));
        let next = schedule.next(schedule.resume(last, now)).unwrap();
        assert_eq!(next.to_string(), expected, "{spec}");
    }
}

async fn ids(stage: &Stage) -> Vec<String> {
    let events = stage.published().await.into_iter();
    events.map(|event| event.context.id.clone()).collect()
}

const MINUTELY: &str = r#"{"calendar":{"ev":{"schedule":"* * * * *","metadata":{"a":"1"}}}}"#;

#[tokio::test(start_paused = true)]
async fn each_tick_is_one_event_with_argos_payload() {
    let stage = Stage::new(MINUTELY, "2026-01-02T03:04:05.25Z");
    let running = stage.start(true);
    sleep(Duration::from_secs(60 + 56)).await;
    running.stop().await;
    assert_eq!(
        stage.payloads().await,
        [
            r#"{"eventTime":"2026-01-02 03:05:00 +0000 UTC m=+54.750000000","metadata":{"a":"1"}}"#,
            r#"{"eventTime":"2026-01-02 03:06:00 +0000 UTC m=+114.750000000","metadata":{"a":"1"}}"#,
        ]
    );
    let events = stage.published().await;
    assert_eq!(events[0].context.r#type, "calendar");
    // SHA-256 over ns, es, u, ev and 2026-01-02T03:05:00Z, each behind its length.
    assert_eq!(events[0].context.id, "22cf3e7c5befe27c0a472a6d040258fe");
    assert_eq!(stage.books(), [2, 2, 0, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn restarts_and_other_pods_neither_repeat_nor_leave_out_a_tick() {
    let now = "2026-01-02T03:04:55Z";
    let bus = FlakyBus::new(now);
    let first = Stage::on(bus.clone(), MINUTELY, now);
    let running = first.start(true);
    let standby = Stage::on(bus, MINUTELY, now);
    let waiting = standby.start(false);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(standby.status.events()["ev"].condition, Condition::Standby);
    assert_eq!(first.status.events()["ev"].condition, Condition::Working);
    assert_eq!(ids(&first).await.len(), 1);
    // The lease moves over a tick: it is late, and not lost.
    running.set_leads(false);
    sleep(Duration::from_secs(58)).await;
    assert_eq!(ids(&first).await.len(), 1);
    waiting.set_leads(true);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(standby.status.events()["ev"].condition, Condition::Working);
    assert_eq!(first.status.events()["ev"].condition, Condition::Standby);
    sleep(Duration::from_mins(1)).await;
    let mut found = ids(&first).await;
    assert_eq!(found.len(), 3);
    found.dedup();
    assert_eq!(found.len(), 3);
    assert_eq!(
        first.payloads().await[1],
        r#"{"eventTime":"2026-01-02 03:06:00 +0000 UTC","metadata":{"a":"1"}}"#
    );
    waiting.stop().await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn ticks_of_an_outage_are_published_after_it_in_order() {
    let stage = Stage::new(
        r#"{"calendar":{"ev":{"interval":"1s","filter":{"expression":"eventTime contains ':1'"}}}}"#,
        "2026-01-02T03:04:00Z",
    );
    let running = stage.start(true);
    stage.bus.set_up(false);
    sleep(Duration::from_mins(10)).await;
    assert_eq!(ids(&stage).await.len(), 0);
    stage.bus.set_up(true);
    sleep(Duration::from_mins(1)).await;
    running.stop().await;
    let payloads = stage.payloads().await;
    assert!(payloads.is_sorted(), "{payloads:#?}");
    let [received, published, filtered, dead, given_back, in_hand] = stage.books();
    assert!(received >= 659, "{received}");
    assert_eq!((dead, given_back, in_hand), (0, 0, 0));
    assert_eq!(received, published + filtered);
    assert_eq!(usize::try_from(published).unwrap(), payloads.len());
}

#[tokio::test(start_paused = true)]
async fn a_long_absence_is_caught_up_on_if_it_is_wanted() {
    let spec = r#"{"calendar":{"ev":{"schedule":"0 * * * *","timezone":"Europe/Paris",
        "persistence":{"catchup":{"enabled":true,"maxDuration":"3h"}}}}}"#;
    let bus = FlakyBus::new("2026-01-02T03:59:30Z");
    let stage = Stage::on(bus.clone(), spec, "2026-01-02T03:59:30Z");
    let running = stage.start(true);
    sleep(Duration::from_mins(1)).await;
    running.stop().await;
    sleep(Duration::from_hours(5)).await;
    let stage = Stage::on(bus, spec, "2026-01-02T09:00:30Z");
    let running = stage.start(true);
    sleep(Duration::from_secs(5)).await;
    running.stop().await;
    let times: Vec<_> = stage.payloads().await;
    assert_eq!(
        times[1..],
        [
            r#"{"eventTime":"2026-01-02 08:00:00 +0100 CET"}"#,
            r#"{"eventTime":"2026-01-02 09:00:00 +0100 CET"}"#,
            r#"{"eventTime":"2026-01-02 10:00:00 +0100 CET"}"#,
        ]
    );
}

#[test]
fn an_example_is_the_next_tick_with_the_verdict_of_the_expression() {
    let source = serde_json::from_str(
        r#"{"metadata":{"name":"es","namespace":"ns"},"spec":{"calendar":{"ev":{
            "schedule":"0 12 * * *","filter":{"expression":"eventTime startsWith '2026'"}}}}}"#,
    )
    .unwrap();
    let compiled = crate::compile(&source).unwrap();
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let made = compiled.events[0].simulate(&Input::Example, now).unwrap();
    assert_eq!(
        made.checks[0].condition,
        "filter.expression eventTime startsWith '2026'"
    );
    assert!(made.checks[0].is_met);
    assert_eq!(
        made.event.unwrap().data.unwrap(),
        r#"{"eventTime":"2026-01-02 12:00:00 +0000 UTC"}"#
    );
    let made = compiled.events[0]
        .simulate(&Input::Payload(br#"{"eventTime":"1999"}"#), now)
        .unwrap();
    assert!(!made.checks[0].is_met);
    assert_eq!(made.event, None);
}
