//! Messages of an AMQP 0-9-1 queue as a source, of RabbitMQ for example. A message is acknowledged after
//! the bus has its event; a queue that several consumers may have is shared by all pods.

mod server;
mod topology;

use amqprs::BasicProperties;
use amqprs::channel::{
    BasicAckArguments, BasicCancelArguments, BasicNackArguments, Channel, ConsumerMessage,
};
use amqprs::error::Error;
use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tiphys_api::{AmqpEventSource, Problem};
use tokio::sync::mpsc::UnboundedReceiver;

use self::server::{Opened, Server};
use self::topology::Topology;
use super::broker::{Members, NotJson, incoming};
use super::go_time::{NO_TIME, go_time};
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::event::{Draft, Input, SimulateError};
use crate::incoming::{Incoming, Verdict};
use crate::pump::InHand;
use crate::served::payload::metadata;
use crate::status::Condition;

/// Deliveries are settled in their order, so that one acknowledgement covers all before it.
const ORDER: &str = "deliveries";

/// How many bytes the properties of a message take, in most of them.
const AROUND: usize = 256;

/// Messages of one queue.
#[derive(Debug)]
pub(crate) struct Amqp {
    server: Server,
    topology: Topology,
    is_json: bool,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
}

/// What was received and is not acknowledged yet.
struct Work<'a> {
    source: &'a Amqp,
    channel: &'a Channel,
    queue: &'a str,
    in_hand: InHand<u64>,
}

impl SourceKind for Amqp {
    type Spec = AmqpEventSource;

    fn compile(path: &str, spec: &AmqpEventSource) -> Result<Self, Vec<Problem>> {
        let (server, topology) = (Server::compile(path, spec), Topology::compile(path, spec));
        match (server, topology) {
            (Ok(server), Ok(topology)) => Ok(Self {
                server,
                topology,
                is_json: *spec.json_body,
                metadata: metadata(&spec.metadata),
            }),
            (server, topology) => {
                let problems = [server.err(), topology.err()];
                Err(problems.into_iter().flatten().flatten().collect())
            }
        }
    }
}

#[async_trait]
impl Source for Amqp {
    fn placement(&self) -> Placement {
        if self.topology.is_shared() {
            Placement::AllPods
        } else {
            Placement::LeaseHolder
        }
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        let opened = self.server.open(context).await?;
        let mut consumer = self.topology.consume(&opened, &self.server).await?;
        context.condition(Condition::Working);
        let mut work = Work {
            source: self,
            channel: &opened.channel,
            queue: &consumer.queue,
            in_hand: context.publisher().in_hand(),
        };
        work.receive(&opened, &mut consumer.messages, context)
            .await?;
        work.finish(&consumer.tag).await?;
        let closed = opened.close().await;
        closed.map_err(|error| failed("close the connection to the broker").because(error))
    }

    fn draft(&self, input: &Input<'_>, now: Timestamp) -> Result<Draft, SimulateError> {
        let body = match input {
            Input::Example => br#"{"message":"hello"}"#,
            Input::Body { body, .. } => *body,
            _ => return Err(input.unfit("amqp")),
        };
        let properties = BasicProperties::default()
            .with_content_type("application/json")
            .with_timestamp(u64::try_from(now.as_second()).unwrap_or_default())
            .finish();
        let (exchange, key) = self.topology.place();
        let payload = self.payload(exchange, key, &properties, body);
        let payload = payload.map_err(|error| SimulateError::Refused(error.to_string()))?;
        Ok(Draft::of(payload))
    }
}

impl Amqp {
    /// A message, and the number of its delivery; nothing, if the library has left something out.
    fn received(&self, queue: &str, message: ConsumerMessage) -> Option<(u64, Incoming)> {
        let deliver = message.deliver?;
        let properties = message.basic_properties.unwrap_or_default();
        let body = Bytes::from(message.content.unwrap_or_default());
        let payload = self.payload(
            deliver.exchange(),
            deliver.routing_key(),
            &properties,
            &body,
        );
        let incoming = known(incoming(payload, &body), queue, &properties);
        Some((deliver.delivery_tag(), incoming.in_order(ORDER)))
    }

    fn payload(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: &BasicProperties,
        body: &[u8],
    ) -> Result<Bytes, NotJson> {
        let number = |value: Option<u8>| value.unwrap_or_default().to_string();
        let mode = number(properties.delivery_mode());
        let members = Members::with_room_for(body.len() * 4 / 3 + AROUND)
            .text("contentType", text(properties.content_type()))
            .text("contentEncoding", text(properties.content_encoding()))
            .json("deliveryMode", mode.as_bytes())
            .json("priority", number(properties.priority()).as_bytes())
            .text("correlationId", text(properties.correlation_id()))
            .text("replyTo", text(properties.reply_to()))
            .text("expiration", text(properties.expiration()))
            .text("messageId", text(properties.message_id()))
            .text("timestamp", time(properties.timestamp()).as_bytes())
            .text("type", text(properties.message_type()))
            .text("appId", text(properties.app_id()))
            .text("exchange", exchange.as_bytes())
            .text("routingKey", routing_key.as_bytes())
            .body(body, self.is_json)?;
        Ok(members.finish(&self.metadata))
    }
}

impl Work<'_> {
    /// Receives until the context's `shutdown`.
    async fn receive(
        &mut self,
        opened: &Opened,
        messages: &mut UnboundedReceiver<ConsumerMessage>,
        context: &SourceContext,
    ) -> Result<(), SourceError> {
        let publisher = context.publisher();
        let mut ended = std::pin::pin!(opened.ended());
        loop {
            let said = async {
                let permit = publisher.permit().await;
                (permit, messages.recv().await)
            };
            tokio::select! {
                biased;
                () = context.shutdown().cancelled() => return Ok(()),
                why = &mut ended => return Err(self.lost().because(why)),
                settled = self.in_hand.settled() => self.settle(settled).await?,
                (permit, said) = said => {
                    let message = said.ok_or_else(|| self.lost())?;
                    if let Some((delivery, incoming)) = self.source.received(self.queue, message) {
                        self.in_hand.hand_on(permit, incoming, delivery);
                    }
                }
            }
        }
    }

    /// Takes no more, and acknowledges what gets its verdict.
    async fn finish(&mut self, tag: &str) -> Result<(), SourceError> {
        let mut cancel = BasicCancelArguments::new(tag);
        // Without an answer to wait for: what comes until it has arrived goes back with the channel.
        cancel.no_wait(true);
        let cancelled = self.channel.basic_cancel(cancel).await;
        cancelled.map_err(|error| self.lost().because(error))?;
        while !self.in_hand.is_empty() {
            let settled = self.in_hand.settled().await;
            self.settle(settled).await?;
        }
        Ok(())
    }

    /// Acknowledges what has a verdict, all of it at once.
    async fn settle(&mut self, first: (u64, Verdict)) -> Result<(), SourceError> {
        let mut newest = None;
        let mut next = Some(first);
        while let Some((delivery, verdict)) = next {
            match verdict {
                Verdict::Stored | Verdict::Filtered | Verdict::DeadLettered => {
                    newest = Some(delivery);
                }
                // Before what comes behind it is acknowledged, which would cover it.
                Verdict::GivenBack(_) => {
                    self.acknowledge(newest.take()).await?;
                    let nack = BasicNackArguments::new(delivery, false, true);
                    self.answered(self.channel.basic_nack(nack).await)?;
                }
            }
            next = self.in_hand.settled().now_or_never();
        }
        self.acknowledge(newest).await
    }

    /// Acknowledges a delivery and all before it.
    async fn acknowledge(&self, newest: Option<u64>) -> Result<(), SourceError> {
        let Some(delivery) = newest else {
            return Ok(());
        };
        let ack = BasicAckArguments::new(delivery, true);
        self.answered(self.channel.basic_ack(ack).await)
    }

    fn answered(&self, sent: Result<(), Error>) -> Result<(), SourceError> {
        sent.map_err(|error| {
            let act = format!("acknowledge a message of the queue {}", self.queue);
            SourceError::new(Reason::Acknowledge, act).because(error)
        })
    }

    fn lost(&self) -> SourceError {
        failed(format!("receive from the queue {}", self.queue))
    }
}

fn failed(act: impl Into<String>) -> SourceError {
    SourceError::new(Reason::Unreachable, act)
}

/// Known by its queue and id, if it has one.
fn known(incoming: Incoming, queue: &str, properties: &BasicProperties) -> Incoming {
    match properties.message_id() {
        Some(id) if !id.is_empty() => incoming.identified_by([queue, id]),
        _ => incoming,
    }
}

fn text(property: Option<&String>) -> &[u8] {
    property.map_or(&[], String::as_bytes)
}

/// A time in seconds as Go prints it, in UTC.
fn time(seconds: Option<u64>) -> String {
    let time = seconds
        .and_then(|seconds| i64::try_from(seconds).ok())
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| NO_TIME.to_owned(), |time| go_time(time, &TimeZone::UTC))
}

#[cfg(test)]
mod tests;
