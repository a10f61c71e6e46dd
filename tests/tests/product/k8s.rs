//! What the Kubernetes trigger does to objects, seen in a real API server.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use kube::Api;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::core::ApiResource;
use serde_json::{Value, json};
use tiphys_tests::World;

use crate::wire::{self, Wire, outcome};

#[tokio::test]
async fn fifty_updates_of_one_object_side_by_side_are_all_applied() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    let triggers = "
  - template:
      name: tally
      conditions: a
      k8s:
        operation: update
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {name: tally}}
        parameters:
        - {src: {dependencyName: a, dataKey: add, useRawData: true}, dest: data}
";
    let mut tiphys = wire::desk(&world, triggers).start();
    wire::listening(&tiphys).await;
    let wire = &wire;
    let publishing = (0..50).map(|n| async move {
        let add = json!({ "add": { format!("key-{n}"): n.to_string() } });
        wire.event("input", "a", &format!("a{n}"), &add).await;
    });
    futures::future::join_all(publishing).await;
    outcome(&tiphys, "tally", "fired", 50).await;
    let tally = world.api::<ConfigMap>().await.get("tally").await.unwrap();
    assert_eq!(tally.data.unwrap().len(), 50);
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

const PATCHED: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: merged}
data: {kept: '1', changed: '1', removed: '1'}
---
apiVersion: v1
kind: Service
metadata: {name: strategic}
spec:
  clusterIP: None
  ports: [{name: http, port: 80}, {name: https, port: 443}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: listed}
data: {kept: '1', removed: '1'}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: applied}
data: {kept: '1', changed: '1'}
";

const PATCHES: &str = "
  - template:
      name: merge
      conditions: a
      k8s:
        operation: patch
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {name: merged}, data: {changed: '2', removed: null}}
  - template:
      name: strategic
      conditions: a
      k8s:
        operation: patch
        patchStrategy: application/strategic-merge-patch+json
        source:
          resource: {apiVersion: v1, kind: Service, metadata: {name: strategic}, spec: {ports: [{port: 443, targetPort: 8443}]}}
  - template:
      name: json
      conditions: a
      k8s:
        operation: patch
        patchStrategy: application/json-patch+json
        source:
          resource:
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: listed}
            patch: [{op: remove, path: /data/removed}, {op: add, path: /data/added, value: ''}]
        parameters:
        - {src: {dependencyName: a, dataKey: value}, dest: patch.1.value}
  - template:
      name: apply
      conditions: a
      k8s:
        operation: patch
        patchStrategy: application/apply-patch+yaml
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {name: applied}, data: {changed: '2'}}
  - template:
      name: apply-new
      conditions: a
      k8s:
        operation: patch
        patchStrategy: application/apply-patch+yaml
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {name: applied-new}, data: {key: '1'}}
";

#[tokio::test]
async fn each_patch_strategy_does_what_the_api_server_means_by_it() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    world.apply(PATCHED).await;
    let mut tiphys = wire::desk(&world, PATCHES).start();
    wire::listening(&tiphys).await;
    wire.event("input", "a", "a1", &json!({"value": "from the event"}))
        .await;
    for trigger in ["merge", "strategic", "json", "apply", "apply-new"] {
        outcome(&tiphys, trigger, "fired", 1).await;
    }
    let maps = world.api::<ConfigMap>().await;
    let data = |name: &'static str| {
        let maps = maps.clone();
        async move { serde_json::to_value(maps.get(name).await.unwrap().data).unwrap() }
    };
    assert_eq!(data("merged").await, json!({"kept": "1", "changed": "2"}));
    assert_eq!(
        data("listed").await,
        json!({"kept": "1", "added": "from the event"})
    );
    assert_eq!(data("applied").await, json!({"kept": "1", "changed": "2"}));
    assert_eq!(data("applied-new").await, json!({"key": "1"}));
    let service = world.api::<Service>().await.get("strategic").await.unwrap();
    let ports = serde_json::to_value(service.spec.unwrap().ports).unwrap();
    let port = |at: usize| (ports[at]["name"].clone(), ports[at]["targetPort"].clone());
    assert_eq!(
        [port(0), port(1)],
        [(json!("http"), json!(80)), (json!("https"), json!(8443))]
    );
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_deletion_takes_the_children_along_in_the_background() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    // Without a word about propagation, the API server orphans the pods of a Job: it stays until a
    // garbage collector has seen to that, and there is none here.
    world
        .apply(
            "
apiVersion: batch/v1
kind: Job
metadata: {name: voyage}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: ship, image: argo}]
",
        )
        .await;
    let triggers = "
  - template:
      name: sink
      conditions: a
      k8s:
        operation: delete
        source:
          resource: {apiVersion: batch/v1, kind: Job, metadata: {name: voyage}}
";
    let mut tiphys = wire::desk(&world, triggers).start();
    wire::listening(&tiphys).await;
    wire.event("input", "a", "a1", &json!({})).await;
    outcome(&tiphys, "sink", "fired", 1).await;
    let jobs = world
        .api::<Job>()
        .await
        .list(&ListParams::default())
        .await
        .unwrap();
    assert_eq!(jobs.items, []);
    // Deleting what is gone is a success.
    wire.event("input", "a", "a2", &json!({})).await;
    outcome(&tiphys, "sink", "fired", 2).await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_live_object_is_changed_where_the_parameters_say_and_nowhere_else() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    world
        .apply(
            "
apiVersion: apps/v1
kind: Deployment
metadata: {name: fleet}
spec:
  replicas: 2
  selector: {matchLabels: {app: fleet}}
  template:
    metadata: {labels: {app: fleet}}
    spec: {containers: [{name: ship, image: 'argo:1'}]}
",
        )
        .await;
    let triggers = "
  - template:
      name: scale
      conditions: a
      k8s:
        operation: update
        liveObject: true
        source:
          resource: {apiVersion: apps/v1, kind: Deployment, metadata: {name: fleet, namespace: NAMESPACE}}
        parameters:
        - {src: {dependencyName: a, dataKey: ships, useRawData: true}, dest: spec.replicas}
        - {src: {dependencyName: a, dataKey: crew}, dest: spec.template.spec.containers.0.image, operation: append}
";
    let triggers = triggers.replace("NAMESPACE", world.namespace());
    let mut tiphys = wire::desk(&world, &triggers).start();
    wire::listening(&tiphys).await;
    wire.event("input", "a", "a1", &json!({"ships": 5, "crew": "-heroes"}))
        .await;
    outcome(&tiphys, "scale", "fired", 1).await;
    let fleet = world.api::<Deployment>().await.get("fleet").await.unwrap();
    let spec = fleet.spec.unwrap();
    assert_eq!(spec.replicas, Some(5));
    let container = &spec.template.spec.unwrap().containers[0];
    assert_eq!(
        (container.name.as_str(), container.image.as_deref()),
        ("ship", Some("argo:1-heroes"))
    );
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn plural_and_scope_of_every_kind_come_from_the_api_server() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    let group = format!("{}.example.org", world.namespace());
    let priority = format!("{}-captain", world.namespace());
    let triggers = "
  - retryStrategy: {steps: 10000, duration: 100ms, factor: 1}
    template:
      name: sheep
      conditions: a
      k8s:
        source:
          resource: {apiVersion: GROUP/v1, kind: Sheep, metadata: {name: dolly}, spec: {fleece: golden}}
  - template:
      name: priority
      conditions: a
      k8s:
        source:
          resource: {apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: PRIORITY}, value: 7}
  - template:
      name: endpoints
      conditions: a
      k8s:
        source:
          resource: {apiVersion: v1, kind: Endpoints, metadata: {name: quay}}
  - template:
      name: unknown
      conditions: a
      k8s:
        source:
          resource: {apiVersion: v1, kind: Kraken, metadata: {name: x}}
";
    let triggers = triggers
        .replace("GROUP", &group)
        .replace("PRIORITY", &priority);
    let mut tiphys = wire::desk(&world, &triggers).start();
    wire::listening(&tiphys).await;
    wire.event("input", "a", "a1", &json!({})).await;
    let letter = wire.dead_letters(1).await.remove(0);
    assert_eq!(letter.trigger, "unknown");
    assert_eq!(
        letter.error,
        "the cluster serves no kind Kraken in v1; see `kubectl api-resources`"
    );
    // A kind that comes later is found then.
    let crd = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: flock.GROUP}
spec:
  group: GROUP
  names: {kind: Sheep, plural: flock, singular: sheep}
  scope: Cluster
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";
    world.apply(&crd.replace("GROUP", &group)).await;
    for trigger in ["sheep", "priority", "endpoints"] {
        outcome(&tiphys, trigger, "fired", 1).await;
    }
    let client = world.client().await;
    let flock = ApiResource {
        group: group.clone(),
        version: "v1".to_owned(),
        api_version: format!("{group}/v1"),
        kind: "Sheep".to_owned(),
        plural: "flock".to_owned(),
    };
    let dolly: DynamicObject = Api::all_with(client.clone(), &flock)
        .get("dolly")
        .await
        .unwrap();
    assert_eq!(dolly.data["spec"]["fleece"], "golden");
    let class: PriorityClass = Api::all(client).get(&priority).await.unwrap();
    assert_eq!(class.value, 7);
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn created_objects_say_where_they_come_from() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    let triggers = "
  - template:
      name: note
      conditions: a
      k8s:
        source:
          inline: |
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: note, labels: {mine: kept}}
        parameters:
        - {src: {dependencyName: a, dataKey: count}, dest: data.text}
        - {src: {dependencyName: a, dataTemplate: '{{ .Input.word | upper }}!'}, dest: data.template}
        - {src: {dependencyName: a, contextKey: subject}, dest: data.context}
        - {src: {dependencyName: a, dataKey: none, value: else}, dest: data.value}
";
    let mut tiphys = wire::desk(&world, triggers).start();
    wire::listening(&tiphys).await;
    let data = r#"{"count": 12345678901234567890, "word": "ahoy"}"#;
    let event = wire::cloud_event("input", "a", "a1", data.as_bytes());
    wire.send("default.input.a", "a1", event).await;
    outcome(&tiphys, "note", "fired", 1).await;
    let maps = world.api::<ConfigMap>().await;
    let note = serde_json::to_value(maps.get("note").await.unwrap()).unwrap();
    let expected = json!({
        "text": "12345678901234567890", "template": "AHOY!", "context": "a", "value": "else",
    });
    assert_eq!(note["data"], expected);
    let labels = &note["metadata"]["labels"];
    assert_eq!(labels["mine"], "kept");
    assert_eq!(labels["events.argoproj.io/sensor"], "workbench");
    assert_eq!(labels["events.argoproj.io/trigger"], "note");
    let stamp: i64 = labels["events.argoproj.io/action-timestamp"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(stamp > 1_600_000_000_000, "milliseconds: {stamp}");
    assert_eq!(
        note["metadata"]["annotations"]["events.argoproj.io/event-id"],
        "a1"
    );

    // Somebody else's object of this name is nobody's success.
    maps.patch(
        "note",
        &PatchParams::default(),
        &Patch::Merge(json!({
            "metadata": { "annotations": { "events.argoproj.io/event-id": Value::Null } }
        })),
    )
    .await
    .unwrap();
    wire.event("input", "a", "a2", &json!({"count": 1, "word": "x"}))
        .await;
    let letter = wire.dead_letters(1).await.remove(0);
    assert_eq!(
        letter.error,
        format!(
            "create configmaps {}/note: configmaps \"note\" already exists",
            world.namespace()
        )
    );
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}
