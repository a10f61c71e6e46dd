//! The admission webhook: the real process, with the rights that `deploy/default` gives it, asked by
//! a real API server; and what `kubectl` shows.

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use tiphys_tests::{PATIENCE, eventually};

use crate::cluster::{Cluster, Said};
use crate::repository;

const CONFIGURATION: &str = "webhook.argo-events.argoproj.io";

const BUS: &str = "
apiVersion: argoproj.io/v1alpha1
kind: EventBus
metadata: {name: default}
spec: {jetstream: {version: latest, replicas: 3}}
";

const BAD: &str = r#"
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: sn}
spec:
  dependencies:
  - {name: a, eventSourceName: es, eventName: e, transform: {jq: ".a |"}, filter: {}}
  triggers:
  - template: {name: log, conditions: a && b, log: {}}
  - template: {name: log, log: {}}
"#;

const GOOD: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: sn}
spec:
  dependencies:
  - {name: a, eventSourceName: es, eventName: e}
  triggers:
  - template: {name: log, log: {}}
";

#[track_caller]
fn taken(said: &Said) {
    assert!(said.succeeded, "{}", said.text);
    assert!(!said.text.contains("Warning"), "{}", said.text);
}

/// The webhook's answer, without what `kubectl` says around it.
#[track_caller]
fn denied(said: &Said) -> &str {
    assert!(!said.succeeded, "{}", said.text);
    let (_, message) = said
        .text
        .split_once("admission webhook \"webhook.argo-events.argoproj.io\" denied the request: ")
        .unwrap_or_else(|| panic!("{}", said.text));
    message.trim_end()
}

async fn secrets(cluster: &Cluster) -> Api<Secret> {
    Api::namespaced(cluster.client().await, "argo-events")
}

async fn certificate(cluster: &Cluster) -> ByteString {
    let secret = secrets(cluster)
        .await
        .get("events-webhook-certs")
        .await
        .unwrap();
    secret.data.unwrap()["server-cert.pem"].clone()
}

#[tokio::test]
async fn kubectl_apply_says_all_that_is_wrong() {
    let cluster = Cluster::installed().await;
    let _webhook = cluster.webhook("webhook", &[]).await;

    let said = cluster.apply(BAD);
    let expected = "invalid Sensor, 3 faults:\n  \
        spec.dependencies[0].transform.jq: unexpected end of the program, line 1 column 5\n  \
        spec.triggers[0].template.conditions: 'b' is not a dependency (the dependencies are: a)\n  \
        spec.triggers[1].template.name: duplicate trigger name: log";
    assert_eq!(denied(&said), expected);

    // A sensor may come before its bus, and a slip is told.
    let said = cluster.apply(&GOOD.replace("eventName: e", "eventName: e, filter: {}"));
    assert!(said.succeeded, "{}", said.text);
    for warning in [
        "Warning: spec.dependencies[0].filter: there is no such field, so it has no effect (did \
         you mean `filters`?)\n",
        "Warning: spec.eventBusName: there is no EventBus default in namespace playground yet; \
         the Sensor waits for it\n",
    ] {
        assert!(said.text.contains(warning), "{}", said.text);
    }
    taken(&cluster.apply(BUS));
    taken(&cluster.apply(GOOD));

    // Everything in one file, in any order.
    let folder = repository("examples/auto-ingress");
    let said = cluster.kubectl(["apply", "-f", folder.to_str().unwrap()]);
    assert!(said.succeeded, "{}", said.text);

    // What would cost events is not done.
    let said = cluster.apply(&BUS.replace("replicas: 3", "replicas: 1"));
    assert!(
        denied(&said)
            .starts_with("invalid EventBus: spec.jetstream.replicas: cannot change from 3 to 1: "),
        "{}",
        said.text
    );
    taken(&cluster.apply(&BUS.replace("replicas: 3", "replicas: 3, streamConfig: 'maxAge: 5m'")));
}

/// Whoever reaches the port is told what is wrong with an object, and not which buses there are.
#[tokio::test]
async fn only_the_api_server_hears_what_is_in_the_cluster() {
    let cluster = Cluster::installed().await;
    let webhook = cluster.webhook("webhook", &[]).await;
    let reviewed = |manifest: &str| {
        let words = ["-n", "playground", "apply", "--dry-run=server", "-f", "-"];
        cluster.kubectl_with(words, manifest)
    };
    let missing = "there is no EventBus default in namespace playground";
    eventually("a warning about the bus", || async {
        reviewed(GOOD).text.contains(missing).then_some(())
    })
    .await;
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client().await);
    let elsewhere = format!("{}/", webhook.url);
    let patch = json!({"webhooks": [{"name": CONFIGURATION, "clientConfig": {"url": elsewhere}}]});
    let patch = Patch::Strategic(patch);
    configurations
        .patch(CONFIGURATION, &PatchParams::default(), &patch)
        .await
        .unwrap();
    eventually("a review without a word about the bus", || async {
        let said = reviewed(GOOD);
        (said.succeeded && !said.text.contains(missing)).then_some(())
    })
    .await;
    let said = reviewed(BAD);
    assert!(denied(&said).starts_with("invalid Sensor, 3 faults:"));
}

#[tokio::test]
async fn a_faulty_object_of_old_can_be_labelled_and_deleted() {
    let cluster = Cluster::installed().await;
    taken(&cluster.apply(BAD));
    let _webhook = cluster.webhook("webhook", &[]).await;
    assert!(
        !cluster
            .apply(&BAD.replace("log: {}", "log: {intervalSeconds: 1}"))
            .succeeded
    );
    let here = |words: &str| {
        let words = format!("-n playground {words}");
        cluster.kubectl(words.split(' '))
    };
    taken(&here("label sensor sn team=a"));
    let finalizers =
        r#"patch sensor sn --type=merge -p {"metadata":{"finalizers":["sensor-controller"]}}"#;
    // The API server itself warns of such a name.
    assert!(here(finalizers).succeeded);
    taken(&here("delete sensor sn --wait=false"));
    taken(&here(
        r#"patch sensor sn --type=merge -p {"metadata":{"finalizers":[]}}"#,
    ));
    assert!(!here("get sensor sn").succeeded);
}

#[tokio::test]
async fn replicas_share_a_certificate_and_a_dead_webhook_holds_nobody_up() {
    let cluster = Cluster::installed().await;
    let (mut one, mut other) = tokio::join!(
        cluster.webhook("webhook-1", &[]),
        cluster.webhook("webhook-2", &[])
    );
    // Whoever came last was told to the API server; both show what it trusts.
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client().await);
    for url in [one.url.clone(), other.url.clone()] {
        let patch = json!({"webhooks": [{"name": CONFIGURATION, "clientConfig": {"url": url}}]});
        configurations
            .patch(
                CONFIGURATION,
                &PatchParams::default(),
                &Patch::Strategic(patch),
            )
            .await
            .unwrap();
        eventually("a denial", || async {
            let said = cluster.apply(BAD);
            (!said.succeeded).then_some(())
        })
        .await;
    }

    let secret = secrets(&cluster)
        .await
        .get("events-webhook-certs")
        .await
        .unwrap();
    let keys: Vec<String> = secret.data.unwrap().into_keys().collect();
    assert_eq!(
        keys,
        [
            "ca-cert.pem",
            "ca-key.pem",
            "server-cert.pem",
            "server-key.pem"
        ]
    );
    let owner = &secret.metadata.owner_references.unwrap()[0];
    assert_eq!(
        (owner.kind.as_str(), owner.name.as_str()),
        ("Deployment", "events-webhook")
    );
    let configuration = configurations.get(CONFIGURATION).await.unwrap();
    let owner = &configuration.metadata.owner_references.unwrap()[0];
    assert_eq!(
        (owner.kind.as_str(), owner.name.as_str()),
        ("ClusterRole", "argo-events-webhook")
    );

    let ended = one.running.process.terminate(PATIENCE).unwrap();
    assert!(ended.success(), "{ended}");
    other.running.process.kill().unwrap();
    let said = cluster.apply(BAD);
    assert!(said.succeeded, "{}", said.text);
}

#[tokio::test]
async fn certificates_are_renewed_while_reviews_go_on() {
    let cluster = Cluster::installed().await;
    // What Argo Events left: an authority whose key was thrown away.
    let old = json!({
        "metadata": {"name": "events-webhook-certs"},
        "stringData": {"server-key.pem": "x", "server-cert.pem": "x", "ca-cert.pem": "x"},
    });
    let old: Secret = serde_json::from_value(old).unwrap();
    secrets(&cluster)
        .await
        .create(&PostParams::default(), &old)
        .await
        .unwrap();

    let webhook = cluster
        .webhook("webhook", &["--certificate-life", "12s"])
        .await;
    let first = certificate(&cluster).await;
    for _ in 0..2 {
        let before = certificate(&cluster).await;
        eventually("a renewal", || async {
            // Each is answered, before, while and after the certificate changes.
            assert_eq!(denied(&cluster.apply(BAD)).lines().count(), 4);
            (certificate(&cluster).await != before).then_some(())
        })
        .await;
    }
    // The first one has expired by the time.
    eventually("the use of a new certificate", || async {
        let log = webhook.running.log();
        (log.matches("Showing a new certificate").count() >= 2).then_some(())
    })
    .await;
    assert_ne!(certificate(&cluster).await, first);
    assert_eq!(denied(&cluster.apply(BAD)).lines().count(), 4);
    assert!(
        !webhook.running.log().contains("unexpected end"),
        "objects are not logged"
    );
}

#[tokio::test]
async fn what_somebody_takes_away_comes_back() {
    let cluster = Cluster::installed().await;
    // It looks whenever a certificate is due.
    let _webhook = cluster
        .webhook("webhook", &["--certificate-life", "9s"])
        .await;
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client().await);
    let delete = DeleteParams::default();
    configurations.delete(CONFIGURATION, &delete).await.unwrap();
    secrets(&cluster)
        .await
        .delete("events-webhook-certs", &delete)
        .await
        .unwrap();
    eventually("the Secret's return", || async {
        secrets(&cluster)
            .await
            .get_opt("events-webhook-certs")
            .await
            .unwrap()
    })
    .await;
    eventually("a denial", || async {
        let dry = ["-n", "playground", "create", "--dry-run=server", "-f", "-"];
        let said = cluster.kubectl_with(dry, BAD);
        (!said.succeeded).then_some(())
    })
    .await;
}
