//! The resource source on a real API server and a real bus: nothing is lost, nothing is told twice.

#![cfg(test)]

#[path = "resource_source/frozen.rs"]
mod frozen;
#[path = "resource_source/refusing.rs"]
mod refusing;
#[path = "resource_source/stage.rs"]
mod stage;

use std::collections::BTreeMap;

use frozen::Freezer;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::core::ObjectMeta;
use serde_json::{Value, json};
use stage::{Source, Stage, Told, event_source};
use tiphys_tests::{World, eventually};

const CONFIG_MAPS: &str =
    r#"{"version":"v1","resource":"configmaps","eventTypes":["ADD","UPDATE","DELETE"]}"#;

fn config_map(name: &str, value: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([("key".to_owned(), value.to_owned())])),
        ..ConfigMap::default()
    }
}

async fn create(maps: &Api<ConfigMap>, name: &str, value: &str) {
    maps.create(&PostParams::default(), &config_map(name, value))
        .await
        .unwrap();
}

async fn update(maps: &Api<ConfigMap>, name: &str, value: &str) {
    let patch = json!({"data": {"key": value}});
    maps.patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

async fn delete(maps: &Api<ConfigMap>, name: &str) {
    maps.delete(name, &DeleteParams::default()).await.unwrap();
}

/// A source in the namespace of `world`.
fn in_namespace(world: &World, resource: &str) -> Value {
    let mut config: Value = serde_json::from_str(resource).unwrap();
    config["namespace"] = world.namespace().into();
    config
}

/// Everything told, short: `UPDATE a new was old`.
fn shown(told: &[Told]) -> Vec<String> {
    told.iter()
        .map(|told| {
            let value = |body: &Value| body["data"]["key"].as_str().unwrap_or("-").to_owned();
            let old = if told.old.is_null() {
                String::new()
            } else {
                format!(" was {}", value(&told.old))
            };
            format!("{} {} {}{old}", told.kind, told.name, value(&told.body))
        })
        .collect()
}

#[tokio::test]
async fn existing_objects_are_added_once_and_then_every_change_is_told() {
    let world = World::start().await;
    let maps = Api::namespaced(world.client().await, world.namespace());
    create(&maps, "a", "1").await;
    create(&maps, "b", "1").await;
    let reader = stage::read(&world.nats().url()).await;
    let compiled = event_source("es", &in_namespace(&world, CONFIG_MAPS));
    let source = Source::start(&compiled, world.client().await, &world.nats().url()).await;
    reader.until("both are added", |told| told.len() == 2).await;

    update(&maps, "a", "2").await;
    delete(&maps, "b").await;
    create(&maps, "c", "1").await;
    let told = reader
        .until("the changes are told", |told| told.len() == 5)
        .await;
    assert_eq!(
        shown(&told),
        [
            "ADD a 1",
            "ADD b 1",
            "UPDATE a 2 was 1",
            "DELETE b 1",
            "ADD c 1"
        ]
    );
    let body = &told[0].body;
    assert_eq!(
        (&body["kind"], &body["apiVersion"]),
        (&json!("ConfigMap"), &json!("v1"))
    );
    source.stop().await;

    let source = Source::start(&compiled, world.client().await, &world.nats().url()).await;
    create(&maps, "d", "1").await;
    let told = reader
        .until("the next object is told", |told| {
            told.iter().any(|told| told.name == "d")
        })
        .await;
    assert_eq!(shown(&told)[5..], ["ADD d 1"]);
    source.stop().await;
}

#[tokio::test]
async fn what_happens_between_two_runs_is_told_once() {
    let world = World::start().await;
    let maps = Api::namespaced(world.client().await, world.namespace());
    for name in ["a", "b", "c"] {
        create(&maps, name, "1").await;
    }
    let reader = stage::read(&world.nats().url()).await;
    let compiled = event_source("es", &in_namespace(&world, CONFIG_MAPS));
    let source = Source::start(&compiled, world.client().await, &world.nats().url()).await;
    reader.until("all are added", |told| told.len() == 3).await;
    source.stop().await;

    delete(&maps, "a").await;
    delete(&maps, "b").await;
    create(&maps, "b", "2").await;
    update(&maps, "c", "2").await;
    let source = Source::start(&compiled, world.client().await, &world.nats().url()).await;
    create(&maps, "end", "1").await;
    let told = reader
        .until("the end is told", |told| {
            told.iter().any(|told| told.name == "end")
        })
        .await;
    assert_eq!(
        shown(&told)[3..],
        [
            "DELETE a 1",
            "DELETE b 1",
            "ADD b 2",
            "UPDATE c 2 was 1",
            "ADD end 1"
        ]
    );
    source.stop().await;
}

/// The gap: A went, B was created anew, C changed.
async fn through_a_gap(forgets: bool) -> Vec<String> {
    let mut stage = Stage::start().await;
    let maps = Api::default_namespaced(stage.client().await);
    for name in ["a", "b", "c"] {
        create(&maps, name, "1").await;
    }
    let reader = stage::read(&stage.nats.url()).await;
    let mut config: Value = serde_json::from_str(CONFIG_MAPS).unwrap();
    config["namespace"] = "default".into();
    let compiled = event_source("es", &config);
    let proxied = stage.proxied_client().await;
    let source = Source::start(&compiled, proxied, &stage.nats.url()).await;
    reader.until("all are added", |told| told.len() == 3).await;

    stage.proxy.cut();
    delete(&maps, "a").await;
    delete(&maps, "b").await;
    create(&maps, "b", "2").await;
    update(&maps, "c", "2").await;
    if forgets {
        stage.forget();
    }
    stage.proxy.mend();
    reader
        .until("the gap is told", |told| told.len() >= 7)
        .await;
    create(&maps, "end", "1").await;
    let told = reader
        .until("the end is told", |told| {
            told.iter().any(|told| told.name == "end")
        })
        .await;
    source.stop().await;
    shown(&told)[3..].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_watch_goes_on_where_it_was() {
    assert_eq!(
        through_a_gap(false).await,
        [
            "DELETE a 1",
            "DELETE b 1",
            "ADD b 2",
            "UPDATE c 2 was 1",
            "ADD end 1"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_that_the_api_server_has_forgotten_is_told_from_a_list() {
    assert_eq!(
        through_a_gap(true).await,
        [
            "DELETE a 1",
            "DELETE b 1",
            "ADD b 2",
            "UPDATE c 2 was 1",
            "ADD end 1"
        ]
    );
}

/// The creation was stored first, so that whoever acts on them in order deleted what belongs to the successor.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_the_bus_does_not_take_at_once_comes_before_the_successor() {
    let mut stage = Stage::start().await;
    let maps = Api::default_namespaced(stage.client().await);
    create(&maps, "a", "1").await;
    let url = stage.nats.url();
    let reader = stage::read(&url).await;
    let mut config: Value = serde_json::from_str(CONFIG_MAPS).unwrap();
    config["namespace"] = "default".into();
    let compiled = event_source("es", &config);
    let bus = refusing::refusing(stage::connect(&url).await);
    let source = Source::start_on(bus, &compiled, stage.proxied_client().await);
    reader.until("it is added", |told| told.len() == 1).await;

    stage.proxy.cut();
    delete(&maps, "a").await;
    create(&maps, "a", "2").await;
    stage.forget();
    stage.proxy.mend();
    let told = reader.until("both are told", |told| told.len() == 3).await;
    assert_eq!(shown(&told), ["ADD a 1", "DELETE a 1", "ADD a 2"]);
    source.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_killed_and_comes_back_is_watched_again() {
    let mut stage = Stage::start().await;
    let maps = Api::default_namespaced(stage.client().await);
    create(&maps, "a", "1").await;
    let reader = stage::read(&stage.nats.url()).await;
    let compiled = event_source("es", &serde_json::from_str(CONFIG_MAPS).unwrap());
    let source = Source::start(&compiled, stage.client().await, &stage.nats.url()).await;
    reader
        .until("it is added", |told| {
            told.iter().any(|told| told.name == "a")
        })
        .await;
    let before = reader.told().len();
    stage.kill_and_start_api_server();
    delete(&maps, "a").await;
    create(&maps, "a", "2").await;
    let told = reader
        .until("both are told", |told| told.len() >= before + 2)
        .await;
    assert_eq!(shown(&told)[before..], ["DELETE a 1", "ADD a 2"]);
    source.stop().await;
}

/// Each (object, resourceVersion) once, and those of one object in order.
#[track_caller]
fn assert_each_once_and_in_order(told: &[Told]) {
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for told in told {
        let version: u64 = told.version.parse().unwrap();
        let before = newest.insert(&told.uid, version);
        assert!(
            before.is_none_or(|before| before < version),
            "{} {before:?} {version}",
            told.name
        );
    }
}

#[tokio::test]
async fn an_outage_of_the_bus_loses_and_repeats_nothing() {
    const OBJECTS: usize = 5;
    const CHANGES: usize = 200;
    let mut world = World::start().await;
    let maps: Api<ConfigMap> = Api::namespaced(world.client().await, world.namespace());
    let url = world.nats().url();
    let reader = stage::read(&url).await;
    let compiled = event_source("es", &in_namespace(&world, CONFIG_MAPS));
    let source = Source::start(&compiled, world.client().await, &url).await;
    // What happens before the first list is complete is told as one.
    eventually("the first list is told", || async {
        let position = stage::position(&url, "es").await?;
        position["resourceVersion"].is_string().then_some(())
    })
    .await;
    for object in 0..OBJECTS {
        create(&maps, &format!("m{object}"), "0").await;
    }
    let change = |range: std::ops::Range<usize>| {
        let maps = maps.clone();
        async move {
            for at in range {
                update(&maps, &format!("m{}", at % OBJECTS), &format!("v{at}")).await;
            }
        }
    };
    change(0..50).await;
    world.nats_mut().kill(0).unwrap();
    change(50..150).await;
    world.nats_mut().restart(0).unwrap();
    change(150..CHANGES).await;
    let told = reader
        .until("all is told", |told| told.len() >= OBJECTS + CHANGES)
        .await;
    assert_eq!(told.len(), OBJECTS + CHANGES);
    assert_each_once_and_in_order(&told);
    source.stop().await;
}

#[tokio::test]
async fn a_crash_in_the_middle_of_changes_loses_and_repeats_nothing() {
    let world = World::start().await;
    let maps: Api<ConfigMap> = Api::namespaced(world.client().await, world.namespace());
    let url = world.nats().url();
    let reader = stage::read(&url).await;
    let compiled = event_source("es", &in_namespace(&world, CONFIG_MAPS));
    let mut source = Source::start(&compiled, world.client().await, &url).await;
    // What happens before the first list is complete is told as one.
    eventually("the first list is told", || async {
        let position = stage::position(&url, "es").await?;
        position["resourceVersion"].is_string().then_some(())
    })
    .await;
    let mut wanted = 0;
    for round in 0..4 {
        for object in 0..20 {
            let name = format!("m{object}");
            match round {
                0 => create(&maps, &name, "0").await,
                3 => delete(&maps, &name).await,
                _ => update(&maps, &name, &format!("v{round}")).await,
            }
            wanted += 1;
            if object % 7 == 3 {
                source.crash();
                source = Source::start(&compiled, world.client().await, &url).await;
            }
        }
    }
    reader
        .until("all is told", |told| told.len() >= wanted)
        .await;
    create(&maps, "end", "1").await;
    let told = reader
        .until("the end is told", |told| {
            told.iter().any(|told| told.name == "end")
        })
        .await;
    assert_eq!(told.len(), wanted + 1, "{:?}", shown(&told));
    assert_each_once_and_in_order(&told);
    source.stop().await;
}

#[tokio::test]
async fn a_kill_between_publish_and_position_loses_and_repeats_nothing() {
    let world = World::start().await;
    let maps: Api<ConfigMap> = Api::namespaced(world.client().await, world.namespace());
    let url = world.nats().url();
    create(&maps, "a", "1").await;
    let reader = stage::read(&url).await;
    let compiled = event_source("es", &in_namespace(&world, CONFIG_MAPS));
    let freezer = Freezer::default();
    let bus = freezer.around(stage::connect(&url).await);
    let source = Source::start_on(bus, &compiled, world.client().await);
    eventually("the first list is told", || async {
        let position = stage::position(&url, "es").await?;
        position["resourceVersion"].is_string().then_some(())
    })
    .await;

    freezer.freeze();
    create(&maps, "b", "1").await;
    create(&maps, "c", "1").await;
    delete(&maps, "a").await;
    reader.until("all is told", |told| told.len() == 4).await;
    source.crash();

    // Nothing but the messages says that B and C were told, and that A was told to be gone.
    update(&maps, "b", "2").await;
    delete(&maps, "c").await;
    create(&maps, "a", "2").await;
    let source = Source::start(&compiled, world.client().await, &url).await;
    create(&maps, "end", "1").await;
    let told = reader
        .until("the end is told", |told| {
            told.iter().any(|told| told.name == "end")
        })
        .await;
    assert_eq!(
        shown(&told),
        [
            "ADD a 1",
            "ADD b 1",
            "ADD c 1",
            "DELETE a 1",
            "UPDATE b 2 was 1",
            "DELETE c 1",
            "ADD a 2",
            "ADD end 1"
        ]
    );
    source.stop().await;
}

#[tokio::test]
async fn a_permission_that_is_missing_is_awaited() {
    let world = World::start().await;
    let maps: Api<ConfigMap> = Api::namespaced(world.client().await, world.namespace());
    create(&maps, "a", "1").await;
    let reader = stage::read(&world.nats().url()).await;
    let compiled = event_source("es", &in_namespace(&world, CONFIG_MAPS));
    let client = world.client_as("watcher").await;
    let source = Source::start(&compiled, client, &world.nats().url()).await;
    eventually("the refusal is counted", || async {
        source
            .metrics()
            .contains("category=\"Forbidden\"")
            .then_some(())
    })
    .await;
    assert!(reader.told().is_empty());
    world
        .apply(include_str!("resource_source/watcher.yaml"))
        .await;
    let told = reader
        .until("the object is told", |told| !told.is_empty())
        .await;
    assert_eq!(shown(&told), ["ADD a 1"]);
    source.stop().await;
}

#[tokio::test]
async fn a_type_that_is_defined_later_is_awaited() {
    let world = World::start().await;
    let reader = stage::read(&world.nats().url()).await;
    let things = r#"{"group":"stories.test","version":"v1","resource":"things","eventTypes":["ADD","DELETE"]}"#;
    let compiled = event_source("es", &in_namespace(&world, things));
    let source = Source::start(&compiled, world.client().await, &world.nats().url()).await;
    eventually("the refusal is counted", || async {
        source
            .metrics()
            .contains("category=\"NotFound\"")
            .then_some(())
    })
    .await;
    world
        .apply(include_str!("resource_source/thing.yaml"))
        .await;
    let thing = "{apiVersion: stories.test/v1, kind: Thing, metadata: {name: t}, data: {key: x}}";
    eventually("the type is served", || async {
        let path = "/apis/stories.test/v1/things";
        let answer = world.control_plane().request("GET", path, "").ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    world.apply(thing).await;
    let told = reader
        .until("the object is told", |told| !told.is_empty())
        .await;
    assert_eq!(shown(&told), ["ADD t x"]);
    source.stop().await;
}

#[tokio::test]
async fn objects_without_a_namespace_are_watched_even_if_one_is_given() {
    let world = World::start().await;
    let reader = stage::read(&world.nats().url()).await;
    let namespaces =
        r#"{"version":"v1","resource":"namespaces","namespace":"default","eventTypes":["ADD"]}"#;
    let compiled = event_source("es", &serde_json::from_str(namespaces).unwrap());
    let source = Source::start(&compiled, world.client().await, &world.nats().url()).await;
    let name = world.namespace().to_owned();
    reader
        .until("the namespace is told", |told| {
            told.iter().any(|told| told.name == name)
        })
        .await;
    source.stop().await;
}

#[tokio::test]
async fn an_object_of_900_kilobytes_is_told() {
    let world = World::start().await;
    let maps: Api<ConfigMap> = Api::namespaced(world.client().await, world.namespace());
    let reader = stage::read(&world.nats().url()).await;
    let compiled = event_source("es", &in_namespace(&world, CONFIG_MAPS));
    let source = Source::start(&compiled, world.client().await, &world.nats().url()).await;
    let large = |letter: &str| letter.repeat(900_000);
    create(&maps, "a", &large("x")).await;
    update(&maps, "a", &large("y")).await;
    delete(&maps, "a").await;
    let told = reader.until("all is told", |told| told.len() >= 3).await;
    let kinds: Vec<&str> = told.iter().map(|told| told.kind.as_str()).collect();
    assert_eq!(kinds, ["ADD", "UPDATE", "DELETE"]);
    assert_eq!(told[1].body["data"]["key"], large("y"));
    source.stop().await;
}

#[tokio::test]
async fn a_stop_is_quick_and_keeps_the_position() {
    let world = World::start().await;
    let maps: Api<ConfigMap> = Api::namespaced(world.client().await, world.namespace());
    let reader = stage::read(&world.nats().url()).await;
    let compiled = event_source("es", &in_namespace(&world, CONFIG_MAPS));
    let source = Source::start(&compiled, world.client().await, &world.nats().url()).await;
    create(&maps, "a", "1").await;
    let told = reader.until("it is told", |told| !told.is_empty()).await;
    source.stop().await;
    let position = stage::position(&world.nats().url(), "es").await.unwrap();
    let stored: u64 = position["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(stored >= told[0].version.parse().unwrap(), "{position}");
}
