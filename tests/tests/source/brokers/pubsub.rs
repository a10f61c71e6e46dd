//! Google Pub/Sub as an upstream: a subscription that the event source makes, and one whose messages have an
//! order. Google's server for tests keeps messages while nobody can reach it, and loses them when it ends.

use std::ops::Range;

use async_trait::async_trait;
use serde_json::{Value, json};
use tiphys_testbed::Certificates;
use tiphys_tests::google::{Google, LONGER_THAN_A_LEASE, PROJECT, credentials, numbered, tokens};
use tiphys_tests::web::Web;
use tiphys_tests::{eventually, pause};
use tonic::Status;

use super::stage::{PASSWORD, Stage, listening, silent};
use super::{Kind, Wanted};

const TOPIC: &str = "orders";
const SUBSCRIPTION: &str = "tiphys";

/// How many ordering keys there are.
const KEYS: u64 = 4;

/// A subscription.
pub(super) struct Subscription<const ORDERED: bool> {
    google: Google,
    tokens: Option<Web>,
}

#[async_trait]
impl<const ORDERED: bool> Kind for Subscription<ORDERED> {
    const KEEPS: bool = true;
    const LANES: Option<u64> = if ORDERED { Some(KEYS) } else { None };
    const PASSWORD: &'static str = "spec.pubSub.ev.credentialSecret";

    async fn start(wanted: Wanted) -> Self {
        let (google, tokens) = match wanted.password {
            Some(_) => (Google::strict(PASSWORD).await, Some(tokens(PASSWORD).await)),
            None => (Google::emulator().await, None),
        };
        google.make_topic(TOPIC).await;
        if ORDERED {
            google
                .make_subscription(SUBSCRIPTION, TOPIC, true, false)
                .await;
        }
        Self { google, tokens }
    }

    fn spec(&self) -> (&'static str, Value) {
        let mut event = json!({"projectID": PROJECT, "topic": TOPIC, "jsonBody": true});
        if ORDERED {
            event["subscriptionID"] = SUBSCRIPTION.into();
        }
        if self.tokens.is_some() {
            event["credentialSecret"] = json!({"name": "login", "key": "password"});
        }
        ("pubSub", event)
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        match &self.tokens {
            None => vec![("PUBSUB_EMULATOR_HOST", self.google.address())],
            Some(_) => vec![(
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB",
                format!("https://{}/", self.google.address()),
            )],
        }
    }

    fn authority(&self) -> Option<&str> {
        self.google.authority()
    }

    fn login(&self) -> (String, String) {
        let password = self
            .tokens
            .as_ref()
            .map(|tokens| credentials(tokens).to_string());
        (String::new(), password.unwrap_or_default())
    }

    fn mistaken(&self) -> String {
        let (_, right) = self.login();
        right
            .replace("tiphys@", "another@")
            .replace("\"first\"", "\"mistaken\"")
    }

    fn certificates(&self) -> Option<&Certificates> {
        None
    }

    async fn send(&mut self, numbers: Range<u64>) {
        let messages = numbered(numbers, Self::LANES);
        self.google.publish(TOPIC, messages).await;
    }

    async fn send_body(&mut self, body: &[u8]) {
        let message = (String::new(), body.to_vec());
        self.google.publish(TOPIC, [message]).await;
    }

    async fn left(&mut self) -> u64 {
        self.google.left()
    }

    fn kill(&mut self) {
        self.google.close();
    }

    fn restart(&mut self) {
        self.google.open();
    }
}

type Plain = Subscription<false>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_the_bus_is_kept_from_others_and_goes_back_at_the_end() {
    let mut stage = Stage::<Plain>::usual().await;
    let mut tiphys = stage.start("pod-0").await;
    stage.broker.send(0..1).await;
    stage.stored(1).await;
    stage.bus.kill(0).unwrap();
    stage.broker.send(1..50).await;
    pause(LONGER_THAN_A_LEASE).await;
    let kept = stage.broker.google.extended();
    assert!(
        kept.iter().filter(|seconds| **seconds == 30).count() >= 49,
        "{kept:?}"
    );
    tiphys.stop().await;
    let given_back = stage.broker.google.extended();
    let given_back = given_back.iter().filter(|seconds| **seconds == 0);
    assert_eq!(given_back.count(), 49);
    tokio::task::block_in_place(|| stage.bus.restart(0)).unwrap();
    let _next = stage.start("pod-1").await;
    stage.stored(50).await;
    stage.check_all_once(50).await;
    stage.check_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_was_lost_is_made_again_with_its_topic() {
    let mut stage = Stage::<Plain>::usual().await;
    let tiphys = stage.start("pod-0").await;
    stage.broker.send(0..10).await;
    stage.stored(10).await;
    let made = "ev-3801330345";
    assert!(stage.broker.google.has_subscription(made).await);
    tokio::task::block_in_place(|| stage.broker.google.lose_everything());
    eventually("another subscription", || async {
        stage
            .broker
            .google
            .has_subscription(made)
            .await
            .then_some(())
    })
    .await;
    listening(&tiphys).await;
    // A server that has begun anew counts anew: another id is another message.
    stage.broker.send(10..30).await;
    stage
        .broker
        .google
        .publish(TOPIC, numbered(30..40, None))
        .await;
    stage.check_nothing_left().await;
    let numbers = stage.numbers().await;
    assert!(
        (30..40).all(|number| numbers.contains(&number)),
        "{numbers:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_is_not_there_is_said_and_listened_to_when_it_is() {
    let edit = |event: &mut Value| {
        event["subscriptionID"] = "returns".into();
        event["topic"] = "".into();
    };
    let mut stage = Stage::<Plain>::new(Wanted::default(), "", edit).await;
    let tiphys = stage.pods.start("pod-0");
    let is_missing = |report: &Value| report["parts"][0]["health"]["reason"] == "NotFound";
    let report = tiphys
        .reported("that there is no subscription", is_missing)
        .await;
    let hint = report["parts"][0]["health"].to_string();
    let wanted = "check spec.pubSub.ev.subscriptionID, or set spec.pubSub.ev.topic to make it";
    assert!(hint.contains(wanted), "{hint}");
    let google = &stage.broker.google;
    google
        .make_subscription("returns", TOPIC, false, false)
        .await;
    listening(&tiphys).await;
    stage.broker.send(0..3).await;
    stage.stored(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_of_another_topic_is_said() {
    let edit = |event: &mut Value| event["subscriptionID"] = "returns".into();
    let stage = Stage::<Plain>::new(Wanted::default(), "", edit).await;
    let google = &stage.broker.google;
    google.make_topic("returns").await;
    google
        .make_subscription("returns", "returns", false, false)
        .await;
    let tiphys = stage.pods.start("pod-0");
    let is_said = |report: &Value| report["parts"][0]["health"]["ok"] == false;
    let report = tiphys.reported("that it is another one", is_said).await;
    let health = report["parts"][0]["health"].to_string();
    let wanted =
        "it is one of projects/harbour/topics/returns, not of projects/harbour/topics/orders";
    assert!(health.contains(wanted), "{health}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_acknowledged_is_published_once_and_acknowledged_when_it_can() {
    let mut stage = Stage::<Plain>::usual().await;
    let tiphys = stage.start("pod-0").await;
    let denied = Status::permission_denied("User not authorized to perform this action.");
    stage.broker.google.refuse("Acknowledge", denied);
    stage.broker.send(0..50).await;
    let is_said = |report: &Value| {
        let health = &report["parts"][0]["health"];
        let text = health.to_string();
        health["reason"] == "Forbidden"
            && text.contains("acknowledge messages of projects/harbour/subscriptions/ev-")
            && text.contains("roles/pubsub.subscriber")
    };
    tiphys.reported("a right that is missing", is_said).await;
    stage.broker.google.refuse_nothing();
    listening(&tiphys).await;
    stage.stored(50).await;
    stage.check_nothing_left().await;
    stage.check_all_once(50).await;
}

/// Another server takes its place: Google's for tests locks itself up if a stream ends behind several pings, which
/// it answers while it holds the lock of all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_silent_is_noticed_and_another_one_listened_to() {
    silent::<Plain>(
        |broker| broker.google.freeze(),
        |broker| broker.google.lose_everything(),
    )
    .await;
}
