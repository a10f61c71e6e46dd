//! Azure Service Bus as an upstream: a queue, or a subscription. The namespace is a fake of its protocol.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use tiphys_testbed::Certificates;
use tiphys_tests::azure::{Azure, Encryption};
use tiphys_tests::web::{Web, answer};
use tiphys_tests::{Pod, eventually, stored_object};

use super::stage::{Stage, listening};
use super::{Kind, Wanted, body, tls};

const QUEUE: &str = "orders";
const TOPIC: &str = "shop";
const SUBSCRIPTION: &str = "till";

/// The key that lets in.
const KEY: &str = "right";

/// A queue; or a subscription, if it is of a `TOPIC`.
pub(super) struct Queue<const OF_A_TOPIC: bool> {
    azure: Azure,
    wanted: Wanted,
}

impl<const OF_A_TOPIC: bool> Queue<OF_A_TOPIC> {
    fn path() -> String {
        if OF_A_TOPIC {
            format!("{TOPIC}/Subscriptions/{SUBSCRIPTION}")
        } else {
            QUEUE.to_owned()
        }
    }
}

#[async_trait]
impl<const OF_A_TOPIC: bool> Kind for Queue<OF_A_TOPIC> {
    const KEEPS: bool = true;
    const PASSWORD: &'static str = "spec.azureServiceBus.ev.connectionString";

    async fn start(wanted: Wanted) -> Self {
        let encryption = if wanted.tls {
            Encryption::Both
        } else {
            Encryption::None
        };
        let azure = Azure::start(KEY, encryption);
        azure.add_queue(&Self::path());
        Self { azure, wanted }
    }

    fn spec(&self) -> (&'static str, Value) {
        let mut event = json!({
            "connectionString": {"name": "login", "key": "password"}, "jsonBody": true,
        });
        if OF_A_TOPIC {
            event["topicName"] = TOPIC.into();
            event["subscriptionName"] = SUBSCRIPTION.into();
        } else {
            event["queueName"] = QUEUE.into();
        }
        if self.wanted.tls {
            event["tls"] = tls();
        }
        ("azureServiceBus", event)
    }

    fn login(&self) -> (String, String) {
        (String::new(), self.azure.connection_string(KEY))
    }

    fn mistaken(&self) -> String {
        self.azure.connection_string("mistaken")
    }

    fn certificates(&self) -> Option<&Certificates> {
        self.azure.certificates()
    }

    async fn send(&mut self, numbers: Range<u64>) {
        let bodies = numbers.map(|number| body(number).into_bytes());
        self.azure.send(&Self::path(), bodies);
    }

    async fn send_body(&mut self, body: &[u8]) {
        self.azure.send(&Self::path(), [body.to_vec()]);
    }

    async fn left(&mut self) -> u64 {
        self.azure.depth(&Self::path()).try_into().unwrap()
    }

    fn kill(&mut self) {
        self.azure.kill();
    }

    fn restart(&mut self) {
        self.azure.restart();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_the_bus_stays_locked_and_what_is_stopped_goes_back_at_once() {
    let mut stage = Stage::<Queue<false>>::usual().await;
    let mut tiphys = stage.start("pod-0").await;
    stage.broker.send(0..1).await;
    stage.stored(1).await;
    stage.bus.kill(0).unwrap();
    stage.broker.send(1..50).await;
    let azure = &stage.broker.azure;
    eventually("locked messages", || async {
        (azure.locked(QUEUE) > 0).then_some(())
    })
    .await;
    // Longer than two locks last: they are renewed.
    for _ in 0..90 {
        tiphys_tests::pause(std::time::Duration::from_millis(100)).await;
        assert!(azure.locked(QUEUE) > 0);
    }
    tiphys.stop().await;
    assert_eq!(azure.locked(QUEUE), 0);
    assert_eq!(azure.depth(QUEUE), 49);
    tokio::task::block_in_place(|| stage.bus.restart(0)).unwrap();
    let _next = stage.start("pod-1").await;
    stage.stored(50).await;
    stage.check_all_once(50).await;
    stage.check_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_not_there_or_has_sessions_is_said_with_its_field() {
    for (name, reason, hint) in [
        (
            "returns",
            "NotFound",
            "check spec.azureServiceBus.ev.queueName",
        ),
        (
            "steps",
            "Configuration",
            "messages with sessions are not received: let spec.azureServiceBus.ev.queueName name one \
             without (requiresSession: false)",
        ),
    ] {
        let edit = |event: &mut Value| event["queueName"] = name.into();
        let stage = Stage::<Queue<false>>::new(Wanted::default(), "", edit).await;
        let azure = &stage.broker.azure;
        azure.add_queue_of_sessions("steps");
        let tiphys = stage.pods.start("pod-0");
        let is_said = |report: &Value| report["parts"][0]["health"]["reason"] == reason;
        let report = tiphys.reported(reason, is_said).await;
        let health = &report["parts"][0]["health"];
        assert!(health.to_string().contains(hint), "{health}");
        azure.add_queue(name);
        azure.send(name, [body(7).into_bytes()]);
        listening(&tiphys).await;
        stage.stored(1).await;
        assert_eq!(stage.numbers().await, [7]);
    }
}

/// What gives out tokens for a workload identity; the first that it gives is one that nobody knows.
async fn entra(azure: &Azure) -> Web {
    azure.let_in("second");
    let asked = AtomicU32::new(0);
    Web::start(move |request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let expected = "grant_type=client_credentials&client_id=till&\
                        scope=https%3A%2F%2Fservicebus.azure.net%2F.default&\
                        client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&\
                        client_assertion=of-the-account";
        if request.path != "/harbour/oauth2/v2.0/token" || body != expected {
            let why = json!({"error": "invalid_request", "error_description": body});
            return answer(400).body(why.to_string());
        }
        let token = match asked.fetch_add(1, Ordering::Relaxed) {
            0 => "first",
            _ => "second",
        };
        let token = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": token});
        answer(200).body(token.to_string())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_logs_in_by_the_token_of_its_service_account() {
    let wanted = Wanted {
        tls: true,
        ..Wanted::default()
    };
    let mut stage = Stage::<Queue<false>>::new(wanted, "", |_| {}).await;
    let (kind, mut event) = stage.broker.spec();
    event.as_object_mut().unwrap().remove("connectionString");
    event["fullyQualifiedNamespace"] = stage.broker.azure.address().into();
    let object = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "EventSource",
        "metadata": {"name": "es"},
        "spec": {kind: {"ev": event}},
    });
    let object = stored_object("ns", &object.to_string());
    stage.pods = Pod::at(Path::new("/nowhere"), "ns", &stage.bus.url(), &object);
    stage.set_certificates(stage.broker.certificates().unwrap());
    let entra = entra(&stage.broker.azure).await;
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "of-the-account\n").unwrap();
    for (name, value) in [
        (
            "AZURE_AUTHORITY_HOST",
            format!("http://{}/", entra.address()),
        ),
        ("AZURE_TENANT_ID", "harbour".to_owned()),
        ("AZURE_CLIENT_ID", "till".to_owned()),
        (
            "AZURE_FEDERATED_TOKEN_FILE",
            token.path().display().to_string(),
        ),
    ] {
        stage.pods.set(name, value);
    }
    let tiphys = stage.pods.start("pod-0");
    listening(&tiphys).await;
    stage.broker.send(0..10).await;
    stage.stored(10).await;
    stage.check_all_once(10).await;
    stage.check_nothing_left().await;
    assert!(!tiphys.output().contains("of-the-account"));
}
