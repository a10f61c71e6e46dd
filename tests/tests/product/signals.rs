//! SIGTERM: what was received is finished, and the rest comes after the next start.

use std::collections::{BTreeMap, BTreeSet};

use futures::join;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::ListParams;
use serde_json::Value;
use tiphys_eventbus::jetstream::{Config, JetStream};
use tiphys_eventbus::{DeadLetterFilter, EventBus};
use tiphys_tests::{Desk, World, eventually};

use crate::harbour::{self, Harbour, names};

/// The ids of the events that triggers of this type say they have carried out, in order.
fn processed(desk: &Desk, trigger_type: &str) -> Vec<String> {
    let lines = desk.lines().into_iter().filter(|line| {
        let message = line["msg"].as_str().unwrap_or_default();
        message.starts_with("Successfully processed") && line["triggerType"] == trigger_type
    });
    let ids = lines.filter_map(|line| line["triggeredByEvents"].as_str().map(str::to_owned));
    ids.collect()
}

fn generations(ingresses: &[Ingress]) -> BTreeMap<String, i64> {
    let of = |ingress: &Ingress| {
        let metadata = &ingress.metadata;
        (
            metadata.name.clone().unwrap_or_default(),
            metadata.generation.unwrap_or_default(),
        )
    };
    ingresses
        .iter()
        .map(of)
        .filter(|(_, generation)| *generation != 1)
        .collect()
}

#[tokio::test]
async fn sigterm_under_load_loses_nothing_and_repeats_nothing() {
    let world = World::start().await;
    let harbour = Harbour::of(&world).await;
    let desk = harbour::desk(&world);
    let mut first = desk.start();
    first.watching().await;
    let services = names("web", 0..150);
    let load = harbour.serve_all(services.clone(), 80);
    let stop = async {
        eventually("some ingresses", || async {
            (harbour.routes().await?.len() >= 20).then_some(())
        })
        .await;
        first.stop().await
    };
    let ((), status) = join!(load, stop);
    assert_eq!(status.code(), Some(0));
    let after_stop = harbour.routes().await.unwrap().len();
    assert!(after_stop < 150, "it stopped under load");

    let mut second = desk.start();
    harbour
        .routes_to(services.into_iter().map(|name| (name, 80)))
        .await;
    eventually("every event in the log", || async {
        (desk.printed_ids().len() >= 150).then_some(())
    })
    .await;
    let status = second.stop().await;
    assert!(status.success(), "{status}");

    // Each was created once, and nothing changed it since.
    let ingresses = harbour
        .ingresses
        .list(&ListParams::default())
        .await
        .unwrap()
        .items;
    assert_eq!(generations(&ingresses), BTreeMap::new());
    let ids = desk.printed_ids();
    let different: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(
        (ids.len(), different.len()),
        (150, 150),
        "each event is printed once"
    );
    let created_by = ingresses.iter().filter_map(|ingress| {
        ingress
            .metadata
            .annotations
            .as_ref()?
            .get("events.argoproj.io/event-id")
    });
    assert_eq!(created_by.collect::<BTreeSet<_>>(), different);
    let config = Config::new(world.nats().url());
    let bus = EventBus::from(JetStream::connect(&config).await.unwrap());
    let dead_lettered = bus
        .dead_letters
        .list(&DeadLetterFilter::default())
        .await
        .unwrap();
    assert_eq!(dead_lettered.len(), 0);
}

#[tokio::test]
async fn the_bus_in_the_process_runs_empty_before_it_ends() {
    let world = World::start().await;
    let harbour = Harbour::of(&world).await;
    let desk = harbour::on(
        Desk::new().option("--kubeconfig", world.kubeconfig()),
        world.namespace(),
    );
    let mut tiphys = desk.start();
    tiphys.watching().await;
    harbour.serve_all(names("web", 0..40), 80).await;
    let status = tiphys.stop().await;
    assert_eq!(status.code(), Some(0));
    // Whatever the event source had published is done; nobody keeps it for later.
    let sent = processed(&desk, "Kubernetes");
    let ingresses = harbour.routes().await.unwrap();
    assert_eq!(sent.len(), ingresses.len());
    assert_eq!(desk.printed_ids().len(), ingresses.len());
}

/// A desk whose user may watch services but not create ingresses: its trigger has to wait.
async fn held_back(world: &World) -> Desk {
    world
        .apply(&WATCHER.replace("NAMESPACE", world.namespace()))
        .await;
    let account = world
        .control_plane()
        .kubeconfig_as(world.namespace(), "watcher")
        .unwrap();
    let desk = Desk::new()
        .option("--kubeconfig", account)
        .option("--nats", world.nats().url());
    harbour::on(desk, world.namespace())
}

const WATCHER: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: watcher}
rules:
- {apiGroups: [""], resources: [services], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: watcher}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: watcher}
subjects: [{kind: ServiceAccount, name: watcher, namespace: NAMESPACE}]
"#;

#[tokio::test]
async fn while_it_drains_it_is_alive_but_not_ready_and_a_second_signal_ends_it_at_once() {
    let world = World::start().await;
    let harbour = Harbour::of(&world).await;
    let desk = held_back(&world).await;
    let mut tiphys = desk.start();
    tiphys.watching().await;
    assert_eq!(tiphys.get("/readyz").await, Some((200, "ok\n".to_owned())));
    harbour.serve("web", 80).await;
    tiphys.logged("Failed to execute a trigger").await;

    tiphys.terminate();
    eventually("readiness to go", || async {
        (tiphys.get("/readyz").await? == (503, "not ready\n".to_owned())).then_some(())
    })
    .await;
    assert_eq!(tiphys.get("/healthz").await, Some((200, "ok\n".to_owned())));
    assert!(tiphys.is_running());
    let status = tiphys.stop().await;
    assert_eq!(status.code(), Some(130));
}

#[tokio::test]
async fn what_cannot_be_finished_in_time_is_done_after_the_next_start() {
    let world = World::start().await;
    let harbour = Harbour::of(&world).await;
    let desk = held_back(&world).await;
    let mut tiphys = desk.start();
    tiphys.watching().await;
    harbour.serve("web", 80).await;
    tiphys.logged("Failed to execute a trigger").await;
    let status = tiphys.stop().await;
    assert_eq!(status.code(), Some(0));

    let mut tiphys = harbour::desk(&world).start();
    harbour.routes_to([("web".to_owned(), 80)]).await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
    let first_of = |lines: &[Value]| lines.iter().any(|line| line["triggerType"] == "Log");
    assert!(first_of(&desk.lines()), "the log trigger was not held back");
}
