//! Objects are applied, edited, and wrong.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};
use tiphys_api::{EventBus, EventSource, Sensor};
use tiphys_tests::eventually;

use crate::stage::{SENSOR, SOURCE, Stage};

#[tokio::test]
async fn an_event_source_and_a_sensor_get_pods_of_their_own() {
    let stage = Stage::start().await;
    stage.world.apply(SOURCE).await;
    stage.world.apply(SENSOR).await;

    let deployment = stage.deployment("watcher-eventsource").await;
    assert_eq!(
        json!(deployment.metadata.labels),
        json!({"controller": "eventsource-controller", "eventsource-name": "watcher",
               "owner-name": "watcher"})
    );
    let owner = stage.api::<EventSource>().get("watcher").await.unwrap();
    let owner = json!([{"apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource",
        "name": "watcher", "uid": owner.metadata.uid, "controller": true}]);
    assert_eq!(json!(deployment.metadata.owner_references), owner);
    // The objects are applied side by side: the one may be there before the other.
    let config_map = stage
        .eventually::<ConfigMap>("watcher-eventsource-spec", |_| true)
        .await;
    assert_eq!(json!(config_map.metadata.owner_references), owner);
    assert_eq!(
        config_map.data.unwrap()["eventbus.json"],
        r#"{"jetstream":{"url":"nats://nats.example:4222"}}"#
    );
    let container = json!(deployment.spec.unwrap().template.spec.unwrap().containers[0]);
    assert_eq!(container["image"], "tiphys:story");
    assert_eq!(container["args"], json!(["eventsource"]));

    let container = stage
        .deployment("printer-sensor")
        .await
        .spec
        .unwrap()
        .template
        .spec
        .unwrap();
    assert_eq!(json!(container.containers[0].args), json!(["sensor"]));
    let spec = stage.spec("printer-sensor-spec").await;
    assert_eq!(spec["kind"], "Sensor");
    assert_eq!(spec["spec"]["triggers"][0]["template"]["name"], "print");
    assert_eq!(spec["metadata"]["generation"], 1);

    for name in ["SourcesProvided", "Deployed"] {
        stage
            .condition::<EventSource>("watcher", name, "True")
            .await;
    }
    for name in ["DependenciesProvided", "TriggersProvided", "Deployed"] {
        stage.condition::<Sensor>("printer", name, "True").await;
    }
    let ready = stage
        .reason::<Sensor>("printer", "Ready", "PodsStarting")
        .await;
    assert_eq!(
        (ready.reason.as_str(), ready.message.as_str()),
        ("PodsStarting", "0 of 1 pods are ready")
    );
}

#[tokio::test]
async fn what_somebody_edits_or_deletes_is_put_right() {
    let stage = Stage::start().await;
    stage.world.apply(SOURCE).await;
    stage
        .condition::<EventSource>("watcher", "Deployed", "True")
        .await;
    let name = "watcher-eventsource";

    let edit = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "main", "image": "somebody/else"}]}}}});
    stage.merge::<Deployment>(name, edit).await;
    stage
        .eventually::<Deployment>(name, |found| {
            let spec = found.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
            spec.containers[0].image.as_deref() == Some("tiphys:story")
        })
        .await;

    stage
        .merge::<Deployment>(name, json!({"metadata": {"labels": {"controller": null}}}))
        .await;
    stage
        .eventually::<Deployment>(name, |found| {
            found
                .metadata
                .labels
                .as_ref()
                .unwrap()
                .contains_key("controller")
        })
        .await;

    let spec = "watcher-eventsource-spec";
    stage
        .merge::<ConfigMap>(spec, json!({"data": {"eventbus.json": "{}"}}))
        .await;
    let is_right = |found: &ConfigMap| found.data.as_ref().unwrap()["eventbus.json"] != "{}";
    stage.eventually::<ConfigMap>(spec, is_right).await;
    stage
        .api::<ConfigMap>()
        .delete(spec, &DeleteParams::default())
        .await
        .unwrap();
    stage.eventually::<ConfigMap>(spec, is_right).await;
    let uid = stage.deployment(name).await.metadata.uid;
    stage
        .api::<Deployment>()
        .delete(name, &DeleteParams::background())
        .await
        .unwrap();
    stage
        .eventually::<Deployment>(name, |found| found.metadata.uid != uid)
        .await;
}

#[tokio::test]
async fn a_missing_bus_is_told_and_pods_come_with_it() {
    let stage = Stage::without_bus().await;
    stage.world.apply(SENSOR).await;
    let deployed = stage
        .reason::<Sensor>("printer", "Deployed", "EventBusNotFound")
        .await;
    assert_eq!(
        *deployed.message,
        format!(
            "there is no EventBus default in namespace {}; apply one of this name, or name another in \
             spec.eventBusName",
            stage.world.namespace()
        )
    );
    stage
        .reason::<Sensor>("printer", "Ready", "EventBusNotFound")
        .await;

    stage.bus("nats://one.example:4222").await;
    stage
        .condition::<Sensor>("printer", "Deployed", "True")
        .await;
    stage.bus("nats://other.example:4222").await;
    stage
        .eventually::<ConfigMap>("printer-sensor-spec", |found| {
            found.data.as_ref().unwrap()["eventbus.json"]
                == r#"{"jetstream":{"url":"nats://other.example:4222"}}"#
        })
        .await;

    let none = json!({"metadata": {"finalizers": null}});
    stage
        .api::<EventBus>()
        .delete("default", &DeleteParams::default())
        .await
        .unwrap();
    stage.merge::<EventBus>("default", none).await;
    stage
        .reason::<Sensor>("printer", "Deployed", "EventBusNotFound")
        .await;
    stage.deployment("printer-sensor").await;
}

#[tokio::test]
async fn a_faulty_edit_keeps_what_runs_and_says_why() {
    let stage = Stage::start().await;
    stage.world.apply(SENSOR).await;
    stage
        .condition::<Sensor>("printer", "Deployed", "True")
        .await;
    let before = stage.spec("printer-sensor-spec").await;

    let faulty = SENSOR.replace(
        "eventName: thing}",
        "eventName: thing, transform: {jq: '.body |'}}",
    );
    stage.world.apply(&faulty).await;
    let fault = stage
        .reason::<Sensor>("printer", "DependenciesProvided", "InvalidDependencies")
        .await;
    let place = "spec.dependencies[0].transform.jq: ";
    assert!(fault.message.starts_with(place), "{:?}", fault.message);
    stage
        .condition::<Sensor>("printer", "TriggersProvided", "True")
        .await;
    stage
        .condition::<Sensor>("printer", "Deployed", "True")
        .await;
    let ready = stage
        .reason::<Sensor>("printer", "Ready", "InvalidDependencies")
        .await;
    assert_eq!(ready.message, fault.message);
    assert_eq!(stage.spec("printer-sensor-spec").await, before);

    stage
        .world
        .apply(&SENSOR.replace("name: print\n", "name: print-better\n"))
        .await;
    stage
        .condition::<Sensor>("printer", "DependenciesProvided", "True")
        .await;
    let spec = stage.spec("printer-sensor-spec").await;
    assert_eq!(
        spec["spec"]["triggers"][0]["template"]["name"],
        "print-better"
    );
}

#[tokio::test]
async fn a_spec_edit_changes_the_spec_alone() {
    let stage = Stage::start().await;
    stage.world.apply(SOURCE).await;
    let before = stage.deployment("watcher-eventsource").await;
    stage
        .world
        .apply(&SOURCE.replace("[ADD]", "[ADD, DELETE]"))
        .await;
    eventually("the edited spec", || async {
        let spec = stage.spec("watcher-eventsource-spec").await;
        (spec["metadata"]["generation"] == 2).then_some(())
    })
    .await;
    stage.quiet().await;
    let after = stage.deployment("watcher-eventsource").await;
    assert_eq!(
        after.metadata.resource_version,
        before.metadata.resource_version
    );
}

#[tokio::test]
async fn replicas_labels_and_a_service_come_and_go() {
    let stage = Stage::start().await;
    let more = SOURCE.replace(
        "spec:\n",
        "  labels: {team: harbour}\nspec:\n  replicas: 2\n  service:\n    ports:\n    - {port: 12000, targetPort: 12000}\n",
    );
    stage.world.apply(&more).await;
    let service = stage
        .eventually::<Service>("watcher-eventsource-svc", |_| true)
        .await;
    assert_eq!(service.metadata.labels.unwrap()["team"], "harbour");
    let budget = stage
        .eventually::<PodDisruptionBudget>("watcher-eventsource", |_| true)
        .await;
    assert_eq!(json!(budget.spec.unwrap().max_unavailable), json!(1));
    let deployment = stage.deployment("watcher-eventsource").await;
    assert_eq!(deployment.spec.unwrap().replicas, Some(2));
    assert_eq!(deployment.metadata.labels.unwrap()["team"], "harbour");

    let headless = more.replace("    ports:", "    clusterIP: None\n    ports:");
    stage.world.apply(&headless).await;
    let is_headless =
        |service: &Service| service.spec.as_ref().unwrap().cluster_ip.as_deref() == Some("None");
    stage
        .eventually::<Service>("watcher-eventsource-svc", is_headless)
        .await;

    stage.world.apply(SOURCE).await;
    eventually("no Service and no budget", || async {
        let services = stage
            .api::<Service>()
            .list(&ListParams::default())
            .await
            .unwrap();
        let budgets = stage
            .api::<PodDisruptionBudget>()
            .list(&ListParams::default())
            .await
            .unwrap();
        (services.items.is_empty() && budgets.items.is_empty()).then_some(())
    })
    .await;
    stage
        .eventually::<Deployment>("watcher-eventsource", |found| {
            let labels = found.metadata.labels.as_ref().unwrap();
            found.spec.as_ref().unwrap().replicas == Some(1) && !labels.contains_key("team")
        })
        .await;
}

#[tokio::test]
async fn what_the_api_server_refuses_is_told_in_its_words() {
    let stage = Stage::start().await;
    let bad = SOURCE.replace(
        "spec:\n",
        "spec:\n  template: {priorityClassName: 'not a name'}\n",
    );
    stage.world.apply(&bad).await;
    let deployed = stage
        .reason::<EventSource>("watcher", "Deployed", "CreateDeploymentFailed")
        .await;
    assert!(
        deployed.message.contains("priorityClassName"),
        "{:?}",
        deployed.message
    );
    stage.world.apply(SOURCE).await;
    stage
        .condition::<EventSource>("watcher", "Deployed", "True")
        .await;
}

#[tokio::test]
async fn get_shows_ready_reason_and_age() {
    let stage = Stage::without_bus().await;
    stage.world.apply(SENSOR).await;
    stage
        .reason::<Sensor>("printer", "Ready", "EventBusNotFound")
        .await;
    let path = format!(
        "/apis/argoproj.io/v1alpha1/namespaces/{}/sensors",
        stage.world.namespace()
    );
    let mut request = kube::core::Request::new(path)
        .list(&ListParams::default())
        .unwrap();
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io"
        .parse()
        .unwrap();
    request.headers_mut().insert("accept", table);
    let table: Value = stage.client.request(request).await.unwrap();
    let columns = table["columnDefinitions"].as_array().unwrap();
    let names: Vec<_> = columns
        .iter()
        .map(|column| column["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Name", "Ready", "Reason", "Age"]);
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(
        cells[..3],
        [json!("printer"), json!("False"), json!("EventBusNotFound")]
    );
}
