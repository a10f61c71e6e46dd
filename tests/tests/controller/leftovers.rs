//! What Argo Events' controller has left, and what belongs to others.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;
use tiphys_api::{EventSource, Sensor};
use tiphys_tests::eventually;

use crate::stage::{SENSOR, SOURCE, Stage};

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata:
  name: NAME
  labels: LABELS
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec: {containers: [{name: main, image: argo}]}
";

#[tokio::test]
async fn argos_deployment_service_and_finalizer_are_taken_over() {
    let mut stage = Stage::start().await;
    stage.controller.stop().await;
    let with_service = SOURCE
        .replace("spec:\n", "spec:\n  service: {ports: [{port: 1200}]}\n")
        .replace(
            "  name: watcher\n",
            "  name: watcher\n  finalizers: [eventsource-controller, others/stay]\n",
        );
    stage.world.apply(&with_service).await;
    let uid = stage
        .api::<EventSource>()
        .get("watcher")
        .await
        .unwrap()
        .metadata
        .uid;
    let owners = json!([{"apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource",
        "name": "watcher", "uid": uid, "controller": true, "blockOwnerDeletion": true}]);
    let metadata = |name: &str| {
        json!({"name": name, "ownerReferences": owners,
            "annotations": {"resource-spec-hash": "1"},
            "labels": {"controller": "eventsource-controller", "eventsource-name": "watcher",
                       "owner-name": "watcher"}})
    };
    let pod = json!({"metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "main", "image": "argo"}]}});
    stage
        .create::<Deployment>(json!({"metadata": metadata("watcher-eventsource-x7k2p"),
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": pod}}))
        .await;
    stage
        .create::<Service>(json!({"metadata": metadata("watcher-eventsource-svc"),
            "spec": {"ports": [{"port": 1100}]}}))
        .await;

    stage.controller = stage.desk.start_controller();
    stage
        .condition::<EventSource>("watcher", "Deployed", "True")
        .await;
    eventually("one Deployment", || async {
        let found = stage
            .api::<Deployment>()
            .list(&ListParams::default())
            .await
            .unwrap();
        let names: Vec<_> = found
            .items
            .into_iter()
            .filter_map(|found| found.metadata.name)
            .collect();
        (names == ["watcher-eventsource"]).then_some(())
    })
    .await;
    stage
        .eventually::<Service>("watcher-eventsource-svc", |service| {
            let ports = service.spec.as_ref().unwrap().ports.as_ref().unwrap();
            ports.iter().map(|port| port.port).eq([1200])
        })
        .await;
    stage
        .eventually::<EventSource>("watcher", |source| {
            source.metadata.finalizers.as_deref() == Some(&["others/stay".to_owned()])
        })
        .await;
}

#[tokio::test]
async fn what_belongs_to_somebody_else_is_left_alone() {
    let stage = Stage::start().await;
    let theirs = DEPLOYMENT
        .replace("NAME", "printer-sensor")
        .replace("LABELS", "{mine: 'yes'}");
    stage.world.apply(&theirs).await;
    let before = stage.deployment("printer-sensor").await;
    stage.world.apply(SENSOR).await;
    let deployed = stage
        .reason::<Sensor>("printer", "Deployed", "CreateDeploymentFailed")
        .await;
    assert_eq!(
        deployed.message,
        "Failed to create a deployment: Deployment printer-sensor exists and belongs to somebody \
         else: rename or delete it"
    );
    let after = stage.deployment("printer-sensor").await;
    assert_eq!(
        after.metadata.resource_version,
        before.metadata.resource_version
    );

    stage
        .api::<Deployment>()
        .delete("printer-sensor", &DeleteParams::default())
        .await
        .unwrap();
    stage
        .condition::<Sensor>("printer", "Deployed", "True")
        .await;
}
