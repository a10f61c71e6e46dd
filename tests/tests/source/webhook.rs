//! HTTP requests become events: what is answered, and what is then on the bus.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use serde_json::{Value, json};
use tiphys_testbed::{Certificates, Nats, NatsOptions, free_port};
use tiphys_tests::{Desk, Pod, Tiphys, World, eventually, programs};
use tokio::task::JoinSet;

use crate::caller::{Answer, Caller, answer};
use crate::stored::stored;

/// How many clients call at a time.
const CALLERS: usize = 8;

async fn nats() -> Nats {
    let starting = tokio::task::spawn_blocking(|| Nats::start(programs(), &NatsOptions::default()));
    starting.await.unwrap().unwrap()
}

/// An event source `called` with these events.
fn source(events: &Value) -> String {
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "EventSource",
        "metadata": {"name": "called", "namespace": "web"},
        "spec": {"webhook": events}
    })
    .to_string()
}

fn run(nats: &Nats, events: &Value) -> Tiphys {
    let desk = Desk::new().file("source.json", &source(events));
    desk.option("--nats", nats.url()).start()
}

/// Calls with growing numbers, `FROM:NUMBER`, until told to end: those that were accepted, and all
/// other answers.
async fn call(port: u16, from: usize, end: tokio::sync::watch::Receiver<bool>) -> Calls {
    let mut calls = Calls::default();
    let mut number = 0;
    while !*end.borrow() {
        let Ok(mut caller) = Caller::connect(port).await else {
            tokio::task::yield_now().await;
            continue;
        };
        while !*end.borrow() {
            let name = format!("{from}:{number}");
            number += 1;
            match caller.post("/load", &format!("{name:?}")).await {
                Ok(Answer { status: 200, .. }) => calls.accepted.push(name),
                Ok(answer) => calls.others.push(answer),
                // Whether it was accepted is not known.
                Err(_) => break,
            }
        }
    }
    calls
}

#[derive(Debug, Default)]
struct Calls {
    accepted: Vec<String>,
    others: Vec<Answer>,
}

struct Load {
    end: tokio::sync::watch::Sender<bool>,
    callers: JoinSet<Calls>,
}

impl Load {
    fn on(port: u16) -> Self {
        let end = tokio::sync::watch::Sender::new(false);
        let mut callers = JoinSet::new();
        for from in 0..CALLERS {
            callers.spawn(call(port, from, end.subscribe()));
        }
        Self { end, callers }
    }

    async fn end(self) -> Calls {
        self.end.send_replace(true);
        let mut all = Calls::default();
        for calls in self.callers.join_all().await {
            all.accepted.extend(calls.accepted);
            all.others.extend(calls.others);
        }
        all
    }
}

/// How often each call is on the bus.
async fn times(nats: &Nats) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for stored in stored(&nats.url()).await {
        let payload: Value = serde_json::from_str(&stored.payload).unwrap();
        let name = payload["body"].as_str().unwrap().to_owned();
        *times.entry(name).or_default() += 1;
    }
    times
}

#[track_caller]
fn check_nothing_lost_or_twice(calls: &Calls, times: &BTreeMap<String, usize>) {
    let lost: Vec<_> = calls
        .accepted
        .iter()
        .filter(|name| !times.contains_key(*name))
        .collect();
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(lost.is_empty() && twice.is_empty(), "{lost:?} {twice:?}");
}

/// An event source with three events on one port.
async fn called() -> (Nats, u16, Tiphys) {
    let nats = nats().await;
    let port = free_port().unwrap();
    let tiphys = run(
        &nats,
        &json!({
            "json": {"port": port.to_string(), "endpoint": "/json", "method": "POST",
                "maxPayloadSize": 100, "metadata": {"team": "harbour"}},
            "query": {"port": port.to_string(), "endpoint": "/json", "method": "GET"},
            "some": {"port": port.to_string(), "endpoint": "/some", "method": "PUT",
                "filter": {"expression": "body.id > 1"}}
        }),
    );
    tiphys.logged("Eventing server started.").await;
    (nats, port, tiphys)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_become_events() {
    let (nats, port, tiphys) = called().await;
    let mut caller = Caller::to(port).await;
    let success = answer(200, "success");
    let first = caller.post("/json", r#"{"message": "hi"}"#).await.unwrap();
    assert_eq!(first, success);
    let form = ["Content-Type: application/x-www-form-urlencoded; charset=utf-8"];
    let second = caller.ask("POST", "/json", &form, "a=1&a=2").await.unwrap();
    assert_eq!(second, success);
    let third = caller.ask("GET", "/json?b=3", &[], "").await.unwrap();
    assert_eq!(third, success);
    for id in [1, 2] {
        let body = format!(r#"{{"id":{id}}}"#);
        assert_eq!(
            caller.ask("PUT", "/some", &[], &body).await.unwrap(),
            success
        );
    }
    assert_eq!(
        caller.ask("GET", "/health", &[], "").await.unwrap(),
        answer(200, "OK")
    );
    let stored = stored(&nats.url()).await;
    let found: Vec<(&str, &str)> = stored
        .iter()
        .map(|stored| (stored.subject.as_str(), stored.payload.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (
                "default.called.json",
                r#"{"header":{"Content-Length":["17"],"Content-Type":["application/json"]},"body":{"message": "hi"},"metadata":{"team":"harbour"}}"#
            ),
            (
                "default.called.json",
                r#"{"header":{"Content-Length":["7"],"Content-Type":["application/x-www-form-urlencoded; charset=utf-8"]},"body":{"a":["1","2"]},"metadata":{"team":"harbour"}}"#
            ),
            (
                "default.called.query",
                r#"{"header":{"Content-Length":["0"]},"body":{"b":["3"]}}"#
            ),
            (
                "default.called.some",
                r#"{"header":{"Content-Length":["8"]},"body":{"id":2}}"#
            ),
        ]
    );
    assert_eq!(stored[0].event["type"], "webhook");
    assert_eq!(stored[0].event["source"], "called");
    assert_eq!(stored[0].event["subject"], "json");
    let sent = "argo_events_events_sent_total";
    assert_eq!(tiphys.count(sent, &["event_name=\"json\""]).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_else_is_refused_with_a_reason() {
    let (_nats, port, tiphys) = called().await;
    for (method, path, headers, body, expected) in [
        (
            "POST",
            "/json",
            &[][..],
            "Invalid JSON",
            answer(
                400,
                "the body is not JSON: expected value at line 1 column 1",
            ),
        ),
        (
            "POST",
            "/json",
            &["Content-Type: multipart/form-data; boundary=x"],
            "--x",
            answer(
                415,
                "a body of type multipart/form-data is not supported: send JSON or a form",
            ),
        ),
        ("POST", "/none", &[], "{}", answer(404, "not found")),
        (
            "DELETE",
            "/some",
            &[],
            "",
            Answer {
                allow: Some("PUT".to_owned()),
                ..answer(405, "the method has to be PUT")
            },
        ),
        (
            "POST",
            "/json",
            &[],
            &"1".repeat(101),
            answer(413, "the request is larger than 100 bytes"),
        ),
    ] {
        let mut caller = Caller::to(port).await;
        let answered = caller.ask(method, path, headers, body).await.unwrap();
        assert_eq!(answered, expected, "{method} {path}");
    }
    let failed = "argo_events_events_processing_failed_total";
    assert_eq!(tiphys.count(failed, &["event_name=\"json\""]).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_is_killed_is_a_503_and_nothing_accepted_is_lost_or_twice() {
    let mut nats = nats().await;
    let port = free_port().unwrap();
    let event = json!({"port": port.to_string(), "endpoint": "/load", "method": "POST"});
    let tiphys = run(&nats, &json!({"load": event}));
    let mut caller = Caller::to(port).await;
    let first = caller.post("/load", "\"first\"").await.unwrap();
    assert_eq!(first, answer(200, "success"));
    let load = Load::on(port);
    eventually("some events", || async {
        let sent = tiphys.count("argo_events_events_sent_total", &[]).await;
        (sent > 50).then_some(())
    })
    .await;
    nats.kill(0).unwrap();
    let refused = caller.post("/load", "\"while it is away\"").await.unwrap();
    assert_eq!(
        refused,
        Answer {
            retry_after: Some("5".to_owned()),
            ..answer(503, "the event bus is unavailable")
        }
    );
    tokio::task::block_in_place(|| nats.restart(0)).unwrap();
    let last = AtomicUsize::new(0);
    eventually("an accepted call", || async {
        let mut caller = Caller::to(port).await;
        let name = format!("\"last:{}\"", last.fetch_add(1, Ordering::Relaxed));
        let answer = caller.post("/load", &name).await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    let calls = load.end().await;
    for other in &calls.others {
        assert_eq!(
            (other.status, other.retry_after.as_deref()),
            (503, Some("5"))
        );
    }
    check_nothing_lost_or_twice(&calls, &times(&nats).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_before_the_end_is_on_the_bus() {
    let nats = nats().await;
    let port = free_port().unwrap();
    let event = json!({"port": port.to_string(), "endpoint": "/load", "method": "POST"});
    let mut tiphys = run(&nats, &json!({"load": event}));
    Caller::to(port).await;
    let load = Load::on(port);
    eventually("some events", || async {
        let sent = tiphys.count("argo_events_events_sent_total", &[]).await;
        (sent > 200).then_some(())
    })
    .await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
    let calls = load.end().await;
    assert!(calls.accepted.len() > 200);
    check_nothing_lost_or_twice(&calls, &times(&nats).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_do_not_keep_others_waiting() {
    let nats = nats().await;
    let port = free_port().unwrap();
    let event = json!({"port": port.to_string(), "endpoint": "/load", "method": "POST"});
    let _tiphys = run(&nats, &json!({"load": event}));
    let mut slow = Vec::new();
    for number in 0..700 {
        let mut caller = Caller::to(port).await;
        let begun = match number % 3 {
            0 => String::new(),
            1 => "POST /load HT".to_owned(),
            _ => format!(
                "POST /load HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{}",
                "x".repeat(100_000)
            ),
        };
        // The port may have closed it already, for others.
        caller.send(begun.as_bytes()).await.ok();
        slow.push(caller);
    }
    let mut caller = Caller::to(port).await;
    for _ in 0..20 {
        let accepted = caller.post("/load", "1").await.unwrap();
        assert_eq!(accepted, answer(200, "success"));
    }
    drop(slow);
}

/// The object as it is in a cluster.
fn object(world: &World, events: &Value) -> Value {
    let mut object: Value = serde_json::from_str(&source(events)).unwrap();
    object["metadata"]["namespace"] = world.namespace().into();
    object["metadata"]["generation"] = 1.into();
    object["metadata"]["uid"] = "0b7e2a5c-0000-4000-8000-000000000009".into();
    object
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_and_certificates_count_as_they_are_in_their_secrets() {
    let world = World::start().await;
    let port = free_port().unwrap();
    let key = |name: &str, key: &str| json!({"name": name, "key": key});
    let object = object(
        &world,
        &json!({"load": {
            "port": port.to_string(), "endpoint": "/load", "method": "POST",
            "authSecret": key("token", "token"),
            "serverCertSecret": key("tls", "tls.crt"),
            "serverKeySecret": key("tls", "tls.key")
        }}),
    );
    let pod = Pod::of(&world, &object);
    let (first, second) = (Certificates::generate(), Certificates::generate());
    let (first, second) = (first.unwrap(), second.unwrap());
    let show = |shown: &Certificates| {
        let (certificate, key) = (&shown.server.certificate, &shown.server.key);
        let files = [
            ("tls.crt", certificate.as_bytes()),
            ("tls.key", key.as_bytes()),
        ];
        pod.volume("values/secrets/tls", &files);
    };
    show(&first);
    pod.volume("values/secrets/token", &[("token", b"one\n".as_slice())]);
    let _tiphys = pod.start("pod-0");
    let trusted = eventually("the first certificate", || {
        Caller::trusting(&first.authority, port)
    });
    let mut caller = trusted.await;
    for (header, expected) in [
        ("X: y", answer(401, "Invalid Authorization Header")),
        (
            "Authorization: Basic b25l",
            answer(401, "Invalid Authorization Header"),
        ),
        (
            "Authorization: Bearer two",
            answer(401, "Invalid Auth token"),
        ),
        ("Authorization: Bearer one", answer(200, "success")),
    ] {
        let answered = caller.ask("POST", "/load", &[header], "1").await.unwrap();
        assert_eq!(answered, expected, "{header}");
    }
    pod.volume("values/secrets/token", &[("token", b"two".as_slice())]);
    eventually("the second token", || async {
        let mut caller = Caller::trusting(&first.authority, port).await?;
        let header = ["Authorization: Bearer two"];
        let answer = caller.ask("POST", "/load", &header, "2").await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    show(&second);
    eventually("the second certificate", || {
        Caller::trusting(&second.authority, port)
    })
    .await;
    assert!(Caller::trusting(&first.authority, port).await.is_none());
    // Who was connected stays so.
    let header = ["Authorization: Bearer two"];
    let answered = caller.ask("POST", "/load", &header, "3").await.unwrap();
    assert_eq!(answered, answer(200, "success"));
    let stored = stored(&world.nats().url()).await;
    assert_eq!(
        stored[0].payload,
        r#"{"header":{"Authorization":["*** Masked Auth Secret ***"],"Content-Length":["1"]},"body":1}"#
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_does_not_hold_the_lease_is_ready_and_answers() {
    let world = World::start().await;
    let lease: Lease = serde_json::from_value(json!({
        "metadata": {"name": "eventsource-called"},
        "spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 3600,
            "renewTime": "2126-01-01T00:00:00.000000Z", "acquireTime": "2026-01-01T00:00:00.000000Z"}
    }))
    .unwrap();
    let leases = world.api::<Lease>().await;
    leases.create(&PostParams::default(), &lease).await.unwrap();
    let port = free_port().unwrap();
    let event = json!({"port": port.to_string(), "endpoint": "/load", "method": "POST"});
    let pod = Pod::of(&world, &object(&world, &json!({"load": event})));
    let tiphys = pod.start("pod-0");
    eventually("a pod that is ready", || async {
        (tiphys.get("/readyz").await?.0 == 200).then_some(())
    })
    .await;
    // Whoever is ready listens.
    let mut caller = Caller::connect(port).await.unwrap();
    let answered = caller.post("/load", "1").await.unwrap();
    assert_eq!(answered, answer(200, "success"));
}
