//! Google as its clients see it: Pub/Sub behind a door that asks who comes, and servers that give tokens.
//!
//! Behind the door is Google's own server for tests, which keeps everything in memory and lets everybody in.

mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::uri::PathAndQuery;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Collected};
use hyper::body::Incoming;
use prost::Message as _;
use tiphys_clients::grpc::pubsub::{
    AcknowledgeRequest, ModifyAckDeadlineRequest, PubsubMessage, SubscriptionRequest, Topic,
};
use tiphys_testbed::{Broker, BrokerOptions, BrokerServer, Certificates};
use tonic::Status;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;
use tower::ServiceExt as _;

use crate::grpc::{Handler, Server};

pub use self::tokens::{credentials, tokens};

/// The project of all stories.
pub const PROJECT: &str = "harbour";

/// What a gRPC message begins with: that it is not compressed, and its length.
const FRAME: usize = 5;

/// A subscription, as a story makes it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Wanted {
    /// Its whole name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The whole name of its topic.
    #[prost(string, tag = "2")]
    pub topic: String,
    /// Messages with an ordering key are in order.
    #[prost(bool, tag = "10")]
    pub ordered: bool,
    /// An acknowledgement counts, or is refused.
    #[prost(bool, tag = "16")]
    pub exactly_once: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PublishRequest {
    #[prost(string, tag = "1")]
    topic: String,
    #[prost(message, repeated, tag = "2")]
    messages: Vec<PubsubMessage>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct PublishResponse {
    #[prost(string, repeated, tag = "1")]
    ids: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct Empty {}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Rights {
    #[prost(string, tag = "1")]
    resource: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Granted {
    #[prost(string, repeated, tag = "1")]
    permissions: Vec<String>,
}

/// Pub/Sub, and what gives tokens.
#[derive(Debug)]
pub struct Google {
    server: BrokerServer,
    channel: Channel,
    door: Server,
    rules: Arc<Rules>,
    certificates: Option<Certificates>,
    published: u64,
}

/// What the door knows.
struct Rules {
    /// To the server behind it.
    channel: Channel,
    /// Who comes has to have this token.
    token: Option<&'static str>,
    /// The ids of messages that were acknowledged.
    acknowledged: Mutex<BTreeSet<String>>,
    /// How long messages were kept from others, one after the other.
    extended: Mutex<Vec<i32>>,
    /// What is refused, by the last part of its path.
    refused: Mutex<BTreeMap<&'static str, Status>>,
    /// What was asked for, by the last parts of paths.
    asked: Mutex<Vec<String>>,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rules")
    }
}

impl Google {
    /// An emulator, which lets everybody in.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn emulator() -> Self {
        Self::start(None).await
    }

    /// Pub/Sub, which is encrypted, and lets those in who have this token.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn strict(token: &'static str) -> Self {
        Self::start(Some(token)).await
    }

    async fn start(token: Option<&'static str>) -> Self {
        let starting = || BrokerServer::start(Broker::Pubsub, &BrokerOptions::default());
        let server = tokio::task::spawn_blocking(starting);
        let server = server.await.expect("nobody panics");
        let server = server.expect("the server of Pub/Sub starts");
        let address = format!("http://{}", server.address());
        let endpoint = Endpoint::from_shared(address).expect("it is an address");
        let channel = endpoint.connect_lazy();
        let certificates = token.map(|_| Certificates::generate().expect("they can be made"));
        let rules = Arc::new(Rules {
            channel: channel.clone(),
            token,
            acknowledged: Mutex::default(),
            extended: Mutex::default(),
            refused: Mutex::default(),
            asked: Mutex::default(),
        });
        let known = rules.clone();
        let handler: Handler = Arc::new(move |request| known.clone().answer(request).boxed());
        Self {
            server,
            channel,
            door: Server::start(certificates.as_ref(), handler),
            rules,
            certificates,
            published: 0,
        }
    }

    /// Host and port of the door.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.door.port)
    }

    /// The authority of the door, in PEM; none for an emulator.
    pub fn authority(&self) -> Option<&str> {
        let certificates = self.certificates.as_ref()?;
        Some(&certificates.authority)
    }

    /// Makes a topic.
    pub async fn make_topic(&self, topic: &str) {
        let name = whole("topics", topic);
        let _: Topic = self
            .ask("/google.pubsub.v1.Publisher/CreateTopic", Topic { name })
            .await;
    }

    /// Makes a subscription of a topic.
    pub async fn make_subscription(&self, name: &str, topic: &str, ordered: bool, once: bool) {
        let wanted = Wanted {
            name: whole("subscriptions", name),
            topic: whole("topics", topic),
            ordered,
            exactly_once: once,
        };
        let path = "/google.pubsub.v1.Subscriber/CreateSubscription";
        let _: Wanted = self.ask(path, wanted).await;
    }

    /// Whether there is a subscription.
    pub async fn has_subscription(&self, name: &str) -> bool {
        find(&self.channel, &whole("subscriptions", name))
            .await
            .is_ok()
    }

    /// Deletes a subscription.
    pub async fn delete_subscription(&self, name: &str) {
        let subscription = whole("subscriptions", name);
        let request = SubscriptionRequest { subscription };
        let path = "/google.pubsub.v1.Subscriber/DeleteSubscription";
        let Empty {} = self.ask(path, request).await;
    }

    /// Publishes messages with these ordering keys and bodies.
    pub async fn publish(
        &mut self,
        topic: &str,
        messages: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) {
        let messages = messages.into_iter();
        let messages: Vec<PubsubMessage> = messages
            .map(|(ordering_key, body)| PubsubMessage {
                data: body.into(),
                ordering_key,
                ..PubsubMessage::default()
            })
            .collect();
        let topic = whole("topics", topic);
        let request = PublishRequest { topic, messages };
        let sent: PublishResponse = self
            .ask("/google.pubsub.v1.Publisher/Publish", request)
            .await;
        self.published += sent.ids.len() as u64;
    }

    /// How many of the messages were not acknowledged, if there is one subscription.
    ///
    /// # Panics
    /// When the door has panicked.
    pub fn left(&self) -> u64 {
        let acknowledged = self.rules.acknowledged.lock().expect("nobody panics");
        self.published - acknowledged.len() as u64
    }

    /// For how many seconds messages were kept from others, one after the other.
    ///
    /// # Panics
    /// When the door has panicked.
    pub fn extended(&self) -> Vec<i32> {
        self.rules.extended.lock().expect("nobody panics").clone()
    }

    /// What was asked for, by the last parts of paths.
    ///
    /// # Panics
    /// When the door has panicked.
    pub fn asked(&self) -> Vec<String> {
        self.rules.asked.lock().expect("nobody panics").clone()
    }

    /// Answers so whenever it is asked for this, such as `Acknowledge`.
    ///
    /// # Panics
    /// When the door has panicked.
    pub fn refuse(&self, what: &'static str, status: Status) {
        let mut refused = self.rules.refused.lock().expect("nobody panics");
        refused.insert(what, status);
    }

    /// Answers all as usual.
    ///
    /// # Panics
    /// When the door has panicked.
    pub fn refuse_nothing(&self) {
        self.rules.refused.lock().expect("nobody panics").clear();
    }

    /// Closes the door: connections break, and nobody answers. What is behind it stays.
    pub fn close(&mut self) {
        self.door.kill();
    }

    /// Opens it again.
    pub fn open(&mut self) {
        self.door.restart();
    }

    /// Lets the server keep its connections, and do nothing.
    ///
    /// # Panics
    /// When it cannot be signalled.
    pub fn freeze(&mut self) {
        self.server.freeze().expect("it can be frozen");
    }

    /// Kills the server and starts another one, which knows nothing.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn lose_everything(&mut self) {
        self.server.kill().expect("it can be killed");
        self.published = 0;
        self.rules
            .acknowledged
            .lock()
            .expect("nobody panics")
            .clear();
        self.server.restart().expect("it starts again");
    }

    async fn ask<Q, A>(&self, path: &'static str, request: Q) -> A
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let answered = ask(&self.channel, path, request).await;
        answered.expect("the server does what it is asked for")
    }
}

impl Rules {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        let what = path.rsplit('/').next().unwrap_or_default().to_owned();
        self.asked.lock().expect("nobody panics").push(what.clone());
        if let Some(token) = self.token {
            let given = request.headers().get("authorization");
            let wanted = format!("Bearer {token}");
            if given.and_then(|given| given.to_str().ok()) != Some(&wanted) {
                return Status::unauthenticated("invalid authentication credentials").into_http();
            }
        }
        if let Some(status) = self.refusal(&what) {
            return status.into_http();
        }
        let (head, body) = request.into_parts();
        // A stream does not end.
        let body = if what == "StreamingPull" {
            Body::new(body)
        } else {
            let body = body.collect().await.map(Collected::to_bytes);
            let body = body.unwrap_or_default();
            let message = body.slice(FRAME.min(body.len())..);
            if what == "TestIamPermissions" {
                return self.granted(message).await;
            }
            self.read(&what, message);
            Body::new(http_body_util::Full::new(body))
        };
        let request = Request::from_parts(head, body);
        match self.channel.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(error) => Status::unavailable(error.to_string()).into_http(),
        }
    }

    fn refusal(&self, what: &str) -> Option<Status> {
        let refused = self.refused.lock().expect("nobody panics");
        refused.get(what).cloned()
    }

    /// A server for tests knows nothing of rights: whoever is let in has them all.
    async fn granted(&self, message: Bytes) -> Response<Body> {
        let Rights { resource } = Rights::decode(message).unwrap_or_default();
        if let Err(status) = find(&self.channel, &resource).await {
            return status.into_http();
        }
        let granted = Granted {
            permissions: vec!["pubsub.subscriptions.consume".to_owned()],
        };
        let mut body = vec![0; FRAME];
        granted.encode(&mut body).expect("there is room");
        let length = u32::try_from(body.len() - FRAME).expect("it is short");
        body[1..FRAME].copy_from_slice(&length.to_be_bytes());
        let trailers = http::HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            http::HeaderValue::from_static("0"),
        )]);
        let body = http_body_util::Full::new(Bytes::from(body));
        let body = body.with_trailers(std::future::ready(Some(Ok(trailers))));
        Response::builder()
            .header("content-type", "application/grpc")
            .body(Body::new(body))
            .expect("it is an answer")
    }

    fn read(&self, what: &str, message: Bytes) {
        match what {
            "Acknowledge" => {
                let request = AcknowledgeRequest::decode(message).unwrap_or_default();
                let ids = request.ack_ids.iter();
                let ids = ids.map(|id| id.split(':').next().unwrap_or_default().to_owned());
                let mut acknowledged = self.acknowledged.lock().expect("nobody panics");
                acknowledged.extend(ids);
            }
            "ModifyAckDeadline" => {
                let request = ModifyAckDeadlineRequest::decode(message).unwrap_or_default();
                let ModifyAckDeadlineRequest {
                    ack_deadline_seconds: seconds,
                    ack_ids,
                    ..
                } = request;
                let mut extended = self.extended.lock().expect("nobody panics");
                extended.extend(ack_ids.iter().map(|_| seconds));
            }
            _ => {}
        }
    }
}

async fn find(channel: &Channel, subscription: &str) -> Result<(), Status> {
    let request = SubscriptionRequest {
        subscription: subscription.to_owned(),
    };
    let path = "/google.pubsub.v1.Subscriber/GetSubscription";
    let _: Wanted = ask(channel, path, request).await?;
    Ok(())
}

async fn ask<Q, A>(channel: &Channel, path: &'static str, request: Q) -> Result<A, Status>
where
    Q: prost::Message + Send + Sync + 'static,
    A: prost::Message + Default + Send + Sync + 'static,
{
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let codec = ProstCodec::<Q, A>::default();
    let request = tonic::Request::new(request);
    let path = PathAndQuery::from_static(path);
    Ok(grpc.unary(request, path, codec).await?.into_inner())
}

fn whole(kind: &str, name: &str) -> String {
    format!("projects/{PROJECT}/{kind}/{name}")
}

/// Numbers in messages: those of each lane have an ordering key, if they are `ordered`.
pub fn numbered(
    numbers: Range<u64>,
    lanes: Option<u64>,
) -> impl Iterator<Item = (String, Vec<u8>)> {
    numbers.map(move |number| {
        let key = lanes.map(|lanes| (number % lanes).to_string());
        let body = format!(r#"{{"n":{number}}}"#);
        (key.unwrap_or_default(), body.into_bytes())
    })
}

/// How long a story waits while messages are kept: longer than a lease.
pub const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(35);
