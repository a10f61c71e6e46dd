//! Deployments, pods and reports, and what is said of them.

use std::sync::Arc;

use tiphys_api::ConditionStatus::{self, False, True, Unknown};

use super::*;
use crate::index::children::WorkloadCondition;
use crate::index::pods::Trouble;

const EVENTS: Parts = Parts {
    condition: "WatchSynced",
    part: "event",
    unreported_is_well: false,
};

fn counts(updated: i32, total: i32, available: i32) -> Child {
    Child {
        generation: Some(1),
        workload: Some(Progress {
            wanted_replicas: None,
            observed_generation: 1,
            replicas: total,
            updated_replicas: updated,
            ready_replicas: available,
            available_replicas: available,
            update_revision: None,
            conditions: Vec::new(),
        }),
        ..Child::default()
    }
}

fn pod(report: &str) -> Pod {
    Pod {
        name: "p".to_owned(),
        is_ready: true,
        report: Some(Arc::new(serde_json::from_str(report).unwrap())),
        ..Pod::default()
    }
}

#[track_caller]
fn check(
    deployment: &Child,
    pods: &[Pod],
    condition: &str,
    expected: (ConditionStatus, &str, &str),
) {
    let rollout = Rollout {
        deployment: Some(deployment),
        pods,
        replicas: 1,
        generation: Some(2),
    };
    let mut conditions = Conditions::default();
    rollout.set_conditions(EVENTS, &mut conditions);
    let Verdict {
        status,
        reason,
        message,
    } = conditions.get(condition).unwrap();
    assert_eq!((*status, reason.as_str(), message.as_str()), expected);
}

#[test]
fn pods_that_run_the_present_spec_are_available() {
    let report = r#"{"generation":2,"role":"Active","bus":{"ok":true}}"#;
    check(
        &counts(1, 1, 1),
        &[pod(report)],
        "Available",
        (True, "PodsReady", "1 of 1 pods are ready"),
    );
    let message = "0 of 1 pods are ready";
    check(
        &counts(1, 1, 0),
        &[],
        "Available",
        (Unknown, "PodsStarting", message),
    );
    // An old pod is still there.
    let message = "1 of 1 pods are ready";
    check(
        &counts(1, 2, 1),
        &[pod(report)],
        "Available",
        (Unknown, "PodsStarting", message),
    );
}

#[test]
fn pods_that_refuse_the_present_spec_say_why() {
    let report = r#"{"generation":1,"role":"Active","faults":["spec.x: no"]}"#;
    check(
        &counts(1, 1, 1),
        &[pod(report)],
        "Available",
        (False, "SpecNotRun", "spec.x: no"),
    );
}

#[test]
fn pods_without_leases_do_not_work() {
    let report = r#"{"generation":2,"role":"Refused",
        "lease":{"ok":false,"reason":"Forbidden","message":"grant create of leases"}}"#;
    let expected = (False, "LeaseForbidden", "grant create of leases");
    check(&counts(1, 1, 0), &[pod(report)], "Available", expected);
}

#[test]
fn trouble_is_shown_with_its_pod_and_a_quota_in_its_own_words() {
    let pods = [Pod {
        name: "p".to_owned(),
        trouble: Some(Trouble {
            reason: Cause::kubernetes("Unschedulable"),
            message: "0/1 nodes".to_owned(),
        }),
        ..Pod::default()
    }];
    let expected = (False, "Unschedulable", "pod p: 0/1 nodes");
    check(&counts(1, 1, 0), &pods, "Available", expected);
    let mut deployment = counts(0, 0, 0);
    deployment
        .workload
        .as_mut()
        .unwrap()
        .conditions
        .push(WorkloadCondition {
            r#type: "ReplicaFailure".to_owned(),
            status: "True".to_owned(),
            reason: "FailedCreate".to_owned(),
            message: "exceeded quota: few".to_owned(),
        });
    check(
        &deployment,
        &[],
        "Available",
        (False, "QuotaExceeded", "exceeded quota: few"),
    );
}

#[test]
fn the_bus_and_each_event_have_a_condition() {
    let report = r#"{"generation":2,"role":"Active",
        "bus":{"ok":false,"reason":"ConnectionFailed","message":"no route"},
        "parts":[{"name":"a","health":{"ok":true}},
                 {"name":"b","health":{"ok":false,"reason":"Forbidden","message":"no list"}}]}"#;
    let pods = [pod(report)];
    let deployment = counts(1, 1, 1);
    check(
        &deployment,
        &pods,
        "BusConnected",
        (False, "ConnectionFailed", "no route"),
    );
    check(
        &deployment,
        &pods,
        "WatchSynced",
        (False, "Forbidden", "event b: no list"),
    );
    let connected = pod(r#"{"role":"Active","bus":{"ok":true}}"#);
    let refused = pod(
        r#"{"role":"Active","bus":{"ok":true,"reason":"StreamSettingsRefused",
        "message":"the stream keeps its maxage: no"}}"#,
    );
    let message = "the pods are connected to their bus";
    let expected = (True, "Connected", message);
    check(
        &deployment,
        std::slice::from_ref(&connected),
        "BusConnected",
        expected,
    );
    let message = "the stream keeps its maxage: no";
    let expected = (True, "StreamSettingsRefused", message);
    check(&deployment, &[connected, refused], "BusConnected", expected);
    check(
        &deployment,
        &[],
        "WatchSynced",
        (Unknown, "NoReport", "no pod has reported yet"),
    );
}

#[test]
fn counts_are_summed_over_the_pods_that_work() {
    let one = r#"{"role":"Active","parts":[
        {"name":"a","lag":2,"deadLettered":1,"lastEventTime":"2026-01-01T00:00:00Z"},
        {"name":"b","lag":3,"lastEventTime":"2026-01-02T00:00:00Z","lastError":"x"}]}"#;
    let standby = r#"{"role":"Standby","parts":[{"name":"a","lag":9}]}"#;
    let pods = [pod(one), pod(standby)];
    let rollout = Rollout {
        deployment: None,
        pods: &pods,
        replicas: 2,
        generation: None,
    };
    assert_eq!(
        rollout.counts(),
        Some(Counts {
            last_event_time: Some("2026-01-02T00:00:00Z".to_owned()),
            lag: 5,
            dead_lettered: 1,
            last_error: Some("b: x".to_owned()),
        })
    );
}

#[test]
fn dead_letters_that_are_nearly_full_are_told_by_the_first_pod_that_knows() {
    let room = |reports: &[&str]| {
        let pods: Vec<Pod> = reports.iter().map(|report| pod(report)).collect();
        let rollout = Rollout {
            deployment: None,
            pods: &pods,
            replicas: 2,
            generation: None,
        };
        rollout.dead_letter_room()
    };
    let unknown = r#"{"role":"Active"}"#;
    let good = r#"{"role":"Standby","deadLetters":{"ok":true}}"#;
    let full = r#"{"role":"Standby","deadLetters":
        {"ok":false,"reason":"DeadLettersNearlyFull","message":"most of it"}}"#;
    assert_eq!(room(&[unknown]), None);
    let message = "the dead letters of the bus have room";
    assert_eq!(
        room(&[unknown, good]),
        Some(Verdict::is_well(Reason::HasRoom, message))
    );
    assert_eq!(
        room(&[good, full]),
        Some(Verdict::fails(Reason::DeadLettersNearlyFull, "most of it"))
    );
}
