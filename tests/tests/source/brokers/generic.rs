//! A gRPC server of somebody's own as an upstream.

use std::ops::Range;

use async_trait::async_trait;
use serde_json::{Value, json};
use tiphys_testbed::Certificates;
use tiphys_tests::eventually;
use tiphys_tests::grpc::EventingServer;

use super::stage::{Stage, listening};
use super::{Kind, Wanted, body};

/// A server.
pub(super) struct Server {
    server: EventingServer,
    wanted: Wanted,
}

#[async_trait]
impl Kind for Server {
    const KEEPS: bool = false;
    const PASSWORD: &'static str = "spec.generic.ev.authSecret";

    async fn start(wanted: Wanted) -> Self {
        let server = EventingServer::start(wanted.password, None);
        Self { server, wanted }
    }

    fn spec(&self) -> (&'static str, Value) {
        let mut event = json!({
            "url": self.server.address(), "insecure": true, "config": "orders", "jsonBody": true,
        });
        if self.wanted.password.is_some() {
            event["authSecret"] = json!({"name": "login", "key": "password"});
        }
        ("generic", event)
    }

    fn certificates(&self) -> Option<&Certificates> {
        None
    }

    async fn send(&mut self, numbers: Range<u64>) {
        self.server
            .say(numbers.map(|number| body(number).into_bytes()));
    }

    async fn send_body(&mut self, body: &[u8]) {
        self.server.say([body.to_vec()]);
    }

    fn kill(&mut self) {
        self.server.kill();
    }

    fn restart(&mut self) {
        self.server.restart();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_given_the_event_and_its_config() {
    let mut stage = Stage::<Server>::usual().await;
    let _tiphys = stage.start("pod-0").await;
    let asked = &stage.broker.server.asked()[0];
    assert_eq!((&*asked.name, &*asked.config), ("ev", &b"orders"[..]));
    stage.broker.send(0..1).await;
    stage.stored(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ends_before_its_first_event_is_asked_again() {
    let mut stage = Stage::<Server>::usual().await;
    let tiphys = stage.start("pod-0").await;
    let server = &mut stage.broker.server;
    server.kill();
    let is_lost = |report: &Value| report["parts"][0]["health"]["ok"] == false;
    tiphys.reported("the loss of the server", is_lost).await;
    tokio::task::block_in_place(|| server.restart());
    eventually("a second call", || async {
        (server.asked().len() == 2).then_some(())
    })
    .await;
    listening(&tiphys).await;
    stage.broker.send(0..10).await;
    stage.stored(10).await;
    stage.check_all_once(10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_nobody_vouches_for_is_refused() {
    let certificates = Certificates::generate().unwrap();
    let other = EventingServer::start(None, Some(&certificates));
    let address = other.address();
    let edit = |event: &mut Value| {
        event["url"] = address.into();
        event["insecure"] = false.into();
    };
    let stage = Stage::<Server>::new(Wanted::default(), "", edit).await;
    let tiphys = stage.pods.start("pod-0");
    let is_refused = |report: &Value| report["parts"][0]["health"]["ok"] == false;
    let report = tiphys.reported("a refusal", is_refused).await;
    let message = report["parts"][0]["health"]["message"].as_str().unwrap();
    let wanted = "the server's certificate is not of an authority that is trusted";
    assert!(message.contains(wanted), "{message}");
    assert!(message.contains("spec.generic.ev.insecure"), "{message}");
    assert!(other.asked().is_empty());
}
