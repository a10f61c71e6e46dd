//! Edits of what runs: good ones act at once, bad ones do not.

use std::sync::atomic::{AtomicUsize, Ordering};

use tiphys_tests::{Cluster, Story, eventually, kubectl_patience};

use crate::harbour::{SENSOR_OBJECT, SENSOR_PODS, bus_of_one, lives, ready, sensor, serve, start};

/// A jq program that ends too early.
const BAD_JQ: &str = ".a |";

/// The webhook is unavailable, and comes back in any case.
struct WithoutWebhook {
    cluster: &'static Cluster,
}

impl WithoutWebhook {
    async fn new(cluster: &'static Cluster) -> Self {
        let without = Self { cluster };
        cluster
            .installation("scale deployment/events-webhook --replicas=0".split(' '))
            .await;
        let gone = "wait --for=delete pod -l app=events-webhook";
        let patience = kubectl_patience();
        cluster
            .installation(gone.split(' ').chain([&*patience]))
            .await;
        without
    }

    /// Brings it back, and waits until it answers.
    async fn end(self) {
        let cluster = self.cluster;
        drop(self);
        cluster.installed("deployment/events-webhook").await;
    }
}

impl Drop for WithoutWebhook {
    fn drop(&mut self) {
        self.cluster
            .restore(&["scale", "deployment/events-webhook", "--replicas=1"]);
    }
}

async fn patch(story: &Story, path: &str, value: &str) {
    let changes = format!(r#"[{{"op": "add", "path": "{path}", "value": {value}}}]"#);
    story
        .kubectl(["patch", SENSOR_OBJECT, "--type=json", "-p", &changes])
        .await;
}

async fn label_ingresses(story: &Story, tier: &str) {
    let path = "/spec/triggers/0/template/k8s/source/resource/metadata/labels";
    patch(story, path, &format!(r#"{{"tier": "{tier}"}}"#)).await;
}

async fn tier(story: &Story, service: &str) -> String {
    let ingress = format!("ingress/{service}-ing");
    story
        .kubectl(["get", &ingress, "-o", "jsonpath={.metadata.labels.tier}"])
        .await
}

#[tokio::test]
async fn an_edit_acts_without_a_restart() {
    let story = ready().await;
    serve(&story, &["before"]).await;
    let pods = lives(&story, SENSOR_PODS).await;
    label_ingresses(&story, "two").await;
    let attempts = AtomicUsize::new(0);
    eventually("the edit", || async {
        let service = format!("after-{}", attempts.fetch_add(1, Ordering::Relaxed));
        serve(&story, &[&service]).await;
        (tier(&story, &service).await == "two").then_some(())
    })
    .await;
    assert_eq!(tier(&story, "before").await, "");
    assert_eq!(lives(&story, SENSOR_PODS).await, pods);
}

#[tokio::test]
async fn a_faulty_edit_is_refused_and_changes_nothing_where_nobody_refuses_it() {
    // It takes the webhook away.
    let story = Cluster::open().story_alone().await;
    start(&story, bus_of_one(&story)).await;
    let pods = lives(&story, SENSOR_PODS).await;
    let faulty = sensor(&story);
    let good =
        "jq: '.operation = ({\"ADD\": \"create\", \"DELETE\": \"delete\"}[.type] // \"update\")'";
    assert!(faulty.contains(good));
    let faulty = faulty.replace(good, &format!("jq: '{BAD_JQ}'"));
    let refusal = story.refused(&faulty).await;
    assert!(
        refusal.contains("spec.dependencies[0].transform.jq"),
        "{refusal}"
    );

    let without = WithoutWebhook::new(story.cluster()).await;
    story.apply(&faulty).await;
    let message = story
        .told(SENSOR_OBJECT, "DependenciesProvided", ("False", ""))
        .await;
    assert!(
        message.starts_with("spec.dependencies[0].transform.jq: "),
        "{message}"
    );
    let told = story.condition(SENSOR_OBJECT, "Ready").await;
    assert_eq!((told.status.as_str(), told.message), ("False", message));
    // The one before goes on.
    serve(&story, &["meanwhile"]).await;
    without.end().await;

    story.apply(&sensor(&story)).await;
    story.wait("condition=Ready", &[SENSOR_OBJECT]).await;
    serve(&story, &["after"]).await;
    assert_eq!(lives(&story, SENSOR_PODS).await, pods);
}
