//! What a pod says of itself.

use std::time::Instant;

use serde_json::{Value, json};
use tiphys_tests::{Pod, World, within};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::stage::{Wire, event_source, workbench};

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
