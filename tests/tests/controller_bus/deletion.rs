//! A bus goes when nobody uses it any more, and takes its volumes with it.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use serde_json::json;
use tiphys_api::ConditionStatus::{False, True};
use tiphys_api::{EventBus, EventSource, Sensor};
use tiphys_tests::eventually;

use super::stage::{Stage, message};

const USERS: &str = "
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: clock}
spec: {eventBusName: eb, calendar: {tick: {interval: 1m}}}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: printer}
spec:
  eventBusName: eb
  dependencies: [{name: tick, eventSourceName: clock, eventName: tick}]
  triggers: [{template: {name: log, log: {}}}]
";

#[tokio::test]
async fn a_bus_in_use_stays_until_its_users_go() {
    let stage = Stage::start().await;
    stage.bus("{jetstream: {version: latest}}").await;
    stage.condition("Deployed", True, "Succeeded").await;
    stage.world.apply(USERS).await;
    stage.delete::<EventBus>("eb").await;
    let condition = stage.condition("Deleted", False, "InUse").await;
    assert_eq!(
        message(&condition),
        "can not delete an EventBus with 1 EventSources connected: clock and 1 Sensors connected: \
         printer"
    );

    stage.delete::<EventSource>("clock").await;
    eventually("the Sensor being the last user", async || {
        let condition = stage.condition("Deleted", False, "InUse").await;
        let last = "can not delete an EventBus with 1 Sensors connected: printer";
        (message(&condition) == last).then_some(())
    })
    .await;
    stage.delete::<Sensor>("printer").await;
    eventually("the bus being gone", async || {
        stage.get::<EventBus>("eb").await.is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn volumes_go_with_their_bus_and_no_others() {
    let stage = Stage::start().await;
    stage.bus("{jetstream: {version: latest}}").await;
    stage.condition("Deployed", True, "Succeeded").await;
    for (name, owner) in [("ours", "eb"), ("theirs", "another")] {
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "labels": {
                "controller": "eventbus-controller", "eventbus-name": owner, "owner-name": owner,
            }},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        });
        stage.world.apply(&claim.to_string()).await;
    }
    stage.delete::<EventBus>("eb").await;
    eventually("the bus being gone", async || {
        stage.get::<EventBus>("eb").await.is_none().then_some(())
    })
    .await;
    // Volumes in use are protected by a finalizer of the cluster: they go with their pods.
    let ours = stage.get::<PersistentVolumeClaim>("ours").await;
    assert!(ours.is_none_or(|claim| claim.metadata.deletion_timestamp.is_some()));
    let theirs = stage.get::<PersistentVolumeClaim>("theirs").await.unwrap();
    assert_eq!(theirs.metadata.deletion_timestamp, None);
    assert_eq!(theirs.name_any(), "theirs");
}
