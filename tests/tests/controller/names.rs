//! Names and sizes at the edge of what Kubernetes takes.

use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::ListParams;
use tiphys_api::{EventSource, Sensor};

use crate::stage::{SENSOR, SOURCE, Stage};

#[tokio::test]
async fn long_and_dotted_names_get_everything() {
    let stage = Stage::start().await;
    let names = [
        "a".repeat(63),
        "b".repeat(253),
        format!("{}.{}", "c".repeat(20), "d".repeat(20)),
    ];
    for name in &names {
        let source = SOURCE
            .replace("name: watcher", &format!("name: {name}"))
            .replace(
                "spec:\n",
                "spec:\n  replicas: 2\n  service: {ports: [{port: 1200}]}\n",
            );
        stage.world.apply(&source).await;
        stage
            .world
            .apply(&SENSOR.replace("name: printer", &format!("name: {name}")))
            .await;
    }
    for name in &names {
        stage
            .condition::<EventSource>(name, "Deployed", "True")
            .await;
        stage.condition::<Sensor>(name, "Deployed", "True").await;
    }
    let services = stage
        .api::<Service>()
        .list(&ListParams::default())
        .await
        .unwrap();
    assert_eq!(services.items.len(), 3);
}

#[tokio::test]
async fn a_spec_of_900_kilobytes_reaches_its_pods() {
    let stage = Stage::start().await;
    let sensor = serde_json::json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Sensor", "metadata": {"name": "big"},
        "spec": {
            "dependencies": [{"name": "thing", "eventSourceName": "watcher", "eventName": "thing"}],
            "triggers": [{"template": {"name": "t", "k8s": {"source": {"resource": {
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "big-"},
                "data": {"text": "x".repeat(900_000)}}}}}}],
        },
    });
    stage.world.apply(&sensor.to_string()).await;
    stage.condition::<Sensor>("big", "Deployed", "True").await;
    let config_map = stage
        .eventually::<ConfigMap>("big-sensor-spec", |_| true)
        .await;
    let packed = config_map.binary_data.unwrap();
    assert!(packed["object.json.zst"].0.len() < 10_000);
    assert!(!config_map.data.unwrap().contains_key("object.json"));
}
