//! Messages of Google Pub/Sub as a source: a message is acknowledged after the bus has its event; all pods share
//! those of a subscription.

mod names;
mod server;
mod stream;
#[cfg(test)]
mod tests;
mod work;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tiphys_api::{Problem, PubSubEventSource};
use tiphys_clients::grpc::pubsub::{PubsubMessage, Time};

use self::names::fault;
use self::server::Server;
use self::work::{HOLD_LIMIT, Work};
use super::broker::{Members, NotJson, incoming};
use super::go_time::{NO_TIME, go_time};
use super::hooks::is_unwanted;
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::event::{Draft, Input, SimulateError};
use crate::incoming::Incoming;
use crate::served::payload::metadata;
use crate::status::chain;

/// How many bytes the members take beside body and attributes, in most messages.
const AROUND: usize = 128;

/// How long the removal of a subscription may take at the end.
const DELETE_WITHIN: Duration = Duration::from_secs(2);

/// Messages of a subscription.
#[derive(Debug)]
pub(crate) struct PubSub {
    path: String,
    spec: PubSubEventSource,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
}

impl SourceKind for PubSub {
    type Spec = PubSubEventSource;

    fn compile(path: &str, spec: &PubSubEventSource) -> Result<Self, Vec<Problem>> {
        let named = [
            ("topic", &spec.topic),
            ("subscriptionID", &spec.subscription_id),
        ];
        let problems: Vec<Problem> = named
            .into_iter()
            .filter(|(_, name)| !name.is_empty())
            .filter_map(|(field, name)| {
                let (message, hint) = fault(name)?;
                Some(Problem::error(format!("{path}.{field}"), message).with_hint(hint))
            })
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            path: path.to_owned(),
            spec: spec.clone(),
            metadata: metadata(&spec.metadata),
        })
    }
}

#[async_trait]
impl Source for PubSub {
    fn placement(&self) -> Placement {
        Placement::AllPods
    }

    fn hold_limit(&self) -> Option<Duration> {
        Some(HOLD_LIMIT)
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        let opening = async {
            let server = Server::open(self, context).await?;
            server.ensure().await?;
            Ok::<_, SourceError>(server)
        };
        let server = tokio::select! {
            () = context.shutdown().cancelled() => return Ok(()),
            server = opening => server?,
        };
        Work::new(self, &server, context).run().await?;
        if *self.spec.delete_subscription_on_finish && context.leads().now() {
            self.end(&server, context).await;
        }
        Ok(())
    }

    fn draft(&self, input: &Input<'_>, now: Timestamp) -> Result<Draft, SimulateError> {
        let (body, attributes) = match input {
            Input::Example => (&br#"{"message":"hello"}"#[..], &[][..]),
            Input::Body { body, headers } => (*body, *headers),
            _ => return Err(input.unfit("pubsub")),
        };
        let message = PubsubMessage {
            data: Bytes::copy_from_slice(body),
            attributes: attributes.iter().cloned().collect(),
            message_id: "1".to_owned(),
            publish_time: Some(Time {
                seconds: now.as_second(),
                nanos: now.subsec_nanosecond(),
            }),
            ordering_key: String::new(),
        };
        let payload = self.payload(&message);
        let payload = payload.map_err(|error| SimulateError::Refused(error.to_string()))?;
        Ok(Draft::of(payload))
    }
}

impl PubSub {
    /// Deletes the subscription, if the event is not wanted any more.
    async fn end(&self, server: &Server<'_>, context: &SourceContext) {
        let deleting = async {
            if is_unwanted(context).await? {
                server.delete().await?;
            }
            Ok::<(), SourceError>(())
        };
        let left = match tokio::time::timeout(DELETE_WITHIN, deleting).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => chain(&error),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::warn!(
            namespace = %context.event().namespace,
            eventSourceName = %context.event().source,
            eventName = %context.event().name,
            error = left,
            "Left the subscription where it is"
        );
    }

    fn incoming(&self, subscription: &str, message: &PubsubMessage) -> Incoming {
        let event = incoming(self.payload(message), &message.data);
        let event = event.identified_by([subscription, &message.message_id]);
        if message.ordering_key.is_empty() {
            return event;
        }
        event.in_order(&*message.ordering_key)
    }

    fn payload(&self, message: &PubsubMessage) -> Result<Bytes, NotJson> {
        let PubsubMessage {
            data,
            attributes,
            message_id,
            publish_time,
            ..
        } = message;
        let sizes = attributes
            .iter()
            .map(|(name, value)| name.len() + value.len());
        let size = sizes.sum::<usize>() + data.len() * 4 / 3;
        let members = Members::with_room_for(size + AROUND).text("id", message_id.as_bytes());
        // Go writes null for bytes and for maps that are not there.
        let members = if data.is_empty() {
            members.json("body", b"null")
        } else {
            members.body(data, *self.spec.json_body)?
        };
        let members = if attributes.is_empty() {
            members.json("attributes", b"null")
        } else {
            let attributes = attributes.iter();
            members.texts(
                "attributes",
                attributes.map(|(name, value)| (name.as_bytes(), value.as_bytes())),
            )
        };
        let members = members.text("publishTime", time(*publish_time).as_bytes());
        Ok(members.finish(&self.metadata))
    }
}

/// A time as Go prints it.
fn time(time: Option<Time>) -> String {
    let time = time.and_then(|time| Timestamp::new(time.seconds, time.nanos).ok());
    time.map_or_else(|| NO_TIME.to_owned(), |time| go_time(time, &TimeZone::UTC))
}
