//! What is wrong is told in words that help, and heals by itself when its cause goes.

use tiphys_tests::{Cluster, eventually};

use crate::harbour::{
    SENSOR_OBJECT, SENSOR_PODS, SOURCE_OBJECT, SOURCE_PODS, all, are_ready, bus_of_one,
    event_source, lives, rbac, ready, sensor, serve,
};

/// A Sensor that needs a Secret for its requests.
const CALLER: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: caller}
spec:
  eventBusName: jetstream-eb
  dependencies:
  - {name: d, eventSourceName: ingress-es, eventName: ingress}
  triggers:
  - template:
      name: call
      http:
        url: http://127.0.0.1:1
        method: POST
        basicAuth:
          password: {name: login, key: password}
";

#[tokio::test]
async fn a_missing_bus_and_missing_rights_are_told_and_heal() {
    let story = Cluster::open().story().await;
    let account = format!(
        "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: {}-sa}}}}",
        story.namespace()
    );
    story
        .apply(&all(&[account, event_source(&story), sensor(&story)]))
        .await;
    for object in [SOURCE_OBJECT, SENSOR_OBJECT] {
        let told = story.told(object, "Deployed", ("False", "EventBusNotFound"));
        let message = told.await;
        assert!(
            message.starts_with("there is no EventBus jetstream-eb in namespace "),
            "{message}"
        );
    }
    story.apply(&bus_of_one(&story)).await;
    story.wait("condition=Ready", &[SENSOR_OBJECT]).await;

    let told = story.told(SOURCE_OBJECT, "WatchSynced", ("False", "Forbidden"));
    let message = told.await;
    let account = format!("system:serviceaccount:{0}:{0}-sa", story.namespace());
    for part in ["list", "services", &account] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let ready = story.condition(SOURCE_OBJECT, "Ready").await;
    assert_eq!((&*ready.status, &*ready.reason), ("False", "Forbidden"));
    let pods = lives(&story, SOURCE_PODS).await;
    story.apply(&rbac(&story)).await;
    are_ready(&story).await;
    serve(&story, &["after"]).await;
    assert_eq!(lives(&story, SOURCE_PODS).await, pods);
}

#[tokio::test]
async fn pods_that_cannot_start_are_told_and_heal() {
    let story = ready().await;
    let selector = r#"{"spec": {"template": {"nodeSelector": {"no": "such-node"}}}}"#;
    story
        .kubectl(["patch", SENSOR_OBJECT, "--type=merge", "-p", selector])
        .await;
    let told = story.told(SENSOR_OBJECT, "Available", ("False", "Unschedulable"));
    let message = told.await;
    assert!(
        message.contains("didn't match Pod's node affinity/selector"),
        "{message}"
    );
    // The pod of before goes on meanwhile.
    serve(&story, &["meanwhile"]).await;
    let none = r#"{"spec": {"template": {"nodeSelector": null}}}"#;
    story
        .kubectl(["patch", SENSOR_OBJECT, "--type=merge", "-p", none])
        .await;
    story.wait("condition=Ready", &[SENSOR_OBJECT]).await;

    story.apply(CALLER).await;
    let caller = "sensor/caller";
    let told = story.told(caller, "Available", ("False", "MissingKeys"));
    let message = told.await;
    assert!(message.contains("login"), "{message}");
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: login}, stringData: {other: x}}";
    story.apply(secret).await;
    let secret = secret.replace("other", "password");
    story.apply(&secret).await;
    story.wait("condition=Ready", &[caller]).await;
    assert_eq!(lives(&story, SENSOR_PODS).await.len(), 1);
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_told_and_heals() {
    let story = ready().await;
    let pods = lives(&story, SENSOR_PODS).await;
    // The image is on the node only: no registry has it.
    let always = r#"{"spec": {"template": {"container": {"imagePullPolicy": "Always"}}}}"#;
    story
        .kubectl(["patch", SENSOR_OBJECT, "--type=merge", "-p", always])
        .await;
    let told = story.told(SENSOR_OBJECT, "Available", ("False", "ImagePullBackOff"));
    let message = told.await;
    assert!(message.contains(story.cluster().image()), "{message}");
    // The pod of before goes on meanwhile.
    serve(&story, &["meanwhile"]).await;
    let none = r#"{"spec": {"template": {"container": null}}}"#;
    story
        .kubectl(["patch", SENSOR_OBJECT, "--type=merge", "-p", none])
        .await;
    story.wait("condition=Ready", &[SENSOR_OBJECT]).await;
    serve(&story, &["after"]).await;
    eventually("the end of the pod that could not start", || async {
        (lives(&story, SENSOR_PODS).await == pods).then_some(())
    })
    .await;
}
