//! Who asks and who signs, while that changes: secrets that are rotated, tokens that are revoked, the lease.

use std::path::Path;

use kube::api::DeleteParams;
use serde_json::{Value, json};
use tiphys_api::EventSource;
use tiphys_testbed::{Certificates, Nats, NatsOptions, free_port};
use tiphys_tests::host::{Host, Style};
use tiphys_tests::{Pod, Tunnel, World, eventually, programs, stored_object};

use super::{create, github, key, ready, signature, webhook};
use crate::caller::Caller;

/// Calls were refused until the hook had the new secret, which took five minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_secret_is_rotated_no_call_is_lost() {
    let nats = tokio::task::spawn_blocking(|| Nats::start(programs(), &NatsOptions::default()));
    let nats = nats.await.unwrap().unwrap();
    for style in [Style::Github, Style::Gitlab] {
        let host = Host::start(style).await;
        let port = free_port().unwrap();
        let (place, spec, read): (_, _, fn(&Value) -> &Value) = match style {
            Style::Github => ("repos/argo/harbour", github(&host, port), |hook| {
                &hook["config"]["secret"]
            }),
            _ => (
                "projects/argo%2Fharbour",
                json!({"gitlab": {"push": {
                    "webhook": webhook(port), "projects": ["argo/harbour"], "events": ["PushEvents"],
                    "accessToken": {"name": "github", "key": "token"},
                    "secretToken": {"name": "github", "key": "secret"}, "gitlabBaseURL": host.url("")
                }}}),
                |hook| &hook["token"],
            ),
        };
        let name = format!("{style:?}").to_lowercase();
        let yaml = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource",
            "metadata": {"name": name}, "spec": spec});
        let object = stored_object("ns", &yaml.to_string());
        let nowhere = Path::new("/nonexistent");
        let pod = Pod::at(nowhere, "ns", &nats.url(), &object);
        let secret = |secret: &str| {
            let files = [
                ("token", b"t0ken".as_slice()),
                ("secret", secret.as_bytes()),
            ];
            pod.volume("values/secrets/github", &files);
        };
        secret("s3cret");
        let tiphys = pod.start(&name);
        let has = |wanted: &'static str| {
            let hooks = host.ours(place);
            hooks.len() == 1 && read(&hooks[0]) == wanted
        };
        eventually("a hook", || async { has("s3cret").then_some(()) }).await;
        ready(&tiphys).await;
        // What the host sends as it signs: with what its hook has, and what it has sent before comes late.
        let call = async |secret: &str| {
            let mut caller = Caller::to(port).await;
            let header = match style {
                Style::Github => format!("X-Hub-Signature-256: sha256={}", signature(secret, "{}")),
                _ => format!("X-Gitlab-Token: {secret}"),
            };
            caller
                .ask("POST", "/push", &[&header], "{}")
                .await
                .unwrap()
                .status
        };
        assert_eq!(call("s3cret").await, 200);
        secret("n3w");
        eventually("the new secret to count", || async {
            assert_eq!(call("s3cret").await, 200, "{name}: the hook has it");
            (call("n3w").await == 200).then_some(())
        })
        .await;
        eventually("a hook with the new secret", || async {
            has("n3w").then_some(())
        })
        .await;
        assert_eq!(call("n3w").await, 200, "{name}");
        assert_eq!(call("s3cret").await, 200, "{name}: it was on its way");
        assert_eq!(call("guessed").await, 401, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_pods_the_lease_holder_alone_keeps_the_hook() {
    let world = World::start().await;
    let host = Host::start(Style::Github).await;
    let port = free_port().unwrap();
    let mut spec = github(&host, port);
    spec["replicas"] = 2.into();
    let object = create(&world, "code", &spec).await;
    // On one machine, each needs a port of its own.
    let mut other_object = object.clone();
    let other_port = free_port().unwrap();
    other_object["spec"]["github"]["push"]["webhook"]["port"] = other_port.to_string().into();
    let pods = [Pod::of(&world, &object), Pod::of(&world, &other_object)];
    for pod in &pods {
        let files = [
            ("token", b"t0ken".as_slice()),
            ("secret", b"s3cret".as_slice()),
        ];
        pod.volume("values/secrets/github", &files);
    }
    let mut holder = pods[0].start("pod-0");
    holder.logged("Holding the lease").await;
    let mut standby = pods[1].start("pod-1");
    let places = ["repos/argo/harbour", "repos/argo/mast"];
    let hooks = || places.map(|place| host.ours(place).len());
    eventually("both hooks", || async { (hooks() == [1, 1]).then_some(()) }).await;
    // Both answer.
    for (tiphys, port) in [(&holder, port), (&standby, other_port)] {
        ready(tiphys).await;
        let signed = format!("X-Hub-Signature-256: sha256={}", signature("s3cret", "{}"));
        let delivery = format!("X-GitHub-Delivery: {port}");
        let mut caller = Caller::to(port).await;
        let headers = [&*signed, &*delivery];
        let answered = caller.ask("POST", "/push", &headers, "{}").await.unwrap();
        assert_eq!(answered.status, 200, "{answered:?}");
    }

    let api = world.api::<EventSource>().await;
    api.delete("code", &DeleteParams::default()).await.unwrap();
    assert!(standby.stop().await.success());
    assert_eq!(hooks(), [1, 1], "it holds no lease");
    assert!(holder.stop().await.success());
    assert_eq!(hooks(), [0, 0]);
    assert_eq!(host.calls("POST"), 2, "one for each place");
    assert_eq!(host.calls("DELETE"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_asks_for_another_token_when_its_token_is_revoked() {
    let nats = tokio::task::spawn_blocking(|| Nats::start(programs(), &NatsOptions::default()));
    let nats = nats.await.unwrap().unwrap();
    let host = Host::start(Style::Github).await;
    let mut spec = github(&host, free_port().unwrap());
    let event = spec["github"]["push"].as_object_mut().unwrap();
    event.remove("apiToken");
    event.insert(
        "githubApp".to_owned(),
        json!({"privateKey": {"name": "github", "key": "app"}, "appID": 17, "installationID": 5}),
    );
    let yaml = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource",
        "metadata": {"name": "app"}, "spec": spec});
    let object = stored_object("ns", &yaml.to_string());
    let nowhere = Path::new("/nonexistent");
    let pod = Pod::at(nowhere, "ns", &nats.url(), &object);
    let key = include_str!("../../../src/google/key.pem");
    let secret = |secret: &str| {
        let files = [("app", key.as_bytes()), ("secret", secret.as_bytes())];
        pod.volume("values/secrets/github", &files);
    };
    secret("s3cret");
    let _tiphys = pod.start("pod-0");
    let place = "repos/argo/harbour";
    let has = |wanted: &'static str| {
        let hooks = host.ours(place);
        (hooks.len() == 1 && hooks[0]["config"]["secret"] == wanted).then_some(())
    };
    eventually("a hook", || async { has("s3cret") }).await;
    assert_eq!(host.tokens(), 1, "it is kept");

    // It holds for an hour, and is taken away before.
    host.revoke();
    secret("n3w");
    eventually("a hook with the new secret", || async { has("n3w") }).await;
    assert_eq!(host.tokens(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_checked_with_what_stripe_has_chosen_for_an_endpoint_that_was_made() {
    let nats = tokio::task::spawn_blocking(|| Nats::start(programs(), &NatsOptions::default()));
    let nats = nats.await.unwrap().unwrap();
    let certificates = Certificates::generate_for(&["api.stripe.com"]).unwrap();
    let host = Host::start_tls(Style::Stripe, &certificates).await;
    let tunnel = Tunnel::start(host.address()).await;
    let port = free_port().unwrap();
    let yaml = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource",
    "metadata": {"name": "charged"}, "spec": {"stripe": {"ev": {
        "webhook": webhook(port), "createWebhook": true, "apiKey": key("token")
    }}}});
    let object = stored_object("ns", &yaml.to_string());
    let nowhere = Path::new("/nonexistent");
    let mut pod = Pod::at(nowhere, "ns", &nats.url(), &object);
    pod.set("HTTPS_PROXY", tunnel.url());
    pod.trust(&certificates.authority);
    pod.volume("values/secrets/host", &[("token", b"t0ken".as_slice())]);
    let call = async |secret: &str| {
        let now = jiff::Timestamp::now().as_second();
        let body = r#"{"id":"evt_1","type":"charge.succeeded"}"#;
        let signed = signature(secret, &format!("{now}.{body}"));
        let header = format!("Stripe-Signature: t={now},v1={signed}");
        let mut caller = Caller::to(port).await;
        let answered = caller.ask("POST", "/push", &[&header], body).await;
        answered.unwrap().status
    };
    // After a restart it is still known, though Stripe does not show it again.
    for name in ["pod-0", "pod-1"] {
        let mut tiphys = pod.start(name);
        eventually("an endpoint", || async {
            (host.ours("webhook_endpoints").len() == 1).then_some(())
        })
        .await;
        ready(&tiphys).await;
        eventually("a check of signatures", || async {
            (call("whsec_guessed").await == 401).then_some(())
        })
        .await;
        assert_eq!(call("whsec_chosen").await, 200);
        assert!(tiphys.stop().await.success());
    }
    assert_eq!(host.calls("POST"), 1);
}
