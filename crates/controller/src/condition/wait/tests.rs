//! Each reason, before and after its usual time.

use jiff::ToSpan as _;
use tiphys_api::ConditionStatus::{self, False, True, Unknown};

use super::*;
use crate::condition::{Cause, READY};
use crate::event;

const TYPE: &str = "Available";

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn conditions(reason: &str) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.set(TYPE, Verdict::fails(Cause::kubernetes(reason), "why"));
    conditions
}

/// What is written of a fault that was seen at each of these seconds, and what is said to the user.
fn seen(reason: &str, seconds: &[i64]) -> Vec<(ConditionStatus, String, Option<String>)> {
    let mut waits = Waits::default();
    let mut old: Vec<Condition> = Vec::new();
    let looks = seconds.iter().map(|second| {
        let now = start() + second.seconds();
        let mut conditions = conditions(reason);
        waits.judge(&mut conditions, &old, now);
        let conditions = conditions.with_ready(Reason::Running, "");
        let new = conditions.written(&old, None, now);
        let events = event::of_change(&old, &new);
        old = new;
        let verdict = conditions.get(READY).unwrap();
        let said = events.first();
        let said = said.map(|event| format!("{:?} {}", event.type_, event.reason));
        (verdict.status, verdict.reason.as_str().to_owned(), said)
    });
    looks.collect()
}

/// What waits: its reason at first, and how long that is usual, in seconds.
#[test]
fn what_is_about_to_come_is_a_warning_only_when_it_is_late() {
    for (fault, waiting, usual) in [
        ("EventBusNotFound", "WaitingForEventBus", 10),
        ("EventBusNotReady", "WaitingForEventBus", 60),
        ("NobodyPublishes", "WaitingForEventSource", 10),
        ("MissingKeys", "WaitingForKeys", 10),
        ("CreateContainerConfigError", "WaitingForKeys", 10),
        ("FailedCreate", "WaitingForPods", 10),
        ("Unschedulable", "WaitingForNode", 60),
        ("ConnectionFailed", "WaitingForConnection", 60),
        ("Disconnected", "WaitingForConnection", 60),
        ("StreamFailed", "WaitingForStream", 60),
        ("NotSubscribed", "WaitingForSubscription", 60),
        ("Unreachable", "WaitingForServer", 60),
        ("TargetUnavailable", "WaitingForTarget", 60),
    ] {
        let normal = Some(format!("Normal {waiting}"));
        let warning = Some(format!("Warning {fault}"));
        assert_eq!(
            seen(fault, &[0, usual - 1, usual, usual + 1]),
            [
                (Unknown, waiting.to_owned(), normal),
                (Unknown, waiting.to_owned(), None),
                (False, fault.to_owned(), warning),
                (False, fault.to_owned(), None),
            ],
            "{fault}"
        );
    }
}

#[test]
fn pods_that_start_are_no_news_until_they_are_late() {
    for fault in [
        "PodsStarting",
        "ServersStarting",
        "NoReport",
        "SpecOutdated",
    ] {
        let warning = Some(format!("Warning {fault}"));
        assert_eq!(
            seen(fault, &[0, 599, 600]),
            [
                (Unknown, fault.to_owned(), None),
                (Unknown, fault.to_owned(), None),
                (False, fault.to_owned(), warning),
            ],
            "{fault}"
        );
    }
}

#[test]
fn what_waiting_does_not_mend_is_a_warning_at_once() {
    for fault in [
        "Forbidden",
        "LeaseForbidden",
        "ImagePullBackOff",
        "ErrImagePull",
        "CrashLoopBackOff",
        "QuotaExceeded",
        "Unauthorized",
        "InvalidCertificate",
        "BusFull",
        "EventBusFailing",
        "InvalidTriggers",
        "SpecNotRun",
        "NotFound",
    ] {
        let warning = Some(format!("Warning {fault}"));
        assert_eq!(seen(fault, &[0])[0], (False, fault.to_owned(), warning));
    }
}

#[test]
fn another_cause_of_the_same_sort_does_not_begin_to_wait_anew() {
    let mut waits = Waits::default();
    let look = |waits: &mut Waits, reason: &str, old: &[Condition], second: i64| {
        let mut conditions = conditions(reason);
        let now = start() + second.seconds();
        let next = waits.judge(&mut conditions, old, now);
        let status = conditions.get(TYPE).unwrap().status;
        (status, next.map(|next| next.as_secs()), conditions)
    };
    let (status, next, _) = look(&mut waits, "ConnectionFailed", &[], 0);
    assert_eq!((status, next), (Unknown, Some(60)));
    let (status, next, _) = look(&mut waits, "StreamFailed", &[], 45);
    assert_eq!((status, next), (Unknown, Some(15)));
    let (status, next, late) = look(&mut waits, "ConnectionFailed", &[], 60);
    assert_eq!((status, next), (False, None));
    // Another controller that begins meanwhile sees what was written.
    let old = late.written(&[], None, start());
    let mut waits = Waits::default();
    assert_eq!(look(&mut waits, "StreamFailed", &old, 61).0, False);
    // What is another sort of wait begins.
    assert_eq!(look(&mut waits, "EventBusNotFound", &old, 62).0, Unknown);
}

#[test]
fn what_has_come_begins_to_wait_anew() {
    let mut waits = Waits::default();
    let at = |second: i64| start() + second.seconds();
    waits.judge(&mut conditions("ConnectionFailed"), &[], at(0));
    let mut well = Conditions::default();
    well.set(TYPE, Verdict::is_well(Reason::Connected, ""));
    assert_eq!(waits.judge(&mut well, &[], at(50)), None);
    assert_eq!(well.get(TYPE).unwrap().status, True);
    let next = waits.judge(&mut conditions("Disconnected"), &[], at(100));
    assert_eq!(next, Some(Duration::from_mins(1)));
}

#[test]
fn the_cause_is_ready_s_cause_and_not_what_follows_from_it() {
    let ready = |verdicts: &[(&'static str, ConditionStatus, &str)]| {
        let mut conditions = Conditions::default();
        for (r#type, status, reason) in verdicts {
            let verdict = Verdict {
                status: *status,
                ..Verdict::fails(Cause::kubernetes(reason), "")
            };
            conditions.set(r#type, verdict);
        }
        let conditions = conditions.with_ready(Reason::Running, "");
        let ready = conditions.get(READY).unwrap();
        (ready.status, ready.reason.as_str().to_owned())
    };
    assert_eq!(
        ready(&[
            ("Available", Unknown, "PodsStarting"),
            ("BusConnected", Unknown, "WaitingForEventBus"),
        ]),
        (Unknown, "WaitingForEventBus".to_owned())
    );
    assert_eq!(
        ready(&[
            ("Available", False, "ProgressDeadlineExceeded"),
            ("BusConnected", False, "ConnectionFailed"),
        ]),
        (False, "ConnectionFailed".to_owned())
    );
    assert_eq!(
        ready(&[
            ("Available", False, "PodsStarting"),
            ("BusConnected", Unknown, "WaitingForConnection"),
        ]),
        (False, "PodsStarting".to_owned())
    );
    // These do not keep it from working.
    assert_eq!(
        ready(&[
            ("EventsPublished", False, "NobodyPublishes"),
            ("DeadLetterRoom", False, "DeadLettersNearlyFull"),
        ]),
        (True, "Running".to_owned())
    );
}
