//! Mosquitto as an upstream: an MQTT topic, and an Emitter channel, which is one with a key in front.

use std::ops::Range;

use async_trait::async_trait;
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, MqttOptions, PublishOptions, QoS};
use serde_json::{Value, json};
use tiphys_testbed::{Broker, BrokerOptions, BrokerServer, Certificates};
use tiphys_tests::eventually;

use super::stage::{Stage, nameless, silent};
use super::{Kind, Wanted, body, tls};

/// A server.
struct Server {
    server: BrokerServer,
    wanted: Wanted,
}

impl Server {
    async fn start(wanted: Wanted) -> Self {
        let options = BrokerOptions {
            password: wanted.password.map(str::to_owned),
            tls: wanted.tls,
        };
        let starting = move || BrokerServer::start(Broker::Mosquitto, &options);
        let server = tokio::task::spawn_blocking(starting).await.unwrap();
        Self {
            server: server.unwrap(),
            wanted,
        }
    }

    fn client(&self, name: &str, is_kept: bool) -> (AsyncClient, EventLoop) {
        let address = self.server.address();
        let (host, port) = address.rsplit_once(':').unwrap();
        let mut options = MqttOptions::new(name, (host, port.parse().unwrap()));
        options
            .set_clean_session(!is_kept)
            .set_max_packet_size(1 << 20, 1 << 20);
        if let Some(password) = self.wanted.password {
            options.set_credentials("tiphys", password);
        }
        AsyncClient::builder(options).unbounded().build()
    }

    /// Publishes messages, and waits until the broker has them.
    async fn publish(&self, topic: &str, options: PublishOptions, messages: Vec<Vec<u8>>) {
        let (client, mut events) = self.client("sender", false);
        let mut left = messages.len();
        for message in messages {
            client.publish(topic, message, options).await.unwrap();
        }
        while left > 0 {
            if let Event::Incoming(Incoming::PubAck(_)) = events.poll().await.unwrap() {
                left -= 1;
            }
        }
        client.disconnect().await.unwrap();
        while events.poll().await.is_ok() {}
    }

    fn url(&self) -> String {
        if self.wanted.tls {
            format!("ssl://{}", self.server.tls_address())
        } else {
            format!("tcp://{}", self.server.address())
        }
    }

    fn with_tls(&self, mut event: Value) -> Value {
        if self.wanted.tls {
            event["tls"] = tls();
        }
        event
    }
}

fn login(key: &str) -> Value {
    json!({"name": "login", "key": key})
}

fn bodies(numbers: Range<u64>) -> Vec<Vec<u8>> {
    numbers.map(|number| body(number).into_bytes()).collect()
}

/// A message that is acknowledged.
fn once() -> PublishOptions {
    PublishOptions::new(QoS::AtLeastOnce)
}

/// A topic: the broker keeps the session.
pub(super) struct Topic(Server);

#[async_trait]
impl Kind for Topic {
    const KEEPS: bool = true;
    const KNOWS: bool = false;
    const PASSWORD: &'static str = "spec.mqtt.ev.auth";

    async fn start(wanted: Wanted) -> Self {
        Self(Server::start(wanted).await)
    }

    fn spec(&self) -> (&'static str, Value) {
        let mut event = json!({
            "url": self.0.url(), "topic": "orders/+", "clientId": "tiphys", "jsonBody": true,
        });
        if self.0.wanted.password.is_some() {
            event["auth"] = json!({"username": login("user"), "password": login("password")});
        }
        ("mqtt", self.0.with_tls(event))
    }

    fn certificates(&self) -> Option<&Certificates> {
        self.0.server.certificates()
    }

    async fn send(&mut self, numbers: Range<u64>) {
        self.0.publish("orders/new", once(), bodies(numbers)).await;
    }

    async fn send_body(&mut self, body: &[u8]) {
        self.0
            .publish("orders/new", once(), vec![body.to_vec()])
            .await;
    }

    /// It writes down what it keeps when it ends in peace.
    fn kill(&mut self) {
        self.0.server.stop().unwrap();
    }

    fn restart(&mut self) {
        self.0.server.restart().unwrap();
    }
}

/// A channel of Emitter: whoever listens hears it.
pub(super) struct Channel(Server);

#[async_trait]
impl Kind for Channel {
    const KEEPS: bool = false;
    const PASSWORD: &'static str = "spec.emitter.ev.username and password";

    async fn start(wanted: Wanted) -> Self {
        Self(Server::start(wanted).await)
    }

    fn spec(&self) -> (&'static str, Value) {
        let mut event = json!({
            "broker": self.0.url(), "channelKey": "KEY", "channelName": "orders/new",
            "jsonBody": true,
        });
        if self.0.wanted.password.is_some() {
            event["username"] = login("user");
            event["password"] = login("password");
        }
        ("emitter", self.0.with_tls(event))
    }

    fn certificates(&self) -> Option<&Certificates> {
        self.0.server.certificates()
    }

    async fn send(&mut self, numbers: Range<u64>) {
        let topic = "KEY/orders/new/";
        self.0.publish(topic, once(), bodies(numbers)).await;
    }

    async fn send_body(&mut self, body: &[u8]) {
        let topic = "KEY/orders/new/";
        self.0.publish(topic, once(), vec![body.to_vec()]).await;
    }

    fn kill(&mut self) {
        self.0.server.kill().unwrap();
    }

    fn restart(&mut self) {
        self.0.server.restart().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_bus_has_is_acknowledged() {
    let mut stage = Stage::<Topic>::usual().await;
    let mut tiphys = stage.start("pod-0").await;
    stage.broker.send(0..500).await;
    stage.stored(500).await;
    tiphys.stop().await;
    stage.broker.send(500..501).await;
    // The next one of this name gets what is left, in the order in which it was sent.
    let (_client, mut events) = stage.broker.0.client("tiphys", true);
    let left = loop {
        if let Event::Incoming(Incoming::Publish(left)) = events.poll().await.unwrap() {
            break left;
        }
    };
    assert_eq!(left.payload, body(500));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retained_message_is_one_event() {
    let stage = Stage::<Topic>::usual().await;
    let retained = once().retained();
    let messages = bodies(0..1);
    stage
        .broker
        .0
        .publish("orders/last", retained, messages)
        .await;
    for pod in ["pod-0", "pod-1"] {
        let mut tiphys = stage.start(pod).await;
        eventually("the message", || async {
            let published = tiphys.count("argo_events_events_sent_total", &[]).await;
            (published == 1).then_some(())
        })
        .await;
        tiphys.stop().await;
    }
    assert_eq!(stage.numbers().await, [0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_says_nothing_is_noticed() {
    silent::<Topic>(
        |broker| broker.0.server.freeze().unwrap(),
        |broker| broker.0.server.thaw().unwrap(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_wanted_and_not_shown_is_named() {
    nameless::<Topic>().await;
}
