//! What is made of a bus, and mended when somebody breaks it.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde_json::{Value, json};
use tiphys_api::ConditionStatus::{False, True, Unknown};
use tiphys_api::EventBus;
use tiphys_tests::eventually;

use super::stage::{Stage, message};

const STATEFUL_SET: &str = "eventbus-eb-js";
const SERVICE: &str = "eventbus-eb-js-svc";
const CONFIG_MAP: &str = "eventbus-eb-js-config";
const SERVER_SECRET: &str = "eventbus-eb-js-server";
const CLIENT_SECRET: &str = "eventbus-eb-js-client-auth";

/// The bus of the auto-ingress pipeline.
const PIPELINE: &str = "{jetstream: {version: latest, replicas: 3, \
                        streamConfig: \"maxAge: 5m\\nreplicas: 2\\n\"}}";

#[tokio::test]
async fn a_bus_is_made_with_argo_events_names() {
    let stage = Stage::start().await;
    stage.bus(PIPELINE).await;
    stage.condition("Deployed", True, "Succeeded").await;
    stage.condition("Ready", Unknown, "ServersStarting").await;

    let uid = stage.get::<EventBus>("eb").await.unwrap().metadata.uid;
    let owners = json!([{
        "apiVersion": "argoproj.io/v1alpha1", "kind": "EventBus", "name": "eb", "uid": uid,
        "controller": true, "blockOwnerDeletion": true,
    }]);
    let labels = json!({
        "controller": "eventbus-controller", "eventbus-name": "eb", "owner-name": "eb",
    });
    for object in [
        stage.made::<StatefulSet>(STATEFUL_SET).await,
        stage.made::<PodDisruptionBudget>(STATEFUL_SET).await,
        stage.made::<Service>(SERVICE).await,
        stage.made::<ConfigMap>(CONFIG_MAP).await,
        stage.made::<Secret>(SERVER_SECRET).await,
        stage.made::<Secret>(CLIENT_SECRET).await,
    ] {
        assert_eq!(object["metadata"]["ownerReferences"], owners, "{object:#}");
        assert_eq!(object["metadata"]["labels"], labels, "{object:#}");
    }
    let stateful_set = stage.made::<StatefulSet>(STATEFUL_SET).await;
    assert_eq!(stateful_set["spec"]["replicas"], 3);
    let image = stateful_set.pointer("/spec/template/spec/containers/0/image");
    assert_eq!(image.unwrap(), "nats:2.12.8");

    let namespace = stage.world.namespace();
    assert_eq!(
        stage.status().await,
        json!({
            "observedGeneration": 1,
            "config": {"jetstream": {
                "url": format!("nats://eventbus-eb-js-svc.{namespace}.svc:4222"),
                "accessSecret": {"name": CLIENT_SECRET, "key": "client-auth"},
                "streamConfig": "discard: 0\nduplicates: 300s\nmaxage: 5m\nmaxbytes: -1\n\
                                 maxmsgs: 50000\nreplicas: 2\nretention: 0\n",
                "tls": {"caCertSecret": {"name": CLIENT_SECRET, "key": "ca-cert"}},
            }},
            "conditions": [
                {"type": "Available", "status": "Unknown", "observedGeneration": 1,
                 "reason": "ServersStarting", "message": "0 of 3 servers are ready"},
                {"type": "Configured", "status": "True", "observedGeneration": 1,
                 "reason": "Valid", "message": "the spec is valid"},
                {"type": "Deployed", "status": "True", "observedGeneration": 1,
                 "reason": "Succeeded", "message": "JetStream is deployed"},
                {"type": "Ready", "status": "Unknown", "observedGeneration": 1,
                 "reason": "ServersStarting", "message": "0 of 3 servers are ready"},
            ],
        })
    );
}

#[tokio::test]
async fn a_bus_is_ready_when_most_of_its_servers_are() {
    let stage = Stage::start().await;
    stage.bus(PIPELINE).await;
    stage.made::<StatefulSet>(STATEFUL_SET).await;
    let ready = |count: i32| json!({"replicas": 3, "readyReplicas": count});
    stage
        .patch_status::<StatefulSet>(STATEFUL_SET, ready(2))
        .await;
    let condition = stage.condition("Ready", True, "Serving").await;
    assert_eq!(message(&condition), "2 of 3 servers are ready");

    stage
        .patch_status::<StatefulSet>(STATEFUL_SET, ready(1))
        .await;
    stage.condition("Ready", Unknown, "ServersStarting").await;
}

#[tokio::test]
async fn a_pod_in_trouble_is_told() {
    let stage = Stage::start().await;
    stage.bus(PIPELINE).await;
    cannot_pull(&stage).await;
    let condition = stage.condition("Ready", False, "ImagePullBackOff").await;
    assert_eq!(
        message(&condition),
        "0 of 3 servers are ready; pod eventbus-eb-js-0: Back-off pulling nats:none; check the image's \
         name and tag in the settings of the controller, and that the nodes may pull it \
         (spec.jetstream.imagePullSecrets)"
    );
}

/// A StatefulSet says nothing about pods that its controller may not make.
#[tokio::test]
async fn a_quota_that_keeps_the_servers_away_is_told() {
    let stage = Stage::start().await;
    stage.bus(PIPELINE).await;
    let stateful_set = stage.made::<StatefulSet>(STATEFUL_SET).await;
    stage.condition("Ready", Unknown, "ServersStarting").await;
    let why = "create Pod eventbus-eb-js-0 in StatefulSet eventbus-eb-js failed error: pods \
               \"eventbus-eb-js-0\" is forbidden: exceeded quota: few, requested: pods=1";
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "quota"},
        "type": "Warning", "reason": "FailedCreate", "message": why,
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "involvedObject": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": STATEFUL_SET,
            "namespace": stage.world.namespace(), "uid": stateful_set["metadata"]["uid"]},
    });
    stage.world.apply(&event.to_string()).await;
    let condition = stage.condition("Ready", False, "QuotaExceeded").await;
    let namespace = stage.world.namespace();
    assert_eq!(
        message(&condition),
        format!(
            "0 of 3 servers are ready; StatefulSet eventbus-eb-js: {why}; see `kubectl -n {namespace} \
             describe resourcequota`: raise it, or ask for less in spec.jetstream"
        )
    );
}

/// A pod of the bus whose image is nowhere.
async fn cannot_pull(stage: &Stage) {
    let stateful_set = stage.made::<StatefulSet>(STATEFUL_SET).await;
    let mut labels = stateful_set["spec"]["template"]["metadata"]["labels"].clone();
    labels["controller-revision-hash"] = json!("eventbus-eb-js-1");
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "eventbus-eb-js-0",
            "labels": labels,
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "StatefulSet", "name": STATEFUL_SET,
                "uid": stateful_set["metadata"]["uid"], "controller": true,
            }],
        },
        "spec": {"containers": [{"name": "main", "image": "nats:none"}],
                 "serviceAccountName": "default", "automountServiceAccountToken": false},
    });
    let account = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: default}}";
    stage.world.apply(account).await;
    stage.world.apply(&pod.to_string()).await;
    let waiting = json!({"reason": "ImagePullBackOff", "message": "Back-off pulling nats:none"});
    let status = json!({"phase": "Pending", "containerStatuses": [{
        "name": "main", "image": "nats:none", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": waiting},
    }]});
    stage.patch_status::<Pod>("eventbus-eb-js-0", status).await;
}

#[tokio::test]
async fn a_pod_that_cannot_start_does_not_hold_up_its_successor() {
    let stage = Stage::start().await;
    stage.bus(PIPELINE).await;
    cannot_pull(&stage).await;
    stage.condition("Ready", False, "ImagePullBackOff").await;
    let revision = |revision: &str| json!({"observedGeneration": 1, "replicas": 3, "updateRevision": revision});
    let current = revision("eventbus-eb-js-1");
    stage
        .patch_status::<StatefulSet>(STATEFUL_SET, current)
        .await;
    stage.condition("Ready", False, "ImagePullBackOff").await;
    assert!(stage.get::<Pod>("eventbus-eb-js-0").await.is_some());

    let next = revision("eventbus-eb-js-2");
    stage.patch_status::<StatefulSet>(STATEFUL_SET, next).await;
    eventually("the old pod being gone", async || {
        let pod = stage.get::<Pod>("eventbus-eb-js-0").await;
        pod.is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_somebody_breaks_is_mended() {
    let stage = Stage::start().await;
    stage.bus(PIPELINE).await;
    stage.condition("Deployed", True, "Succeeded").await;
    let old = stage.made::<Service>(SERVICE).await["metadata"]["uid"].clone();
    stage.delete::<Service>(SERVICE).await;
    eventually("another Service", async || {
        let service = stage.get::<Service>(SERVICE).await?;
        (json!(service.metadata.uid) != old).then_some(())
    })
    .await;

    let edit = json!({"data": {"nats-js": "port: 1"}});
    stage.patch::<ConfigMap>(CONFIG_MAP, edit).await;
    let edit = json!({"spec": {"replicas": 5}});
    stage.patch::<StatefulSet>(STATEFUL_SET, edit).await;
    eventually("the ConfigMap being mended", async || {
        let config = stage.made::<ConfigMap>(CONFIG_MAP).await;
        let text = config["data"]["nats-js"].as_str().unwrap().to_owned();
        text.starts_with("max_payload: 1MB\n").then_some(())
    })
    .await;
    // Servers that have joined hold copies: they are not sent away again in silence.
    let condition = stage.condition("Deployed", False, "ScalingRefused").await;
    assert!(
        message(&condition).contains("cannot change from 5 to 3"),
        "{condition:?}"
    );
}

/// A Secret's data as text.
async fn data(stage: &Stage, name: &str) -> Value {
    let secret = stage.get::<Secret>(name).await.unwrap();
    let data = secret.data.unwrap().into_iter();
    data.map(|(key, value)| (key, json!(String::from_utf8(value.0).unwrap())))
        .collect()
}

#[tokio::test]
async fn credentials_survive_everything() {
    let mut stage = Stage::start().await;
    stage.bus(PIPELINE).await;
    stage.condition("Deployed", True, "Succeeded").await;
    let server = data(&stage, SERVER_SECRET).await;
    let client = data(&stage, CLIENT_SECRET).await;
    let first = stage.made::<StatefulSet>(STATEFUL_SET).await;

    stage.start_controller().await;
    stage
        .bus("{jetstream: {version: 2.10.29, replicas: 3}}")
        .await;
    stage.condition("Deployed", True, "Succeeded").await;
    assert_eq!(data(&stage, SERVER_SECRET).await, server);
    assert_eq!(data(&stage, CLIENT_SECRET).await, client);
    let second = stage.made::<StatefulSet>(STATEFUL_SET).await;
    let hash = "/spec/template/metadata/annotations/events.argoproj.io~1bus-config-hash";
    assert_eq!(first.pointer(hash).unwrap(), second.pointer(hash).unwrap());

    stage.delete::<Secret>(CLIENT_SECRET).await;
    stage.start_controller().await;
    eventually("the clients' Secret again", async || {
        stage.get::<Secret>(CLIENT_SECRET).await
    })
    .await;
    assert_eq!(data(&stage, CLIENT_SECRET).await, client);

    stage.delete::<Secret>(SERVER_SECRET).await;
    stage.start_controller().await;
    eventually("the servers' Secret again", async || {
        stage.get::<Secret>(SERVER_SECRET).await
    })
    .await;
    let restored = data(&stage, SERVER_SECRET).await;
    assert_eq!(restored["encryption"], server["encryption"]);
    let line = |text: &Value| {
        let lines = text.as_str().unwrap().lines();
        let mut lines = lines.filter(|line| line.contains("user:"));
        lines.next().unwrap().to_owned()
    };
    assert_eq!(line(&restored["auth"]), line(&server["auth"]));
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_left_alone() {
    let stage = Stage::start().await;
    let foreign = format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: {SERVER_SECRET}}}, \
         stringData: {{auth: mine}}}}"
    );
    stage.world.apply(&foreign).await;
    stage.bus(PIPELINE).await;
    let condition = stage
        .condition("Deployed", False, "JetStreamAuthSecretsFailed")
        .await;
    assert_eq!(
        message(&condition),
        "Secret eventbus-eb-js-server exists and belongs to somebody else: rename or delete it"
    );
    assert_eq!(data(&stage, SERVER_SECRET).await, json!({"auth": "mine"}));
    stage.delete::<Secret>(SERVER_SECRET).await;
    stage.condition("Deployed", True, "Succeeded").await;
}

#[tokio::test]
async fn nothing_is_made_of_an_unknown_version() {
    let stage = Stage::start().await;
    stage.bus("{jetstream: {version: 1.0.0}}").await;
    let condition = stage
        .condition("Deployed", False, "JetStreamStatefulSetFailed")
        .await;
    let text = "unsupported version \"1.0.0\", supported versions: \"latest,";
    assert!(message(&condition).starts_with(text), "{condition:?}");
    assert!(stage.get::<Secret>(SERVER_SECRET).await.is_none());
    assert!(stage.get::<Service>(SERVICE).await.is_none());
    stage.bus("{jetstream: {version: latest}}").await;
    stage.condition("Deployed", True, "Succeeded").await;
}

#[tokio::test]
async fn faults_of_a_spec_are_told_with_their_fields() {
    let stage = Stage::start().await;
    stage
        .bus("{jetstream: {version: latest, replicas: 1, streamConfig: \"replicas: 3\"}}")
        .await;
    let condition = stage.condition("Configured", False, "InvalidSpec").await;
    assert_eq!(
        message(&condition),
        "spec.jetstream.streamConfig: replicas: 3 copies need as many servers, and there are 1 \
         (raise spec.jetstream.replicas, or lower the replicas of the stream)"
    );
    stage.condition("Ready", False, "InvalidSpec").await;
    assert!(stage.get::<StatefulSet>(STATEFUL_SET).await.is_none());
}
