//! Where a pod finds its login of Google, with servers of our own for what gives tokens; and what becomes of a
//! subscription that goes with its event source.

use std::path::Path;

use kube::api::DeleteParams;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tiphys_api::EventSource;
use tiphys_testbed::{Nats, NatsOptions};
use tiphys_tests::google::{Google, PROJECT, numbered, tokens};
use tiphys_tests::web::Web;
use tiphys_tests::{Pod, Tiphys, World, eventually, programs, stored_object};

use crate::hosts::create;
use crate::stored::until_stored;

const TOKEN: &str = "ya29.right";

/// Pub/Sub with a topic, a bus, and pods of an event source without a login of its own.
struct Stage {
    google: Google,
    tokens: Web,
    nats: Nats,
    pods: Pod,
}

impl Stage {
    async fn new(event: &Value) -> Self {
        let google = Google::strict(TOKEN).await;
        google.make_topic("orders").await;
        let tokens = tokens(TOKEN).await;
        let starting =
            tokio::task::spawn_blocking(|| Nats::start(programs(), &NatsOptions::default()));
        let nats = starting.await.unwrap().unwrap();
        let object = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource",
            "metadata": {"name": "es"}, "spec": {"pubSub": {"ev": event}}});
        let object = stored_object("ns", &object.to_string());
        let mut pods = Pod::at(Path::new("/nowhere"), "ns", &nats.url(), &object);
        pods.trust(google.authority().unwrap());
        let place = format!("https://{}/", google.address());
        pods.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB", place);
        // Whoever runs this may have a login.
        pods.set("GOOGLE_APPLICATION_CREDENTIALS", "");
        pods.set("CLOUDSDK_CONFIG", "/nowhere");
        pods.set("GCE_METADATA_HOST", tokens.address().to_string());
        Self {
            google,
            tokens,
            nats,
            pods,
        }
    }

    /// Waits until a message that is published is an event.
    async fn receives(&mut self, tiphys: &Tiphys) {
        let is_well = |report: &Value| report["parts"][0]["health"]["ok"] == true;
        tiphys.reported("an event that listens", is_well).await;
        self.google.publish("orders", numbered(0..1, None)).await;
        until_stored(&self.nats.url(), 1).await;
    }
}

fn file(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metadata_server_is_asked_last_and_knows_the_project() {
    let mut stage = Stage::new(&json!({"topic": "orders", "jsonBody": true})).await;
    let tiphys = stage.pods.start("pod-0");
    stage.receives(&tiphys).await;
    let asked = stage.tokens.asked();
    let paths: Vec<&str> = asked.iter().map(|asked| &*asked.path).collect();
    let token = "/computeMetadata/v1/instance/service-accounts/default/token?scopes=\
                 https://www.googleapis.com/auth/pubsub";
    assert_eq!(paths, ["/computeMetadata/v1/project/project-id", token]);
    let asked = stage.google.asked();
    let begun = ["TestIamPermissions", "CreateSubscription", "StreamingPull"];
    assert_eq!(asked[..3], begun, "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_somebody_elses_is_exchanged_for_that_of_a_service_account() {
    let event = json!({"projectID": PROJECT, "topic": "orders", "jsonBody": true});
    let mut stage = Stage::new(&event).await;
    let subject = file(r#"{"id_token": "jwt"}"#);
    let credentials = json!({
        "type": "external_account",
        "audience": "//iam/harbour",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": stage.tokens.url("/sts"),
        "service_account_impersonation_url":
            stage.tokens.url("/act/tiphys@harbour:generateAccessToken"),
        "credential_source": {
            "file": subject.path(),
            "format": {"type": "json", "subject_token_field_name": "id_token"},
        },
    });
    let credentials = file(&credentials.to_string());
    let variable = "GOOGLE_APPLICATION_CREDENTIALS";
    stage.pods.set(variable, credentials.path());
    let tiphys = stage.pods.start("pod-0");
    stage.receives(&tiphys).await;
    let asked = stage.tokens.asked();
    let paths: Vec<&str> = asked.iter().map(|asked| &*asked.path).collect();
    assert_eq!(paths, ["/sts", "/act/tiphys@harbour:generateAccessToken"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_without_a_login_says_what_it_has_looked_for() {
    let event = json!({"projectID": PROJECT, "topic": "orders"});
    let mut stage = Stage::new(&event).await;
    stage.pods.set("GCE_METADATA_HOST", "127.0.0.1:1");
    let tiphys = stage.pods.start("pod-0");
    let is_missing = |report: &Value| report["parts"][0]["health"]["reason"] == "Missing";
    let report = tiphys.reported("that there is no login", is_missing).await;
    let health = report["parts"][0]["health"].to_string();
    for part in [
        "there is no login of Google: get the login of the pod from the metadata server 127.0.0.1:1",
        "set credentialSecret, or let the service account of the pod act for Google",
    ] {
        assert!(health.contains(part), "{health}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_refused_is_said_and_another_one_asked_for() {
    let event = json!({"projectID": PROJECT, "topic": "orders", "jsonBody": true});
    let mut stage = Stage::new(&event).await;
    let other = tokens("ya29.wrong").await;
    stage
        .pods
        .set("GCE_METADATA_HOST", other.address().to_string());
    let tiphys = stage.pods.start("pod-0");
    let is_refused = |report: &Value| {
        let health = &report["parts"][0]["health"];
        health["reason"] == "Unauthorized" && health.to_string().contains("the login of the pod")
    };
    tiphys.reported("a token that is refused", is_refused).await;
    let token = "/computeMetadata/v1/instance/service-accounts/default/token";
    eventually("another token", || async {
        let asked = other.asked().into_iter();
        let times = asked.filter(|asked| asked.path.starts_with(token)).count();
        (times >= 2).then_some(())
    })
    .await;
    assert!(!tiphys.output().contains("ya29."));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_goes_with_its_event_source_and_stays_when_a_pod_stops() {
    let world = World::start().await;
    let google = Google::emulator().await;
    google.make_topic("orders").await;
    let spec = json!({"pubSub": {"ev": {
        "projectID": PROJECT, "topic": "orders", "subscriptionID": "tiphys",
        "deleteSubscriptionOnFinish": true,
    }}});
    let object = create(&world, "es", &spec).await;
    let mut pods = Pod::of(&world, &object);
    pods.set("PUBSUB_EMULATOR_HOST", google.address());
    let listens = |report: &Value| report["parts"][0]["health"]["ok"] == true;
    let mut tiphys = pods.start("pod-0");
    tiphys.reported("an event that listens", listens).await;
    assert!(google.has_subscription("tiphys").await);
    tiphys.stop().await;
    assert!(google.has_subscription("tiphys").await);
    let mut tiphys = pods.start("pod-0");
    tiphys.reported("an event that listens", listens).await;
    let api = world.api::<EventSource>().await;
    api.delete("es", &DeleteParams::default()).await.unwrap();
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
    assert!(!google.has_subscription("tiphys").await);
}
