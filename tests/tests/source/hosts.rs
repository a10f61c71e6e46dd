//! Code hosts and their like: hooks are kept at servers that answer in pages, calls are checked by what
//! the host signs with, and all of it becomes events.

mod logins;

use std::sync::Arc;

use hmac::{Hmac, Mac};
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};
use sha2::Sha256;
use tiphys_api::EventSource;
use tiphys_testbed::{Certificates, Nats, NatsOptions, free_port};
use tiphys_tests::host::{Host, Style};
use tiphys_tests::{Pod, Tiphys, Tunnel, World, eventually, programs, stored_object};

use crate::base16;
use crate::caller::{Caller, answer};
use crate::stored::stored;

const CRD: &str = include_str!("../../../crds/eventsources.argoproj.io.yaml");

/// An event source in the cluster of `world`, as it is stored there.
pub(crate) async fn create(world: &World, name: &str, spec: &Value) -> Value {
    let object = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "EventSource",
        "metadata": {"name": name, "namespace": world.namespace()},
        "spec": spec
    });
    world.apply(CRD).await;
    let object: EventSource = serde_json::from_value(object).unwrap();
    let api = world.api::<EventSource>().await;
    let created = eventually("a cluster that knows event sources", || async {
        api.create(&PostParams::default(), &object).await.ok()
    });
    serde_json::to_value(created.await).unwrap()
}

fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let digest = mac.finalize().into_bytes();
    base16(&digest)
}

async fn ready(tiphys: &Tiphys) {
    eventually("a pod that is ready", || async {
        (tiphys.get("/readyz").await?.0 == 200).then_some(())
    })
    .await;
}

/// Two repositories, whose hooks go with the event source.
fn github(host: &Host, port: u16) -> Value {
    let key = |key: &str| json!({"name": "github", "key": key});
    json!({"github": {"push": {
        "webhook": {"port": port.to_string(), "endpoint": "/push", "method": "POST",
            "url": "https://us.example"},
        "repositories": [{"owner": "argo", "names": ["harbour", "mast"]}],
        "events": ["push", "pull_request"],
        "apiToken": key("token"), "webhookSecret": key("secret"),
        "active": true, "contentType": "json", "deleteHookOnFinish": true,
        "githubBaseURL": host.url("/api/v3"), "githubUploadURL": host.url("/api/uploads")
    }}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn github_is_told_where_to_call_and_its_calls_become_events() {
    let world = World::start().await;
    let host = Host::start(Style::Github).await;
    // On the second page, and of another time: other events, and it is paused.
    for other in ["https://a", "https://b", "https://c"] {
        host.add(
            "repos/argo/harbour",
            json!({"config": {"url": other}, "events": ["push"]}),
        );
    }
    host.add(
        "repos/argo/harbour",
        json!({"config": {"url": "https://us.example/push", "content_type": "json", "insecure_ssl": "0"},
            "events": ["issues"], "active": false}),
    );
    let port = free_port().unwrap();
    let object = create(&world, "code", &github(&host, port)).await;
    let pod = Pod::of(&world, &object);
    let secret = |secret: &str| {
        let files = [
            ("token", b"t0ken\n".as_slice()),
            ("secret", secret.as_bytes()),
        ];
        pod.volume("values/secrets/github", &files);
    };
    secret("s3cret");
    let mut tiphys = pod.start("pod-0");
    let hooks = eventually("both hooks", || async {
        let hooks = ["repos/argo/harbour", "repos/argo/mast"].map(|place| host.ours(place));
        hooks
            .iter()
            .all(|hooks| hooks.len() == 1 && hooks[0]["config"]["secret"] == "s3cret")
            .then_some(hooks)
    })
    .await;
    for hook in hooks.iter().flatten() {
        assert_eq!(hook["events"], json!(["pull_request", "push"]), "{hook}");
        assert_eq!(hook["active"], true, "{hook}");
        assert_eq!(hook["config"]["content_type"], "json", "{hook}");
    }
    assert_eq!(host.hooks("repos/argo/harbour").len(), 4);
    assert_eq!(host.logins(), ["Bearer t0ken"]);

    // Whoever signs with something else stays outside.
    ready(&tiphys).await;
    let mut caller = Caller::to(port).await;
    let body = r#"{"ref":"refs/heads/main"}"#;
    let wrong = format!("X-Hub-Signature-256: sha256={}", signature("guessed", body));
    let right = format!("X-Hub-Signature-256: sha256={}", signature("s3cret", body));
    for (header, expected) in [
        (
            "A: b",
            answer(401, "the header X-Hub-Signature-256 is missing"),
        ),
        (
            &*wrong,
            answer(401, "X-Hub-Signature-256 is not the signature of the body"),
        ),
        (&*right, answer(200, "success")),
        // GitHub was not sure that it arrived.
        (&*right, answer(200, "success")),
    ] {
        let headers = [
            "Content-Type: application/json",
            "X-GitHub-Event: push",
            "X-GitHub-Delivery: 1",
            header,
        ];
        let answered = caller.ask("POST", "/push", &headers, body).await.unwrap();
        assert_eq!(answered, expected, "{header}");
    }
    let found = stored(&world.nats().url()).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    let payload: Value = serde_json::from_str(&found[0].payload).unwrap();
    assert_eq!(
        payload["body"],
        json!({"ref": "refs/heads/main", "X-GitHub-Event": "push", "X-GitHub-Delivery": "1"})
    );
    assert_eq!(found[0].event["type"], "github");

    tiphys.terminate();
    tiphys.ended().await;
    // The object is still there: so are the hooks.
    assert_eq!(host.ours("repos/argo/mast").len(), 1);
    // A secret that has become another one meanwhile gets there.
    secret("n3w");
    let mut tiphys = pod.start("pod-0");
    eventually("hooks with the new secret", || async {
        let hooks = host.ours("repos/argo/mast");
        (hooks.len() == 1 && hooks[0]["config"]["secret"] == "n3w").then_some(())
    })
    .await;

    let api = world.api::<EventSource>().await;
    api.delete("code", &DeleteParams::default()).await.unwrap();
    tiphys.terminate();
    tiphys.ended().await;
    assert_eq!(host.ours("repos/argo/harbour"), Vec::<Value>::new());
    assert_eq!(host.ours("repos/argo/mast"), Vec::<Value>::new());
    assert_eq!(host.hooks("repos/argo/harbour").len(), 3);
}

/// Hooks, and one call, of a kind whose host speaks in its own way.
struct Kind {
    style: Style,
    /// Where hooks are at the host.
    place: &'static str,
    spec: fn(&Host, port: u16) -> Value,
    /// Headers and answer of a call with the body `{}`.
    calls: Vec<(Vec<String>, u16)>,
    /// What the hook has to be, in part.
    hook: Value,
}

fn webhook(port: u16) -> Value {
    json!({"port": port.to_string(), "endpoint": "/push", "method": "POST", "url": "https://us.example"})
}

fn key(key: &str) -> Value {
    json!({"name": "host", "key": key})
}

fn kinds() -> Vec<Kind> {
    let header = |text: &str| vec![text.to_owned()];
    let signed = |secret: &str| {
        header(&format!(
            "X-Hub-Signature: sha256={}",
            signature(secret, "{}")
        ))
    };
    vec![
        Kind {
            style: Style::Gitlab,
            place: "projects/argo%2Fharbour",
            spec: |host, port| {
                json!({"gitlab": {"ev": {
                    "webhook": webhook(port), "projects": ["argo/harbour"], "events": ["PushEvents"],
                    "accessToken": key("token"), "secretToken": key("secret"),
                    "enableSSLVerification": true, "gitlabBaseURL": host.url("")
                }}})
            },
            calls: vec![
                (header("X-Gitlab-Token: guessed"), 401),
                (vec![], 401),
                (header("X-Gitlab-Token: s3cret"), 200),
            ],
            hook: json!({"push_events": true, "issues_events": false, "token": "s3cret",
                "enable_ssl_verification": true}),
        },
        Kind {
            style: Style::BitbucketServer,
            place: "api/1.0/projects/ARGO/repos/harbour",
            spec: |host, port| {
                json!({"bitbucketserver": {"ev": {
                    "webhook": webhook(port), "projects": ["ARGO"], "events": ["pr:opened"],
                    "accessToken": key("token"), "webhookSecret": key("secret"),
                    "checkInterval": "1s", "bitbucketserverBaseURL": host.url("/rest")
                }}})
            },
            calls: vec![
                (signed("guessed"), 401),
                (vec![], 401),
                (signed("s3cret"), 200),
            ],
            hook: json!({"active": true, "events": ["pr:opened"], "configuration": {"secret": "s3cret"}}),
        },
        Kind {
            style: Style::Gerrit,
            place: "config/server/webhooks~projects/argo%2Fharbour",
            spec: |host, port| {
                json!({"gerrit": {"ev": {
                    "webhook": webhook(port), "projects": ["argo/harbour"], "hookName": "us",
                    "events": ["patchset-created"], "gerritBaseURL": host.url(""), "sslVerify": true,
                    "auth": {"username": key("user"), "password": key("token")}
                }}})
            },
            calls: vec![(vec![], 200)],
            hook: json!({"events": ["patchset-created"], "sslVerify": true}),
        },
        Kind {
            style: Style::StorageGrid,
            place: "org/endpoints",
            spec: |host, port| {
                json!({"storageGrid": {"ev": {
                    "webhook": webhook(port), "events": ["s3:ObjectCreated:*"], "bucket": "harbour",
                    "topicArn": "urn:a:sns:us-east-1::t", "apiURL": host.url("/api/v3"),
                    "authToken": key("token")
                }}})
            },
            calls: vec![(vec![], 400)],
            hook: json!({"endpointURN": "urn:a:sns:us-east-1::t", "authType": "anonymous"}),
        },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_host_keeps_one_hook_that_is_as_it_should_be() {
    let world = World::start().await;
    for kind in kinds() {
        let host = Arc::new(Host::start(kind.style).await);
        let port = free_port().unwrap();
        let name = format!("{:?}", kind.style).to_lowercase();
        let object = create(&world, &name, &(kind.spec)(&host, port)).await;
        host.add(kind.place, host.hook("https://other"));
        // Made twice, by two pods that did not know of each other.
        if kind.style.has_lists() {
            host.add(kind.place, host.hook("https://us.example/push"));
            host.add(kind.place, host.hook("https://us.example/push"));
        }
        let pod = Pod::of(&world, &object);
        let files = [
            ("user", b"jason".as_slice()),
            ("token", b"t0ken".as_slice()),
            ("secret", b"s3cret".as_slice()),
        ];
        pod.volume("values/secrets/host", &files);
        let mut tiphys = pod.start(&name);
        eventually("the one hook", || async {
            let ours = host.ours(kind.place);
            let is_right = |hook: &Value| {
                let wanted = kind.hook.as_object().unwrap();
                wanted.iter().all(|(name, value)| &hook[name] == value)
            };
            (ours.len() == 1 && is_right(&ours[0])).then_some(())
        })
        .await;
        ready(&tiphys).await;
        let mut caller = Caller::to(port).await;
        for (headers, status) in &kind.calls {
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            let answered = caller.ask("POST", "/push", &headers, "{}").await.unwrap();
            assert_eq!(answered.status, *status, "{name} {headers:?} {answered:?}");
        }
        if kind.style == Style::BitbucketServer {
            // Somebody turns it off.
            host.change(kind.place, "active", &json!(false));
            eventually("a hook that is active again", || async {
                (host.ours(kind.place)[0]["active"] == true).then_some(())
            })
            .await;
        }
        tiphys.terminate();
        tiphys.ended().await;
        assert_eq!(
            host.ours(kind.place).len(),
            1,
            "{name}: the object is still there"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_of_one_address_are_asked_through_a_proxy() {
    let nats = tokio::task::spawn_blocking(|| Nats::start(programs(), &NatsOptions::default()));
    let nats = nats.await.unwrap().unwrap();
    let names = ["api.bitbucket.org", "api.stripe.com"];
    let certificates = Certificates::generate_for(&names).unwrap();
    let authority = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(authority.path(), &certificates.authority).unwrap();
    let bitbucket = json!({"bitbucket": {"ev": {
        "webhook": webhook(free_port().unwrap()), "events": ["repo:push"],
        "repositories": [{"owner": "argo", "repositorySlug": "harbour"}],
        "auth": {"basic": {"username": key("user"), "password": key("token")}},
        "webhookSecret": key("secret")
    }}});
    let stripe = json!({"stripe": {"ev": {
        "webhook": webhook(free_port().unwrap()), "createWebhook": true, "apiKey": key("token"),
        "eventFilter": ["charge.succeeded"]
    }}});
    let place = "repositories/argo/harbour";
    for (style, place, spec, login, wanted) in [
        (
            Style::Bitbucket,
            place,
            bitbucket,
            "Basic amFzb246dDBrZW4=",
            json!(["repo:push"]),
        ),
        (
            Style::Stripe,
            "webhook_endpoints",
            stripe,
            "Bearer t0ken",
            json!(["charge.succeeded"]),
        ),
    ] {
        let host = Host::start_tls(style, &certificates).await;
        for other in ["https://a", "https://b", "https://us.example/push"] {
            let hook = json!({"url": other, "events": [], "enabled_events": [], "active": true,
                "status": "enabled"});
            host.add(place, hook);
        }
        let tunnel = Tunnel::start(host.address()).await;
        let yaml = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource",
            "metadata": {"name": "cloud"}, "spec": spec});
        let object = stored_object("ns", &yaml.to_string());
        let nowhere = std::path::Path::new("/nonexistent");
        let mut pod = Pod::at(nowhere, "ns", &nats.url(), &object);
        pod.set("HTTPS_PROXY", tunnel.url());
        pod.set("SSL_CERT_FILE", authority.path());
        let files = [
            ("user", b"jason".as_slice()),
            ("token", b"t0ken".as_slice()),
            ("secret", b"s3cret".as_slice()),
        ];
        pod.volume("values/secrets/host", &files);
        let _tiphys = pod.start("pod-0");
        let hook = eventually("a hook that is brought up to date", || async {
            let mut ours = host.ours(place);
            let hook = ours.pop().filter(|_| ours.is_empty())?;
            (hook["events"] == wanted || hook["enabled_events"] == wanted).then_some(hook)
        })
        .await;
        if style == Style::Bitbucket {
            assert_eq!(hook["secret"], "s3cret");
        }
        assert_eq!(host.hooks(place).len(), 3, "{style:?}");
        assert_eq!(host.logins(), [login]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_refused_is_named_and_calls_come_all_the_same() {
    let nats = tokio::task::spawn_blocking(|| Nats::start(programs(), &NatsOptions::default()));
    let nats = nats.await.unwrap().unwrap();
    let host = Host::start(Style::Gitlab).await;
    host.refuse();
    let port = free_port().unwrap();
    let spec = json!({"gitlab": {"ev": {
        "webhook": webhook(port), "projects": ["1"], "events": ["PushEvents"],
        "accessToken": key("token"), "gitlabBaseURL": host.url("")
    }}});
    let yaml = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource",
        "metadata": {"name": "refused"}, "spec": spec});
    let object = stored_object("ns", &yaml.to_string());
    let pod = Pod::at(
        std::path::Path::new("/nonexistent"),
        "ns",
        &nats.url(),
        &object,
    );
    pod.volume("values/secrets/host", &[("token", b"t0ken".as_slice())]);
    let tiphys = pod.start("pod-0");
    let said = tiphys
        .reported("what the host said", |report| {
            report["parts"][0]["health"]["reason"] == "Unauthorized"
        })
        .await;
    let health = &said["parts"][0]["health"];
    let message = health["message"].as_str().unwrap();
    assert!(
        message.starts_with("list the hooks of projects/1: 401 Unauthorized"),
        "{message}"
    );
    assert!(
        message.contains("the access token needs the scope api"),
        "{message}"
    );
    ready(&tiphys).await;
    let mut caller = Caller::to(port).await;
    let answered = caller.post("/push", "{}").await.unwrap();
    assert_eq!(answered, answer(200, "success"));
}
