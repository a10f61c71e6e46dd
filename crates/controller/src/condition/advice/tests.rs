//! What is said to do about each fault of pods.

use super::*;
use crate::condition::{Cause, Verdict};

const SUBJECT: Subject<'static> = Subject {
    namespace: "ns",
    selector: "sensor-name=sn",
    template: "spec.template",
};

#[track_caller]
fn check(reason: &str, expected: &str) {
    let mut conditions = Conditions::default();
    let verdict = Verdict::fails(Cause::kubernetes(reason), "why");
    conditions.set("Available", verdict);
    conditions.advise(&SUBJECT);
    assert_eq!(conditions.get("Available").unwrap().message, expected);
}

#[test]
fn a_fault_says_what_to_do() {
    check(
        "ImagePullBackOff",
        "why; check the image's name and tag in the settings of the controller, and that the nodes may \
         pull it (spec.template.imagePullSecrets)",
    );
    check(
        "CreateContainerConfigError",
        "why; create what is missing, or correct the name and key in the spec",
    );
    check(
        "CrashLoopBackOff",
        "why; see `kubectl -n ns logs -l sensor-name=sn --all-containers --previous`",
    );
    check(
        "Unschedulable",
        "why; add or free nodes, or ask for less in spec.template (resources, nodeSelector, affinity, \
         tolerations, volumes)",
    );
    check(
        "QuotaExceeded",
        "why; see `kubectl -n ns describe resourcequota`: raise it, or ask for less in spec.template",
    );
    check(
        "FailedCreate",
        "why; correct what the message names (service account, quota, policy of the namespace), or \
         spec.template",
    );
    check(
        "PodsStarting",
        "why; this lasts longer than usual: see `kubectl -n ns describe pods -l sensor-name=sn` and \
         `kubectl -n ns logs -l sensor-name=sn`",
    );
    check("Forbidden", "why");
}

#[test]
fn what_is_waited_for_needs_no_advice() {
    let mut conditions = Conditions::default();
    let verdict = Verdict::unknown(Cause::kubernetes("PodsStarting"), "0 of 1 pods are ready");
    conditions.set("Available", verdict.clone());
    conditions.advise(&SUBJECT);
    assert_eq!(conditions.get("Available"), Some(&verdict));
}
