//! What a pod says of itself.

use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Value, json};
use tiphys_eventbus::jetstream::{Config, JetStream};
use tiphys_eventbus::{DeadLetter, DeadLetterFilter, DeadLetterReason, EventBus, Subject};
use tiphys_testbed::NatsOptions;
use tiphys_tests::{Pod, World, within};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::stage::{Wire, bus, event_source, serve, workbench};

/// Enough to take longer than the second after which a report follows another one.
const EVENTS: u64 = 2_000;

#[tokio::test]
async fn a_watch_that_is_forbidden_names_verb_resource_and_service_account() {
    let world = World::start().await;
    let mut source = event_source(&world);
    source["spec"]["template"] = json!({"serviceAccountName": "watcher"});
    let mut pod = Pod::of(&world, &source);
    let account = world
        .control_plane()
        .kubeconfig_as(world.namespace(), "watcher");
    pod.set("KUBECONFIG", account.unwrap());
    let tiphys = pod.start("es-0");
    let forbidden = |report: &Value| report["parts"][0]["health"]["ok"] == false;
    let report = tiphys.reported("the refusal", forbidden).await;
    let part = &report["parts"][0];
    assert_eq!(part["name"], "ingress");
    assert_eq!(part["health"]["reason"], "Forbidden");
    let message = part["health"]["message"].as_str().unwrap();
    let namespace = world.namespace();
    let user = format!(
        "User \"system:serviceaccount:{namespace}:watcher\" cannot watch resource \"services\""
    );
    let advice = format!(
        "grant list and watch; check with `kubectl auth can-i list services -n {namespace} \
         --as=system:serviceaccount:{namespace}:watcher`"
    );
    assert!(message.contains(&user), "{message}");
    assert!(message.contains(&advice), "{message}");

    world
        .apply(&format!(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: watcher}}
rules: [{{apiGroups: [''], resources: [services], verbs: [list, watch]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: watcher}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: watcher}}
subjects: [{{kind: ServiceAccount, name: watcher, namespace: {namespace}}}]
"
        ))
        .await;
    tiphys
        .reported("the watch", |report| {
            report["parts"][0]["health"]["ok"] == true
        })
        .await;
}

/// Without room, the bus keeps what it has and takes nothing; the condition said that all is well.
#[tokio::test]
async fn a_bus_without_room_is_told_by_the_event_that_waits() {
    let world = World::start().await;
    let source = event_source(&world);
    let pod = Pod::of(&world, &source);
    let mut bus = bus(&world);
    bus["jetstream"]["streamConfig"] = json!("maxMsgs: 1\ndiscard: 1\n");
    pod.spec(&source, &bus);
    let tiphys = pod.start("es-0");
    let well = |report: &Value| report["parts"][0]["health"]["ok"] == true;
    tiphys.reported("the watch", well).await;
    serve(&world, "first", 80).await;
    serve(&world, "second", 81).await;
    let full = |report: &Value| report["parts"][0]["health"]["reason"] == "BusFull";
    let report = tiphys.reported("the lack of room", full).await;
    let message = report["parts"][0]["health"]["message"].as_str().unwrap();
    assert!(message.contains("the bus has no room"), "{message}");
    assert!(message.contains("maximum messages exceeded"), "{message}");
    assert!(message.contains("raise maxBytes or maxMsgs"), "{message}");

    bus["jetstream"]["streamConfig"] = json!("maxMsgs: 10\ndiscard: 1\n");
    pod.spec(&source, &bus);
    tiphys.reported("room", well).await;
}

#[tokio::test]
async fn a_line_comes_for_each_change_but_at_most_one_a_second_whoever_reads_slowly() {
    let world = World::start().await;
    let sensor = workbench(&world, "[{template: {name: log, log: {}}}]");
    let tiphys = Pod::of(&world, &sensor).start("sn-0");
    let mut reports = tiphys.follow().await;
    reports
        .until("work", |report| report["parts"][0]["health"]["ok"] == true)
        .await;
    let address = tiphys.logged("Serving metrics and health").await["address"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut idlers = Vec::new();
    for _ in 0..100 {
        let mut idler = TcpStream::connect(&address).await.unwrap();
        idler
            .write_all(b"GET /api/report HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        idlers.push(idler);
    }
    assert_eq!(tiphys.get("/healthz").await, Some((200, "ok\n".to_owned())));
    let mut reports = tiphys.follow().await;

    let wire = Wire::to(&world).await;
    let start = Instant::now();
    for number in 1..=EVENTS {
        wire.event(&format!("e{number}"), &json!({})).await;
    }
    let mut lines = 0;
    let mut last = Value::Null;
    while last["parts"][0]["done"] != json!(EVENTS) {
        last = within("a report", reports.next()).await.unwrap();
        lines += 1;
    }
    // The one that was there, and one for each second that has begun; fewer, if the machine is slow.
    let seconds = start.elapsed().as_secs() + 1;
    assert!(
        lines <= 1 + seconds && lines < EVENTS,
        "{lines} lines in {seconds} s"
    );
    assert_eq!(last["parts"][0]["lag"], 0);
    drop(idlers);
}

/// A dead letter of 400 kB.
fn letter(number: u32) -> DeadLetter {
    DeadLetter {
        namespace: "shop".to_owned(),
        sensor: "orders".to_owned(),
        trigger: format!("t{number}"),
        reason: DeadLetterReason::TransformFailed,
        error: "no".to_owned(),
        attempts: 0,
        dead_lettered_at: Timestamp::UNIX_EPOCH,
        subject: Subject::event("source", "event"),
        stored_at: None,
        dependencies: Vec::new(),
        may_be_done: false,
        payload: vec![b'x'; 300_000].into(),
        cut_from: None,
        action: None,
    }
}

/// The oldest of them gave way, and nobody was told before.
#[tokio::test]
async fn dead_letters_that_are_nearly_full_are_told_until_there_is_room() {
    // Room for 64 MiB of them.
    let config = "accounts { A { jetstream { max_file: 100MB, max_mem: 100MB }, \
         users: [{ user: a, password: a }] } }\n\
         no_auth_user: a";
    let world = World::start_with(NatsOptions {
        config: config.to_owned(),
        ..NatsOptions::default()
    })
    .await;
    let bus = JetStream::connect(&Config::new(world.nats().url())).await;
    let bus = EventBus::from(bus.unwrap());
    let sensor = workbench(&world, "[{template: {name: log, log: {}}}]");
    let tiphys = Pod::of(&world, &sensor).start("sn-0");
    tiphys
        .reported("that there is room", |report| {
            report["deadLetters"]["ok"] == true
        })
        .await;
    for number in 0..140 {
        bus.dead_letters.store(letter(number)).await.unwrap();
    }
    let report = tiphys
        .reported("that there is hardly any", |report| {
            report["deadLetters"]["ok"] == false
        })
        .await;
    assert_eq!(report["deadLetters"]["reason"], "DeadLettersNearlyFull");
    let message = report["deadLetters"]["message"].as_str().unwrap();
    assert_eq!(
        message,
        "the dead letters of the bus take 80 % or more of their room (100000 letters, 64 MiB): when it \
         is used up, the oldest give way"
    );
    assert_eq!(report["bus"]["ok"], true);
    let (_, metrics) = tiphys.get("/metrics").await.unwrap();
    let ratio = metrics
        .lines()
        .find_map(|line| line.strip_prefix("tiphys_eventbus_dead_letters_full_ratio"))
        .and_then(|line| line.rsplit_once(' '))
        .map(|(_, value)| value.parse::<f64>().unwrap());
    assert!(
        ratio.is_some_and(|ratio| (0.8..1.0).contains(&ratio)),
        "{ratio:?}"
    );

    let listed = bus.dead_letters.list(&DeadLetterFilter::default()).await;
    for (position, _) in listed.unwrap().iter().take(60) {
        assert!(bus.dead_letters.remove(*position).await.unwrap());
    }
    tiphys
        .reported("that there is room again", |report| {
            report["deadLetters"]["ok"] == true
        })
        .await;
}
