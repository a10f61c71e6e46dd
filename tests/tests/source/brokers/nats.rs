//! NATS as an upstream: core NATS, a queue group of it, and a JetStream stream.

use std::ops::Range;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{self, stream};
use async_nats::{Client, ConnectOptions};
use async_trait::async_trait;
use serde_json::{Value, json};
use tiphys_testbed::{Auth, Certificates, Nats, NatsOptions, Tls};
use tiphys_tests::{eventually, programs};

use super::{Kind, Wanted, body, tls};

/// The spec of a subject.
fn subject(url: &str) -> Value {
    json!({
        "url": url, "subject": "orders.*", "jsonBody": true,
        "auth": {"basic": {
            "username": {"name": "login", "key": "user"},
            "password": {"name": "login", "key": "password"},
        }},
    })
}

/// A server with a client.
pub(super) struct Server {
    nats: Nats,
    wanted: Wanted,
}

impl Server {
    async fn start(wanted: Wanted) -> Self {
        let options = NatsOptions {
            auth: wanted
                .password
                .map_or(Auth::Anyone, |password| Auth::Password {
                    user: "tiphys".to_owned(),
                    password: password.to_owned(),
                }),
            tls: if wanted.tls { Tls::Mutual } else { Tls::Off },
            ..NatsOptions::default()
        };
        let starting = tokio::task::spawn_blocking(move || Nats::start(programs(), &options));
        let nats = starting.await.unwrap().unwrap();
        Self { nats, wanted }
    }

    async fn client(&self) -> Client {
        let mut options = ConnectOptions::new();
        if let Some(password) = self.wanted.password {
            options = options.user_and_password("tiphys".to_owned(), password.to_owned());
        }
        if self.wanted.tls {
            let file = |name: &str| self.nats.folder().join(name);
            options = options
                .add_root_certificates(file("ca.pem"))
                .add_client_certificate(file("client.pem"), file("client.key"));
        }
        options.connect(self.nats.url()).await.unwrap()
    }

    /// The event of `subject`; without a login if there is none.
    fn event(&self, more: &Value) -> Value {
        let mut event = subject(&self.nats.url());
        if self.wanted.password.is_none() {
            event.as_object_mut().unwrap().remove("auth");
        }
        if self.wanted.tls {
            event["tls"] = tls();
        }
        let more = more.as_object().unwrap().clone();
        event.as_object_mut().unwrap().extend(more);
        event
    }

    async fn tell(&self, bodies: impl IntoIterator<Item = Vec<u8>>) {
        let client = self.client().await;
        for body in bodies {
            client.publish("orders.new", body.into()).await.unwrap();
        }
        client.flush().await.unwrap();
    }

    fn kill(&mut self) {
        self.nats.kill(0).unwrap();
    }

    fn restart(&mut self) {
        self.nats.restart(0).unwrap();
    }
}

fn bodies(numbers: Range<u64>) -> impl Iterator<Item = Vec<u8>> {
    numbers.map(|number| body(number).into_bytes())
}

/// Whoever listens hears it; one of them, if they are a queue group.
pub(super) struct Core<const QUEUE: bool>(Server);

#[async_trait]
impl<const QUEUE: bool> Kind for Core<QUEUE> {
    const KEEPS: bool = false;
    const PASSWORD: &'static str = "spec.nats.ev.auth.basic";

    async fn start(wanted: Wanted) -> Self {
        Self(Server::start(wanted).await)
    }

    fn spec(&self) -> (&'static str, Value) {
        let more = if QUEUE {
            json!({"queue": "workers"})
        } else {
            json!({})
        };
        ("nats", self.0.event(&more))
    }

    fn certificates(&self) -> Option<&Certificates> {
        self.0.nats.certificates()
    }

    async fn send(&mut self, numbers: Range<u64>) {
        self.0.tell(bodies(numbers)).await;
    }

    async fn send_body(&mut self, body: &[u8]) {
        self.0.tell([body.to_vec()]).await;
    }

    fn kill(&mut self) {
        self.0.kill();
    }

    fn restart(&mut self) {
        self.0.restart();
    }
}

/// A stream keeps it.
pub(super) struct JetStream(Server);

#[async_trait]
impl Kind for JetStream {
    const KEEPS: bool = true;
    const PASSWORD: &'static str = "spec.nats.ev.auth.basic";

    async fn start(wanted: Wanted) -> Self {
        let server = Server::start(wanted).await;
        let config = stream::Config {
            name: "ORDERS".to_owned(),
            subjects: vec!["orders.*".to_owned()],
            ..stream::Config::default()
        };
        let context = jetstream::new(server.client().await);
        context.create_stream(config).await.unwrap();
        Self(server)
    }

    fn spec(&self) -> (&'static str, Value) {
        let stream = json!({"jetstream": {"stream": "ORDERS", "durable": "tiphys"}});
        ("nats", self.0.event(&stream))
    }

    fn certificates(&self) -> Option<&Certificates> {
        self.0.nats.certificates()
    }

    async fn send(&mut self, numbers: Range<u64>) {
        let context = jetstream::new(self.0.client().await);
        for body in bodies(numbers) {
            let published = context.publish("orders.new", body.into()).await.unwrap();
            published.await.unwrap();
        }
    }

    async fn send_body(&mut self, body: &[u8]) {
        let context = jetstream::new(self.0.client().await);
        let published = context.publish("orders.new", body.to_vec().into()).await;
        published.unwrap().await.unwrap();
    }

    async fn left(&mut self) -> u64 {
        let client = self.0.client().await;
        let consumer = eventually("the consumer", || async {
            let stream = jetstream::new(client.clone()).get_stream("ORDERS").await;
            let consumer = stream.ok()?.get_consumer("tiphys").await;
            consumer.ok()
        });
        let consumer: PullConsumer = consumer.await;
        let info = consumer.cached_info();
        info.num_pending + u64::try_from(info.num_ack_pending).unwrap()
    }

    fn kill(&mut self) {
        self.0.kill();
    }

    fn restart(&mut self) {
        self.0.restart();
    }
}
