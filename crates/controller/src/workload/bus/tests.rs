//! A bus that is missing, starts, fails or works.

use serde_json::{Value, json};
use tiphys_api::ConditionStatus::{False, True, Unknown};

use super::*;

fn bus(available: (&str, &str, &str)) -> EventBus {
    let (status, reason, message) = available;
    let condition = |of: &str| {
        json!({"type": of, "status": status, "reason": reason,
        "message": message})
    };
    of(&json!({
        "config": {"jetstream": {"url": "nats://eb.ns.svc:4222",
            "accessSecret": {"name": "login", "key": "auth"}}},
        "conditions": [condition("Available"), condition("Ready")],
    }))
}

fn of(status: &Value) -> EventBus {
    serde_json::from_value(
        json!({"metadata": {"name": "eb", "namespace": "ns"}, "spec": {},
        "status": status}),
    )
    .unwrap()
}

fn named(bus: Option<&EventBus>, has_pods: bool) -> Named<'_> {
    Named {
        namespace: "ns",
        name: "eb",
        found: bus,
        has_pods,
    }
}

#[track_caller]
fn check_config(bus: Option<&EventBus>, others: &[&str], expected: (ConditionStatus, &str, &str)) {
    let others = || others.iter().map(|name| (*name).to_owned()).collect();
    let verdict = named(bus, false).config(others).unwrap_err();
    let found = (verdict.status, verdict.reason.as_str(), &*verdict.message);
    assert_eq!(found, expected);
}

#[test]
fn a_missing_bus_says_which_ones_are_there() {
    let no = "EventBusNotFound";
    let message = "there is no EventBus eb in namespace ns; apply one of this name, or name another in \
                   spec.eventBusName";
    check_config(None, &[], (False, no, message));
    let message =
        "there is no EventBus eb in namespace ns; did you mean `ebb` in spec.eventBusName?";
    check_config(None, &["ebb", "default"], (False, no, message));
    let message = "there is no EventBus eb in namespace ns; apply it, or name another in \
                   spec.eventBusName: there is default, main";
    check_config(None, &["default", "main"], (False, no, message));
}

#[test]
fn pods_are_made_when_the_bus_works() {
    let starting = bus(("Unknown", "ServersStarting", "0 of 3 servers are ready"));
    let message = "EventBus eb is starting: 0 of 3 servers are ready";
    check_config(
        Some(&starting),
        &[],
        (Unknown, "WaitingForEventBus", message),
    );
    let failing = bus(("False", "ImagePullBackOff", "no such image"));
    let message = "EventBus eb does not work: ImagePullBackOff: no such image; see `kubectl -n ns \
                   describe eventbus eb`";
    check_config(Some(&failing), &[], (False, "EventBusFailing", message));
    let unset = of(&json!({}));
    let message = "EventBus eb is being set up";
    check_config(Some(&unset), &[], (False, "EventBusNotReady", message));
    let refused = of(&json!({"conditions": [{"type": "Ready", "status": "False",
        "reason": "InvalidSpec", "message": "spec.jetstream: no version"}]}));
    let message = "EventBus eb does not work: InvalidSpec: spec.jetstream: no version; see `kubectl -n \
                   ns describe eventbus eb`";
    check_config(Some(&refused), &[], (False, "EventBusFailing", message));

    // What was deployed before is looked after all the same.
    for bus in [&starting, &failing] {
        assert!(named(Some(bus), true).config(Vec::new).is_ok());
    }
    let works = bus(("True", "Serving", "3 of 3 servers are ready"));
    assert!(named(Some(&works), false).config(Vec::new).is_ok());
}

#[track_caller]
fn check_connection(bus: &EventBus, said: &Verdict, expected: (ConditionStatus, &str, &str)) {
    let verdict = named(Some(bus), true).connection(said);
    let found = (verdict.status, verdict.reason.as_str(), &*verdict.message);
    assert_eq!(found, expected);
}

#[test]
fn pods_that_are_not_connected_say_why_and_what_to_do() {
    let no_route = Verdict::fails(Reason::ConnectionFailed, "connect to nats://eb: DNS error");
    let starting = bus(("Unknown", "ServersStarting", "1 of 3 servers are ready"));
    let message = "EventBus eb is starting: 1 of 3 servers are ready";
    let expected = (Unknown, "WaitingForEventBus", message);
    check_connection(&starting, &no_route, expected);
    let works = bus(("True", "Serving", "3 of 3 servers are ready"));
    let message = "EventBus eb: connect to nats://eb: DNS error; see that the URL of the EventBus is \
                   right, that its servers run, and that no NetworkPolicy keeps the pods from them";
    check_connection(&works, &no_route, (False, "ConnectionFailed", message));
    let login = Verdict::fails(Reason::Unauthorized, "authorization violation");
    let message = "EventBus eb: authorization violation; its servers refuse the login in key auth of \
                   Secret login: correct it there";
    check_connection(&works, &login, (False, "Unauthorized", message));
    let expired = Verdict::fails(Reason::InvalidCertificate, "it expired");
    let message = "EventBus eb: it expired; renew the certificate of its servers, or correct the \
                   authority in the EventBus' tls.caCertSecret";
    check_connection(&works, &expired, (False, "InvalidCertificate", message));
    let well = Verdict::is_well(Reason::Connected, "the pods are connected");
    let expected = (True, "Connected", "the pods are connected");
    check_connection(&works, &well, expected);
    let unknown = Verdict::unknown(Reason::NoReport, "no pod has reported yet");
    let message = "no pod has reported yet";
    check_connection(&starting, &unknown, (Unknown, "NoReport", message));
}
