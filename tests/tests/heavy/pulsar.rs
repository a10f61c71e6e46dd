//! Pulsar as an upstream: a subscription that one pod has for itself, and one that pods share.

pub(crate) mod sender;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Range;

use async_trait::async_trait;
use serde_json::{Value, json};
use tiphys_clients::pulsar::{Config, Consumer, Subscription};
use tiphys_testbed::{Broker, BrokerOptions, BrokerServer, Certificates, PULSAR_TOKEN};

use self::sender::{Sent, batch, send};
use crate::promises::{
    broker_killed, bus_killed, contract, encrypted, once_and_in_order, pod_killed, pod_stopped,
    promised, two_pods, unfit, wrong_password,
};
use crate::stage::{Stage, dead_letters, listening, silent};
use crate::stored::stored;
use crate::{Kind, Wanted, body};

/// The topic of the messages, and where it stands in the paths of the broker's administration.
pub(crate) const TOPIC: &str = "orders";
const WHOLE: &str = "persistent://public/default/orders";
const PATH: &str = "persistent/public/default/orders";

/// How many partitions a topic has that is divided.
const PARTITIONS: u64 = 3;

/// A token of somebody whom the broker does not know.
const FORGED: &str =
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ0aXBoeXMifQ.tXi2uxikdaBT-gk1DVmtOF2wath86ov5X6SANYMn6HA";

/// A server, with a topic that is divided or is not, read by one pod or shared.
pub(crate) struct Topic<const SHARED: bool, const DIVIDED: bool> {
    server: BrokerServer,
    wanted: Wanted,
}

/// Starts a server.
pub(crate) async fn start(wanted: Wanted) -> BrokerServer {
    let options = BrokerOptions {
        password: wanted.password.map(str::to_owned),
        tls: wanted.tls,
    };
    let starting = move || BrokerServer::start(Broker::Pulsar, &options);
    tokio::task::spawn_blocking(starting)
        .await
        .unwrap()
        .unwrap()
}

/// What the administration of a broker answers.
pub(crate) fn administer(server: &BrokerServer, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(server.cluster_address()).unwrap();
    let request = format!(
        "{method} /admin/v2/{path} HTTP/1.0\r\nAuthorization: Bearer {PULSAR_TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 20"), "{method} {path}: {answer}");
    body.to_owned()
}

impl<const SHARED: bool, const DIVIDED: bool> Topic<SHARED, DIVIDED> {
    /// Sends to each partition what has its number, or all to the topic.
    fn publish(&self, sent: &[Sent]) {
        let address = self.server.address();
        let token = self.wanted.password.map(|_| PULSAR_TOKEN);
        if !DIVIDED {
            return send(&address, token, WHOLE, sent);
        }
        let parts = usize::try_from(PARTITIONS).unwrap();
        for part in 0..parts {
            let of_part: Vec<Sent> = sent.iter().skip(part).step_by(parts).cloned().collect();
            send(
                &address,
                token,
                &format!("{WHOLE}-partition-{part}"),
                &of_part,
            );
        }
    }

    fn administer(&self, method: &str, path: &str, body: &str) -> String {
        administer(&self.server, method, path, body)
    }
}

#[async_trait]
impl<const SHARED: bool, const DIVIDED: bool> Kind for Topic<SHARED, DIVIDED> {
    const KEEPS: bool = true;
    const LANES: Option<u64> = match (SHARED, DIVIDED) {
        (true, _) => None,
        (false, true) => Some(PARTITIONS),
        (false, false) => Some(1),
    };
    const PASSWORD: &'static str = "spec.pulsar.ev.authTokenSecret";

    async fn start(wanted: Wanted) -> Self {
        let server = start(wanted).await;
        let topic = Self { server, wanted };
        if DIVIDED {
            topic.administer(
                "PUT",
                &format!("{PATH}/partitions"),
                &PARTITIONS.to_string(),
            );
        }
        topic
    }

    fn spec(&self) -> (&'static str, Value) {
        let address = self.server.address();
        let mut event = json!({
            "url": format!("pulsar://{address}"), "topics": [TOPIC], "jsonBody": true,
        });
        if SHARED {
            event["type"] = "shared".into();
        }
        let key = |name: &str, key: &str| json!({"name": name, "key": key});
        if self.wanted.tls {
            event["url"] = format!("pulsar+ssl://{}", self.server.tls_address()).into();
            event["tlsTrustCertsSecret"] = key("tls", "ca.crt");
            event["tls"] = json!({
                "clientCertSecret": key("tls", "tls.crt"), "clientKeySecret": key("tls", "tls.key"),
            });
        }
        if self.wanted.password.is_some() {
            event["authTokenSecret"] = key("login", "password");
        }
        ("pulsar", event)
    }

    fn login(&self) -> (String, String) {
        ("tiphys".to_owned(), PULSAR_TOKEN.to_owned())
    }

    fn mistaken(&self) -> String {
        FORGED.to_owned()
    }

    fn certificates(&self) -> Option<&Certificates> {
        self.server.certificates()
    }

    async fn send(&mut self, numbers: Range<u64>) {
        // Each partition has its remainder, also if the range begins with another one.
        let shift = if DIVIDED {
            numbers.start % PARTITIONS
        } else {
            0
        };
        assert_eq!(shift, 0, "the partitions of {numbers:?}");
        let sent = numbers.map(|number| Sent {
            payload: body(number).into(),
            ..Sent::default()
        });
        let sent: Vec<_> = sent.collect();
        tokio::task::block_in_place(|| self.publish(&sent));
    }

    async fn send_body(&mut self, body: &[u8]) {
        let sent = Sent {
            payload: body.to_vec(),
            ..Sent::default()
        };
        tokio::task::block_in_place(|| self.publish(&[sent]));
    }

    async fn left(&mut self) -> u64 {
        let path = if DIVIDED {
            format!("{PATH}/partitioned-stats")
        } else {
            format!("{PATH}/stats")
        };
        let stats = tokio::task::block_in_place(|| self.administer("GET", &path, ""));
        let stats: Value = serde_json::from_str(&stats).unwrap();
        stats["subscriptions"]["ev"]["msgBacklog"].as_u64().unwrap()
    }

    fn kill(&mut self) {
        self.server.kill().unwrap();
    }

    fn restart(&mut self) {
        self.server.restart().unwrap();
    }
}

type Exclusive = Topic<false, false>;
type Shared = Topic<true, false>;
type Divided = Topic<false, true>;

contract! {
    exclusive: Exclusive, encrypts, keeps;
    shared: Shared, keeps, shares;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_divided_arrives_in_the_order_of_its_partitions() {
    once_and_in_order::<Divided>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_is_killed_under_load_loses_nothing_of_a_shared_subscription() {
    let mut stage = Stage::<Shared>::usual().await;
    let (mut one, other) = (stage.start("pod-0").await, stage.start("pod-1").await);
    for round in 0..20 {
        let sent = round * 100;
        stage.broker.send(sent..sent + 100).await;
        if round == 10 {
            one.kill();
            one.ended().await;
        }
    }
    stage.check_nothing_left().await;
    stage.check_all(2000).await;
    drop(other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_says_nothing_is_noticed() {
    silent::<Exclusive>(
        |broker| broker.server.freeze().unwrap(),
        |broker| broker.server.thaw().unwrap(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_unloaded_is_read_on() {
    let mut stage = Stage::<Exclusive>::usual().await;
    let tiphys = stage.start("pod-0").await;
    stage.broker.send(0..300).await;
    let unload = || {
        stage
            .broker
            .administer("PUT", &format!("{PATH}/unload"), "")
    };
    tokio::task::block_in_place(unload);
    stage.broker.send(300..600).await;
    stage.check_all(600).await;
    listening(&tiphys).await;
    stage.check_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_is_added_is_read() {
    let mut stage = Stage::<Divided>::usual().await;
    let tiphys = stage.start("pod-0").await;
    stage.broker.send(0..30).await;
    stage.stored(30).await;
    tokio::task::block_in_place(|| {
        let Topic { server, .. } = &stage.broker;
        administer(server, "POST", &format!("{PATH}/partitions"), "4");
        let sent = Sent {
            payload: body(30).into(),
            ..Sent::default()
        };
        send(
            &server.address(),
            None,
            &format!("{WHOLE}-partition-3"),
            &[sent],
        );
    });
    stage.stored(31).await;
    stage.check_all_once(31).await;
    stage.check_nothing_left().await;
    drop(tiphys);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_come_alone_in_batches_and_compressed() {
    let stage = Stage::<Exclusive>::new(Wanted::default(), "max_payload: 32KB", |_| {}).await;
    let tiphys = stage.start("pod-0").await;
    let bodies: Vec<String> = (1..4).map(body).collect();
    let plain = batch(bodies.iter().map(String::as_bytes));
    let zstd = zstd::bulk::compress(&plain, 3).unwrap();
    let alone = Sent {
        key: Some("k"),
        payload: body(0).into(),
        ..Sent::default()
    };
    let compressed = Sent {
        batch: Some(3),
        compressed: Some((3, plain.len())),
        payload: zstd,
        ..Sent::default()
    };
    let again = batch([&body(4).into_bytes()[..], b"oh", &body(5).into_bytes()]);
    let again = Sent {
        batch: Some(3),
        payload: again,
        ..Sent::default()
    };
    let unknown = Sent {
        compressed: Some((9, 1)),
        payload: b"?".to_vec(),
        ..Sent::default()
    };
    let chunk = Sent {
        chunks: Some(2),
        payload: b"hello".to_vec(),
        ..Sent::default()
    };
    let last = Sent {
        payload: body(6).into(),
        ..Sent::default()
    };
    let sent = [alone, compressed, again, unknown, chunk, last];
    tokio::task::block_in_place(|| stage.broker.publish(&sent));
    stage.stored(7).await;
    assert_eq!(stage.numbers().await, [0, 1, 2, 3, 4, 5, 6]);
    dead_letters(&tiphys, 3).await;
    let events = stored(&stage.bus.url()).await;
    assert_eq!(
        events[0].payload,
        r#"{"key":"k","publishTime":"2026-01-02 15:04:05.12 +0000 UTC","body":{"n":0}}"#
    );
    let mut stage = stage;
    stage.check_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_somebody_else_has_is_named() {
    let stage = Stage::<Exclusive>::usual().await;
    let config = Config::new(format!("pulsar://{}", stage.broker.server.address()));
    let subscription = Subscription {
        name: "ev".to_owned(),
        is_shared: false,
        consumer: "other".to_owned(),
    };
    let other = Consumer::subscribe(&config, WHOLE, &subscription).await;
    let mut other = other.unwrap();
    let tiphys = stage.pods.start("pod-0");
    let is_refused = |report: &Value| report["parts"][0]["health"]["ok"] == false;
    // The broker asks whether the other one is still there.
    let answering = async {
        loop {
            other.flush().await.unwrap();
            other.next().await.unwrap();
        }
    };
    let report = tokio::select! {
        report = tiphys.reported("a refusal", is_refused) => report,
        () = answering => unreachable!("it answers for ever"),
    };
    let health = &report["parts"][0]["health"];
    assert_eq!(health["reason"], "Conflict", "{health}");
    other.close().await.unwrap();
    listening(&tiphys).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_is_not_there_is_named() {
    let elsewhere = |event: &mut Value| event["topics"] = json!(["public/nowhere/orders"]);
    let stage = Stage::<Exclusive>::new(Wanted::default(), "", elsewhere).await;
    let tiphys = stage.pods.start("pod-0");
    let is_refused = |report: &Value| report["parts"][0]["health"]["ok"] == false;
    let report = tiphys.reported("a refusal", is_refused).await;
    let health = &report["parts"][0]["health"];
    assert_eq!(health["reason"], "NotFound", "{health}");
    let message = health["message"].as_str().unwrap();
    assert!(message.contains("spec.pulsar.ev.topics"), "{message}");
}
