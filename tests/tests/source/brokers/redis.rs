//! Redis as an upstream: a channel, and a stream.

use std::ops::Range;

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, Value as Reply, cmd};
use serde_json::{Value, json};
use tiphys_testbed::{Broker, BrokerOptions, BrokerServer, Certificates};
use tiphys_tests::eventually;

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
        let starting = move || BrokerServer::start(Broker::Redis, &options);
        let server = tokio::task::spawn_blocking(starting).await.unwrap();
        Self {
            server: server.unwrap(),
            wanted,
        }
    }

    async fn client(&self) -> MultiplexedConnection {
        let password = self.wanted.password.unwrap_or_default();
        let login = if password.is_empty() {
            String::new()
        } else {
            format!(":{password}@")
        };
        let client = Client::open(format!("redis://{login}{}", self.server.address())).unwrap();
        eventually("a connection", || async {
            client.get_multiplexed_async_connection().await.ok()
        })
        .await
    }

    async fn ask(&self, commands: impl IntoIterator<Item = Cmd>) -> Vec<Reply> {
        let mut client = self.client().await;
        let mut replies = Vec::new();
        for command in commands {
            replies.push(command.query_async(&mut client).await.unwrap());
        }
        replies
    }

    fn event(&self, mut event: Value) -> Value {
        event["hostAddress"] = self.server.address().into();
        if self.wanted.tls {
            event["hostAddress"] = self.server.tls_address().into();
            event["tls"] = tls();
        }
        if self.wanted.password.is_some() {
            event["password"] = json!({"name": "login", "key": "password"});
        }
        event
    }
}

/// A channel: whoever listens hears it.
pub(super) struct Channel(Server);

fn publish(body: &[u8]) -> Cmd {
    let mut publish = cmd("PUBLISH");
    publish.arg("orders").arg(body);
    publish
}

#[async_trait]
impl Kind for Channel {
    const KEEPS: bool = false;
    const PASSWORD: &'static str = "spec.redis.ev.password";

    async fn start(wanted: Wanted) -> Self {
        Self(Server::start(wanted).await)
    }

    fn spec(&self) -> (&'static str, Value) {
        let event = json!({"channels": ["orders"], "jsonBody": true});
        ("redis", self.0.event(event))
    }

    fn certificates(&self) -> Option<&Certificates> {
        self.0.server.certificates()
    }

    async fn send(&mut self, numbers: Range<u64>) {
        let messages = numbers.map(|number| publish(body(number).as_bytes()));
        self.0.ask(messages).await;
    }

    async fn send_body(&mut self, body: &[u8]) {
        self.0.ask([publish(body)]).await;
    }

    fn kill(&mut self) {
        self.0.server.kill().unwrap();
    }

    fn restart(&mut self) {
        self.0.server.restart().unwrap();
    }
}

/// A stream keeps it.
pub(super) struct Stream(Server);

fn add(value: &[u8]) -> Cmd {
    let mut add = cmd("XADD");
    add.arg("orders").arg("*").arg("n").arg(value);
    add
}

#[async_trait]
impl Kind for Stream {
    const KEEPS: bool = true;
    const HAS_BODY: bool = false;
    const PASSWORD: &'static str = "spec.redisStream.ev.password";

    async fn start(wanted: Wanted) -> Self {
        Self(Server::start(wanted).await)
    }

    fn spec(&self) -> (&'static str, Value) {
        ("redisStream", self.0.event(json!({"streams": ["orders"]})))
    }

    fn certificates(&self) -> Option<&Certificates> {
        self.0.server.certificates()
    }

    async fn send(&mut self, numbers: Range<u64>) {
        let entries = numbers.map(|number| add(number.to_string().as_bytes()));
        self.0.ask(entries).await;
    }

    async fn send_body(&mut self, body: &[u8]) {
        self.0.ask([add(body)]).await;
    }

    fn number(payload: &Value) -> Option<u64> {
        payload["values"]["n"].as_str()?.parse().ok()
    }

    async fn left(&mut self) -> u64 {
        let mut pending = cmd("XPENDING");
        pending.arg("orders").arg("argo-events-cg");
        let replies = self.0.ask([pending]).await;
        let [Reply::Array(summary)] = &replies[..] else {
            panic!("{replies:?}");
        };
        let Reply::Int(pending) = summary[0] else {
            panic!("{summary:?}");
        };
        u64::try_from(pending).unwrap()
    }

    fn kill(&mut self) {
        self.0.server.kill().unwrap();
    }

    fn restart(&mut self) {
        self.0.server.restart().unwrap();
    }
}
