//! Google Pub/Sub: subscriptions, and the messages that they hold.

mod messages;

use std::fmt;
use std::time::Duration;

use futures::channel::mpsc;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use http::uri::PathAndQuery;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prost::Message;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use self::messages::{Details, Empty, ErrorInfo, TestRightsRequest, TestRightsResponse};
use super::{Config, Error, Kind};
use crate::google::Token;

pub use self::messages::{
    AcknowledgeRequest, ModifyAckDeadlineRequest, PubsubMessage, ReceivedMessage,
    StreamingPullRequest, StreamingPullResponse, Subscription, SubscriptionRequest, Time, Topic,
};

macro_rules! path {
    ($path:literal) => {
        PathAndQuery::from_static($path)
    };
}

const TEST_RIGHTS: PathAndQuery = path!("/google.iam.v1.IAMPolicy/TestIamPermissions");
const GET: PathAndQuery = path!("/google.pubsub.v1.Subscriber/GetSubscription");
const CREATE: PathAndQuery = path!("/google.pubsub.v1.Subscriber/CreateSubscription");
const DELETE: PathAndQuery = path!("/google.pubsub.v1.Subscriber/DeleteSubscription");
const PULL: PathAndQuery = path!("/google.pubsub.v1.Subscriber/StreamingPull");
const ACKNOWLEDGE: PathAndQuery = path!("/google.pubsub.v1.Subscriber/Acknowledge");
const MODIFY: PathAndQuery = path!("/google.pubsub.v1.Subscriber/ModifyAckDeadline");
const CREATE_TOPIC: PathAndQuery = path!("/google.pubsub.v1.Publisher/CreateTopic");

/// The right that a subscription is asked with whether it is there: whoever receives has it.
const CONSUME: &str = "pubsub.subscriptions.consume";

/// How large an answer may be, in bytes: a message has 10 MB at most, and the server puts several into one.
const LARGEST: usize = 20 << 20;

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(15);

/// With this version of the protocol, a server answers what it is asked with on a stream.
const ANSWERS_PINGS: i64 = 1;

/// How many requests may wait on a stream: more are only waiting if the connection does not take them.
const WAITING: usize = 2;

/// How begins what is said of an acknowledgement that has to be tried again.
const TRANSIENT: &str = "TRANSIENT_";

/// A server that is connected. Its connection heals itself.
#[derive(Debug, Clone)]
pub struct PubSub(Channel);

/// The messages of a subscription, as they come.
pub struct Messages {
    requests: mpsc::Sender<StreamingPullRequest>,
    responses: BoxStream<'static, Result<StreamingPullResponse, Error>>,
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pubsub::Messages")
    }
}

/// How much may be received before something is acknowledged.
#[derive(Debug, Clone)]
pub struct Flow {
    /// For how long nobody else gets a message.
    pub lease: Duration,
    /// Messages without an acknowledgement.
    pub messages: usize,
    /// Bytes of them.
    pub bytes: usize,
    /// Whose streams follow each other.
    pub client: String,
}

impl PubSub {
    /// Connects.
    ///
    /// # Errors
    /// If the settings make no sense, or the server cannot be reached.
    pub async fn connect(config: &Config) -> Result<Self, Error> {
        config.connect().await.map(Self)
    }

    /// Whether whoever asks may receive messages of a subscription.
    ///
    /// # Errors
    /// If there is no such subscription, or the server does not say.
    pub async fn may_consume(&self, token: Option<&Token>, name: &str) -> Result<bool, Error> {
        let request = TestRightsRequest {
            resource: name.to_owned(),
            permissions: vec![CONSUME.to_owned()],
        };
        let route = ("resource", name);
        let response: TestRightsResponse = self.call(token, TEST_RIGHTS, route, request).await?;
        Ok(!response.permissions.is_empty())
    }

    /// A subscription.
    ///
    /// # Errors
    /// If the server does not give it.
    pub async fn get(&self, token: Option<&Token>, name: &str) -> Result<Subscription, Error> {
        self.call(token, GET, ("subscription", name), named(name))
            .await
    }

    /// Makes a subscription.
    ///
    /// # Errors
    /// If there is one already, there is no such topic, or the server does not make it.
    pub async fn create(
        &self,
        token: Option<&Token>,
        name: &str,
        topic: &str,
    ) -> Result<(), Error> {
        let wanted = Subscription {
            name: name.to_owned(),
            topic: topic.to_owned(),
        };
        let _: Subscription = self.call(token, CREATE, ("name", name), wanted).await?;
        Ok(())
    }

    /// Deletes a subscription.
    ///
    /// # Errors
    /// If the server does not.
    pub async fn delete(&self, token: Option<&Token>, name: &str) -> Result<(), Error> {
        let route = ("subscription", name);
        let Empty {} = self.call(token, DELETE, route, named(name)).await?;
        Ok(())
    }

    /// Makes a topic.
    ///
    /// # Errors
    /// If there is one already, or the server does not make it.
    pub async fn create_topic(&self, token: Option<&Token>, name: &str) -> Result<(), Error> {
        let wanted = Topic {
            name: name.to_owned(),
        };
        let _: Topic = self
            .call(token, CREATE_TOPIC, ("name", name), wanted)
            .await?;
        Ok(())
    }

    /// Acknowledges messages. Those of them that have to be acknowledged again.
    ///
    /// # Errors
    /// If the server acknowledges none of them.
    ///
    /// # Cancellation
    /// They may be acknowledged or not.
    pub async fn acknowledge(
        &self,
        token: Option<&Token>,
        name: &str,
        ack_ids: &[String],
    ) -> Result<Vec<String>, Error> {
        let request = AcknowledgeRequest {
            subscription: name.to_owned(),
            ack_ids: ack_ids.to_vec(),
        };
        let route = ("subscription", name);
        let answered = self.ask::<_, Empty>(token, ACKNOWLEDGE, route, request);
        match answered.await {
            Ok(Empty {}) => Ok(Vec::new()),
            Err(Failure::Answered(status)) => again(&status).ok_or_else(|| (*status).into()),
            Err(Failure::Unanswered(error)) => Err(error),
        }
    }

    /// Keeps messages from all others for so long from now on. Without a time, all may get them at once.
    ///
    /// # Errors
    /// If the server does not.
    pub async fn extend(
        &self,
        token: Option<&Token>,
        name: &str,
        ack_ids: &[String],
        time: Duration,
    ) -> Result<(), Error> {
        let request = ModifyAckDeadlineRequest {
            subscription: name.to_owned(),
            ack_deadline_seconds: seconds(time),
            ack_ids: ack_ids.to_vec(),
        };
        let route = ("subscription", name);
        let Empty {} = self.call(token, MODIFY, route, request).await?;
        Ok(())
    }

    /// Receives messages of a subscription.
    ///
    /// # Errors
    /// If the token cannot be sent.
    pub fn pull(&self, token: Option<&Token>, name: &str, flow: &Flow) -> Result<Messages, Error> {
        let first = StreamingPullRequest {
            subscription: name.to_owned(),
            stream_ack_deadline_seconds: seconds(flow.lease),
            client_id: flow.client.clone(),
            max_outstanding_messages: i64::try_from(flow.messages).unwrap_or(i64::MAX),
            max_outstanding_bytes: i64::try_from(flow.bytes).unwrap_or(i64::MAX),
            protocol_version: ANSWERS_PINGS,
        };
        let (requests, rest) = mpsc::channel(WAITING);
        let sent = stream::iter([first]).chain(rest);
        let request = prepared(token, ("subscription", name), sent)?;
        let channel = self.0.clone();
        let opening = async move {
            let mut grpc = Grpc::new(channel).max_decoding_message_size(LARGEST);
            grpc.ready().await.map_err(|error| Error::of(&error))?;
            let codec = ProstCodec::<StreamingPullRequest, StreamingPullResponse>::default();
            let responses = grpc.streaming(request, PULL, codec).await?;
            Ok::<_, Error>(responses.into_inner().map_err(Error::from))
        };
        Ok(Messages {
            requests,
            responses: stream::once(opening).try_flatten().boxed(),
        })
    }

    async fn call<Q, A>(
        &self,
        token: Option<&Token>,
        path: PathAndQuery,
        route: (&str, &str),
        request: Q,
    ) -> Result<A, Error>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let answered = self.ask(token, path, route, request).await;
        answered.map_err(|failure| match failure {
            Failure::Answered(status) => (*status).into(),
            Failure::Unanswered(error) => error,
        })
    }

    async fn ask<Q, A>(
        &self,
        token: Option<&Token>,
        path: PathAndQuery,
        route: (&str, &str),
        request: Q,
    ) -> Result<A, Failure>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let request = prepared(token, route, request).map_err(Failure::Unanswered)?;
        let mut grpc = Grpc::new(self.0.clone());
        let calling = async {
            let ready = grpc.ready().await;
            ready.map_err(|error| Failure::Unanswered(Error::of(&error)))?;
            let codec = ProstCodec::<Q, A>::default();
            let answer = grpc.unary(request, path, codec).await;
            let answer = answer.map_err(|status| Failure::Answered(Box::new(status)))?;
            Ok(answer.into_inner())
        };
        timeout(WITHIN, calling).await.unwrap_or_else(|_| {
            let message = format!("no answer in {} s", WITHIN.as_secs());
            Err(Failure::Unanswered(Error::new(Kind::Unconfirmed, message)))
        })
    }
}

impl Messages {
    /// What comes next; `None` when the server ends.
    ///
    /// # Errors
    /// If the server refuses or ends with a failure, or the connection breaks.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Option<StreamingPullResponse>, Error> {
        self.responses.next().await.transpose()
    }

    /// Asks the server whether it is there, and tells it that somebody listens. Whether the request could be sent.
    pub fn ping(&mut self) -> bool {
        let ping = StreamingPullRequest::default();
        self.requests.try_send(ping).is_ok()
    }
}

/// Why a call has no result.
enum Failure {
    Answered(Box<Status>),
    Unanswered(Error),
}

fn named(subscription: &str) -> SubscriptionRequest {
    SubscriptionRequest {
        subscription: subscription.to_owned(),
    }
}

fn seconds(time: Duration) -> i32 {
    time.as_secs().try_into().unwrap_or(i32::MAX)
}

/// A request with the login of whoever asks, and what Google's servers find their way by.
fn prepared<T>(
    token: Option<&Token>,
    (field, name): (&str, &str),
    message: T,
) -> Result<Request<T>, Error> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    let text = |text: String| {
        MetadataValue::try_from(text)
            .map_err(|_| Error::settings("it has letters that a header cannot have".to_owned()))
    };
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    metadata.insert("x-goog-request-params", text(format!("{field}={name}"))?);
    if let Some(token) = token {
        let mut value = text(format!("Bearer {}", token.text))?;
        value.set_sensitive(true);
        metadata.insert("authorization", value);
        if let Some(project) = &token.quota_project {
            metadata.insert("x-goog-user-project", text(project.clone())?);
        }
    }
    Ok(request)
}

/// What has to be acknowledged again, if the server says that of each delivery, as it does for subscriptions that
/// deliver exactly once. All that it does not name is done, and what it calls permanent is delivered again.
fn again(status: &Status) -> Option<Vec<String>> {
    let details = Details::decode(status.details()).ok()?.details.into_iter();
    let mut infos = details.filter(|any| any.type_url.ends_with("/google.rpc.ErrorInfo"));
    let info = ErrorInfo::decode(infos.next()?.value).ok()?;
    if !info.metadata.values().any(|why| why.contains("_FAILURE_")) {
        return None;
    }
    let failed = info.metadata.into_iter();
    let transient = failed.filter(|(_, why)| why.starts_with(TRANSIENT));
    Some(transient.map(|(ack_id, _)| ack_id).collect())
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::messages::Any;
    use super::*;

    #[test]
    fn messages_have_the_numbers_of_their_fields() {
        let first = StreamingPullRequest {
            subscription: "s".to_owned(),
            stream_ack_deadline_seconds: 30,
            client_id: "c".to_owned(),
            max_outstanding_messages: 2,
            max_outstanding_bytes: 3,
            protocol_version: 1,
        };
        let expected = b"\x0a\x01s\x28\x1e\x32\x01c\x38\x02\x40\x03\x50\x01";
        assert_eq!(first.encode_to_vec(), expected);
        let modify = ModifyAckDeadlineRequest {
            subscription: "s".to_owned(),
            ack_deadline_seconds: 30,
            ack_ids: vec!["a".to_owned()],
        };
        assert_eq!(modify.encode_to_vec(), b"\x0a\x01s\x18\x1e\x22\x01a");
        let acknowledge = AcknowledgeRequest {
            subscription: "s".to_owned(),
            ack_ids: vec!["a".to_owned()],
        };
        assert_eq!(acknowledge.encode_to_vec(), b"\x0a\x01s\x12\x01a");
        let message = PubsubMessage::decode(
            &b"\x0a\x01d\x12\x06\x0a\x01k\x12\x01v\x1a\x01i\x22\x02\x08\x07\x2a\x01o"[..],
        );
        let message = message.unwrap();
        assert_eq!((&*message.data, &*message.message_id), (&b"d"[..], "i"));
        assert_eq!(message.attributes["k"], "v");
        assert_eq!(message.publish_time.unwrap().seconds, 7);
        assert_eq!(message.ordering_key, "o");
    }

    #[test]
    fn an_acknowledgement_that_failed_for_a_while_is_sent_again() {
        let status = |metadata: &[(&str, &str)]| {
            let info = ErrorInfo {
                metadata: metadata
                    .iter()
                    .map(|(id, why)| ((*id).to_owned(), (*why).to_owned()))
                    .collect(),
            };
            let any = Any {
                type_url: "type.googleapis.com/google.rpc.ErrorInfo".to_owned(),
                value: info.encode_to_vec().into(),
            };
            let details = Details { details: vec![any] };
            let details = details.encode_to_vec().into();
            Status::with_details(Code::FailedPrecondition, "some", details)
        };
        let some = status(&[
            ("a", "PERMANENT_FAILURE_INVALID_ACK_ID"),
            ("b", "TRANSIENT_FAILURE_UNORDERED_ACK_ID"),
        ]);
        assert_eq!(again(&some).unwrap(), ["b"]);
        let gone = status(&[("a", "PERMANENT_FAILURE_INVALID_ACK_ID")]);
        assert!(again(&gone).unwrap().is_empty());
        assert_eq!(
            again(&status(&[("service", "pubsub.googleapis.com")])),
            None
        );
        assert_eq!(again(&Status::not_found("subscription s")), None);
    }
}
