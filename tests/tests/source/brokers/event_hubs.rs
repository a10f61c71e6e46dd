//! Azure Event Hubs as an upstream: a hub with some partitions. The namespace is a fake of its protocol.

use std::ops::Range;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tiphys_testbed::Certificates;
use tiphys_tests::azure::{Azure, Encryption, POLICY};

use super::stage::{Stage, listening};
use super::{Kind, Wanted, body};

const HUB: &str = "orders";

const PARTITIONS: u64 = 4;

/// The key that lets in.
const KEY: &str = "right";

/// A hub.
pub(super) struct Hub {
    azure: Azure,
}

impl Hub {
    fn send_one(&self, number: u64, body: &[u8]) {
        let partition = usize::try_from(number % PARTITIONS).unwrap();
        self.azure.send_to(HUB, partition, body.to_vec());
    }
}

#[async_trait]
impl Kind for Hub {
    const KEEPS: bool = true;
    const LANES: Option<u64> = Some(PARTITIONS);
    const HAS_BODY: bool = false;
    const PASSWORD: &'static str = "spec.azureEventsHub.ev.sharedAccessKey";

    async fn start(_: Wanted) -> Self {
        let azure = Azure::start(KEY, Encryption::None);
        azure.add_hub(HUB, usize::try_from(PARTITIONS).unwrap());
        Self { azure }
    }

    fn spec(&self) -> (&'static str, Value) {
        let event = json!({
            "fqdn": self.azure.fqdn(), "hubName": HUB,
            "sharedAccessKeyName": {"name": "login", "key": "user"},
            "sharedAccessKey": {"name": "login", "key": "password"},
        });
        ("azureEventsHub", event)
    }

    fn login(&self) -> (String, String) {
        (POLICY.to_owned(), KEY.to_owned())
    }

    fn certificates(&self) -> Option<&Certificates> {
        None
    }

    async fn send(&mut self, numbers: Range<u64>) {
        for number in numbers {
            self.send_one(number, body(number).as_bytes());
        }
    }

    async fn send_body(&mut self, body: &[u8]) {
        self.send_one(0, body);
    }

    fn number(payload: &Value) -> Option<u64> {
        let body = STANDARD.decode(payload["body"].as_str()?).ok()?;
        let body: Value = serde_json::from_slice(&body).ok()?;
        body["n"].as_u64()
    }

    fn kill(&mut self) {
        self.azure.kill();
    }

    fn restart(&mut self) {
        self.azure.restart();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_while_no_pod_reads_is_read_later_and_a_hub_made_anew_from_its_beginning() {
    let mut stage = Stage::<Hub>::usual().await;
    // What was there before is not read.
    stage.broker.send(1000..1100).await;
    let mut tiphys = stage.start("pod-0").await;
    tiphys.stop().await;
    // Nothing was read from these partitions, and where they ended is known all the same.
    stage.broker.send(0..100).await;
    let mut tiphys = stage.start("pod-0").await;
    stage.stored(100).await;
    stage.check_all_once(100).await;
    tiphys.stop().await;
    let azure = &stage.broker.azure;
    azure.renew_hub(HUB, usize::try_from(PARTITIONS).unwrap());
    stage.broker.send(100..150).await;
    let _tiphys = stage.start("pod-0").await;
    stage.stored(150).await;
    stage.check_all_once(150).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_is_not_there_is_said_with_its_field() {
    let edit = |event: &mut Value| event["hubName"] = "returns".into();
    let stage = Stage::<Hub>::new(Wanted::default(), "", edit).await;
    let tiphys = stage.pods.start("pod-0");
    let is_missing = |report: &Value| report["parts"][0]["health"]["reason"] == "NotFound";
    let report = tiphys.reported("that there is no hub", is_missing).await;
    let health = &report["parts"][0]["health"];
    let hint = "check spec.azureEventsHub.ev.hubName";
    assert!(health.to_string().contains(hint), "{health}");
    let azure = &stage.broker.azure;
    azure.add_hub("returns", 1);
    listening(&tiphys).await;
    azure.send_to("returns", 0, body(7).into_bytes());
    stage.stored(1).await;
    assert_eq!(stage.numbers().await, [7]);
}
