//! kill -9 under load: nothing is lost, nothing harmful is repeated, the order per object holds.

use std::cell::Cell;
use std::collections::BTreeMap;

use futures::join;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use tiphys_tests::{Desk, Moments, Tiphys, World, eventually, pause};

use crate::harbour::{self, Harbour, names};

/// Notes each event in an object of its own, whose name nobody knows beforehand.
const LOGBOOK: &str = r"
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: logbook}
spec:
  eventBusName: jetstream-eb
  dependencies: [{name: service, eventSourceName: ingress-es, eventName: ingress}]
  triggers:
  - template:
      name: note
      k8s:
        operation: create
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: note-}}
        parameters:
        - {src: {dependencyName: service, dataKey: type}, dest: data.type}
        - {src: {dependencyName: service, dataKey: body.metadata.name}, dest: data.service}
        - {src: {dependencyName: service, dataKey: body.metadata.resourceVersion}, dest: data.version}
";

/// Kills and restarts it at most so often, until the load is over, and leaves one running.
async fn kill_again_and_again(desk: &Desk, times: usize, is_over: &Cell<bool>) -> Tiphys {
    let fired = |line: &serde_json::Value| {
        let message = line["msg"].as_str().unwrap_or_default();
        message.starts_with("Successfully processed")
    };
    let mut moments = Moments::new();
    let mut tiphys = desk.start();
    for _ in 0..times {
        // Not before it works: a program that is killed while it starts proves nothing. Whether there is
        // anything to do for a later one depends on the machine.
        eventually("a trigger that fired", || async {
            let works = tiphys.lines().iter().any(fired);
            (works || is_over.get()).then_some(())
        })
        .await;
        pause(moments.draw()).await;
        tiphys.kill();
        tiphys = desk.start();
    }
    tiphys
}

/// How often each event was noted: by type, service and version.
async fn notes(world: &World) -> BTreeMap<(String, String, String), usize> {
    let maps = world.api::<ConfigMap>().await;
    let mut notes = BTreeMap::new();
    for map in maps.list(&ListParams::default()).await.unwrap() {
        let Some(data) = map.data else { continue };
        let text = |key: &str| data.get(key).cloned().unwrap_or_default();
        *notes
            .entry((text("type"), text("service"), text("version")))
            .or_default() += 1;
    }
    notes
}

#[tokio::test]
async fn kills_under_load_lose_nothing_and_leave_the_right_objects() {
    let world = World::start().await;
    let harbour = Harbour::of(&world).await;
    let logbook = LOGBOOK.replace(
        "{name: logbook}",
        &format!("{{name: logbook, namespace: {}}}", world.namespace()),
    );
    let desk = harbour::desk(&world).file("logbook.yaml", &logbook);
    let is_over = Cell::new(false);
    let load = async {
        harbour.serve_all(names("web", 0..60), 80).await;
        harbour.serve_all(names("web", 0..60), 81).await;
        harbour.close_all(names("web", 0..30)).await;
        harbour.serve_all(names("late", 0..20), 80).await;
        // The same names again: a deletion may not overtake the creation that came after it.
        harbour.serve_all(names("web", 0..10), 82).await;
        is_over.set(true);
    };
    let ((), mut tiphys) = join!(load, kill_again_and_again(&desk, 4, &is_over));

    let reborn = names("web", 0..10).into_iter().map(|name| (name, 82));
    let changed = names("web", 30..60).into_iter().map(|name| (name, 81));
    let late = names("late", 0..20).into_iter().map(|name| (name, 80));
    harbour.routes_to(reborn.chain(changed).chain(late)).await;
    eventually("every creation and deletion in the logbook", || async {
        let notes = notes(&world).await;
        let count = |kind: &str| notes.keys().filter(|(of, ..)| of == kind).count();
        (count("ADD") >= 90 && count("DELETE") >= 30).then_some(())
    })
    .await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
    let notes = notes(&world).await;
    let twice: Vec<_> = notes.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "noted more than once: {twice:?}");
    let count = |kind: &str| notes.keys().filter(|(of, ..)| of == kind).count();
    assert_eq!((count("ADD"), count("DELETE")), (90, 30));
    // The end of the story, seen a while later: nothing comes back from the dead.
    let end: Vec<_> = harbour.routes().await.unwrap().into_keys().collect();
    assert_eq!(end.len(), 60);
}

#[tokio::test]
async fn what_happens_while_it_is_dead_is_told_after_the_start() {
    let world = World::start().await;
    let harbour = Harbour::of(&world).await;
    let desk = harbour::desk(&world);
    let mut tiphys = desk.start();
    tiphys.watching().await;
    harbour.serve_all(names("web", 0..6), 80).await;
    harbour
        .routes_to(names("web", 0..6).into_iter().map(|name| (name, 80)))
        .await;
    tiphys.kill();

    harbour.close_all(names("web", 0..2)).await;
    harbour.serve_all(names("web", 2..4), 81).await;
    harbour.close("web-4").await;
    harbour.serve("web-4", 82).await;
    harbour.serve("new", 83).await;
    let mut tiphys = desk.start();
    let wanted = [
        ("web-2", 81),
        ("web-3", 81),
        ("web-4", 82),
        ("web-5", 80),
        ("new", 83),
    ];
    harbour
        .routes_to(wanted.map(|(name, port)| (name.to_owned(), port)))
        .await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}
