//! Stories of the `pulsar` trigger.

use std::collections::BTreeSet;

use tiphys_clients::pulsar::{Config, Consumer, Message, Subscription, parts, whole_name};
use tiphys_testbed::{BrokerServer, PULSAR_TOKEN};

use crate::pulsar::{administer, start};
use crate::running::{KnownValues, Running, Setting};
use crate::{Wanted, body};

fn spec(pulsar: &str) -> String {
    format!(
        "dependencies: [{{name: dep, eventSourceName: source, eventName: order}}]
triggers:
- template:
    name: tell
    pulsar:
      payload: [{{src: {{dependencyName: dep, dataKey: 'n', useRawData: true}}, dest: 'n'}}]
      {}
",
        pulsar.trim().replace('\n', "\n      ")
    )
}

/// Reads all parts of a topic.
struct Reader(Vec<Consumer>);

impl Reader {
    async fn of(config: &Config, topic: &str) -> Self {
        let subscription = Subscription {
            name: "story".to_owned(),
            is_shared: false,
            consumer: "story".to_owned(),
        };
        let mut consumers = Vec::new();
        for part in parts(config, &whole_name(topic)).await.unwrap() {
            let subscribed = Consumer::subscribe(config, &part, &subscription).await;
            let mut consumer = subscribed.unwrap();
            consumer.permit(100);
            consumer.flush().await.unwrap();
            consumers.push(consumer);
        }
        Self(consumers)
    }

    /// The next message of any part.
    async fn next(&mut self) -> Message {
        loop {
            let reading = self.0.iter_mut().map(|consumer| {
                Box::pin(async {
                    consumer.flush().await.unwrap();
                    consumer.next().await.unwrap()
                })
            });
            let (entry, number, _) = futures::future::select_all(reading).await;
            if let Some(entry) = entry {
                self.0[number].acknowledge([entry.id]);
                self.0[number].flush().await.unwrap();
                return entry.messages.unwrap().pop().unwrap();
            }
        }
    }
}

fn plain(server: &BrokerServer) -> Config {
    Config::new(format!("pulsar://{}", server.address()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_arrive_in_all_partitions_of_a_topic() {
    let server = start(Wanted::default()).await;
    let path = "persistent/public/default/orders.paris/partitions";
    tokio::task::block_in_place(|| administer(&server, "PUT", path, "3"));
    let mut reader = Reader::of(&plain(&server), "orders.paris").await;
    let spec = spec(&format!(
        "url: pulsar://{}
topic: orders
parameters:
- {{src: {{dependencyName: dep, dataKey: shop}}, dest: topic, operation: append}}",
        server.address()
    ));
    let sensor = Running::start(&spec, Setting::default()).await;
    for number in 0..30 {
        let event = format!(r#"{{"n":{number},"shop":".paris"}}"#);
        sensor.publish("order", &event).await;
    }
    let mut bodies = BTreeSet::new();
    for _ in 0..30 {
        let message = reader.next().await;
        assert_eq!((&*message.key, message.batch_index), ("", -1));
        bodies.insert(String::from_utf8(message.body.to_vec()).unwrap());
    }
    assert_eq!(bodies, (0..30).map(body).collect());
    sensor.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_are_away_are_waited_for() {
    let mut server = start(Wanted::default()).await;
    let mut reader = Reader::of(&plain(&server), "orders").await;
    let spec = spec(&format!(
        "url: pulsar://{}\ntopic: orders",
        server.address()
    ));
    let sensor = Running::start(&spec, Setting::default()).await;
    sensor.publish("order", r#"{"n":7}"#).await;
    assert_eq!(reader.next().await.body, body(7));
    server.kill().unwrap();
    sensor.publish("order", r#"{"n":8}"#).await;
    let unavailable = sensor.unavailable().await;
    assert!(
        unavailable.contains("send to the topic orders of"),
        "{unavailable}"
    );
    tokio::task::block_in_place(|| server.restart()).unwrap();
    // What was read may come again: the server was killed before it knew.
    let mut reader = Reader::of(&plain(&server), "orders").await;
    while reader.next().await.body != body(8) {}
    assert!(sensor.dead_letters().await.is_empty());
    sensor.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_too_large_is_refused() {
    let server = start(Wanted::default()).await;
    let spec = spec(&format!(
        "url: pulsar://{}\ntopic: orders",
        server.address()
    ));
    let sensor = Running::start(&spec, Setting::default()).await;
    let event = format!(r#"{{"n":"{}"}}"#, "x".repeat(200_000));
    sensor.publish("order", &event).await;
    let letter = sensor.dead_letter().await;
    assert!(
        letter.error.contains("the broker takes 200000"),
        "{}",
        letter.error
    );
    sensor.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_refused_is_waited_for() {
    let wanted = Wanted {
        password: Some("right"),
        ..Wanted::default()
    };
    let server = start(wanted).await;
    let spec = spec(&format!(
        "url: pulsar://{}
topic: orders
authTokenSecret: {{name: pulsar, key: token}}",
        server.address()
    ));
    let forged = format!("{PULSAR_TOKEN}x");
    for (token, is_right) in [(&*forged, false), (PULSAR_TOKEN, true)] {
        let setting = Setting {
            values: KnownValues::of(&[("pulsar", "token", token)]),
            ..Setting::default()
        };
        let sensor = Running::start(&spec, setting).await;
        let config = Config {
            login: tiphys_clients::pulsar::Login::Token(PULSAR_TOKEN.to_owned()),
            ..plain(&server)
        };
        let mut reader = Reader::of(&config, "orders").await;
        sensor.publish("order", r#"{"n":7}"#).await;
        if is_right {
            assert_eq!(reader.next().await.body, body(7));
        } else {
            let unavailable = sensor.unavailable().await;
            assert!(
                unavailable.contains("Failed to authenticate"),
                "{unavailable}"
            );
            assert!(!unavailable.contains(&forged), "{unavailable}");
        }
        assert!(sensor.dead_letters().await.is_empty());
        sensor.stop().await;
    }
}
