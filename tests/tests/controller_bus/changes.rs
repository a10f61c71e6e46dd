//! Changes of a bus that runs: those that roll through, and those that are refused as a whole.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
use kube::api::{PostParams, ResourceExt};
use serde_json::json;
use tiphys_api::ConditionStatus::{False, True};
use tiphys_api::EventBus;
use tiphys_tests::eventually;

use super::stage::{Stage, message};

const STATEFUL_SET: &str = "eventbus-eb-js";
const CONFIG_MAP: &str = "eventbus-eb-js-config";

#[tokio::test]
async fn a_change_that_loses_events_is_not_made_not_even_in_part() {
    let stage = Stage::start().await;
    stage.bus("{jetstream: {version: latest}}").await;
    stage.condition("Deployed", True, "Succeeded").await;
    let config = stage.made::<ConfigMap>(CONFIG_MAP).await;
    let servers = stage.made::<StatefulSet>(STATEFUL_SET).await;
    let status = stage.status().await;

    stage
        .bus("{jetstream: {version: latest, replicas: 1, maxPayload: 2MB}}")
        .await;
    let condition = stage.condition("Deployed", False, "ScalingRefused").await;
    assert_eq!(
        message(&condition),
        "spec.jetstream.replicas: cannot change from 3 to 1: servers that leave take their votes \
         and their copies of streams with them: put it back, or create another EventBus and move \
         EventSources and Sensors to it"
    );
    assert_eq!(stage.made::<ConfigMap>(CONFIG_MAP).await, config);
    assert_eq!(stage.made::<StatefulSet>(STATEFUL_SET).await, servers);
    assert_eq!(stage.status().await["config"], status["config"]);

    stage
        .bus("{jetstream: {version: latest, maxPayload: 2MB}}")
        .await;
    stage.condition("Deployed", True, "Succeeded").await;
    assert_ne!(
        stage.made::<ConfigMap>(CONFIG_MAP).await["data"],
        config["data"]
    );
}

#[tokio::test]
async fn a_bus_grows_and_changes_its_version() {
    let stage = Stage::start().await;
    stage.bus("{jetstream: {version: 2.10.29}}").await;
    stage.condition("Deployed", True, "Succeeded").await;
    stage
        .bus("{jetstream: {version: latest, replicas: 5}}")
        .await;
    stage.condition("Deployed", True, "Succeeded").await;
    let servers = stage.made::<StatefulSet>(STATEFUL_SET).await;
    assert_eq!(servers["spec"]["replicas"], 5);
    let image = servers.pointer("/spec/template/spec/containers/0/image");
    assert_eq!(image.unwrap(), "nats:2.12.8");
    let config = stage.made::<ConfigMap>(CONFIG_MAP).await;
    let text = config["data"]["nats-js"].as_str().unwrap();
    assert!(
        text.contains("eventbus-eb-js-4.eventbus-eb-js-svc."),
        "{text}"
    );
}

#[tokio::test]
async fn a_bus_with_servers_stays_one() {
    let stage = Stage::start().await;
    stage.bus("{jetstream: {version: latest}}").await;
    stage.condition("Deployed", True, "Succeeded").await;
    let config = stage.status().await["config"].clone();
    stage
        .patch::<EventBus>(
            "eb",
            json!({"spec": {
                "jetstream": null, "jetstreamExotic": {"url": "nats://elsewhere:4222"},
            }}),
        )
        .await;
    let condition = stage.condition("Configured", False, "ImmutableSpec").await;
    assert!(message(&condition).contains("Can not change event bus implementation"));
    stage.condition("Deployed", True, "Kept").await;
    assert_eq!(stage.status().await["config"], config);
}

#[tokio::test]
async fn a_bus_elsewhere_is_passed_on_and_others_are_refused() {
    let stage = Stage::start().await;
    let exotic = "{jetstreamExotic: {url: 'nats://bus:4222', streamConfig: 'maxAge: 1h', \
                  accessSecret: {name: s, key: k}}}";
    stage.bus(exotic).await;
    let condition = stage.condition("Deployed", True, "Skipped").await;
    assert_eq!(
        message(&condition),
        "Skip deployment because of using exotic config."
    );
    stage.condition("Ready", True, "Serving").await;
    assert_eq!(
        stage.status().await["config"],
        json!({"jetstream": {
            "url": "nats://bus:4222", "streamConfig": "maxAge: 1h",
            "accessSecret": {"name": "s", "key": "k"},
        }})
    );

    stage
        .patch::<EventBus>(
            "eb",
            json!({"spec": {
                "jetstreamExotic": null, "kafka": {"url": "kafka:9092"},
            }}),
        )
        .await;
    let condition = stage.condition("Deployed", False, "Unsupported").await;
    assert_eq!(
        message(&condition),
        "spec.kafka: this kind of bus is not run: use spec.jetstream, or spec.jetstreamExotic for \
         a NATS JetStream that exists already"
    );
    assert_eq!(stage.status().await.get("config"), None);
}

#[tokio::test]
async fn volumes_grow_where_the_storage_class_lets_them() {
    let stage = Stage::start().await;
    let class = format!("growing-{}", stage.world.namespace());
    let persisted = |size: &str| {
        format!(
            "{{jetstream: {{version: latest, replicas: 1, persistence: \
             {{storageClassName: {class}, volumeSize: {size}}}}}}}"
        )
    };
    let storage_class = |expansion: bool| {
        format!(
            "{{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {{name: {class}}}, \
             provisioner: none.example, allowVolumeExpansion: {expansion}}}"
        )
    };
    stage.world.apply(&storage_class(false)).await;
    stage.bus(&persisted("1Gi")).await;
    let servers = stage.made::<StatefulSet>(STATEFUL_SET).await;
    stage.condition("Deployed", True, "Succeeded").await;
    let claim = "eventbus-eb-js-vol-eventbus-eb-js-0";
    claim_volume(&stage, claim, &class).await;

    stage.bus(&persisted("2Gi")).await;
    let condition = stage
        .condition("Deployed", False, "ImmutablePersistence")
        .await;
    assert!(
        message(&condition)
            .starts_with("spec.jetstream.persistence.volumeSize: the volumes cannot grow to 2Gi: "),
        "{condition:?}"
    );

    stage.world.apply(&storage_class(true)).await;
    stage.bus(&persisted("3Gi")).await;
    // What a cluster's garbage collector does: it lets the pods go before the StatefulSet.
    eventually(
        "the StatefulSet being deleted without its pods",
        async || {
            let servers = stage.get::<StatefulSet>(STATEFUL_SET).await?;
            (servers.finalizers() == ["orphan"]).then_some(())
        },
    )
    .await;
    let free = json!({"metadata": {"finalizers": null}});
    stage.patch::<StatefulSet>(STATEFUL_SET, free).await;
    let grown = eventually("the StatefulSet being made anew", async || {
        let grown = stage.made::<StatefulSet>(STATEFUL_SET).await;
        (grown["metadata"]["uid"] != servers["metadata"]["uid"]).then_some(grown)
    })
    .await;
    let size = "/spec/volumeClaimTemplates/0/spec/resources/requests/storage";
    assert_eq!(grown.pointer(size).unwrap(), "3Gi");
    assert_eq!(grown["spec"]["template"], servers["spec"]["template"]);
    let claim = stage.made::<PersistentVolumeClaim>(claim).await;
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "3Gi");
    stage.condition("Deployed", True, "Succeeded").await;
}

/// What the controller of StatefulSets and a provisioner do.
async fn claim_volume(stage: &Stage, name: &str, class: &str) {
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": class,
            "resources": {"requests": {"storage": "1Gi"}}, "volumeName": "v",
        },
    });
    stage.world.apply(&claim.to_string()).await;
    let bound = json!({
        "phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"},
    });
    stage
        .patch_status::<PersistentVolumeClaim>(name, bound)
        .await;
}

/// As Argo Events leaves it: two more containers, delays of probes, its mark.
fn of_argo_events(owner: &EventBus) -> StatefulSet {
    let labels = json!({
        "controller": "eventbus-controller", "eventbus-name": "eb", "owner-name": "eb",
    });
    let image = |name: &str| json!({"name": name, "image": name});
    serde_json::from_value(json!({
        "metadata": {
            "name": STATEFUL_SET, "labels": labels,
            "annotations": {"resource-spec-hash": "0"},
            "ownerReferences": [{
                "apiVersion": "argoproj.io/v1alpha1", "kind": "EventBus", "name": "eb",
                "uid": owner.metadata.uid, "controller": true,
            }],
        },
        "spec": {
            "podManagementPolicy": "Parallel", "replicas": 3, "serviceName": "eventbus-eb-js-svc",
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "shareProcessNamespace": true,
                    "containers": [
                        {"name": "main", "image": "nats:2.10.29", "readinessProbe": {
                            "httpGet": {"path": "/healthz", "port": 8222},
                            "initialDelaySeconds": 10,
                        }},
                        image("reloader"), image("metrics"),
                    ],
                },
            },
        },
    }))
    .unwrap()
}

#[tokio::test]
async fn a_bus_of_argo_events_is_taken_over() {
    let mut stage = Stage::idle().await;
    stage.bus("{jetstream: {version: latest}}").await;
    let owner = stage.get::<EventBus>("eb").await.unwrap();
    let params = PostParams {
        field_manager: Some("argo-events".to_owned()),
        ..PostParams::default()
    };
    let api = stage.world.api::<StatefulSet>().await;
    let theirs = api.create(&params, &of_argo_events(&owner)).await.unwrap();

    stage.start_controller().await;
    stage.condition("Deployed", True, "Succeeded").await;
    let ours = stage.made::<StatefulSet>(STATEFUL_SET).await;
    assert_eq!(json!(theirs.metadata.uid), ours["metadata"]["uid"]);
    let pod = &ours["spec"]["template"]["spec"];
    assert_eq!(pod["containers"].as_array().unwrap().len(), 1);
    assert_eq!(pod["containers"][0]["image"], "nats:2.12.8");
    assert_eq!(
        pod["containers"][0]["readinessProbe"].get("initialDelaySeconds"),
        None
    );
    assert_eq!(pod.get("shareProcessNamespace"), None);
}
