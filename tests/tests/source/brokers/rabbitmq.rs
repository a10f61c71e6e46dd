//! RabbitMQ as an upstream: a queue with a name, which several pods share, and one that the pod has alone.

use std::ops::Range;

use amqprs::callbacks::ChannelCallback;
use amqprs::channel::{
    BasicPublishArguments, Channel, ConfirmSelectArguments, QueueDeclareArguments,
};
use amqprs::connection::{Connection, OpenConnectionArguments};
use amqprs::error::Error;
use amqprs::{Ack, BasicProperties, Cancel, CloseChannel, DELIVERY_MODE_PERSISTENT, Nack, Return};
use async_trait::async_trait;
use serde_json::{Value, json};
use tiphys_testbed::{Broker, BrokerOptions, BrokerServer, Certificates};
use tiphys_tests::eventually;
use tokio::sync::watch;

use super::promises::broker_killed;
use super::stage::{Stage, nameless, silent};
use super::{Kind, Wanted, body, tls};

/// The exchange and the routing key of the messages.
const EXCHANGE: &str = "shop";
const KEY: &str = "orders.new";

/// A server, with a queue that has a name and is kept, or without.
pub(super) struct Queue<const NAMED: bool> {
    server: BrokerServer,
    wanted: Wanted,
}

/// How far the broker has confirmed what it got.
struct Confirmed(watch::Sender<u64>);

#[async_trait]
impl ChannelCallback for Confirmed {
    async fn close(&mut self, _: &Channel, close: CloseChannel) -> Result<(), Error> {
        panic!("{close}");
    }

    async fn cancel(&mut self, _: &Channel, _: Cancel) -> Result<(), Error> {
        Ok(())
    }

    async fn flow(&mut self, _: &Channel, active: bool) -> Result<bool, Error> {
        Ok(active)
    }

    async fn publish_ack(&mut self, _: &Channel, ack: Ack) {
        let newest = ack.delivery_tag();
        let number = if ack.mutiple() {
            newest - *self.0.borrow()
        } else {
            1
        };
        self.0.send_modify(|confirmed| *confirmed += number);
    }

    async fn publish_nack(&mut self, _: &Channel, _: Nack) {
        panic!("the broker did not take a message");
    }

    async fn publish_return(&mut self, _: &Channel, _: Return, _: BasicProperties, _: Vec<u8>) {}
}

impl<const NAMED: bool> Queue<NAMED> {
    async fn connect(&self) -> Connection {
        let address = self.server.address();
        let (host, port) = address.rsplit_once(':').unwrap();
        let (user, password) = match self.wanted.password {
            Some(password) => ("tiphys", password),
            None => ("guest", "guest"),
        };
        let arguments = OpenConnectionArguments::new(host, port.parse().unwrap(), user, password);
        eventually("a connection", || async {
            Connection::open(&arguments).await.ok()
        })
        .await
    }

    /// Publishes messages, each under an id of its own if it has a number, and waits until the broker
    /// has them.
    async fn publish(&self, messages: Vec<(Option<u64>, Vec<u8>)>) {
        let connection = self.connect().await;
        let channel = connection.open_channel(None).await.unwrap();
        let (sender, mut confirmed) = watch::channel(0);
        channel.register_callback(Confirmed(sender)).await.unwrap();
        let confirms = ConfirmSelectArguments::default();
        channel.confirm_select(confirms).await.unwrap();
        let count = u64::try_from(messages.len()).unwrap();
        for (number, body) in messages {
            let mut properties = BasicProperties::default();
            properties.with_delivery_mode(DELIVERY_MODE_PERSISTENT);
            if let Some(number) = number {
                properties.with_message_id(&number.to_string());
            }
            let arguments = BasicPublishArguments::new(EXCHANGE, KEY);
            let published = channel.basic_publish(properties, body, arguments);
            published.await.unwrap();
        }
        confirmed
            .wait_for(|confirmed| *confirmed == count)
            .await
            .unwrap();
        channel.close().await.unwrap();
        connection.close().await.unwrap();
    }
}

#[async_trait]
impl<const NAMED: bool> Kind for Queue<NAMED> {
    const KEEPS: bool = NAMED;
    const PASSWORD: &'static str = "spec.amqp.ev.auth";

    async fn start(wanted: Wanted) -> Self {
        let options = BrokerOptions {
            password: wanted.password.map(str::to_owned),
            tls: wanted.tls,
        };
        let starting = move || BrokerServer::start(Broker::Rabbitmq, &options);
        let server = tokio::task::spawn_blocking(starting).await.unwrap();
        Self {
            server: server.unwrap(),
            wanted,
        }
    }

    fn spec(&self) -> (&'static str, Value) {
        let mut event = json!({
            "url": format!("amqp://{}", self.server.address()),
            "exchangeName": EXCHANGE, "exchangeType": "topic", "routingKey": "orders.*",
            "jsonBody": true,
        });
        if NAMED {
            let arguments = "x-message-ttl: 3600000\nx-queue-mode: default\n";
            event["queueDeclare"] = json!({"name": "q", "durable": true, "arguments": arguments});
        }
        if self.wanted.tls {
            event["url"] = format!("amqps://{}", self.server.tls_address()).into();
            event["tls"] = tls();
        }
        if self.wanted.password.is_some() {
            let key = |key: &str| json!({"name": "login", "key": key});
            event["auth"] = json!({"username": key("user"), "password": key("password")});
        }
        ("amqp", event)
    }

    fn certificates(&self) -> Option<&Certificates> {
        self.server.certificates()
    }

    async fn send(&mut self, numbers: Range<u64>) {
        let messages = numbers.map(|number| (Some(number), body(number).into_bytes()));
        self.publish(messages.collect()).await;
    }

    async fn send_body(&mut self, body: &[u8]) {
        self.publish(vec![(None, body.to_vec())]).await;
    }

    /// What no pod has; what a pod has and does not acknowledge comes back with its end.
    async fn left(&mut self) -> u64 {
        if !NAMED {
            return 0;
        }
        let connection = self.connect().await;
        let channel = connection.open_channel(None).await.unwrap();
        let queue = QueueDeclareArguments::new("q").passive(true).finish();
        let (_, left, _) = channel.queue_declare(queue).await.unwrap().unwrap();
        connection.close().await.unwrap();
        left.into()
    }

    fn kill(&mut self) {
        self.server.kill().unwrap();
    }

    fn restart(&mut self) {
        self.server.restart().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_bus_has_is_acknowledged() {
    let mut stage = Stage::<Queue<true>>::usual().await;
    let mut tiphys = stage.start("pod-0").await;
    stage.broker.send(0..500).await;
    stage.stored(500).await;
    tiphys.stop().await;
    assert_eq!(stage.broker.left().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_says_nothing_is_noticed() {
    silent::<Queue<true>>(
        |broker| broker.server.freeze().unwrap(),
        |broker| broker.server.thaw().unwrap(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_wanted_and_not_shown_is_named() {
    nameless::<Queue<true>>().await;
}

/// It goes with its connection: what comes to the next one is heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_without_a_name_is_made_again() {
    broker_killed::<Queue<false>>().await;
}

/// What an event says of itself that cannot work.
async fn refusal(edit: impl FnOnce(&mut Value)) -> Value {
    let stage = Stage::<Queue<true>>::new(Wanted::default(), "", edit).await;
    let connection = stage.broker.connect().await;
    let channel = connection.open_channel(None).await.unwrap();
    let queue = QueueDeclareArguments::new("taken").finish();
    channel.queue_declare(queue).await.unwrap();
    let tiphys = stage.pods.start("pod-0");
    let is_refused = |report: &Value| report["parts"][0]["health"]["ok"] == false;
    let report = tiphys.reported("a refusal", is_refused).await;
    report["parts"][0]["health"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_broker_refuses_is_named_with_its_field() {
    let health = refusal(|event| {
        event["queueDeclare"] = json!({"name": "taken", "durable": true});
    })
    .await;
    assert_eq!(health["reason"], "Refused", "{health}");
    let message = health["message"].as_str().unwrap();
    for part in [
        "declare the queue taken",
        "PRECONDITION_FAILED",
        "check spec.amqp.ev.queueDeclare",
    ] {
        assert!(message.contains(part), "{part} in {health}");
    }
    let health = refusal(|event| event["exchangeType"] = "toppic".into()).await;
    let message = health["message"].as_str().unwrap();
    for part in ["declare the exchange shop", "exchangeType"] {
        assert!(message.contains(part), "{part} in {health}");
    }
}
